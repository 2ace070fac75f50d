"""Whether a monitored day calls for an alert and for a retraining: the rule. Pure.

What is kept of it, so that a day is decided once, is `ledger`'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

WEEK = timedelta(days=7)
NONE, NOTICE, WARNING, CRITICAL = "none", "notice", "warning", "critical"
_LEVELS = (NONE, NOTICE, WARNING, CRITICAL)


@dataclass(frozen=True)
class Policy:
    """When drift or quality loss retrains.

    `cooldown` lies between two trainings, `sustained_days` scored days in a row must drift, and
    `weekly_cap` retrainings are the most in 7 days.
    """

    cooldown: timedelta
    sustained_days: int
    weekly_cap: int


@dataclass(frozen=True)
class Told:
    """The last alert: about which day, how severe, the columns named since the trouble began, and
    which outcomes it spoke of."""

    run_date: date
    severity: str
    columns: tuple[str, ...]
    evidence: str | None


@dataclass(frozen=True)
class Situation:
    """What is known once a day has been compared and judged.

    `columns` have drifted; `drift_days` scored days in a row have, from `drift_since` to this one;
    `since` is the first day of the trouble that this day is in. `loss` says how outcomes fall
    short, None where they do not; `evidence` names those outcomes, `answered` all that a retraining
    knew of. `odd_rows` says that the number of rows is. `latest` is the newest scored day,
    `repeated` whether this day has been told of before, or its very data decided. `trained` is when
    a model was last made or asked for, `retrainings` when monitoring asked; all times in UTC.
    """

    run_date: date
    now: datetime
    drift: bool | None
    columns: tuple[str, ...] = ()
    drift_days: int = 0
    drift_since: date | None = None
    since: date | None = None
    loss: str | None = None
    evidence: str | None = None
    answered: frozenset[str] = frozenset()
    odd_rows: bool = False
    latest: date | None = None
    trained: datetime | None = None
    retrainings: tuple[datetime, ...] = ()
    told: Told | None = None
    report_only: bool = False
    repeated: bool = False

    @property
    def lost(self) -> bool:
        """Whether outcomes fall short and no retraining has known of them yet."""
        return self.loss is not None and self.evidence not in self.answered


@dataclass(frozen=True)
class Decision:
    """Whether to tell people, whether to retrain, and why; how severe it is, and because of what:
    "drift", "quality loss", "odd number of rows" or ""."""

    alert: bool
    retrain: bool
    decision: str
    severity: str = NONE
    because: str = ""


def decide(situation: Situation, policy: Policy) -> Decision:
    """What to do about the day.

    Drift, realised quality loss and an odd number of rows on the latest day alert: once, and again
    only when it grew worse, something new moved, or a retraining starts. Drift that has
    lasted and quality loss retrain, as far as cool-down and weekly cap allow, so that a retraining
    cannot set off the next.
    """
    severity, because = _severity(situation, policy)
    if severity == NONE:
        return Decision(False, False, "nothing: no drift was found")
    if stopped := _stopped(situation):
        return Decision(False, False, f"nothing: {stopped}", severity, because)
    held = _held(situation, policy)
    if held is None:
        reason = f"retraining triggered: {_cause(situation)}"
        return Decision(True, True, reason, severity, because)
    if told := _told_before(situation, severity):
        reason = f"nothing new since the alert of {told.run_date}, no retraining: {held}"
        return Decision(False, False, reason, severity, because)
    return Decision(True, False, f"no retraining: {held}", severity, because)


def _severity(situation: Situation, policy: Policy) -> tuple[str, str]:
    if situation.lost:
        return CRITICAL, "quality loss"
    if situation.drift:
        lasting = situation.drift_days >= policy.sustained_days > 1
        return CRITICAL if lasting else WARNING, "drift"
    return (NOTICE, "odd number of rows") if situation.odd_rows else (NONE, "")


def _stopped(situation: Situation) -> str | None:
    """Why nothing is called for, whatever was found."""
    if situation.report_only:
        return "only a report was asked for"
    if situation.latest and situation.run_date < situation.latest:
        return f"{situation.latest} has been scored since"
    return "this day has been decided before" if situation.repeated else None


def _held(situation: Situation, policy: Policy) -> str | None:
    """Why there is no retraining; None where there is one."""
    if not (situation.lost or situation.drift):
        return "only the number of rows is odd"
    if not situation.lost and situation.drift_days < policy.sustained_days:
        return f"drift has lasted {situation.drift_days} of {policy.sustained_days} scored days"
    if situation.trained and situation.now - situation.trained < policy.cooldown:
        return f"in cool-down until {_time(situation.trained + policy.cooldown)}"
    recent = [time for time in situation.retrainings if situation.now - time < WEEK]
    if len(recent) >= policy.weekly_cap:
        return f"{len(recent)} in 7 days are the most (RETRAIN_WEEKLY_CAP)"
    return None


def _cause(situation: Situation) -> str:
    if situation.lost:
        return str(situation.loss)
    days = situation.drift_days
    return f"drift has lasted {days} scored day{'s' if days > 1 else ''}"


def _told_before(situation: Situation, severity: str) -> Told | None:
    """The alert that has said all of this, if there was one since the trouble began."""
    told = situation.told
    if told is None or situation.since is None or told.run_date < situation.since:
        return None
    worse = _LEVELS.index(severity) > _LEVELS.index(told.severity)
    moved = situation.drift and not set(situation.columns) <= set(told.columns)
    other = situation.lost and situation.evidence != told.evidence
    return None if worse or moved or other else told


def in_a_row(days: Sequence[tuple[date, bool | None]]) -> list[date]:
    """The newest days in a row of which something holds; `days` are oldest first.

    A day of which it is not known (too few rows) neither counts nor ends the row.
    """
    row = []
    for day, holds in reversed(days):
        if holds is False:
            break
        if holds:
            row.append(day)
    return row[::-1]


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
