"""Metrics, confidence intervals and plots: pure functions of arrays."""
