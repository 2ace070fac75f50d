"""Realised performance as JSON: in the reports, in the result line, and stored between runs. Pure.

The keys are those of the fields, except that a group's metrics stand beside its other keys and a
score band is bounded by `from` and `to`.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from loan_default.metrics.intervals import Metric
from loan_default.monitoring.performance.realised_metrics import (
    BandMetrics,
    GroupMetrics,
    ImmatureMonth,
    MonthMetrics,
    RealisedPerformance,
    VersionMetrics,
)

Json = dict[str, Any]


def to_json(performance: RealisedPerformance) -> Json:
    """Return the whole performance, with its tables."""
    return {
        **_overall(performance),
        "by_month": [
            {"month": row.month, "predictions": row.predictions, **asdict(row.metrics)}
            for row in performance.by_month
        ],
        "by_band": [
            {"from": row.low, "to": row.high, **asdict(row.metrics)} for row in performance.by_band
        ],
        "by_version": [
            {
                "model_version": row.model_version,
                "newest_cohort": row.newest_cohort,
                **asdict(row.metrics),
                "approved_AUC": asdict(row.approved_AUC) if row.approved_AUC else None,
            }
            for row in performance.by_version
        ],
        "immature": [asdict(row) for row in performance.immature],
    }


def summary(performance: RealisedPerformance) -> Json:
    """Return the performance without its tables; `immature` counts the waiting applications."""
    waiting = sum(month.predictions for month in performance.immature)
    return _overall(performance) | {"immature": waiting}


def from_json(stored: Mapping[str, Any]) -> RealisedPerformance:
    """Return the performance that `to_json` wrote. Raises KeyError if a key is missing."""
    return RealisedPerformance(
        as_of=stored["as_of"],
        coverage=stored["coverage"],
        learned_from=stored["learned_from"],
        metrics=_metrics(stored),
        by_month=[
            MonthMetrics(row["month"], row["predictions"], _metrics(row))
            for row in stored["by_month"]
        ],
        by_band=[BandMetrics(row["from"], row["to"], _metrics(row)) for row in stored["by_band"]],
        by_version=[
            VersionMetrics(
                row["model_version"],
                row["newest_cohort"],
                _metrics(row),
                _metric(row["approved_AUC"]),
            )
            for row in stored["by_version"]
        ],
        immature=[
            ImmatureMonth(row["month"], row["predictions"], row["ended_early"], row["matures"])
            for row in stored["immature"]
        ],
    )


def _overall(performance: RealisedPerformance) -> Json:
    return {
        "kind": "realised",
        "as_of": performance.as_of,
        "coverage": performance.coverage,
        "learned_from": performance.learned_from,
        **asdict(performance.metrics),
    }


def _metrics(row: Mapping[str, Any]) -> GroupMetrics:
    return GroupMetrics(
        outcomes=row["outcomes"],
        defaults=row["defaults"],
        default_rate=_metric(row["default_rate"]),
        mean_probability=row["mean_probability"],
        AUC=_metric(row["AUC"]),
        F1=_metric(row["F1"]),
        Brier=_metric(row["Brier"]),
    )


def _metric(value: Mapping[str, Any] | None) -> Metric | None:
    return Metric(**value) if value else None
