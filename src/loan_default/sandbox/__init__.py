"""A throw-away Airflow and MLflow for the demo, the tests and the benchmarks."""
