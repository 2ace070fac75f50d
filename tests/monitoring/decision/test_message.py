from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from loan_default.monitoring.decision.message import subject, text
from loan_default.monitoring.decision.policy import Decision, Situation
from loan_default.monitoring.drift.verdict import ColumnDrift

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
FOUND: dict[str, Any] = {
    "reason": "2 of 3 columns drifted",
    "estimate": {"default_rate": 0.181, "AUC": 0.7},
    "realised": None,
    "findings": ["7 rows repeat an id"],
    "report_html": "/reports/drift_report.html",
    "evidently_ui": None,
    "overview": "/reports/index.html",
}


def told(situation: Situation = SITUATION, **found: Any) -> list[str]:
    message = text(DECISION, situation, COLUMNS, "the 4 scored days", 0.15, FOUND | found)
    return message.splitlines()


def test_the_message_says_what_how_far_since_when_and_what_next() -> None:
    assert subject(DECISION, SITUATION) == "Drift on 2026-05-09 (warning): annual_inc, dti"
    assert told() == [
        "2 of 3 columns drifted (against the 4 scored days)",
        "- annual_inc: moved by 0.52 sd, 5.2 x its limit",
        "- dti: moved by 0.40 of the rows missing, 4.0 x its limit; missing 50.0%, before 10.0%",
        "Since: 2026-05-08, 2 scored days in a row",
        "Scores: mean default probability 18.1%, 15.0% before",
        "Quality: no matured outcomes yet; estimated AUC 0.700 if the scores are calibrated",
        "Data: 7 rows repeat an id",
        "Next: no retraining: drift has lasted 2 of 3 scored days",
        "Report: /reports/drift_report.html",
        "Overview: /reports/index.html",
    ]


def test_a_single_day_has_no_row_of_days() -> None:
    assert "Since: this day" in told(replace(SITUATION, drift_days=1))


def test_the_link_is_to_evidentlys_ui_where_the_report_is_there() -> None:
    assert "Report: http://ui/1" in told(evidently_ui={"url": "http://ui/1", "error": None})
    assert "Report: /reports/drift_report.html" in told(evidently_ui={"url": None, "error": "down"})


def test_what_outcomes_say_is_said() -> None:
    auc = {"value": 0.68, "low": 0.66, "high": 0.7}
    realised = {"AUC": auc, "outcomes": 2_172, "as_of": "2026-03"}
    line = "Quality: realised AUC 0.680 (0.660 to 0.700, 2,172 matured outcomes through 2026-03)"
    assert line in told(realised=realised)
    assert "Quality: realised AUC 0.61, tested 0.70" in told(
        replace(SITUATION, loss="realised AUC 0.61, tested 0.70"), realised=realised
    )


def test_a_day_without_scores_or_estimate_says_so() -> None:
    lines = told(estimate={"default_rate": None, "AUC": None})
    assert "Scores: none" in lines and "Quality: no matured outcomes yet" in lines


def test_realised_outcomes_too_few_for_an_interval_leave_the_estimate() -> None:
    auc = {"value": 0.9, "low": None, "high": None}
    realised = {"AUC": auc, "outcomes": 3, "as_of": "2026-03"}
    line = "Quality: no matured outcomes yet; estimated AUC 0.700 if the scores are calibrated"
    assert line in told(realised=realised)


@pytest.mark.parametrize(
    "before, now, said",
    [(0.0, 0.005, True), (0.005, 0.0, True), (0.25, 0.2549, False), (0.25, 0.25, False)],
)
def test_a_missing_share_is_said_where_half_a_percent_changed(
    before: float, now: float, said: bool
) -> None:
    column = replace(COLUMNS[0], missing_reference=before, missing_current=now)
    line = text(DECISION, SITUATION, [column], "x", None, FOUND).splitlines()[1]
    assert ("missing" in line) is said


def test_as_many_columns_as_have_room_are_all_listed() -> None:
    five = [replace(COLUMNS[0], column=f"c{n}") for n in range(5)]
    lines = text(DECISION, SITUATION, five, "x", None, FOUND).splitlines()
    assert sum(line.startswith("- c") for line in lines) == 5
    assert not any("more" in line for line in lines)


def test_many_columns_are_counted_and_not_listed() -> None:
    many = [replace(COLUMNS[0], column=f"c{n}") for n in range(9)]
    lines = text(DECISION, SITUATION, many, "x", None, FOUND).splitlines()
    assert "- c4: moved by 0.52 sd, 5.2 x its limit" in lines and "- and 4 more" in lines
    assert not any("c5" in line for line in lines)
    assert "Scores: mean default probability 18.1%" in lines


def test_quality_loss_and_odd_rows_have_their_own_subjects() -> None:
    quiet = replace(SITUATION, drift=False, columns=("dti",), drift_days=0)
    lost = replace(DECISION, severity="critical", because="quality loss")
    odd = replace(DECISION, severity="notice", because="odd number of rows")
    assert subject(lost, quiet) == "Quality loss on 2026-05-09 (critical)"
    assert subject(odd, quiet) == "Odd number of rows on 2026-05-09 (notice)"
    assert not any("Since" in line for line in told(quiet))
