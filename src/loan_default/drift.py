"""Drift of scored applications against a reference sample, through Evidently; its only importer.

Numbers are compared by Evidently's normed Wasserstein distance, categories by its PSI. Evidently drops
nulls first, so missing shares are compared beside them; of the two, what counts more against a column
stands for it, in the verdict and in the report alike.

Numbers are first clipped to the inner 99 % of both samples. One income of 110,000,000 would otherwise
blow up the reference's standard deviation and hide everything, or move the current mean and fake drift.
The wider of the two samples' bounds counts: what leaves the reference's range stays visible as soon as
it is more than 0.5 % of the rows.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from loan_default.columns import CATEGORIES, NUMBERS
from loan_default.drift_verdict import (
    PROBABILITY,
    ColumnDrift,
    Method,
    Thresholds,
    Verdict,
    missing_drift,
    psi_limit,
    verdict,
    wasserstein_limit,
    worst_first,
)
from loan_default.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from evidently.core.report import Snapshot

# Evidently's names of its column types.
Kind = Literal["num", "cat"]

_OUTER_SHARE = 0.005

# Evidently norms by no smaller standard deviation: for a constant the distance has no meaning.
_LEAST_SPREAD = 0.001


@dataclass(frozen=True)
class _Check:
    """One column as Evidently compares it: named `label`, by the method of `result`, nulls included."""

    result: ColumnDrift
    label: str
    kind: Kind
    reference: pl.Series
    current: pl.Series


@dataclass(frozen=True)
class Comparison:
    """A sample beside its reference: the verdict, and every compared column, worst first."""

    verdict: Verdict
    columns: list[ColumnDrift]
    share_threshold: float
    _checks: list[_Check] = field(repr=False)
    _raw: tuple[pl.DataFrame, pl.DataFrame] = field(repr=False)

    @cached_property
    def snapshot(self) -> "Snapshot":
        """Evidently's run of the same tests with the same thresholds; made once, in seconds."""
        return _snapshot(self)

    def save_html(self, path: str | Path) -> None:
        """Write the report as one page that needs nothing else, scripts included."""
        self.snapshot.save_html(str(path))

    def save_json(self, path: str | Path) -> None:
        """Write `verdict`, `columns` (worst first) and Evidently's figures; NaN becomes null."""
        report = {
            "verdict": asdict(self.verdict),
            "columns": [asdict(column) | {"severity": column.severity} for column in self.columns],
            "evidently": json.loads(self.snapshot.json()),
        }
        text = json.dumps(_finite(report), allow_nan=False, indent=1)
        Path(path).write_text(text, encoding="utf-8")


def compare(reference: pl.DataFrame, current: pl.DataFrame, thresholds: Thresholds) -> Comparison:
    """Compare scored applications with a reference sample, column by column.

    Both frames hold columns of the typed record and `default_probability`: numbers as floats, categories
    as strings, unknown ones as they are. A column that is absent from a frame, or null throughout both,
    is left out; others are ignored. Raises InputError when a frame has no rows or none is shared.
    """
    if reference.is_empty() or current.is_empty():
        raise InputError("nothing to compare: the sample or its reference has no rows")
    reference, current = _watched(reference, current), _watched(current, reference)
    checks = {check.result.column: check for check in _checks(reference, current, thresholds)}
    if not checks:
        raise InputError("nothing to compare: the sample and its reference share no column with values")
    columns = worst_first(check.result for check in checks.values())
    rows = min(reference.height, current.height)
    found = verdict(columns, rows, thresholds.min_rows, thresholds.share)
    ordered = [checks[column.column] for column in columns]
    return Comparison(found, columns, thresholds.share, ordered, (reference, current))


