"""The rules of the promotion gate: may a model version go into production?

The functions are pure; the caller moves the aliases. A metric that is missing or not finite fails
its check, so a version is never promoted for lack of evidence.
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from loan_default.metrics.classification import Interval
from loan_default.metrics.intervals import Metric, loans_for_margin

CHAMPION_CHECK = "not_worse_than_champion"
CALIBRATION_CHECK = "calibration_ratio"
PRICE_CHECK = "better_than_price"


@dataclass(frozen=True)
class Gate:
    """The limits for a model's metrics on its test months: minimum AUC, minimum F1, maximum
    calibration error.

    All are in [0, 1]; a metric equal to its limit passes.
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


@dataclass(frozen=True)
class Comparison:
    """The paired interval of AUC(challenger) - AUC(champion) on `loans` test loans."""

    interval: Interval
    loans: int


def champion_check(
    compared: Comparison | None,
    margin: float,
    *,
    champion_version: str | int | None,
    why_not: str | None = None,
) -> Check:
    """Check that the challenger is not worse than the champion, the production model, by `margin`.

    A test of non-inferiority: the interval's lower end must lie above -`margin` (Piaggio et al.
    2012, JAMA 308:2594). A wide interval is no evidence: the check fails and says how many loans
    would tell. The check's `value` is the lower end, its `limit` -`margin`.

    Args:
        compared: None if the two could not be compared.
        margin: the largest loss of AUC that is accepted, in [0, 1].
        champion_version: None if there is no production model: the check passes.
        why_not: why there is no comparison although there is a champion: the check fails.
    """
    name = CHAMPION_CHECK
    if champion_version is None:
        return Check(name, None, None, True, "no production model to compare with")
    if compared is None:
        reason = f"not compared with version {champion_version}: {why_not or 'no interval given'}"
        return Check(name, None, -margin, False, reason)
    low = compared.interval.low
    passed = bool(low > -margin)
    return Check(name, low, -margin, passed, _comparison(compared, margin, champion_version))


def price_check(gain: Interval | None, price: str | None, least: float = 0.0) -> Check:
    """Check that the model ranks better than the lender's price alone, by the paired interval.

    The check's `value` is the interval's lower end, which must lie above its `limit`, `least`.

    Args:
        gain: the AUC of the model less that of the price; None if there is nothing to compare.
        price: the column of the price; None if the contract names none.
        least: the gain that must be shown, in [-1, 1].
    """
    if price is None or gain is None:
        reason = "no price to compare with" if price is None else f"{price} is empty in the test"
        return Check(PRICE_CHECK, None, None, True, reason)
    passed = bool(gain.low > least)
    told = "better" if gain.low > 0 else "not clearly better"
    reason = (
        f"{told} than {price} alone on the same loans: AUC {gain.difference:+.4f} "
        f"({gain.level:.0%} interval {gain.low:+.4f} to {gain.high:+.4f}, which must lie above "
        f"PROMOTION_PRICE_GAIN={least:g})"
    )
    return Check(PRICE_CHECK, gain.low, least, passed, reason)


def calibration_check(
    ratios: Mapping[str, Metric] | None, tolerance: float, why_not: str | None = None
) -> Check:
    """Check that predicted over observed defaults are not off by more than `tolerance`.

    It fails if the interval of a group lies outside 1 - `tolerance` to 1 + `tolerance`. The check's
    `value` is the ratio of the group that is furthest off, its `limit` the end that it passed, or
    would pass.

    Args:
        ratios: by group of loans, the ratio with its interval; the intervals hold together.
        tolerance: the accepted deviation, in [0, 1].
        why_not: why there are no ratios: the check fails.
    """
    if not ratios:
        return Check(CALIBRATION_CHECK, None, None, False, f"calibration not tested: {why_not}")
    group, ratio = max(ratios.items(), key=lambda item: _beyond(item[1], tolerance))
    limit = 1 + math.copysign(tolerance, ratio.value - 1)
    passed = _beyond(ratio, tolerance) <= 0
    figures = f"{ratio.value:.2f} (interval {ratio.low:.2f} to {ratio.high:.2f})"
    told = f"{'not clearly ' if passed else ''}off by more than {tolerance:g}"
    reason = f"predicted over observed defaults of {group} {figures}, {told}"
    return Check(CALIBRATION_CHECK, ratio.value, limit, passed, reason)


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


def _comparison(compared: Comparison, margin: float, version: str | int) -> str:
    interval = compared.interval
    bounds = f"{100 * interval.level:g}% interval {interval.low:.2g} to {interval.high:.2g}"
    found = f"difference {interval.difference:.2g}, {bounds}, {compared.loans:,} test loans"
    if interval.low > -margin:
        return f"AUC is not lower than version {version}'s by {margin:g} or more ({found})"
    if interval.high < 0:
        return f"AUC is lower than version {version}'s ({found})"
    untold = f"cannot tell whether AUC is lower than version {version}'s by {margin:g} ({found})"
    width = interval.high - interval.low
    needed = loans_for_margin(width, interval.level, compared.loans, margin)
    if needed is None or needed <= compared.loans:
        return untold
    return f"{untold}: {needed:,} test loans are needed if both are equally good"


def _beyond(ratio: Metric, tolerance: float) -> float:
    """Return by how much the interval lies outside the tolerance; negative if it does not."""
    assert ratio.low is not None and ratio.high is not None
    return max(ratio.low - (1 + tolerance), (1 - tolerance) - ratio.high)


def _finite(value: float | None) -> float | None:
    """Return the value as a Python float, None if JSON cannot hold it."""
    return None if value is None or not math.isfinite(value) else float(value)
