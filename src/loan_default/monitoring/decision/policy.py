"""The rule that decides whether a monitored day calls for an alert and for a retraining. Pure.

`decision_log` keeps the decisions, so that each day is decided once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

WEEK = timedelta(days=7)
NONE, NOTICE, WARNING, CRITICAL = "none", "notice", "warning", "critical"
_SEVERITIES = (NONE, NOTICE, WARNING, CRITICAL)

DRIFT, QUALITY_LOSS, UNUSUAL_ROWS = "drift", "quality loss", "unusual number of rows"
FEW_MATCHED = "outcomes of other ids"
FAILED_COLUMNS = "implausible columns"


@dataclass(frozen=True)
class Policy:
    """When drift or quality loss starts a retraining.

    `cooldown` is the minimum time between two trainings, `sustained_days` the number of scored days
    in a row that must drift, `weekly_cap` the maximum number of retrainings in 7 days.
    """

    cooldown: timedelta
    sustained_days: int
    weekly_cap: int


@dataclass(frozen=True)
class SentAlert:
    """The last alert: its day and severity, the columns named in alerts since the trouble began,
    and the outcomes it referred to (`evidence`)."""

    run_date: date
    severity: str
    columns: tuple[str, ...]
    evidence: str | None


@dataclass(frozen=True)
class Situation:
    """The facts about a day that the rule decides on; all times are in UTC.

    `columns` are the drifted columns, `failed_columns` the implausible ones. The last `drift_days`
    scored days in a row drifted, from `drift_since` to this one. `since` is the first day of the
    current trouble. `degradation` says how outcomes fall short, None if they do not; `evidence`
    identifies those outcomes, and `answered` all that earlier retrainings took into account.
    `unusual_rows` is about the number of rows, `few_matched` about the delivered outcomes, of which
    few belong to a scored application. `latest` is the newest scored day. `trained` is when a model
    was last registered or a retraining requested, `retrainings` are the requests of monitoring.
    `repeated` says that the day has alerted before, or that the same data were decided before.
    """

    run_date: date
    now: datetime
    drift: bool | None
    columns: tuple[str, ...] = ()
    drift_days: int = 0
    drift_since: date | None = None
    since: date | None = None
    degradation: str | None = None
    evidence: str | None = None
    answered: frozenset[str] = frozenset()
    unusual_rows: bool = False
    few_matched: bool = False
    failed_columns: tuple[str, ...] = ()
    latest: date | None = None
    trained: datetime | None = None
    retrainings: tuple[datetime, ...] = ()
    last_alert: SentAlert | None = None
    report_only: bool = False
    repeated: bool = False

    @property
    def degraded(self) -> bool:
        """Whether outcomes fall short and no retraining has taken them into account."""
        return self.degradation is not None and self.evidence not in self.answered


@dataclass(frozen=True)
class Decision:
    """Whether to alert people and whether to retrain, with the reason in `decision`.

    `because` names the trouble: DRIFT, QUALITY_LOSS, UNUSUAL_ROWS, FEW_MATCHED,
    FAILED_COLUMNS, or "" without any.
    """

    alert: bool
    retrain: bool
    decision: str
    severity: str = NONE
    because: str = ""


def decide(situation: Situation, policy: Policy) -> Decision:
    """Decide what the day calls for.

    Drift, quality loss, implausible columns and an unusual number of rows on the latest day alert
    once, and again only if it got worse, something new drifted or failed, or a retraining starts.
    Lasting drift and quality loss retrain within the cool-down and the weekly cap, so that one
    retraining cannot cause the next. Outcomes that belong to no scored application always alert: no
    day brings them again.
    """
    decision = _decide_day(situation, policy)
    if not situation.few_matched or situation.report_only or decision.alert:
        return decision
    return replace(
        decision,
        alert=True,
        decision="no retraining: few delivered outcomes belong to a scored application",
        severity=NOTICE if decision.severity == NONE else decision.severity,
        because=FEW_MATCHED,
    )


def _decide_day(situation: Situation, policy: Policy) -> Decision:
    severity, because = _severity(situation, policy)
    if severity == NONE:
        return Decision(False, False, "nothing: no drift was found")
    if reason := _reason_to_ignore(situation):
        return Decision(False, False, f"nothing: {reason}", severity, because)
    obstacle = _obstacle_to_retraining(situation, policy)
    if obstacle is None:
        reason = f"retraining triggered: {_cause(situation)}"
        return Decision(True, True, reason, severity, because)
    if alert := _sufficient_alert(situation, severity):
        reason = f"nothing new since the alert of {alert.run_date}, no retraining: {obstacle}"
        return Decision(False, False, reason, severity, because)
    return Decision(True, False, f"no retraining: {obstacle}", severity, because)


def newest_streak(days: Sequence[tuple[date, bool | None]]) -> list[date]:
    """Return the newest days in a row that are True; `days` are oldest first.

    None (too few rows to tell) neither counts nor ends the streak.
    """
    streak = []
    for day, value in reversed(days):
        if value is False:
            break
        if value:
            streak.append(day)
    return streak[::-1]


def _severity(situation: Situation, policy: Policy) -> tuple[str, str]:
    if situation.degraded:
        return CRITICAL, QUALITY_LOSS
    if situation.drift:
        lasting = situation.drift_days >= policy.sustained_days > 1
        return CRITICAL if lasting else WARNING, DRIFT
    if situation.failed_columns:
        return WARNING, FAILED_COLUMNS
    return (NOTICE, UNUSUAL_ROWS) if situation.unusual_rows else (NONE, "")


def _reason_to_ignore(situation: Situation) -> str | None:
    if situation.report_only:
        return "only a report was requested"
    if situation.latest and situation.run_date < situation.latest:
        return f"{situation.latest} has been scored since"
    return "this day has been decided before" if situation.repeated else None


def _obstacle_to_retraining(situation: Situation, policy: Policy) -> str | None:
    if not (situation.degraded or situation.drift):
        failed = "columns are implausible, which only their source can correct"
        return failed if situation.failed_columns else "only the number of rows is unusual"
    if not situation.degraded and situation.drift_days < policy.sustained_days:
        return f"drift has lasted {situation.drift_days} of {policy.sustained_days} scored days"
    if situation.trained and situation.now - situation.trained < policy.cooldown:
        return f"in cool-down until {situation.trained + policy.cooldown:%Y-%m-%d %H:%M} UTC"
    recent = [time for time in situation.retrainings if situation.now - time < WEEK]
    if len(recent) >= policy.weekly_cap:
        return f"{len(recent)} in 7 days is the maximum (RETRAIN_WEEKLY_CAP)"
    return None


def _cause(situation: Situation) -> str:
    if situation.degraded:
        return str(situation.degradation)
    days = situation.drift_days
    return f"drift has lasted {days} scored day{'s' if days > 1 else ''}"


def _sufficient_alert(situation: Situation, severity: str) -> SentAlert | None:
    """Return the last alert if it was sent since the trouble began and nothing is new since."""
    alert = situation.last_alert
    if alert is None or situation.since is None or alert.run_date < situation.since:
        return None
    worse = _SEVERITIES.index(severity) > _SEVERITIES.index(alert.severity)
    columns = {*(situation.columns if situation.drift else ()), *situation.failed_columns}
    new_columns = not columns <= set(alert.columns)
    new_outcomes = situation.degraded and situation.evidence != alert.evidence
    return None if worse or new_columns or new_outcomes else alert
