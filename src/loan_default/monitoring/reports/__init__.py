"""Where a monitored day is shown: files, MLflow, Evidently's UI, the overview page."""
