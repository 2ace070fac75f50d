"""Whether a day calls for an alert or a retraining: the rule, its facts, its log, its message."""
