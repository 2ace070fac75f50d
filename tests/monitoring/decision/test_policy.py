from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from loan_default.monitoring.decision.policy import (
    Decision,
    Policy,
    SentAlert,
    Situation,
    decide,
    newest_streak,
)

NOW = datetime(2026, 5, 9, 6, 30, tzinfo=UTC)
TODAY = date(2026, 5, 9)
WEEK = timedelta(days=7)
POLICY = Policy(cooldown=WEEK, sustained_days=3, weekly_cap=2)
DRIFT = Situation(
    run_date=TODAY,
    now=NOW,
    drift=True,
    columns=("annual_inc", "dti"),
    drift_days=1,
    since=TODAY,
    latest=TODAY,
)
LASTING = replace(DRIFT, drift_days=3, since=date(2026, 5, 7))
LOSS = replace(
    DRIFT,
    drift=False,
    columns=(),
    drift_days=0,
    degradation="realised AUC 0.61",
    evidence="900 outcomes",
)
ODD = replace(DRIFT, drift=False, columns=(), drift_days=0, unusual_rows=True)
ALERT = SentAlert(date(2026, 5, 7), "critical", ("annual_inc", "dti"), "900 outcomes")


def calls(decision: Decision) -> tuple[bool, bool]:
    return decision.alert, decision.retrain


@pytest.mark.parametrize("drift", [False, None])
def test_a_day_without_trouble_calls_for_nothing(drift: bool | None) -> None:
    quiet = replace(DRIFT, drift=drift, drift_days=0, columns=())
    expected = Decision(False, False, "nothing: no drift was found", "none", "")
    assert decide(quiet, POLICY) == expected


@pytest.mark.parametrize("situation", [LASTING, LOSS, ODD])
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"report_only": True}, "only a report was requested"),
        ({"latest": date(2026, 5, 10)}, "2026-05-10 has been scored since"),
        ({"repeated": True}, "this day has been decided before"),
    ],
)
def test_nothing_is_called_for(situation: Situation, change: dict[str, object], why: str) -> None:
    found = decide(replace(situation, **change), POLICY)
    assert calls(found) == (False, False) and found.decision == f"nothing: {why}"
    called = decide(situation, POLICY)
    assert (found.severity, found.because) == (called.severity, called.because), "it stays known"


def test_outcomes_of_other_ids_always_alert_but_in_a_mere_report() -> None:
    quiet = replace(ODD, unusual_rows=False)
    lost = replace(quiet, few_matched=True)
    for change in ({}, {"repeated": True}, {"latest": date(2026, 5, 10)}):
        found = decide(replace(lost, **change), POLICY)
        assert calls(found) == (True, False)
        assert (found.severity, found.because) == ("notice", "outcomes of other ids")
    assert calls(decide(replace(lost, report_only=True), POLICY)) == (False, False)
    known = decide(replace(LASTING, few_matched=True, repeated=True), POLICY)
    assert calls(known) == (True, False) and known.severity == "critical"
    assert decide(replace(LASTING, few_matched=True), POLICY) == decide(LASTING, POLICY)


def test_drift_alerts_and_retrains_once_it_has_lasted() -> None:
    first = decide(DRIFT, POLICY)
    assert calls(first) == (True, False) and first.severity == "warning"
    assert first.decision == "no retraining: drift has lasted 1 of 3 scored days"
    lasting = decide(LASTING, POLICY)
    assert calls(lasting) == (True, True) and lasting.severity == "critical"
    assert lasting.decision == "retraining triggered: drift has lasted 3 scored days"
    assert (first.because, lasting.because) == ("drift", "drift")


def test_one_day_may_be_enough() -> None:
    found = decide(DRIFT, replace(POLICY, sustained_days=1))
    assert found.retrain and found.decision == "retraining triggered: drift has lasted 1 scored day"
    assert found.severity == "warning", "where each day retrains, none is worse than the others"


def test_two_days_are_the_fewest_that_last() -> None:
    found = decide(replace(DRIFT, drift_days=2), replace(POLICY, sustained_days=2))
    assert found.severity == "critical"
    assert found.decision == "retraining triggered: drift has lasted 2 scored days"


def test_outcomes_that_fall_short_retrain_at_once_and_are_answered_once() -> None:
    found = decide(LOSS, POLICY)
    assert calls(found) == (True, True) and found.because == "quality loss"
    assert (
        found.decision == "retraining triggered: realised AUC 0.61" and found.severity == "critical"
    )
    answered = replace(LOSS, answered=frozenset({"100 outcomes", "900 outcomes"}))
    assert decide(answered, POLICY) == Decision(False, False, "nothing: no drift was found")
    assert decide(replace(LOSS, answered=frozenset({"100 outcomes"})), POLICY).retrain


def test_an_unusual_number_of_rows_alerts_and_retrains_nothing() -> None:
    found = decide(ODD, POLICY)
    assert calls(found) == (True, False)
    assert (found.severity, found.because) == ("notice", "unusual number of rows")
    assert found.decision == "no retraining: only the number of rows is unusual"


