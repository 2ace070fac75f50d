import json
import tempfile
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loan_default.alerting import Decision, Ledger, Situation, decide, settle

NOW = datetime(2026, 5, 9, 6, 30, tzinfo=UTC)
WEEK = timedelta(days=7)
DRIFT = Situation(
    run_date=date(2026, 5, 9), drift=True, latest=date(2026, 5, 9), retrained=None, now=NOW
)
ALERT = Decision(True, True, "retraining triggered")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(str(tmp_path))


def calls(decision: Decision) -> tuple[bool, bool]:
    return decision.alert, decision.retrain


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"drift": False}, "no drift was found"),
        ({"drift": None}, "no drift was found"),
        ({"report_only": True}, "only a report was asked for"),
        ({"latest": date(2026, 5, 10)}, "2026-05-10 has been scored since"),
        ({"repeated": True}, "this day has been decided before"),
    ],
)
def test_nothing_is_called_for(change: dict[str, object], why: str) -> None:
    assert decide(replace(DRIFT, **change), WEEK) == Decision(False, False, f"nothing: {why}")


@pytest.mark.parametrize("latest", [None, date(2026, 5, 8), date(2026, 5, 9)])
def test_drift_on_the_latest_day_alerts_and_retrains(latest: date | None) -> None:
    assert decide(replace(DRIFT, latest=latest), WEEK) == ALERT


def test_in_the_cool_down_drift_alerts_and_says_until_when() -> None:
    for ago in (timedelta(0), WEEK - timedelta(microseconds=1)):
        decision = decide(replace(DRIFT, retrained=NOW - ago), WEEK)
        assert calls(decision) == (True, False)
    assert decision.decision == "no retraining: in cool-down until 2026-05-09 06:30 UTC"


@pytest.mark.parametrize("ago", [WEEK, WEEK + timedelta(days=1)])
def test_the_cool_down_ends_to_the_moment(ago: timedelta) -> None:
    assert decide(replace(DRIFT, retrained=NOW - ago), WEEK) == ALERT


def test_there_may_be_no_cool_down() -> None:
    assert decide(replace(DRIFT, retrained=NOW), timedelta(0)) == ALERT


def test_a_decision_is_kept_and_a_retraining_remembered(ledger: Ledger) -> None:
    assert ledger.retrained() is None and ledger.recorded(DRIFT.run_date) is None
    assert settle(ledger, DRIFT, WEEK, "run 1", "digest") == ALERT
    assert ledger.retrained() == NOW
    assert ledger.recorded(DRIFT.run_date) == {
        "run_date": "2026-05-09",
        "key": "run 1",
        "digest": "digest",
        "time": NOW.isoformat(),
        "alert": True,
        "retrain": True,
        "decision": "retraining triggered",
    }
    assert ledger.recorded(date(2026, 5, 8)) is None


def test_a_decision_without_retraining_is_no_retraining(ledger: Ledger) -> None:
    settle(ledger, replace(DRIFT, retrained=NOW), WEEK, "run 1", "digest")
    assert ledger.recorded(DRIFT.run_date) is not None and ledger.retrained() is None


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"now": NOW + 3 * WEEK, "retrained": NOW},
        {"latest": date(2026, 5, 10)},
        {"now": NOW + timedelta(hours=1), "retrained": NOW + timedelta(minutes=50)},
    ],
)
def test_a_retry_is_told_the_same(ledger: Ledger, change: dict[str, object]) -> None:
    settle(ledger, DRIFT, WEEK, "run 1", "digest")
    kept = ledger.recorded(DRIFT.run_date)
    assert settle(ledger, replace(DRIFT, **change), WEEK, "run 1", "digest") == ALERT
    assert ledger.recorded(DRIFT.run_date) == kept and ledger.retrained() == NOW


def test_a_retry_is_told_of_the_cool_down_even_when_it_is_over(ledger: Ledger) -> None:
    cooling = replace(DRIFT, retrained=NOW)
    first = settle(ledger, cooling, WEEK, "run 1", "digest")
    assert calls(first) == (True, False)
    later = replace(cooling, now=NOW + 2 * WEEK)
    assert settle(ledger, later, WEEK, "run 1", "digest") == first
    assert ledger.retrained() is None


