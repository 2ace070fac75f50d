"""What chance leaves open about a figure: 95 % confidence intervals of counts, means, AUC and F1.

Pure. `default` is an array (n,) of 0 and 1, `probability` an array (n,) in [0, 1], `declined` an
array (n,) of 0 and 1, all of the same loans.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loan_default.metrics import auc as rank
from loan_default.metrics.auc import Floats, Integers

LEVEL = 0.95
_Z = 1.959964
_RESAMPLES = 2000


@dataclass(frozen=True)
class Metric:
    """A figure and its interval; the ends are None where too few loans tell how sure it is."""

    value: float
    low: float | None = None
    high: float | None = None


def rate(events: int, count: int) -> Metric:
    """The share of `events` in `count` > 0, with Wilson's interval (1927, JASA 22:209)."""
    share, z2 = events / count, _Z**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return Metric(share, max(0.0, middle - half), min(1.0, middle + half))


def brier(default: Integers, probability: Floats) -> Metric:
    """The mean squared error of the probability (Brier 1950), with the interval of a mean."""
    errors = (np.asarray(probability, dtype=np.float64) - default) ** 2
    mean = float(errors.mean())
    if len(errors) < 2:
        return Metric(mean)
    half = _Z * float(errors.std(ddof=1)) / math.sqrt(len(errors))
    return Metric(mean, max(0.0, mean - half), min(1.0, mean + half))


def auc(default: Integers, probability: Floats) -> Metric | None:
    """The AUC with DeLong's interval (1988, Biometrics 44:837) on the log-odds scale.

    Computed from ranks (Sun and Xu 2014, IEEE Signal Processing Letters 21:1389), on the scale that
    keeps the interval in [0, 1] (Pepe 2003, The statistical evaluation of medical tests, 5.2). None
    where the loans hold one class only; without ends where the classes are apart, or a class has a
    single loan.
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
    """The F1 of the decisions with its percentile bootstrap interval; None where there is none.

    Drawing loans with replacement draws the four counts of the confusion matrix from a multinomial
    (Efron and Tibshirani 1993, An introduction to the bootstrap, chapter 13): all that F1 needs.
    """
    counts = np.bincount(2 * np.asarray(default) + np.asarray(declined), minlength=4)
    if not counts[1:].any():
        return None
    draws = np.random.default_rng(seed).multinomial(counts.sum(), counts / counts.sum(), _RESAMPLES)
    scores = _f1(draws[draws[:, 1:].any(axis=1)])
    low, high = np.quantile(scores, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Metric(float(_f1(counts[None, :])[0]), float(low), float(high))


def _f1(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """F1 of confusion counts (m, 4): paid and approved, paid and declined, missed, caught."""
    _, wrong, missed, caught = counts.T
    return np.asarray(2 * caught / (2 * caught + wrong + missed), dtype=np.float64)


def _variance(values: Floats, counts: Integers) -> float:
    """The sample variance of `values` (k,), each observed `counts` (k,) times."""
    return float(np.cov(values, fweights=counts))
