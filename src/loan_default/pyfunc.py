"""The loader that registered model versions name: an address that never changes."""

from loan_default.model.pyfunc import _load_pyfunc

__all__ = ["_load_pyfunc"]
