import json
import tempfile
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_default.monitoring.decision.decision_log import DecisionLog, settle
from loan_default.monitoring.decision.policy import Decision, Policy, Situation
from properties import tries

NOW = datetime(2026, 5, 9, 6, 30, tzinfo=UTC)
TODAY = date(2026, 5, 9)
WEEK = timedelta(days=7)
POLICY = Policy(cooldown=WEEK, sustained_days=1, weekly_cap=100)
DRIFT = Situation(
    TODAY, NOW, True, ("dti",), drift_days=1, since=TODAY, latest=TODAY, evidence="900 outcomes"
)
ALERT = Decision(
    True, True, "retraining triggered: drift has lasted 1 scored day", "warning", "drift"
)


@pytest.fixture
def log(tmp_path: Path) -> DecisionLog:
    return DecisionLog(str(tmp_path))


def calls(decision: Decision) -> tuple[bool, bool]:
    return decision.alert, decision.retrain


def decide(
    log: DecisionLog, key: str | None = "run 1", digest: str = "d", **change: object
) -> Decision:
    return settle(log, replace(DRIFT, **change), POLICY, key, digest)


def logged(log: DecisionLog) -> list[dict[str, object]]:
    text = Path(log.root, "reports", "decisions.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_a_decision_is_kept_with_its_alert_and_its_retraining(log: DecisionLog) -> None:
    assert (log.retrainings(), log.last_alert(), log.answered()) == ([], None, frozenset())
    assert decide(log) == ALERT
    assert log.retrainings() == [NOW] and log.answered() == {"900 outcomes"}
    record = log.recorded(TODAY)
    assert record and record.to_json() == {
        "run_date": "2026-05-09",
        "key": "run 1",
        "digest": "d",
        "evidence": "900 outcomes",
        "time": NOW.isoformat(),
        "columns": ["dti"],
        "alert": True,
        "retrain": True,
        "decision": ALERT.decision,
        "severity": "warning",
        "because": "drift",
    }
    alert = log.last_alert()
    assert alert and (alert.run_date, alert.severity, alert.columns) == (TODAY, "warning", ("dti",))
    assert log.recorded(date(2026, 5, 8)) is None


def test_columns_named_in_the_same_trouble_add_up(log: DecisionLog) -> None:
    decide(log)
    next_day = TODAY + timedelta(days=1)
    later = {"run_date": next_day, "latest": next_day, "columns": ("term",), "trained": NOW}
    assert decide(log, "run 2", "e", last_alert=log.last_alert(), **later).alert
    assert log.last_alert().columns == ("dti", "term")
    day = TODAY + timedelta(days=9)
    other = {"run_date": day, "latest": day, "since": day, "columns": ("grade",), "trained": NOW}
    assert decide(log, "run 3", "f", last_alert=log.last_alert(), **other).alert
    assert log.last_alert().columns == ("grade",)


def test_an_alert_without_retraining_is_no_retraining(log: DecisionLog) -> None:
    decide(log, trained=NOW)
    assert log.last_alert() and not log.retrainings() and not log.answered()


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"now": NOW + 3 * WEEK, "trained": NOW},
        {"latest": date(2026, 5, 10)},
        {"now": NOW + timedelta(hours=1), "trained": NOW + timedelta(minutes=50)},
    ],
)
def test_a_retry_gets_the_same_decision(log: DecisionLog, change: dict[str, object]) -> None:
    decide(log)
    kept = log.recorded(TODAY)
    assert decide(log, **change) == ALERT
    assert log.recorded(TODAY) == kept and log.retrainings() == [NOW]
    assert len(logged(log)) == 1


def test_a_retry_gets_the_cool_down_even_when_it_is_over(log: DecisionLog) -> None:
    first = decide(log, trained=NOW)
    assert calls(first) == (True, False)
    assert decide(log, trained=NOW, now=NOW + 2 * WEEK) == first
    assert log.retrainings() == []