@pytest.mark.parametrize("situation", [LASTING, LOSS])
def test_in_the_cool_down_nothing_retrains_and_it_says_until_when(situation: Situation) -> None:
    for ago in (timedelta(0), WEEK - timedelta(microseconds=1)):
        found = decide(replace(situation, trained=NOW - ago), POLICY)
        assert calls(found) == (True, False)
    assert found.decision == "no retraining: in cool-down until 2026-05-09 06:30 UTC"
    assert decide(replace(situation, trained=NOW - WEEK), POLICY).retrain
    assert decide(replace(situation, trained=NOW), replace(POLICY, cooldown=timedelta(0))).retrain


def test_a_week_has_so_many_retrainings_and_no_more() -> None:
    free = replace(POLICY, cooldown=timedelta(0))
    days = (timedelta(days=8), timedelta(days=6), timedelta(days=1))
    busy = replace(LASTING, retrainings=tuple(NOW - ago for ago in days))
    found = decide(busy, free)
    assert calls(found) == (True, False)
    assert found.decision == "no retraining: 2 in 7 days is the maximum (RETRAIN_WEEKLY_CAP)"
    assert decide(replace(busy, retrainings=busy.retrainings[:2]), free).retrain
    week_ago = replace(busy, retrainings=(NOW - WEEK, *busy.retrainings[1:]))
    assert decide(week_ago, replace(free, weekly_cap=3)).retrain
    within = replace(busy, retrainings=(NOW - WEEK + timedelta(seconds=1), *busy.retrainings[1:]))
    assert not decide(within, replace(free, weekly_cap=3)).retrain
    assert not decide(LASTING, replace(free, weekly_cap=0)).retrain


COOLING = replace(LASTING, trained=NOW)


def test_nothing_alerts_again_while_nothing_changed() -> None:
    found = decide(replace(COOLING, last_alert=ALERT), POLICY)
    assert calls(found) == (False, False)
    assert (found.severity, found.because) == ("critical", "drift"), "it stays known"
    assert found.decision == (
        "nothing new since the alert of 2026-05-07, no retraining: "
        "in cool-down until 2026-05-16 06:30 UTC"
    )


@pytest.mark.parametrize(
    "situation, alert",
    [
        (replace(COOLING, columns=("annual_inc", "term")), ALERT),
        (COOLING, replace(ALERT, severity="warning")),
        (COOLING, replace(ALERT, run_date=date(2026, 5, 6))),
        (COOLING, None),
        (LASTING, ALERT),
        (replace(LOSS, trained=NOW, since=date(2026, 5, 7)), replace(ALERT, evidence="old")),
    ],
    ids=["another column", "worse", "another episode", "first", "a retraining", "other outcomes"],
)
def test_what_is_new_alerts(situation: Situation, alert: SentAlert | None) -> None:
    assert decide(replace(situation, last_alert=alert), POLICY).alert


@pytest.mark.parametrize(
    "change",
    [
        {"columns": ("dti",)},
        {"since": date(2026, 5, 1)},
        {"last_alert": replace(ALERT, evidence=None)},
    ],
)
def test_what_eases_is_not(change: dict[str, object]) -> None:
    assert not decide(replace(COOLING, **{"last_alert": ALERT} | change), POLICY).alert


@pytest.mark.parametrize(
    "holds, row",
    [
        ([], []),
        ([True, False], []),
        ([True, True], [0, 1]),
        ([True, False, True, None, True], [2, 4]),
        ([True, None], [0]),
        ([None], []),
    ],
)
def test_days_newest_streak(holds: list[bool | None], row: list[int]) -> None:
    days = [(TODAY + timedelta(days=n), value) for n, value in enumerate(holds)]
    assert newest_streak(days) == [TODAY + timedelta(days=n) for n in row]


FAILED = replace(DRIFT, drift=False, columns=(), drift_days=0, failed_columns=("dti", "term"))


def test_columns_that_failed_alert_without_drift_and_retrain_nothing() -> None:
    found = decide(FAILED, POLICY)
    assert calls(found) == (True, False)
    assert (found.severity, found.because) == ("warning", "implausible columns")
    assert found.decision == (
        "no retraining: columns are implausible, which only their source can correct"
    )
    both = decide(replace(FAILED, unusual_rows=True), POLICY)
    assert both.because == "implausible columns"
    assert decide(replace(DRIFT, failed_columns=("dti",)), POLICY).because == "drift"


@pytest.mark.parametrize(
    ("named", "drift", "alert"),
    [(("dti", "term"), False, False), (("dti",), False, True), (("dti", "term"), True, True)],
)
def test_columns_that_failed_alert_again_only_if_one_is_new(named, drift, alert) -> None:
    sent = SentAlert(date(2026, 5, 8), "warning", named, None)
    day = replace(FAILED, since=date(2026, 5, 8), last_alert=sent, drift=drift, columns=("age",))
    assert decide(day, POLICY).alert == alert
