"""Import XGBoost without scikit-learn and pandas, saving one second and 150 MiB per scoring
process.

If they are installed, XGBoost imports them too, for interfaces that serving does not use. The
serving image has neither.
"""

import contextlib
import sys
from collections.abc import Iterator

UNUSED = ("sklearn", "pandas")


def import_xgboost() -> None:
    """Import XGBoost alone; do nothing if it has been imported already."""
    with _hidden(*(name for name in UNUSED if name not in sys.modules)):
        import xgboost  # noqa: F401


@contextlib.contextmanager
def _hidden(*names: str) -> Iterator[None]:
    # As documented for sys.modules: None makes an import fail as if nothing were installed.
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
