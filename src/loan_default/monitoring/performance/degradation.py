"""Whether outcomes show that a model performs worse than when it was tested. Pure.

Chance must not explain it: a confidence interval has to lie beyond the tolerance and rest on enough
matured outcomes from enough of the approved applications. A delivery of the defaults alone proves
nothing.
"""

from dataclasses import dataclass

from loan_default.monitoring.performance.realised_metrics import (
    RealisedPerformance,
    VersionMetrics,
)


@dataclass(frozen=True)
class Limits:
    """What is still accepted.

    `auc` and `calibration` are tolerated losses in [0, 1]; `min_outcomes` is a count;
    `min_coverage` is the share in [0, 1] of the matured approved applications with an outcome.
    """

    auc: float
    calibration: float
    min_outcomes: int
    min_coverage: float


def newest_version(realised: RealisedPerformance | None, limits: Limits) -> VersionMetrics | None:
    """Return the version with the newest cohort that has enough outcomes; None if there is none."""
    if not realised or (realised.coverage or 0.0) < limits.min_coverage:
        return None
    enough = [v for v in realised.by_version if v.metrics.outcomes >= limits.min_outcomes]
    return enough[-1] if enough else None


def degradation(version: VersionMetrics, tested_auc: float | None, limits: Limits) -> str | None:
    """Describe in one sentence how the outcomes of a version fall short; None if they do not.

    Args:
        version: its realised metrics, with at least one outcome.
        tested_auc: AUC on the loans of the version's test months that it would have approved; None
            if unknown. Approved loans have a lower AUC than all loans: only like is compared with
            like, whether or not outcomes of declined loans were delivered.
        limits: what is still accepted.
    """
    metrics = version.metrics
    auc, rate, predicted = version.approved_AUC, metrics.default_rate, metrics.mean_probability
    basis = f"{metrics.outcomes:,} outcomes of version {version.model_version}"
    if auc and auc.high is not None and tested_auc is not None:
        if auc.high < tested_auc - limits.auc:
            return (
                f"realised AUC {auc.value:.3f} on approved loans, tested {tested_auc:.3f} ({basis})"
            )
    if rate is None or predicted is None or rate.low is None or rate.high is None:
        return None
    too_high = rate.low > predicted + limits.calibration
    if too_high or rate.high < predicted - limits.calibration:
        return f"realised default rate {rate.value:.1%}, predicted {predicted:.1%} ({basis})"
    return None
