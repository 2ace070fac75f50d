"""The scoring server: HTTP, request parsing, model swap, prediction log, metrics."""
