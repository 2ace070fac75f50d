"""Scored days: their predictions, samples, counts and data quality, and the history of all days."""
