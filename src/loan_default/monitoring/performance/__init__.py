"""Realised performance: outcomes joined with predictions, and whether performance has degraded."""
