"""MLflow: runs, versions, aliases and a version's files, with and without importing it."""
