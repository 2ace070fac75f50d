"""The parts of Evidently that it offers only under `evidently.legacy`: drift tests and widgets.

With `evidently_report.py` and `evidently_ui.py` the only importer of Evidently.
"""

import json
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from loan_default.monitoring.drift.columns import MISSING_CELL, Pair
from loan_default.monitoring.drift.verdict import missing_drift

if TYPE_CHECKING:
    import pandas as pd
    from evidently.core.serialization import SnapshotModel

# Evidently's widget type has no public name.
Widget = Any


@lru_cache(maxsize=1)
def load() -> None:
    """Import Evidently and register the test for missing shares, by the name that reports show."""
    with warnings.catch_warnings():
        # Evidently 0.7.23 uses numpy.core and litestar's old names.
        warnings.simplefilter("ignore", DeprecationWarning)
        from evidently.legacy.calculations.stattests import StatTest, register_stattest
        from evidently.legacy.core import ColumnType
    test = StatTest("missing share", "Change of the missing share", [ColumnType.Categorical])
    register_stattest(test, _missing_share_test)


def drift_score(pair: Pair) -> float:
    """Return the score of the pair's test on its values without nulls, in the test's own unit."""
    load()
    from evidently.legacy.calculations.stattests import get_stattest

    values = pair.reference.drop_nulls().to_pandas(), pair.current.drop_nulls().to_pandas()
    test = get_stattest(*values, pair.kind, pair.method)
    return float(test(*values, pair.kind, pair.threshold).drift_score)


def header(text: str) -> Widget:
    """Return a widget that shows one line of text."""
    from evidently.legacy.renderers.html_widgets import header_text

    return header_text(label=text)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Widget:
    """Return a widget that shows a table."""
    from evidently.legacy.renderers.html_widgets import table_data

    return table_data(column_names=headings, data=rows)


def to_json(model: "SnapshotModel") -> str:
    """Return a run as JSON: its metrics hold NumPy's types."""
    from evidently.legacy.utils import NumpyEncoder

    return json.dumps(model.dict(), cls=NumpyEncoder)


def _missing_share_test(
    reference: "pd.Series[str]", current: "pd.Series[str]", kind: object, threshold: float
) -> tuple[float, bool]:
    nulls = int((reference == MISSING_CELL).sum()), int((current == MISSING_CELL).sum())
    result = missing_drift("", nulls, (len(reference), len(current)), threshold)
    return result.score, result.drifted
