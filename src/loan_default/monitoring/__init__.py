"""Monitoring of scored days: predictions, drift, performance, decision and reports."""
