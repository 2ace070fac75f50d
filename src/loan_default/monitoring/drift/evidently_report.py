"""Compare scored applications with a reference sample and report it, using Evidently.

Numbers are compared by Evidently's normed Wasserstein distance, categories by its PSI. Evidently
drops nulls first, so missing shares are compared separately. The stronger of a column's two tests
represents it, in the verdict and in the report alike.
"""

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from loan_default.contract.contract import Contract
from loan_default.errors import InputError
from loan_default.monitoring.drift import evidently_legacy
from loan_default.monitoring.drift.columns import Pair, missing_pair, value_pair, watched
from loan_default.monitoring.drift.verdict import (
    ColumnDrift,
    Thresholds,
    Verdict,
    missing_drift,
    verdict,
    worst_first,
)

if TYPE_CHECKING:
    from evidently.core.report import Snapshot
    from evidently.presets import DataDriftPreset, DataSummaryPreset

_HEADINGS = ("Column", "Method", "Score", "Threshold", "Score / threshold", "Missing now", "Before")
_VERDICTS = {True: "Drift", False: "No drift", None: "No verdict"}


@dataclass(frozen=True)
class Comparison:
    """A comparison of a sample with a reference: the verdict and every column, worst first.

    `against` describes the reference in a phrase. `other` is another comparison of the same sample,
    shown in the same reports. `pairs` are the columns' samples in the order of `columns`;
    `reference_values` and `current_values` hold the compared columns as they are.
    """

    verdict: Verdict
    columns: list[ColumnDrift]
    share_threshold: float
    against: str
    other: "Comparison | None"
    pairs: list[Pair] = field(repr=False)
    reference_values: pl.DataFrame = field(repr=False)
    current_values: pl.DataFrame = field(repr=False)

    @cached_property
    def snapshot(self) -> "Snapshot":
        """Evidently's run of the same tests with the same thresholds; takes seconds, once."""
        return _snapshot(self)

    def save_html(self, path: str | Path) -> None:
        """Write Evidently's report below our verdict as one page with its scripts."""
        page = self.snapshot.get_html_str(as_iframe=False)
        Path(path).write_text(_with_escaped_data(page), encoding="utf-8")

    def save_json(self, path: str | Path, facts: Mapping[str, object] | None = None) -> None:
        """Write `facts`, `verdict`, `columns` (worst first), `beside` and Evidently's metrics.

        `facts` are further keys, of JSON's types; NaN becomes null everywhere. `beside` holds
        `against`, `verdict` and `columns` of the other comparison, null without one.
        """
        report = {
            **(facts or {}),
            **self._to_json(),
            "beside": self.other._to_json() if self.other else None,
            "evidently": json.loads(self.snapshot.json()),
        }
        text = json.dumps(_nan_to_null(report), allow_nan=False, indent=1)
        Path(path).write_text(text, encoding="utf-8")

    def _to_json(self) -> dict[str, object]:
        return {
            "against": self.against,
            "verdict": asdict(self.verdict),
            "columns": [asdict(column) | {"severity": column.severity} for column in self.columns],
        }


def compare(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    contract: Contract,
    thresholds: Thresholds,
    against: str = "the reference",
    other: Comparison | None = None,
) -> Comparison:
    """Compare scored applications with a reference sample, column by column.

    Columns that are unknown, not in both frames, or null throughout both, are left out.

    Args:
        reference: columns of the typed record and `default_probability`.
        current: the same of the scored applications.
        contract: what the columns are.
        thresholds: of the columns and the verdict (rows of the smaller frame).
        against: describes the reference in a phrase.
        other: another comparison of `current`, for the same reports.

    Raises InputError if a frame has no rows, or no column is left.
    """
    if reference.is_empty() or current.is_empty():
        raise InputError("nothing to compare: the sample or its reference has no rows")
    then, now = watched(reference, current, contract)
    if not then.columns:
        raise InputError("nothing to compare: the sample and its reference share no known column")
    tested = {name: _test(then[name], now[name], thresholds) for name in then.columns}
    columns = worst_first(column for column, _ in tested.values())
    return Comparison(
        verdict=verdict(columns, _smaller(then, now), thresholds.min_rows, thresholds.share),
        columns=columns,
        share_threshold=thresholds.share,
        against=against,
        other=other,
        pairs=[tested[column.column][1] for column in columns],
        reference_values=then,
        current_values=now,
    )