def _watched(frame: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    shared = set(frame.columns) & set(other.columns)
    numbers = [name for name in (PROBABILITY, *NUMBERS) if name in shared]
    categories = [name for name in CATEGORIES if name in shared]
    return frame.select(
        pl.col(numbers).cast(pl.Float64).fill_nan(None), pl.col(categories).cast(pl.String)
    )


def _checks(
    reference: pl.DataFrame, current: pl.DataFrame, thresholds: Thresholds
) -> Iterator[_Check]:
    for column in reference.columns:
        pair = reference[column], current[column]
        empty = [series.null_count() == series.len() for series in pair]
        if all(empty):
            continue
        missing = _missing_check(*pair, thresholds)
        yield missing if any(empty) else _worse(_value_check(*pair, missing, thresholds), missing)


def _worse(value: _Check, missing: _Check) -> _Check:
    breach, other = missing.result, value.result
    worse = breach.drifted and (not other.drifted or breach.severity > other.severity)
    return missing if worse else value


def _missing_check(reference: pl.Series, current: pl.Series, thresholds: Thresholds) -> _Check:
    missing = reference.null_count(), current.null_count()
    rows = reference.len(), current.len()
    result = missing_drift(reference.name, missing, rows, thresholds.missing)
    label = f"{reference.name} (missing)"
    return _Check(result, label, "cat", _presence(reference), _presence(current))


def _presence(series: pl.Series) -> pl.Series:
    return series.is_null().replace_strict({True: "missing", False: "given"}, return_dtype=pl.String)


def _value_check(
    reference: pl.Series, current: pl.Series, missing: _Check, thresholds: Thresholds
) -> _Check:
    kind: Kind = "num" if reference.dtype == pl.Float64 else "cat"
    if kind == "num":
        reference, current = _clipped(reference, current)
    counts = reference.count(), current.count()
    method: Method = "psi"
    if kind == "num" and (reference.std(ddof=0) or 0) > _LEAST_SPREAD:
        method = "wasserstein"
        limit = wasserstein_limit(thresholds.wasserstein, *counts)
    else:
        limit = psi_limit(thresholds.psi, *counts, reference.drop_nulls().n_unique())
    score = _score(method, kind, reference, current)
    shares = missing.result.missing_reference, missing.result.missing_current
    result = ColumnDrift(reference.name, method, score, limit, score >= limit, *shares)
    return _Check(result, reference.name, kind, reference, current)


def _clipped(reference: pl.Series, current: pl.Series) -> tuple[pl.Series, pl.Series]:
    ends = [
        (series.quantile(_OUTER_SHARE, "linear"), series.quantile(1 - _OUTER_SHARE, "linear"))
        for series in (reference, current)
    ]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    return reference.clip(low, high), current.clip(low, high)


def _score(method: Method, kind: Kind, reference: pl.Series, current: pl.Series) -> float:
    from evidently.legacy.calculations.stattests import get_stattest

    pair = reference.drop_nulls().to_pandas(), current.drop_nulls().to_pandas()
    test = get_stattest(*pair, kind, method)
    return float(test(*pair, kind, None).drift_score)


@lru_cache(maxsize=1)
def _teach_missing_share() -> None:
    """Make "missing share" a test that Evidently's reports can name and count."""
    from evidently.legacy.calculations.stattests import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    test = StatTest("missing share", "Change of the missing share", [ColumnType.Categorical])
    register_stattest(test, _missing_share_test)


def _missing_share_test(
    reference: "pd.Series[str]", current: "pd.Series[str]", kind: object, threshold: float
) -> tuple[float, bool]:
    missing = int((reference == "missing").sum()), int((current == "missing").sum())
    result = missing_drift("", missing, (len(reference), len(current)), threshold)
    return result.score, result.drifted


def _snapshot(comparison: Comparison) -> "Snapshot":
    from evidently.core.report import Snapshot
    from evidently.presets import DataSummaryPreset

    model = _drift_run(comparison).to_snapshot_model()
    summary = _run(DataSummaryPreset(), *comparison._raw).to_snapshot_model()
    model.widgets = [*_verdict_widgets(comparison), *model.widgets, *summary.widgets]
    model.metric_results.update(summary.metric_results)
    model.top_level_metrics.extend(summary.top_level_metrics)
    return Snapshot.load_model(model)


def _drift_run(comparison: Comparison) -> "Snapshot":
    from evidently.presets import DataDriftPreset

    _teach_missing_share()
    checks = comparison._checks
    preset = DataDriftPreset(
        columns=[check.label for check in checks],
        drift_share=comparison.share_threshold,
        per_column_method={check.label: check.result.method for check in checks},
        per_column_threshold={check.label: check.result.threshold for check in checks},
    )
    reference = pl.DataFrame([check.reference.alias(check.label) for check in checks])
    return _run(preset, reference, pl.DataFrame([c.current.alias(c.label) for c in checks]))


def _run(preset: Any, reference: pl.DataFrame, current: pl.DataFrame) -> "Snapshot":
    from evidently import DataDefinition, Dataset, Report

    numbers = [name for name, dtype in reference.schema.items() if dtype == pl.Float64]
    categories = [name for name in reference.columns if name not in numbers]
    kinds = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
    now, then = (Dataset.from_pandas(f.to_pandas(), kinds) for f in (current, reference))
    return Report([preset]).run(now, then)


def _verdict_widgets(comparison: Comparison) -> list[Any]:
    from evidently.legacy.renderers.html_widgets import header_text, table_data

    says = {True: "Drift", False: "No drift", None: "No verdict"}[comparison.verdict.drift]
    header = header_text(label=f"{says}: {comparison.verdict.reason}")
    drifted = [column for column in comparison.columns if column.drifted]
    return [header, table_data(column_names=_HEADINGS, data=_rows(drifted))] if drifted else [header]


_HEADINGS = ("Column", "Method", "Score", "Threshold", "Score / threshold", "Missing", "Before")


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