def test_a_crash_between_the_two_records_is_mended(ledger: Ledger, tmp_path: Path) -> None:
    settle(ledger, DRIFT, WEEK, "run 1", "digest")
    (tmp_path / "reports" / "last_retraining.json").unlink()
    later = replace(DRIFT, now=NOW + timedelta(hours=1))
    assert settle(ledger, later, WEEK, "run 1", "digest") == ALERT
    assert ledger.retrained() == NOW


@pytest.mark.parametrize("key", ["run 2", None])
@pytest.mark.parametrize("digest", ["digest", "other"])
def test_after_an_alert_the_day_calls_for_nothing_more(
    ledger: Ledger, key: str | None, digest: str
) -> None:
    settle(ledger, DRIFT, WEEK, "run 1", "digest")
    kept = ledger.recorded(DRIFT.run_date)
    again = settle(ledger, replace(DRIFT, now=NOW + 2 * WEEK), WEEK, key, digest)
    assert again == Decision(False, False, "nothing: this day has been decided before")
    assert ledger.recorded(DRIFT.run_date) == kept


def test_two_runs_without_a_key_are_two_runs(ledger: Ledger) -> None:
    assert settle(ledger, DRIFT, WEEK, None, "digest") == ALERT
    assert calls(settle(ledger, DRIFT, WEEK, None, "digest")) == (False, False)


@pytest.mark.parametrize(("digest", "told"), [("digest", False), ("other", True)])
def test_after_a_quiet_day_only_other_data_alert(ledger: Ledger, digest: str, told: bool) -> None:
    settle(ledger, replace(DRIFT, drift=False), WEEK, "run 1", "digest")
    assert settle(ledger, DRIFT, WEEK, "run 2", digest).alert is told


def test_the_days_are_decided_apart(ledger: Ledger) -> None:
    settle(ledger, DRIFT, timedelta(0), "run 1", "digest")
    next_day = date(2026, 5, 10)
    tomorrow = replace(DRIFT, run_date=next_day, latest=next_day, now=NOW + timedelta(days=1))
    assert settle(ledger, tomorrow, timedelta(0), "run 2", "digest") == ALERT
    assert ledger.retrained() == tomorrow.now


def test_a_report_alone_does_not_use_up_the_days_alert(ledger: Ledger) -> None:
    settle(ledger, replace(DRIFT, report_only=True), WEEK, "run 1", "digest")
    assert settle(ledger, DRIFT, WEEK, "run 2", "digest") == ALERT


RUNS = st.lists(
    st.tuples(
        st.integers(0, 12),  # the day
        st.integers(0, 3),  # which run of that day
        st.integers(0, 72),  # hours since the run before
        st.sampled_from([True, True, False, None]),
    ),
    max_size=30,
)


@settings(max_examples=50, deadline=None)
@given(runs=RUNS, cooldown=st.integers(0, 6))
def test_however_often_days_are_run_each_alerts_once_and_retrainings_keep_their_distance(
    runs: list[tuple[int, int, int, bool | None]], cooldown: int
) -> None:
    now, latest = NOW, DRIFT.run_date
    alerts: dict[date, set[str]] = {}
    retrained: dict[str, datetime] = {}
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(folder)
        for day, number, hours, drift in runs:
            now += timedelta(hours=hours)
            run_date = DRIFT.run_date + timedelta(days=day)
            latest = max(latest, run_date)
            key = f"{run_date} run {number}"
            situation = Situation(run_date, drift, latest, ledger.retrained(), now)
            decided = settle(ledger, situation, timedelta(days=cooldown), key, str(run_date))
            if decided.alert:
                alerts.setdefault(run_date, set()).add(key)
            if decided.retrain:
                assert decided.alert
                retrained.setdefault(key, now)
        for path in Path(folder).rglob("*.json"):
            json.loads(path.read_text())
    assert all(len(keys) == 1 for keys in alerts.values())
    times = sorted(retrained.values())
    assert all(b - a >= timedelta(days=cooldown) for a, b in zip(times, times[1:], strict=False))
