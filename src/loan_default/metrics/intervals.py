"""95% confidence intervals of rates, means, AUC and F1. Pure functions of arrays.

`default` and `declined` are arrays (n,) of 0 and 1, `probability` an array (n,) in [0, 1], all for
the same loans.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, norm

from loan_default.metrics import auc as rank
from loan_default.metrics.auc import Floats, Integers

LEVEL = 0.95
_Z = float(norm.isf((1 - LEVEL) / 2))
_RESAMPLES = 2000
POWER = 0.8


@dataclass(frozen=True)
class Metric:
    """A metric with its confidence interval, which is None with too few loans."""

    value: float
    low: float | None = None
    high: float | None = None


def rate(events: int, count: int) -> Metric:
    """Return the share of `events` in `count` > 0 with Wilson's interval (1927, JASA 22:209)."""
    interval = binomtest(events, count).proportion_ci(LEVEL, method="wilson")
    return Metric(events / count, float(interval.low), float(interval.high))


def predicted_over_observed(default: Integers, probability: Floats, level: float = LEVEL) -> Metric:
    """Return the mean predicted probability over the observed default rate of n > 0 loans.

    1 is calibrated, below 1 too low. The interval follows from that of the observed rate (Wilson
    1927, JASA 22:209), the predictions taken as given; an end is infinite where that rate may be 0.

    Args:
        level: confidence level of the interval, in (0, 1).
    """
    predicted = float(np.mean(probability, dtype=np.float64))
    events, count = int(np.count_nonzero(default)), len(default)
    observed = binomtest(events, count).proportion_ci(level, method="wilson")
    value, low, high = (
        predicted / share if share > 0 else math.inf
        for share in (events / count, float(observed.high), float(observed.low))
    )
    return Metric(value, low, high)


def loans_for_margin(width: float, level: float, loans: int, margin: float) -> int | None:
    """Return the loans with which two equally good models are told apart by less than `margin`.

    Their difference is then found to be above -`margin` in `POWER` of the cases; the width of its
    interval shrinks with the root of the loans (Chow, Shao and Wang 2008, Sample size calculations
    in clinical research, 4.2).

    Args:
        width: of the interval at `level` of the difference on `loans` loans.

    Returns:
        None if no number does: the margin is 0, or the width is not finite.
    """
    z = float(norm.isf((1 - level) / 2))
    error = width / (2 * z)
    if margin <= 0 or not math.isfinite(error):
        return None
    return math.ceil(loans * (error * (z + float(norm.ppf(POWER))) / margin) ** 2)


def brier(default: Integers, probability: Floats) -> Metric:
    """Return the mean squared error of the probability (Brier 1950) with the interval of a mean."""
    errors = (np.asarray(probability, dtype=np.float64) - default) ** 2
    mean = float(errors.mean())
    if len(errors) < 2:
        return Metric(mean)
    half = _Z * float(errors.std(ddof=1)) / math.sqrt(len(errors))
    return Metric(mean, max(0.0, mean - half), min(1.0, mean + half))


def auc(default: Integers, probability: Floats) -> Metric | None:
    """Return the AUC with DeLong's interval (1988, Biometrics 44:837) on the log-odds scale.

    It is computed from ranks (Sun and Xu 2014, IEEE Signal Processing Letters 21:1389); the log
    odds keep the interval in [0, 1] (Pepe 2003, The statistical evaluation of medical tests, 5.2).

    Returns:
        The metric; None if the loans have one class only. The interval is None if the classes are
        perfectly separated or one of them has a single loan.
    """
    repaid, defaulted = rank.counts_by_score(default, probability)
    value = rank.auc(repaid, defaulted)
    if value is None:
        return None
    if min(repaid.sum(), defaulted.sum()) < 2 or not 0 < value < 1:
        return Metric(value)
    variance = sum(
        _variance(rank.share_below(others), counts) / counts.sum()
        for others, counts in ((repaid, defaulted), (defaulted, repaid))
    )
    log_odds = math.log(value / (1 - value))
    half = _Z * math.sqrt(variance) / (value * (1 - value))
    low, high = (1 / (1 + math.exp(-(log_odds + side))) for side in (-half, half))
    return Metric(value, low, high)


def f1(default: Integers, declined: Integers, seed: int = 0) -> Metric | None:
    """Return the F1 of the decisions with a percentile bootstrap interval.

    F1 depends only on the four counts of the confusion matrix, and drawing loans with replacement
    draws these counts from a multinomial distribution (Efron and Tibshirani 1993, An introduction
    to the bootstrap, chapter 13).

    Returns:
        The metric; None if no loan defaulted and none was declined.
    """
    counts = np.bincount(2 * np.asarray(default) + np.asarray(declined), minlength=4)
    if not counts[1:].any():
        return None
    draws = np.random.default_rng(seed).multinomial(counts.sum(), counts / counts.sum(), _RESAMPLES)
    scores = _f1(draws[draws[:, 1:].any(axis=1)])
    low, high = np.quantile(scores, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Metric(float(_f1(counts[None, :])[0]), float(low), float(high))


def _f1(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return F1 (m,) of counts (m, 4): repaid and approved, repaid and declined, missed, caught."""
    _, wrong, missed, caught = counts.T
    return np.asarray(2 * caught / (2 * caught + wrong + missed), dtype=np.float64)


def _variance(values: Floats, counts: Integers) -> float:
    """Return the sample variance of `values` (k,), each observed `counts` (k,) times."""
    return float(np.cov(values, fweights=counts))
