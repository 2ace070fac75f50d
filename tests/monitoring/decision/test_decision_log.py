import json
import tempfile
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_default.monitoring.decision.decision_log import Ledger, settle
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
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(str(tmp_path))


def calls(decision: Decision) -> tuple[bool, bool]:
    return decision.alert, decision.retrain


def decide(
    ledger: Ledger, key: str | None = "run 1", digest: str = "d", **change: object
) -> Decision:
    return settle(ledger, replace(DRIFT, **change), POLICY, key, digest)


def logged(ledger: Ledger) -> list[dict[str, object]]:
    text = Path(ledger.root, "reports", "decisions.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_a_decision_is_kept_with_its_alert_and_its_retraining(ledger: Ledger) -> None:
    assert (ledger.retrainings(), ledger.told(), ledger.answered()) == ([], None, frozenset())
    assert decide(ledger) == ALERT
    assert ledger.retrainings() == [NOW] and ledger.answered() == {"900 outcomes"}
    assert ledger.recorded(TODAY) == {
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
    told = ledger.told()
    assert told and (told.run_date, told.severity, told.columns) == (TODAY, "warning", ("dti",))
    assert ledger.recorded(date(2026, 5, 8)) is None


def test_columns_told_of_in_the_same_trouble_add_up(ledger: Ledger) -> None:
    decide(ledger)
    next_day = TODAY + timedelta(days=1)
    later = {"run_date": next_day, "latest": next_day, "columns": ("term",), "trained": NOW}
    assert decide(ledger, "run 2", "e", told=ledger.told(), **later).alert
    assert ledger.told().columns == ("dti", "term")
    day = TODAY + timedelta(days=9)
    other = {"run_date": day, "latest": day, "since": day, "columns": ("grade",), "trained": NOW}
    assert decide(ledger, "run 3", "f", told=ledger.told(), **other).alert
    assert ledger.told().columns == ("grade",)


def test_an_alert_without_retraining_is_no_retraining(ledger: Ledger) -> None:
    decide(ledger, trained=NOW)
    assert ledger.told() and not ledger.retrainings() and not ledger.answered()


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"now": NOW + 3 * WEEK, "trained": NOW},
        {"latest": date(2026, 5, 10)},
        {"now": NOW + timedelta(hours=1), "trained": NOW + timedelta(minutes=50)},
    ],
)
def test_a_retry_is_told_the_same(ledger: Ledger, change: dict[str, object]) -> None:
    decide(ledger)
    kept = ledger.recorded(TODAY)
    assert decide(ledger, **change) == ALERT
    assert ledger.recorded(TODAY) == kept and ledger.retrainings() == [NOW]
    assert len(logged(ledger)) == 1


def test_a_retry_is_told_of_the_cool_down_even_when_it_is_over(ledger: Ledger) -> None:
    first = decide(ledger, trained=NOW)
    assert calls(first) == (True, False)
    assert decide(ledger, trained=NOW, now=NOW + 2 * WEEK) == first
    assert ledger.retrainings() == []


@pytest.mark.parametrize("lost", ["retrainings.json", "last_alert.json", "decisions.jsonl"])
def test_a_crash_between_the_records_is_mended(ledger: Ledger, tmp_path: Path, lost: str) -> None:
    decide(ledger)
    files = {path.name: path.read_text() for path in tmp_path.rglob("*.json*")}
    (tmp_path / "reports" / lost).unlink()
    assert decide(ledger, now=NOW + timedelta(hours=1)) == ALERT
    assert {path.name: path.read_text() for path in tmp_path.rglob("*.json*")} == files


@pytest.mark.parametrize("key", ["run 2", None])
@pytest.mark.parametrize("digest", ["d", "other"])
def test_after_an_alert_the_day_calls_for_nothing_more(
    ledger: Ledger, key: str | None, digest: str
) -> None:
    decide(ledger)
    kept = ledger.recorded(TODAY)
    again = decide(ledger, key, digest, now=NOW + 2 * WEEK)
    assert calls(again) == (False, False)
    assert again.decision == "nothing: this day has been decided before"
    assert ledger.recorded(TODAY) == kept


def test_two_runs_without_a_key_are_two_runs(ledger: Ledger) -> None:
    assert decide(ledger, None) == ALERT
    assert calls(decide(ledger, None)) == (False, False)


@pytest.mark.parametrize(
    "digest, evidence, told",
    [("d", "900 outcomes", False), ("other", "900 outcomes", True), ("d", "1000 outcomes", True)],
)
def test_after_a_quiet_day_only_other_data_alert(
    ledger: Ledger, digest: str, evidence: str, told: bool
) -> None:
    decide(ledger, drift=False)
    assert decide(ledger, "run 2", digest, evidence=evidence).alert is told


def test_a_report_alone_does_not_use_up_the_days_alert(ledger: Ledger) -> None:
    decide(ledger, report_only=True)
    assert ledger.recorded(TODAY) is None
    assert decide(ledger, "run 2") == ALERT


@pytest.mark.parametrize("key", ["run 1", "run 2"])
def test_a_record_of_an_older_version_is_read(ledger: Ledger, key: str) -> None:
    old = {"run_date": "2026-05-09", "key": "run 1", "digest": "d", "time": NOW.isoformat()}
    old |= {"alert": True, "retrain": False, "decision": "no retraining: in cool-down"}
    path = Path(ledger.root, "reports", f"run_date={TODAY}", "decision.json")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(old))
    assert decide(ledger, key).alert is (key == "run 1")
    told = ledger.told()
    assert told is None or (told.severity, told.columns) == ("none", ())


def test_every_decision_is_in_the_log_with_its_reason(ledger: Ledger) -> None:
    decide(ledger, report_only=True)
    decide(ledger, "run 2")
    decide(ledger, "run 3")
    assert [line["decision"] for line in logged(ledger)] == [
        "nothing: only a report was asked for",
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
        ledger = Ledger(folder)
        for day, number, hours, drift in runs:
            now += timedelta(hours=hours)
            run_date = TODAY + timedelta(days=day)
            latest = max(latest, run_date)
            key, asked = f"{run_date} run {number}", tuple(ledger.retrainings())
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
                told=ledger.told(),
            )
            decided = settle(ledger, situation, policy, key, str(run_date))
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
