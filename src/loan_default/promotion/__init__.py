"""The promotion gate and what moves the production alias."""
