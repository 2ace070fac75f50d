"""What monitoring has decided, kept so that nothing is called for twice.

The record beside a day's report makes its decision once: the run that made it (its key) is told the
same again, so that a retry completes what a crash cut off; any other run over the same data
neither alerts nor retrains. Every decision is in ROOT/reports/decisions.jsonl, with its reason.
"""

import json
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any

from loan_default import storage
from loan_default.monitoring.decision.policy import NONE, Decision, Policy, Situation, Told, decide

RECORD = "decision.json"
# What the records of older versions lack.
_UNTOLD: dict[str, Any] = {"evidence": None, "columns": [], "severity": NONE, "because": ""}
_MOST_RETRAININGS, _MOST_DECISIONS = 50, 5_000


@dataclass(frozen=True)
class Ledger:
    """The records of decisions under the output root `root`."""

    root: str

    def recorded(self, run_date: date) -> dict[str, Any] | None:
        """The record of the day, None where nothing was decided yet."""
        found = _read(self._day(run_date))
        return found and found | {name: _UNTOLD[name] for name in _UNTOLD if name not in found}

    def retrainings(self) -> list[datetime]:
        """When monitoring asked for retrainings, in UTC, oldest first."""
        return [datetime.fromisoformat(each["time"]) for each in self._retrainings()]

    def answered(self) -> frozenset[str]:
        """The outcomes that a retraining knew of."""
        return frozenset(each["evidence"] for each in self._retrainings() if each["evidence"])

    def told(self) -> Told | None:
        """The last alert."""
        found = _read(self._path("last_alert.json"))
        if not found:
            return None
        told_of = date.fromisoformat(found["run_date"]), found["severity"]
        return Told(*told_of, tuple(found["columns"]), found["evidence"])

    def keep(self, record: dict[str, Any]) -> None:
        """Write the record of a day, its alert and its retraining; again, it changes nothing."""
        self._write(self._day(date.fromisoformat(record["run_date"])), record)
        if record["alert"]:
            self._write(self._path("last_alert.json"), record)
        earlier = self._retrainings()
        if record["retrain"] and record["time"] not in [each["time"] for each in earlier]:
            kept = [*earlier, record][-_MOST_RETRAININGS:]
            self._write(self._path("retrainings.json"), {"retrainings": kept})

    def log(self, record: dict[str, Any]) -> None:
        """Add a decision to the log, once."""
        path, line = self._path("decisions.jsonl"), json.dumps(record)
        lines = storage.read_text(path).splitlines() if storage.exists(path) else []
        if line not in lines:
            storage.write_text(path, "\n".join([*lines, line][-_MOST_DECISIONS:]) + "\n")

    def _retrainings(self) -> list[dict[str, Any]]:
        found = _read(self._path("retrainings.json"))
        return list(found["retrainings"]) if found else []

    def _write(self, path: str, record: dict[str, Any]) -> None:
        storage.write_text(path, json.dumps(record, indent=1) + "\n")

    def _day(self, run_date: date) -> str:
        return storage.join(self.root, "reports", f"run_date={run_date}", RECORD)

    def _path(self, name: str) -> str:
        return storage.join(self.root, "reports", name)


def settle(
    ledger: Ledger, situation: Situation, policy: Policy, key: str | None, digest: str
) -> Decision:
    """Decide the day and keep the record, or say again what the run `key` was told before.

    `digest` names the day's data: with the same outcomes, the same data call for something once.
    """
    earlier = ledger.recorded(situation.run_date)
    if earlier and key and earlier["key"] == key:
        ledger.keep(earlier)
        ledger.log(earlier)
        return Decision(*(earlier[name] for name in Decision.__dataclass_fields__))
    same = earlier is not None and (earlier["digest"], earlier["evidence"])
    repeated = earlier is not None and (earlier["alert"] or same == (digest, situation.evidence))
    decision = decide(replace(situation, repeated=repeated), policy)
    record = _record(situation, decision, key, digest)
    if not (repeated or situation.report_only):
        ledger.keep(record)
    ledger.log(record)
    return decision


def _record(
    situation: Situation, decision: Decision, key: str | None, digest: str
) -> dict[str, Any]:
    told, since = situation.told, situation.since
    going_on = told.columns if told and since and told.run_date >= since else ()
    return {
        "run_date": situation.run_date.isoformat(),
        "key": key,
        "digest": digest,
        "evidence": situation.evidence,
        "time": situation.now.isoformat(),
        "columns": sorted({*going_on, *situation.columns}),
        **asdict(decision),
    }


def _read(path: str) -> dict[str, Any] | None:
    return dict(json.loads(storage.read_text(path))) if storage.exists(path) else None
