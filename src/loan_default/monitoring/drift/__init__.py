"""Drift of a scored day against the recent days and the model's reference sample."""
