"""The gate: may a model version go live? Pure; whoever asks moves the aliases.

A metric that is missing or not finite fails its check: the gate never opens for lack of evidence.
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from loan_default.metrics.classification import Interval

CHAMPION_CHECK = "not_worse_than_champion"


@dataclass(frozen=True)
class Gate:
    """What a model must reach on its test months: least AUC, least F1, most calibration error.

    All three are in [0, 1], and a model that just equals one passes.
    """

    auc_threshold: float
    f1_threshold: float
    calibration_tolerance: float


@dataclass(frozen=True)
class Check:
    """One condition of the gate and how it came out.

    `value` was compared with `limit`; each is None where there was nothing to compare. `reason` is
    one plain sentence with the figures, for a passed check too.
    """

    name: str
    value: float | None
    limit: float | None
    passed: bool
    reason: str

    def as_dict(self) -> dict[str, str | float | bool | None]:
        """The check as JSON can hold it: a figure that is not finite becomes None."""
        return {
            "name": self.name,
            "value": _finite(self.value),
            "limit": _finite(self.limit),
            "passed": self.passed,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Decision:
    """Whether the model may go live, after which checks; `reasons` are what stands against it."""

    promotable: bool
    checks: tuple[Check, ...]
    reasons: list[str]


def threshold_checks(metrics: Mapping[str, float], gate: Gate) -> list[Check]:
    """AUC, F1 and calibration error against their limits; `metrics` are `evaluation.metrics`'s."""
    return [
        _at_least("AUC", metrics, gate.auc_threshold),
        _at_least("F1", metrics, gate.f1_threshold),
        _at_most("calibration_error", metrics, gate.calibration_tolerance),
    ]


def champion_check(
    interval: Interval | None, *, champion_version: str | int | None, why_not: str | None = None
) -> Check:
    """The challenger is not worse than the production model; without one there is nothing to beat.

    `interval` is the paired interval of AUC(challenger) - AUC(champion). The check fails when all
    of it lies below 0, and when there is a champion but no interval: `why_not` then says why. The
    check's `value` is the interval's upper end, its `limit` 0.
    """
    name = CHAMPION_CHECK
    if champion_version is None:
        return Check(name, None, None, True, "no production model to compare with")
    if interval is None:
        reason = f"not compared with version {champion_version}: {why_not or 'no interval given'}"
        return Check(name, None, 0.0, False, reason)
    passed = bool(interval.high >= 0)
    return Check(name, interval.high, 0.0, passed, _comparison(interval, champion_version, passed))


def decide(checks: Iterable[Check]) -> Decision:
    """Promotable when every check passed, and there was at least one."""
    checks = tuple(checks)
    failed = [check.reason for check in checks if not check.passed]
    reasons = failed if checks else ["nothing was checked"]
    return Decision(not reasons, checks, reasons)


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
    shown, bound = _distinct_figures(value, limit)
    return Check(name, value, limit, passed, f"{label} {shown} {wording[passed]} {bound}")


def _distinct_figures(value: float, limit: float) -> tuple[str, str]:
    """Both with four decimals, or as many more as tell them apart where they differ."""
    digits = 4
    while value != limit and f"{value:.{digits}f}" == f"{limit:.{digits}f}":
        digits += 1
    return f"{value:.{digits}f}", f"{limit:.{digits}f}"


def _comparison(interval: Interval, version: str | int, passed: bool) -> str:
    finding = (
        f"is not clearly lower than version {version}'s: difference {interval.difference:.2g}"
        if passed
        else f"is lower than version {version}'s by {-interval.difference:.2g}"
    )
    bounds = f"{100 * interval.level:g} % interval {interval.low:.2g} to {interval.high:.2g}"
    return f"AUC {finding} ({bounds})"


def _finite(figure: float | None) -> float | None:
    """The figure as a Python float; None for what JSON has no number for."""
    return None if figure is None or not math.isfinite(figure) else float(figure)