@pytest.mark.parametrize("lost", ["retrainings.json", "last_alert.json", "decisions.jsonl"])
def test_a_crash_between_the_records_is_mended(log: DecisionLog, tmp_path: Path, lost: str) -> None:
    decide(log)
    files = {path.name: path.read_text() for path in tmp_path.rglob("*.json*")}
    (tmp_path / "reports" / lost).unlink()
    assert decide(log, now=NOW + timedelta(hours=1)) == ALERT
    assert {path.name: path.read_text() for path in tmp_path.rglob("*.json*")} == files


@pytest.mark.parametrize("key", ["run 2", None])
@pytest.mark.parametrize("digest", ["d", "other"])
def test_after_an_alert_the_day_calls_for_nothing_more(
    log: DecisionLog, key: str | None, digest: str
) -> None:
    decide(log)
    kept = log.recorded(TODAY)
    again = decide(log, key, digest, now=NOW + 2 * WEEK)
    assert calls(again) == (False, False)
    assert again.decision == "nothing: this day has been decided before"
    assert log.recorded(TODAY) == kept


def test_two_runs_without_a_key_are_two_runs(log: DecisionLog) -> None:
    assert decide(log, None) == ALERT
    assert calls(decide(log, None)) == (False, False)


@pytest.mark.parametrize(
    "digest, evidence, alerts",
    [("d", "900 outcomes", False), ("other", "900 outcomes", True), ("d", "1000 outcomes", True)],
)
def test_after_a_quiet_day_only_other_data_alert(
    log: DecisionLog, digest: str, evidence: str, alerts: bool
) -> None:
    decide(log, drift=False)
    assert decide(log, "run 2", digest, evidence=evidence).alert is alerts


def test_a_report_alone_does_not_use_up_the_days_alert(log: DecisionLog) -> None:
    decide(log, report_only=True)
    assert log.recorded(TODAY) is None
    assert decide(log, "run 2") == ALERT


@pytest.mark.parametrize("key", ["run 1", "run 2"])
def test_a_record_of_an_older_version_is_read(log: DecisionLog, key: str) -> None:
    old = {"run_date": "2026-05-09", "key": "run 1", "digest": "d", "time": NOW.isoformat()}
    old |= {"alert": True, "retrain": False, "decision": "no retraining: in cool-down"}
    path = Path(log.root, "reports", f"run_date={TODAY}", "decision.json")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(old))
    assert decide(log, key).alert is (key == "run 1")
    alert = log.last_alert()
    assert alert is None or (alert.severity, alert.columns) == ("none", ())


def test_every_decision_is_in_the_log_with_its_reason(log: DecisionLog) -> None:
    decide(log, report_only=True)
    decide(log, "run 2")
    decide(log, "run 3")
    assert [line["decision"] for line in logged(log)] == [
        "nothing: only a report was requested",
        "retraining triggered: drift has lasted 1 scored day",
        "nothing: this day has been decided before",
    ]


RUNS = st.lists(
    st.tuples(
        st.integers(0, 12),  # the day
        st.integers(0, 3),  # which run of that day
        st.integers(0, 72),  # hours since the run before
        st.sampled_from([True, True, False, None]),
    ),
    max_size=30,
)


@tries(50)
@given(runs=RUNS, cooldown=st.integers(0, 6), cap=st.integers(0, 3))
def test_however_often_days_are_run_each_alerts_once_and_retrainings_keep_their_distance(
    runs: list[tuple[int, int, int, bool | None]], cooldown: int, cap: int
) -> None:
    now, latest = NOW, TODAY
    policy = Policy(timedelta(days=cooldown), 1, cap)
    alerts: dict[date, set[str]] = {}
    retrained: dict[str, datetime] = {}
    with tempfile.TemporaryDirectory() as folder:
        log = DecisionLog(folder)
        for day, number, hours, drift in runs:
            now += timedelta(hours=hours)
            run_date = TODAY + timedelta(days=day)
            latest = max(latest, run_date)
            key, asked = f"{run_date} run {number}", tuple(log.retrainings())
            situation = Situation(
                run_date,
                now,
                drift,
                ("dti",),
                drift_days=1,
                since=run_date,
                latest=latest,
                trained=max(asked, default=None),
                retrainings=asked,
                last_alert=log.last_alert(),
            )
            decided = settle(log, situation, policy, key, str(run_date))
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
    for time in times:
        assert sum(time - WEEK < other <= time for other in times) <= cap
