"""Drift of scored applications against a reference sample, through Evidently.

Numbers are compared by Evidently's normed Wasserstein distance, categories by its PSI. Evidently
drops nulls first, so missing shares are compared beside them; of the two, what counts more against
a column stands for it, in the verdict and in the report alike.

With `drift_ui.py` the only importer of Evidently.
"""

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from loan_default.errors import InputError
from loan_default.monitoring.drift.columns import Pair, missing_pair, value_pair, watched
from loan_default.monitoring.drift.verdict import (
    MISSING,
    ColumnDrift,
    Thresholds,
    Verdict,
    missing_drift,
    verdict,
    worst_first,
)

if TYPE_CHECKING:
    import pandas as pd
    from evidently.core.report import Snapshot

_HEADINGS = ("Column", "Method", "Score", "Threshold", "Score / threshold", "Missing now", "Before")


@dataclass(frozen=True)
class Comparison:
    """A sample beside its reference: the verdict, and every compared column, worst first.

    `against` says what it was compared with; `beside` is another comparison of the same sample,
    whose verdict and columns the reports hold too.
    """

    verdict: Verdict
    columns: list[ColumnDrift]
    share_threshold: float
    against: str
    beside: "Comparison | None"
    _pairs: list[Pair] = field(repr=False)
    _reference: pl.DataFrame = field(repr=False)
    _current: pl.DataFrame = field(repr=False)

    @cached_property
    def snapshot(self) -> "Snapshot":
        """Evidently's run of the same tests with the same thresholds. Made once; takes seconds."""
        return _snapshot(self)

    def save_html(self, path: str | Path) -> None:
        """Write Evidently's report below our verdict: one page, its scripts included."""
        self.snapshot.save_html(str(path))

    def save_json(self, path: str | Path, facts: Mapping[str, Any] | None = None) -> None:
        """Write `facts`, `verdict`, `columns` (worst first), `beside` and Evidently's figures.

        `facts` are more keys beside these, of JSON's types; NaN becomes null everywhere. `beside`
        holds `against`, `verdict` and `columns` of the other comparison, null without one.
        """
        report = {
            **(facts or {}),
            **self._figures(),
            "beside": self.beside._figures() if self.beside else None,
            "evidently": json.loads(self.snapshot.json()),
        }
        text = json.dumps(_finite(report), allow_nan=False, indent=1)
        Path(path).write_text(text, encoding="utf-8")

    def _figures(self) -> dict[str, Any]:
        return {
            "against": self.against,
            "verdict": asdict(self.verdict),
            "columns": [asdict(column) | {"severity": column.severity} for column in self.columns],
        }


def compare(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    thresholds: Thresholds,
    against: str = "the reference",
    beside: Comparison | None = None,
) -> Comparison:
    """Compare scored applications with a reference sample, column by column.

    Both frames hold columns of the typed record and `default_probability`. A column that is not in
    both, or null throughout both, is left out, as are others. The verdict counts the rows of the
    smaller frame. Raises InputError when a frame has no rows, or none of the columns is left.
    """
    if reference.is_empty() or current.is_empty():
        raise InputError("nothing to compare: the sample or its reference has no rows")
    then, now = watched(reference, current)
    if not then.columns:
        raise InputError("nothing to compare: the sample and its reference share no known column")
    found = {name: _judged(then[name], now[name], thresholds) for name in then.columns}
    columns = worst_first(column for column, _ in found.values())
    rows = min(then.height, now.height)
    result = verdict(columns, rows, thresholds.min_rows, thresholds.share)
    pairs = [found[column.column][1] for column in columns]
    return Comparison(result, columns, thresholds.share, against, beside, pairs, then, now)


def _judged(
    reference: pl.Series, current: pl.Series, thresholds: Thresholds
) -> tuple[ColumnDrift, Pair]:
    nulls, rows = (reference.null_count(), current.null_count()), (len(reference), len(current))
    missing = missing_drift(reference.name, nulls, rows, thresholds.missing_of(reference.name))
    pair = value_pair(reference, current, thresholds)
    if pair is not None:
        value = _scored(pair, missing)
        if not missing.drifted or (value.drifted and value.severity >= missing.severity):
            return value, pair
    return missing, missing_pair(reference, current, missing.threshold)


def _scored(pair: Pair, missing: ColumnDrift) -> ColumnDrift:
    score, limit = _score(pair), pair.threshold
    return replace(
        missing, method=pair.method, score=score, threshold=limit, drifted=score >= limit
    )


