"""Whether a day calls for an alert or a retraining; decided once, recorded, worded."""
