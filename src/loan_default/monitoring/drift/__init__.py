"""A day compared with recent days and with the model's reference sample."""
