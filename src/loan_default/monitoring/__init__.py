"""Monitoring of scored days: what was scored, drift, performance, decision, reports."""
