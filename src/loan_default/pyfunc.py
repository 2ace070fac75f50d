"""Stable import path of the MLflow loader: registered versions store it as `loader_module`."""

from loan_default.model.pyfunc import _load_pyfunc

__all__ = ["_load_pyfunc"]
