"""The rules of the promotion gate: may a model version go into production?

The functions are pure; the caller moves the aliases. A metric that is missing or not finite fails
its check, so a version is never promoted for lack of evidence.
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from loan_default.metrics.classification import Interval

CHAMPION_CHECK = "not_worse_than_champion"


@dataclass(frozen=True)
class Gate:
    """The limits for a model's metrics on its test months: minimum AUC, minimum F1, maximum
    calibration error.

    All three are in [0, 1]; a metric equal to its limit passes.
    """

    auc_threshold: float
    f1_threshold: float
    calibration_tolerance: float


@dataclass(frozen=True)
class Check:
    """The result of one check of the gate.

    `value` was compared with `limit`; both are None if there was nothing to compare. `reason` is
    one plain sentence with the numbers, for a passed check too.
    """

    name: str
    value: float | None
    limit: float | None
    passed: bool
    reason: str

    def as_dict(self) -> dict[str, str | float | bool | None]:
        """Return the check as a JSON object; a number that is not finite becomes None."""
        return {
            "name": self.name,
            "value": _finite(self.value),
            "limit": _finite(self.limit),
            "passed": self.passed,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class GateDecision:
    """Whether the version may go into production, the checks, and the `reasons` against it."""

    promotable: bool
    checks: tuple[Check, ...]
    reasons: list[str]


def threshold_checks(metrics: Mapping[str, float], gate: Gate) -> list[Check]:
    """Check AUC, F1 and calibration error against their limits.

    `metrics` are those of `classification.metrics`, by name.
    """
    return [
        _at_least("AUC", metrics, gate.auc_threshold),
        _at_least("F1", metrics, gate.f1_threshold),
        _at_most("calibration_error", metrics, gate.calibration_tolerance),
    ]


def champion_check(
    interval: Interval | None, *, champion_version: str | int | None, why_not: str | None = None
) -> Check:
    """Check that the challenger is not worse than the champion, the production model.

    The check's `value` is the interval's upper end, its `limit` 0.

    Args:
        interval: the paired confidence interval of AUC(challenger) - AUC(champion), None if they
            could not be compared. The check fails if all of it is below 0.
        champion_version: None if there is no production model: the check passes.
        why_not: why there is no interval although there is a champion: the check fails.
    """
    name = CHAMPION_CHECK
    if champion_version is None:
        return Check(name, None, None, True, "no production model to compare with")
    if interval is None:
        reason = f"not compared with version {champion_version}: {why_not or 'no interval given'}"
        return Check(name, None, 0.0, False, reason)
    passed = bool(interval.high >= 0)
    return Check(name, interval.high, 0.0, passed, _comparison(interval, champion_version, passed))


def decide(checks: Iterable[Check]) -> GateDecision:
    """Decide from the checks: promotable if there is at least one and all have passed."""
    checks = tuple(checks)
    failed = [check.reason for check in checks if not check.passed]
    reasons = failed if checks else ["nothing was checked"]
    return GateDecision(not reasons, checks, reasons)


def _at_least(name: str, metrics: Mapping[str, float], limit: float) -> Check:
    wording = ("is below the threshold", "reaches")
    return _compared(name, metrics, limit, operator.ge, wording)


def _at_most(name: str, metrics: Mapping[str, float], limit: float) -> Check:
    wording = ("is above the tolerance", "is within")
    return _compared(name, metrics, limit, operator.le, wording)


def _compared(
    name: str,
    metrics: Mapping[str, float],
    limit: float,
    holds: Callable[[float, float], bool],
    wording: tuple[str, str],
) -> Check:
    label = name.replace("_", " ")
    value = _finite(metrics.get(name))
    if value is None:
        problem = "is not a finite number" if name in metrics else "is missing"
        return Check(name, None, limit, False, f"{label} {problem}; the limit is {limit:.4f}")
    passed = holds(value, limit)
    shown, bound = _distinct_decimals(value, limit)
    return Check(name, value, limit, passed, f"{label} {shown} {wording[passed]} {bound}")


def _distinct_decimals(value: float, limit: float) -> tuple[str, str]:
    """Format both with four decimals, or with as many more as it takes to tell them apart."""
    digits = 4
    while value != limit and f"{value:.{digits}f}" == f"{limit:.{digits}f}":
        digits += 1
    return f"{value:.{digits}f}", f"{limit:.{digits}f}"


def _comparison(interval: Interval, version: str | int, passed: bool) -> str:
    comparison = (
        f"is not clearly lower than version {version}'s: difference {interval.difference:.2g}"
        if passed
        else f"is lower than version {version}'s by {-interval.difference:.2g}"
    )
    bounds = f"{100 * interval.level:g}% interval {interval.low:.2g} to {interval.high:.2g}"
    return f"AUC {comparison} ({bounds})"


def _finite(value: float | None) -> float | None:
    """Return the value as a Python float, None if JSON cannot hold it."""
    return None if value is None or not math.isfinite(value) else float(value)
