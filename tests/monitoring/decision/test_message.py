from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from loan_default.metrics.intervals import Metric
from loan_default.monitoring.decision.message import Findings, subject, text
from loan_default.monitoring.decision.policy import Decision, Situation
from loan_default.monitoring.drift.verdict import ColumnDrift
from loan_default.monitoring.performance.realised_metrics import (
    Estimate,
    GroupMetrics,
    RealisedPerformance,
)

DAY = date(2026, 5, 9)
SITUATION = Situation(
    DAY,
    datetime(2026, 5, 9, 6, tzinfo=UTC),
    True,
    ("annual_inc", "dti", "purpose"),
    drift_days=2,
    drift_since=date(2026, 5, 8),
)
DECISION = Decision(
    True, False, "no retraining: drift has lasted 2 of 3 scored days", "warning", "drift"
)
COLUMNS = [
    ColumnDrift("annual_inc", "wasserstein", 0.52, 0.1, True, 0.0, 0.0),
    ColumnDrift("dti", "missing share", 0.4, 0.1, True, 0.1, 0.5),
    ColumnDrift("term", "psi", 0.02, 0.2, False, 0.0, 0.0),
]
FINDINGS = Findings(
    reason="2 of 3 columns drifted",
    against="the 4 scored days",
    columns=COLUMNS,
    mean_before=0.15,
    estimate=Estimate("estimate", 900, 0.181, 0.7, None, None),
    realised=None,
    data_quality=["7 rows repeat an id"],
    report="/reports/drift_report.html",
    overview="/reports/index.html",
)


def realised(outcomes: int, auc: Metric) -> RealisedPerformance:
    metrics = GroupMetrics(outcomes, 9, AUC=auc)
    return RealisedPerformance("2026-03", 1.0, 0, metrics, [], [], [], [])


def lines(situation: Situation = SITUATION, **findings: Any) -> list[str]:
    return text(DECISION, situation, replace(FINDINGS, **findings)).splitlines()


def test_the_message_says_what_how_far_since_when_and_what_next() -> None:
    assert subject(DECISION, SITUATION) == "Drift on 2026-05-09 (warning): annual_inc, dti"
    assert lines() == [
        "2 of 3 columns drifted (against the 4 scored days)",
        "- annual_inc: moved by 0.52 sd, 5.2 x its limit",
        "- dti: missing share changed by 0.40, 4.0 x its limit; missing 50.0%, before 10.0%",
        "Since: 2026-05-08, 2 scored days in a row",
        "Scores: mean default probability 18.1%, 15.0% before",
        "Quality: no matured outcomes yet; estimated AUC 0.700 if the scores are calibrated",
        "Data: 7 rows repeat an id",
        "Next: no retraining: drift has lasted 2 of 3 scored days",
        "Report: /reports/drift_report.html",
        "Overview: /reports/index.html",
    ]


def test_a_single_day_has_no_row_of_days() -> None:
    assert "Since: this day" in lines(replace(SITUATION, drift_days=1))


def test_realised_performance_is_reported() -> None:
    known = realised(2_172, Metric(0.68, 0.66, 0.7))
    line = "Quality: realised AUC 0.680 (0.660 to 0.700, 2,172 matured outcomes through 2026-03)"
    assert line in lines(realised=known)
    assert "Quality: realised AUC 0.61, tested 0.70" in lines(
        replace(SITUATION, degradation="realised AUC 0.61, tested 0.70"), realised=known
    )


def test_a_day_without_scores_or_estimate_says_so() -> None:
    message = lines(estimate=Estimate("estimate", 0, None, None, None, None))
    assert "Scores: none" in message and "Quality: no matured outcomes yet" in message


def test_outcomes_too_few_for_an_interval_leave_the_estimate() -> None:
    line = "Quality: no matured outcomes yet; estimated AUC 0.700 if the scores are calibrated"
    assert line in lines(realised=realised(3, Metric(0.9)))


@pytest.mark.parametrize(
    "before, now, said",
    [(0.0, 0.005, True), (0.005, 0.0, True), (0.25, 0.2549, False), (0.25, 0.25, False)],
)
def test_a_missing_share_is_said_where_half_a_percent_changed(
    before: float, now: float, said: bool
) -> None:
    column = replace(COLUMNS[0], missing_reference=before, missing_current=now)
    line = lines(columns=[column])[1]
    assert ("missing" in line) is said


def test_as_many_columns_as_have_room_are_all_listed() -> None:
    five = [replace(COLUMNS[0], column=f"c{n}") for n in range(5)]
    message = lines(columns=five)
    assert sum(line.startswith("- c") for line in message) == 5
    assert not any("more" in line for line in message)


def test_many_columns_are_counted_and_not_listed() -> None:
    many = [replace(COLUMNS[0], column=f"c{n}") for n in range(9)]
    message = lines(columns=many, mean_before=None)
    assert "- c4: moved by 0.52 sd, 5.2 x its limit" in message and "- and 4 more" in message
    assert not any("c5" in line for line in message)
    assert "Scores: mean default probability 18.1%" in message


def test_quality_loss_and_unusual_rows_have_their_own_subjects() -> None:
    quiet = replace(SITUATION, drift=False, columns=("dti",), drift_days=0)
    lost = replace(DECISION, severity="critical", because="quality loss")
    unusual = replace(DECISION, severity="notice", because="unusual number of rows")
    assert subject(lost, quiet) == "Quality loss on 2026-05-09 (critical)"
    assert subject(unusual, quiet) == "Unusual number of rows on 2026-05-09 (notice)"
    assert not any("Since" in line for line in lines(quiet))


def test_columns_that_failed_are_named_in_the_subject() -> None:
    failed = replace(DECISION, severity="warning", because="implausible columns")
    situation = replace(SITUATION, drift=False, failed_columns=("dti", "grade", "term"))
    assert subject(failed, situation) == ("Implausible columns on 2026-05-09 (warning): dti, grade")
