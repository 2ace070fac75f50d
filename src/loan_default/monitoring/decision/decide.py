"""From a monitored day to its decision: what the rule must know, gathered from where it lies."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from loan_default.errors import InputError
from loan_default.monitoring.days import history
from loan_default.monitoring.days.scored_day import ScoredDay
from loan_default.monitoring.decision import decision_log, policy
from loan_default.monitoring.decision.decision_log import Ledger
from loan_default.monitoring.decision.policy import Decision, Policy, Situation
from loan_default.monitoring.drift.verdict import Verdict
from loan_default.monitoring.performance import degradation
from loan_default.monitoring.performance.degradation import Limits
from loan_default.registry.versions import Registry
from loan_default.settings import Settings


@dataclass(frozen=True)
class Triaged:
    """What was decided, and in what situation."""

    decision: Decision
    situation: Situation


def triage(
    root: str,
    day: ScoredDay,
    verdict: Verdict,
    odd_rows: bool,
    realised: Mapping[str, Any] | None,
    registry: Registry,
    config: Settings,
    report_only: bool,
    key: str | None,
) -> Triaged:
    """Decide what the day calls for and keep the decision under `root`."""
    book = Ledger(root)
    past = history.read(root).filter(pl.col("run_date") < day.run_date)
    drifted = [*drift_row(past), day.run_date]
    retrainings = book.retrainings()
    trainings = [*retrainings, registry.last_registered(day.model_name)]
    loss, evidence = _loss(realised, day.model_name, registry, config)
    situation = Situation(
        run_date=day.run_date,
        now=datetime.now(UTC),
        drift=verdict.drift,
        columns=tuple(verdict.drifted_columns),
        drift_days=len(drifted) if verdict.drift else 0,
        drift_since=drifted[0],
        since=trouble_since(past) or day.run_date,
        loss=loss,
        evidence=evidence,
        answered=book.answered(),
        odd_rows=odd_rows,
        latest=day.latest,
        trained=max((time for time in trainings if time), default=None),
        retrainings=tuple(retrainings),
        told=book.told(),
        report_only=report_only,
    )
    return Triaged(
        decision_log.settle(book, situation, _policy(config), key, day.digest), situation
    )


def drift_row(past: pl.DataFrame) -> list[date]:
    """The newest days of the history that drifted in a row."""
    return policy.in_a_row(past.select("run_date", "drift").rows())


def trouble_since(past: pl.DataFrame) -> date | None:
    """The first of the newest days in a row that called for something; None without any."""
    quiet = pl.col("severity").fill_null(policy.NONE) == policy.NONE
    unknown = quiet & pl.col("drift").is_null()
    trouble = pl.when(unknown).then(None).otherwise(~quiet)
    row = policy.in_a_row(past.select("run_date", trouble.alias("trouble")).rows())
    return row[0] if row else None


def _policy(config: Settings) -> Policy:
    return Policy(
        cooldown=timedelta(days=config.retrain_cooldown_days),
        sustained_days=config.drift_retrain_days,
        weekly_cap=config.retrain_weekly_cap,
    )


def _loss(
    realised: Mapping[str, Any] | None, model_name: str, registry: Registry, config: Settings
) -> tuple[str | None, str | None]:
    """How outcomes fall short, and which ones they are."""
    limits = Limits(
        auc=config.quality_auc_tolerance,
        calibration=config.quality_calibration_tolerance,
        min_outcomes=config.quality_min_outcomes,
        min_coverage=config.quality_min_coverage,
    )
    version = degradation.newest(realised, limits)
    if realised is None or version is None:
        return None, None
    tested = _tested_auc(registry, model_name, version["model_version"])
    evidence = (
        f"version {version['model_version']}, {version['outcomes']} outcomes "
        f"through {realised['as_of']}"
    )
    return degradation.loss(version, tested, limits), evidence


def _tested_auc(registry: Registry, name: str, number: str) -> float | None:
    try:
        return registry.metrics(registry.version(name, number)).get("AUC")
    except InputError:
        # The version is gone from the registry; calibration can still be judged.
        return None
