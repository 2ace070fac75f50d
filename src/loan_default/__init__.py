"""Loan-default prediction: from a raw export to calibrated, monitored decisions."""

__version__ = "0.2.0"
