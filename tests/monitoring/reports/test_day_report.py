"""What the report files and the history hold of a day. Other systems read these keys."""

import json
from dataclasses import replace
from typing import Any

import pytest

import monitored_day
from loan_default.columns import PROBABILITY
from loan_default.metrics.intervals import Metric
from loan_default.monitoring.days import history
from loan_default.monitoring.days.day_counts import DayCounts
from loan_default.monitoring.decision.policy import Decision
from loan_default.monitoring.reports.day_report import (
    DayReport,
    drift_facts,
    history_row,
    quality_facts,
)

DECISION = Decision(True, False, "no retraining: in cool-down", "warning", "drift")
INTERVAL = ["value", "low", "high"]
METRICS = {
    "outcomes": None,
    "defaults": None,
    "default_rate": INTERVAL,
    "mean_probability": None,
    "AUC": INTERVAL,
    "F1": INTERVAL,
    "Brier": INTERVAL,
}
COLUMN = ["missing", "missing_reference", "unknown", "rejected"]
FACTS = {
    "run_date": None,
    "source": None,
    "model_name": None,
    "model_version": None,
    "drift": None,
    "reason": None,
    "drift_share": None,
    "drifted_columns": None,
    "compared_with": None,
    "recent_runs": None,
    "reference_drift": None,
    "reference_drift_share": None,
    "reference_drifted_columns": None,
    "rows_in": None,
    "sampled_rows": None,
    "quality": {
        "rows_in": None,
        "rows_scored": None,
        "rejected_share": None,
        "rejected_by_reason": ["dti is not a number"],
        "out_of_range": [],
        "duplicates": None,
        "new_categories": {"purpose": ["moon"]},
        "row_count": ["rows", "usual", "days", "odd"],
        "columns": {"dti": COLUMN, "purpose": COLUMN},
        "findings": None,
    },
}
QUALITY_REPORT = FACTS | {
    "plausibility": ["severity", "accepted_because", "findings"],
    "estimate": ["kind", "rows", "default_rate", "AUC", "F1", "Brier"],
    "realised": {
        "kind": None,
        "as_of": None,
        "coverage": None,
        "learned_from": None,
        **METRICS,
        "by_month": {"month": None, "predictions": None, **METRICS},
        "by_band": {"from": None, "to": None, **METRICS},
        "by_version": {
            "model_version": None,
            "newest_cohort": None,
            **METRICS,
            "approved_AUC": INTERVAL,
        },
        "immature": ["month", "predictions", "ended_early", "matures"],
    },
}


def keys(value: Any) -> Any:
    """The keys of a JSON document in their order; of a list, those of its first object."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = value[0]
    if not isinstance(value, dict):
        return None
    inner = {name: keys(item) for name, item in value.items()}
    return inner if any(item is not None for item in inner.values()) else list(inner)


@pytest.fixture(scope="module")
def report() -> DayReport:
    return monitored_day.report()


def in_order(expected: dict[str, Any], found: dict[str, Any]) -> bool:
    """Whether the keys are the same, and in the same order at every level."""
    return json.dumps(expected) == json.dumps(found)


def test_the_facts_beside_evidentlys_have_their_keys(report: DayReport) -> None:
    assert keys(drift_facts(report)) == FACTS
    assert in_order(FACTS, keys(drift_facts(report)))


def test_the_quality_report_has_its_keys(report: DayReport) -> None:
    assert keys(quality_facts(report)) == QUALITY_REPORT
    assert in_order(QUALITY_REPORT, keys(quality_facts(report)))


def test_before_outcomes_the_quality_report_has_null() -> None:
    facts = quality_facts(monitored_day.report(realised=None))
    assert facts["realised"] is None
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_a_day_has_every_column_of_the_history(report: DayReport) -> None:
    assert set(history_row(report, DECISION)) == set(history.SCHEMA)


def test_a_days_metrics_fit_its_row(report: DayReport) -> None:
    row = history_row(replace(report, realised=None), DECISION)
    assert (row["rejected_share"], row["declined_share"]) == (0.25, 0.1)
    assert (row["score_p25"], row["score_p50"]) == pytest.approx((0.1475, 0.295))
    assert (row["estimated_AUC"], row["AUC"], row["outcomes"]) == (0.71, None, None)
    assert (row["alert"], row["severity"], row["drift"]) == (True, "warning", False)
    assert row["findings"] == ["purpose has new categories in 16.7% of the rows: moon"]


def test_a_days_realised_performance_is_in_its_row(report: DayReport) -> None:
    metrics = replace(monitored_day.GROUP, AUC=Metric(0.7, 0.6, 0.8), default_rate=None, Brier=None)
    realised = replace(monitored_day.REALISED, metrics=metrics)
    row = history_row(replace(report, realised=realised), DECISION)
    assert (row["AUC_low"], row["AUC"], row["AUC_high"], row["as_of"]) == (0.6, 0.7, 0.8, "2026-02")
    assert row["default_rate"] is row["Brier"] is None


def test_a_day_without_rows_has_a_row_too(report: DayReport) -> None:
    counts = DayCounts(0, 0, 0, 0, None, {}, (), {})
    day = replace(report.day, counts=counts, sample=report.day.sample.clear())
    row = history_row(replace(report, day=day), DECISION)
    assert row["rejected_share"] is row["score_p50"] is None
    assert PROBABILITY in day.sample.columns
