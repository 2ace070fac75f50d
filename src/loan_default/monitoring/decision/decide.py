"""Collect the facts about a monitored day and decide whether to alert or retrain."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl

from loan_default.errors import InputError
from loan_default.monitoring.days import history
from loan_default.monitoring.days.scored_day import ScoredDay
from loan_default.monitoring.decision import decision_log, policy
from loan_default.monitoring.decision.decision_log import DecisionLog
from loan_default.monitoring.decision.policy import Decision, Policy, Situation
from loan_default.monitoring.drift.verdict import Verdict
from loan_default.monitoring.performance.degradation import Limits, degradation, newest_version
from loan_default.monitoring.performance.realised_metrics import RealisedPerformance
from loan_default.registry.versions import Registry
from loan_default.settings import Settings


@dataclass(frozen=True)
class DecisionFacts:
    """The measured facts about a day.

    `unusual_rows` says that the number of rows is unusual, `few_matched` that few of the delivered
    outcomes belong to a scored application. With `report_only` nothing is alerted or retrained.
    A repeat with the same `key` gets the same decision.
    `failed_columns` vanished, are constant, in another unit, or hold what was never learned from.
    """

    day: ScoredDay
    verdict: Verdict
    unusual_rows: bool
    few_matched: bool
    realised: RealisedPerformance | None
    report_only: bool
    key: str | None
    failed_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class DecidedDay:
    """A decision and the situation in which it was made."""

    decision: Decision
    situation: Situation


@dataclass(frozen=True)
class _Loss:
    """How outcomes fall short (None if they do not), and which outcomes were evaluated."""

    degradation: str | None
    evidence: str | None


def decide_day(root: str, facts: DecisionFacts, registry: Registry, config: Settings) -> DecidedDay:
    """Decide what the day calls for and record the decision under `root`."""
    log, day = DecisionLog(root), facts.day
    past = history.before(history.read(root), day.run_date)
    drifted = [*drift_streak(past), day.run_date]
    retrainings = log.retrainings()
    trainings = [*retrainings, registry.last_registered(day.model_name)]
    loss = _loss(facts.realised, day.model_name, registry, config)
    situation = Situation(
        run_date=day.run_date,
        now=datetime.now(UTC),
        drift=facts.verdict.drift,
        columns=tuple(facts.verdict.drifted_columns),
        drift_days=len(drifted) if facts.verdict.drift else 0,
        drift_since=drifted[0],
        since=trouble_since(past) or day.run_date,
        degradation=loss.degradation,
        evidence=loss.evidence,
        answered=log.answered(),
        unusual_rows=facts.unusual_rows,
        few_matched=facts.few_matched,
        failed_columns=facts.failed_columns,
        latest=day.latest,
        trained=max((time for time in trainings if time), default=None),
        retrainings=tuple(retrainings),
        last_alert=log.last_alert(),
        report_only=facts.report_only,
    )
    decision = decision_log.settle(log, situation, _policy(config), facts.key, day.digest)
    return DecidedDay(decision, situation)


def drift_streak(past: pl.DataFrame) -> list[date]:
    """Return the newest days of the history that drifted in a row."""
    return policy.newest_streak(past.select("run_date", "drift").rows())


def trouble_since(past: pl.DataFrame) -> date | None:
    """Return the first of the newest days in a row with trouble; None if there are none."""
    quiet = pl.col("severity").fill_null(policy.NONE) == policy.NONE
    unknown = quiet & pl.col("drift").is_null()
    trouble = pl.when(unknown).then(None).otherwise(~quiet)
    streak = policy.newest_streak(past.select("run_date", trouble.alias("trouble")).rows())
    return streak[0] if streak else None


def _policy(config: Settings) -> Policy:
    return Policy(
        cooldown=timedelta(days=config.retrain_cooldown_days),
        sustained_days=config.drift_retrain_days,
        weekly_cap=config.retrain_weekly_cap,
    )


def _loss(
    realised: RealisedPerformance | None, model_name: str, registry: Registry, config: Settings
) -> _Loss:
    limits = Limits(
        auc=config.quality_auc_tolerance,
        calibration=config.quality_calibration_tolerance,
        min_outcomes=config.quality_min_outcomes,
        min_coverage=config.quality_min_coverage,
    )
    version = newest_version(realised, limits)
    if realised is None or version is None:
        return _Loss(None, None)
    tested = _tested_auc(registry, model_name, version.model_version)
    evidence = (
        f"version {version.model_version}, {version.metrics.outcomes} outcomes "
        f"through {realised.as_of}"
    )
    return _Loss(degradation(version, tested, limits), evidence)


def _tested_auc(registry: Registry, name: str, number: str) -> float | None:
    try:
        return registry.metrics(registry.version(name, number)).get("AUC_approved")
    except InputError:
        # The version is gone from the registry; its calibration can still be evaluated.
        return None