def _score(pair: Pair) -> float:
    _load_evidently()
    from evidently.legacy.calculations.stattests import get_stattest

    values = pair.reference.drop_nulls().to_pandas(), pair.current.drop_nulls().to_pandas()
    test = get_stattest(*values, pair.kind, pair.method)
    return float(test(*values, pair.kind, pair.threshold).drift_score)


@lru_cache(maxsize=1)
def _load_evidently() -> None:
    """Import Evidently and teach it a test that its reports can name and count: missing shares."""
    with warnings.catch_warnings():
        # Evidently 0.7.23 uses numpy.core and litestar's old names.
        warnings.simplefilter("ignore", DeprecationWarning)
        from evidently.legacy.calculations.stattests import StatTest, register_stattest
        from evidently.legacy.core import ColumnType
    test = StatTest("missing share", "Change of the missing share", [ColumnType.Categorical])
    register_stattest(test, _missing_share_test)


def _missing_share_test(
    reference: "pd.Series[str]", current: "pd.Series[str]", kind: object, threshold: float
) -> tuple[float, bool]:
    nulls = int((reference == MISSING).sum()), int((current == MISSING).sum())
    result = missing_drift("", nulls, (len(reference), len(current)), threshold)
    return result.score, result.drifted


def _snapshot(comparison: Comparison) -> "Snapshot":
    _load_evidently()
    from evidently.core.report import Snapshot

    model = _drift_run(comparison).to_snapshot_model()
    summary = _summary_run(comparison).to_snapshot_model()
    said = [*_verdict_widgets(comparison), *_verdict_widgets(comparison.beside)]
    model.widgets = [*said, *model.widgets, *summary.widgets]
    model.metric_results.update(summary.metric_results)
    model.top_level_metrics.extend(summary.top_level_metrics)
    return Snapshot.load_model(model)


def _drift_run(comparison: Comparison) -> "Snapshot":
    from evidently.presets import DataDriftPreset

    pairs = comparison._pairs
    preset = DataDriftPreset(
        columns=[pair.label for pair in pairs],
        drift_share=comparison.share_threshold,
        per_column_method={pair.label: pair.method for pair in pairs},
        per_column_threshold={pair.label: pair.threshold for pair in pairs},
    )
    reference = pl.DataFrame([pair.reference.alias(pair.label) for pair in pairs])
    current = pl.DataFrame([pair.current.alias(pair.label) for pair in pairs])
    return _run(preset, reference, current)


def _summary_run(comparison: Comparison) -> "Snapshot":
    """Evidently's data summary of the values as they are, column by column where they drifted.

    Every column would double the time, for hundreds of charts that the report does not show.
    """
    from evidently.presets import DataSummaryPreset

    names = comparison.verdict.drifted_columns or [comparison.columns[0].column]
    return _run(DataSummaryPreset(columns=names), comparison._reference, comparison._current)


def _run(preset: Any, reference: pl.DataFrame, current: pl.DataFrame) -> "Snapshot":
    from evidently import DataDefinition, Dataset, Report

    numbers = [name for name, dtype in reference.schema.items() if dtype == pl.Float64]
    categories = [name for name in reference.columns if name not in numbers]
    kinds = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
    with warnings.catch_warnings():
        # Constant and empty columns: their correlations and means divide by zero.
        warnings.simplefilter("ignore", RuntimeWarning)
        frames = [Dataset.from_pandas(frame.to_pandas(), kinds) for frame in (current, reference)]
        return Report([preset]).run(*frames)


def _verdict_widgets(comparison: Comparison | None) -> list[Any]:
    from evidently.legacy.renderers.html_widgets import header_text, table_data

    if comparison is None:
        return []
    says = {True: "Drift", False: "No drift", None: "No verdict"}[comparison.verdict.drift]
    said = f"{says} against {comparison.against}: {comparison.verdict.reason}"
    header = header_text(label=said)
    drifted = [column for column in comparison.columns if column.drifted]
    return (
        [header, table_data(column_names=_HEADINGS, data=_rows(drifted))] if drifted else [header]
    )


def _rows(columns: Sequence[ColumnDrift]) -> list[list[str]]:
    return [
        [
            column.column,
            column.method,
            f"{column.score:.3f}",
            f"{column.threshold:.3f}",
            f"{column.severity:.1f}",
            f"{column.missing_current:.1%}",
            f"{column.missing_reference:.1%}",
        ]
        for column in columns
    ]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
