"""What was scored, by day: predictions, samples, data quality, one row of history a day."""
