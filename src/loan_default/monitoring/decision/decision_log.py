"""The decisions of monitoring, kept so that nothing is alerted or retrained twice.

A record next to a day's report makes its decision final: the run that made it (its key) gets the
same decision again, so that a retry completes what a crash interrupted; any other run over the same
data neither alerts nor retrains. Every decision is logged in ROOT/reports/decisions.jsonl with its
reason.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any, Self

from loan_default import storage
from loan_default.monitoring.decision.policy import (
    NONE,
    Decision,
    Policy,
    SentAlert,
    Situation,
    decide,
)

_MAX_RETRAININGS, _MAX_DECISIONS = 50, 5_000
Json = dict[str, Any]


@dataclass(frozen=True)
class Record:
    """The decision of a day.

    `key` identifies the run that decided, `digest` the day's data, `evidence` the outcomes.
    `columns` are the columns named in alerts since the trouble began. `time` is in UTC.
    """

    run_date: date
    key: str | None
    digest: str
    evidence: str | None
    time: datetime
    columns: tuple[str, ...]
    decision: Decision

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read a stored record; earlier releases wrote fewer keys."""
        return cls(
            run_date=date.fromisoformat(stored["run_date"]),
            key=stored["key"],
            digest=stored["digest"],
            evidence=stored.get("evidence"),
            time=datetime.fromisoformat(stored["time"]),
            columns=tuple(stored.get("columns", ())),
            decision=Decision(
                alert=stored["alert"],
                retrain=stored["retrain"],
                decision=stored["decision"],
                severity=stored.get("severity", NONE),
                because=stored.get("because", ""),
            ),
        )

    def to_json(self) -> Json:
        """Return the record as it is stored."""
        return {
            "run_date": self.run_date.isoformat(),
            "key": self.key,
            "digest": self.digest,
            "evidence": self.evidence,
            "time": self.time.isoformat(),
            "columns": list(self.columns),
            **asdict(self.decision),
        }


@dataclass(frozen=True)
class DecisionLog:
    """The records of decisions under the output root `root`."""

    root: str

    def recorded(self, run_date: date) -> Record | None:
        """Return the record of a day; None if nothing was decided yet."""
        stored = _read(self._day_path(run_date))
        return Record.from_json(stored) if stored else None

    def retrainings(self) -> list[datetime]:
        """Return when monitoring requested retrainings, in UTC, oldest first."""
        return [record.time for record in self._retrainings()]

    def answered(self) -> frozenset[str]:
        """Return the outcomes that retrainings took into account."""
        return frozenset(record.evidence for record in self._retrainings() if record.evidence)

    def last_alert(self) -> SentAlert | None:
        """Return the last alert; None if there was none."""
        stored = _read(self._path("last_alert.json"))
        if not stored:
            return None
        record = Record.from_json(stored)
        return SentAlert(record.run_date, record.decision.severity, record.columns, record.evidence)

    def store(self, record: Record) -> None:
        """Write a day's record, with its alert and retraining if any; idempotent."""
        self._write(self._day_path(record.run_date), record.to_json())
        if record.decision.alert:
            self._write(self._path("last_alert.json"), record.to_json())
        earlier = self._retrainings()
        if record.decision.retrain and record.time not in [each.time for each in earlier]:
            newest = [*earlier, record][-_MAX_RETRAININGS:]
            documents = [each.to_json() for each in newest]
            self._write(self._path("retrainings.json"), {"retrainings": documents})

    def log(self, record: Record) -> None:
        """Append a decision to the log, once."""
        path, line = self._path("decisions.jsonl"), json.dumps(record.to_json())
        lines = storage.read_text(path).splitlines() if storage.exists(path) else []
        if line not in lines:
            storage.write_text(path, "\n".join([*lines, line][-_MAX_DECISIONS:]) + "\n")

    def _retrainings(self) -> list[Record]:
        stored = _read(self._path("retrainings.json"))
        return [Record.from_json(each) for each in stored["retrainings"]] if stored else []

    def _write(self, path: str, document: Json) -> None:
        storage.write_text(path, json.dumps(document, indent=1) + "\n")

    def _day_path(self, run_date: date) -> str:
        return storage.join(self.root, "reports", f"run_date={run_date}", "decision.json")

    def _path(self, name: str) -> str:
        return storage.join(self.root, "reports", name)


def settle(
    log: DecisionLog, situation: Situation, policy: Policy, key: str | None, digest: str
) -> Decision:
    """Decide the day and record the decision, or return what the run `key` was given before.

    `digest` identifies the day's data: with the same outcomes, the same data alert or retrain once.
    """
    earlier = log.recorded(situation.run_date)
    if earlier and key and earlier.key == key:
        log.store(earlier)
        log.log(earlier)
        return earlier.decision
    repeated = earlier is not None and (
        earlier.decision.alert or (earlier.digest, earlier.evidence) == (digest, situation.evidence)
    )
    decision = decide(replace(situation, repeated=repeated), policy)
    record = _record(situation, decision, key, digest)
    if decision.alert or not (repeated or situation.report_only):
        log.store(record)
    log.log(record)
    return decision


def _record(situation: Situation, decision: Decision, key: str | None, digest: str) -> Record:
    alert, since = situation.last_alert, situation.since
    named_before = alert.columns if alert and since and alert.run_date >= since else ()
    return Record(
        run_date=situation.run_date,
        key=key,
        digest=digest,
        evidence=situation.evidence,
        time=situation.now,
        columns=tuple(sorted({*named_before, *situation.columns, *situation.failed_columns})),
        decision=decision,
    )


def _read(path: str) -> Json | None:
    return dict(json.loads(storage.read_text(path))) if storage.exists(path) else None