def _smaller(then: pl.DataFrame, now: pl.DataFrame) -> int:
    return min(then.height, now.height)


def _test(
    reference: pl.Series, current: pl.Series, thresholds: Thresholds
) -> tuple[ColumnDrift, Pair]:
    """Test a column's values and missing share; return the stronger result with its samples."""
    nulls, rows = (reference.null_count(), current.null_count()), (len(reference), len(current))
    missing = missing_drift(reference.name, nulls, rows, thresholds.missing_of(reference.name))
    pair = value_pair(reference, current, thresholds)
    if pair is not None:
        values = _value_drift(pair, missing)
        if not missing.drifted or (values.drifted and values.severity >= missing.severity):
            return values, pair
    return missing, missing_pair(reference, current, missing.threshold)


def _value_drift(pair: Pair, missing: ColumnDrift) -> ColumnDrift:
    score, limit = evidently_legacy.drift_score(pair), pair.threshold
    return replace(
        missing, method=pair.method, score=score, threshold=limit, drifted=score >= limit
    )


def _snapshot(comparison: Comparison) -> "Snapshot":
    evidently_legacy.load()
    from evidently.core.report import Snapshot

    model = _drift_run(comparison).to_snapshot_model()
    summary = _summary_run(comparison).to_snapshot_model()
    verdicts = [*_verdict_widgets(comparison), *_verdict_widgets(comparison.other)]
    model.widgets = [*verdicts, *model.widgets, *summary.widgets]
    model.metric_results.update(summary.metric_results)
    model.top_level_metrics.extend(summary.top_level_metrics)
    return Snapshot.load_model(model)


def _drift_run(comparison: Comparison) -> "Snapshot":
    from evidently.presets import DataDriftPreset

    pairs = comparison.pairs
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
    """Run Evidently's data summary of the columns that drifted.

    All columns would double the time, for hundreds of charts that the report does not show.
    """
    from evidently.presets import DataSummaryPreset

    names = comparison.verdict.drifted_columns or [comparison.columns[0].column]
    preset = DataSummaryPreset(columns=names)
    return _run(preset, comparison.reference_values, comparison.current_values)


def _run(
    preset: "DataDriftPreset | DataSummaryPreset", reference: pl.DataFrame, current: pl.DataFrame
) -> "Snapshot":
    from evidently import DataDefinition, Dataset, Report

    numbers = [name for name, dtype in reference.schema.items() if dtype == pl.Float64]
    categories = [name for name in reference.columns if name not in numbers]
    kinds = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
    with warnings.catch_warnings():
        # Constant and empty columns: their correlations and means divide by zero.
        warnings.simplefilter("ignore", RuntimeWarning)
        frames = [Dataset.from_pandas(frame.to_pandas(), kinds) for frame in (current, reference)]
        return Report([preset]).run(*frames)


def _verdict_widgets(comparison: Comparison | None) -> list[evidently_legacy.Widget]:
    if comparison is None:
        return []
    verdict = comparison.verdict
    text = f"{_VERDICTS[verdict.drift]} against {comparison.against}: {verdict.reason}"
    header = evidently_legacy.header(text)
    drifted = [column for column in comparison.columns if column.drifted]
    return [header, evidently_legacy.table(_HEADINGS, _rows(drifted))] if drifted else [header]


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


def _with_escaped_data(page: str) -> str:
    """Escape `<` in the data of Evidently's page, which is JSON in one line of its first script.

    Evidently 0.7.23 does not: `</script>` in an applicant's category would end that script and run
    the next one.
    """
    start = page.index("<script>") + len("<script>")
    end = page.index("</script>\n", start)
    return page[:start] + page[start:end].replace("<", "\\u003c") + page[end:]


def _nan_to_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _nan_to_null(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_nan_to_null(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
