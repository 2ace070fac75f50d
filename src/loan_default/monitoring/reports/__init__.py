"""Reports of a monitored day: files, the overview page, MLflow and Evidently's UI."""
