"""Whether a monitored day calls for an alert and for a retraining: the rule is pure; the record of
what was decided lies beside the day's report.

The record makes a decision once. The run that made it (its key) is told the same again, so that a
retry completes what a crash cut off; any other run over the same data neither alerts nor retrains.
"""

import json
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from loan_default import storage

RECORD = "decision.json"


@dataclass(frozen=True)
class Situation:
    """What is known once a day has been compared.

    `latest` is the newest scored day, `repeated` whether this day has been told of before, or its
    very data decided; `retrained` is when a model was last made or asked for, in UTC.
    """

    run_date: date
    drift: bool | None
    latest: date | None
    retrained: datetime | None
    now: datetime
    report_only: bool = False
    repeated: bool = False


@dataclass(frozen=True)
class Decision:
    """Whether to tell people, whether to retrain, and why."""

    alert: bool
    retrain: bool
    decision: str


def decide(situation: Situation, cooldown: timedelta) -> Decision:
    """What to do about the day.

    Real drift on the latest day alerts, once; it retrains too where the last training is `cooldown`
    or more ago, so that a retraining cannot set off the next.
    """
    if not situation.drift:
        return Decision(False, False, "nothing: no drift was found")
    if situation.report_only:
        return Decision(False, False, "nothing: only a report was asked for")
    if situation.latest and situation.run_date < situation.latest:
        return Decision(False, False, f"nothing: {situation.latest} has been scored since")
    if situation.repeated:
        return Decision(False, False, "nothing: this day has been decided before")
    if situation.retrained and situation.now - situation.retrained < cooldown:
        until = situation.retrained + cooldown
        return Decision(
            True, False, f"no retraining: in cool-down until {until:%Y-%m-%d %H:%M} UTC"
        )
    return Decision(True, True, "retraining triggered")


@dataclass(frozen=True)
class Ledger:
    """The records of decisions under the output root `root`."""

    root: str

    def recorded(self, run_date: date) -> dict[str, Any] | None:
        """The record of the day, None where nothing was decided yet."""
        return _read(self._day(run_date))

    def retrained(self) -> datetime | None:
        """When monitoring last asked for a retraining, in UTC."""
        found = _read(self._retraining)
        return datetime.fromisoformat(found["time"]) if found else None

    def keep(self, record: dict[str, Any]) -> None:
        """Write the record of a day, and of its retraining; writing it again changes nothing."""
        text = json.dumps(record, indent=1) + "\n"
        storage.write_text(self._day(date.fromisoformat(record["run_date"])), text)
        if record["retrain"]:
            storage.write_text(self._retraining, text)

    def _day(self, run_date: date) -> str:
        return storage.join(self.root, "reports", f"run_date={run_date}", RECORD)

    @property
    def _retraining(self) -> str:
        return storage.join(self.root, "reports", "last_retraining.json")


def settle(
    ledger: Ledger, situation: Situation, cooldown: timedelta, key: str | None, digest: str
) -> Decision:
    """Decide the day and keep the record, or say again what the run `key` was told before.

    `digest` names the day's data: the same data call for something once.
    """
    earlier = ledger.recorded(situation.run_date)
    if earlier and key and earlier["key"] == key:
        ledger.keep(earlier)
        return Decision(earlier["alert"], earlier["retrain"], earlier["decision"])
    repeated = earlier is not None and (earlier["alert"] or earlier["digest"] == digest)
    decision = decide(replace(situation, repeated=repeated), cooldown)
    if not (repeated or situation.report_only):
        ledger.keep(_record(situation, decision, key, digest))
    return decision


def _record(
    situation: Situation, decision: Decision, key: str | None, digest: str
) -> dict[str, Any]:
    return {
        "run_date": situation.run_date.isoformat(),
        "key": key,
        "digest": digest,
        "time": situation.now.isoformat(),
        **asdict(decision),
    }


def _read(path: str) -> dict[str, Any] | None:
    return dict(json.loads(storage.read_text(path))) if storage.exists(path) else None
