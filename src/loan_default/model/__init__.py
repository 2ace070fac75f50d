"""Features, the booster with its calibration and threshold, scores and reasons."""
