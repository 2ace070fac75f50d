"""Metrics of predicted default probabilities, and decision thresholds. Pure functions of arrays.

In all of them, `default` is an array (n,) of 0 (repaid) and 1 (defaulted), `probability` an array
(n,) in [0, 1] for the same loans, and a default is predicted if `probability >= threshold`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loan_default.errors import InputError
from loan_default.metrics.auc import Floats, Integers, auc


@dataclass(frozen=True)
class Interval:
    """An estimated difference with its confidence interval at `level`."""

    difference: float
    low: float
    high: float
    level: float = 0.95


def metrics(default: Integers, probability: Floats, threshold: float) -> dict[str, float]:
    """Return the metrics of one model on one set of loans.

    Returns:
        Finite metrics by name, in [0, 1] except `log_loss` (nats). `F1`, `Precision` (0 if no
        default is predicted) and `Recall` are at `threshold`. `PR_AUC` is the average precision,
        `KS` the largest |TPR - FPR| over all thresholds (Kolmogorov-Smirnov); `Brier` and
        `calibration_error` are the functions below.

    Raises:
        InputError: the loans have one class only.
    """
    from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

    _need_both_classes(default)
    # Sums, and the clipping in log_loss, depend on the floating-point precision
    probability = probability.astype(np.float64)
    return {
        "AUC": float(roc_auc_score(default, probability)),
        **_at_threshold(default, probability >= threshold),
        "PR_AUC": float(average_precision_score(default, probability)),
        "log_loss": float(log_loss(default, probability)),
        "Brier": brier(default, probability),
        "KS": _kolmogorov_smirnov(default, probability),
        "calibration_error": calibration_error(default, probability),
        "mean_probability": float(probability.mean()),
        "default_rate": float(default.mean()),
    }


def brier(default: Integers, probability: Floats) -> float:
    """Return the mean squared error of the probability, in [0, 1] (Brier 1950)."""
    return float(np.mean((probability - default) ** 2))


def calibration_error(default: Integers, probability: Floats) -> float:
    """Return the expected calibration error, in [0, 1], over 10 bins of equal count.

    It is the mean difference between predicted probability and observed default rate, weighted by
    loans (Naeini et al. 2015, Obtaining well calibrated probabilities using Bayesian binning; bins
    of equal count: Nixon et al. 2019, Measuring calibration in deep learning).
    """
    table = calibration_table(default, probability)
    gaps = (row["count"] * abs(row["default_rate"] - row["mean_probability"]) for row in table)
    return sum(gaps) / len(default)


def calibration_table(
    default: Integers, probability: Floats, bins: int = 10
) -> list[dict[str, float]]:
    """Compare predicted and observed default rates in bins of equal count.

    Returns:
        At most `bins` rows by rising probability, each with `mean_probability`, `default_rate`
        (both in [0, 1]) and `count`. Loans of equal probability share a bin, so the order of the
        loans does not matter; bins that this leaves empty are omitted.
    """
    bin_of = _equal_count_bins(probability, bins)
    counts = np.bincount(bin_of)
    predicted = np.bincount(bin_of, weights=probability)
    defaulted = np.bincount(bin_of, weights=default)
    return [
        {
            "mean_probability": float(predicted[i] / counts[i]),
            "default_rate": float(defaulted[i] / counts[i]),
            "count": int(counts[i]),
        }
        for i in np.flatnonzero(counts)
    ]


def by_quarter(
    issue_month: ArrayLike, default: Integers, probability: Floats, threshold: float
) -> list[dict[str, str | float | None]]:
    """Return metrics for each quarter of issue, oldest first; `issue_month` (n,) holds dates.

    Returns:
        Rows with `quarter` ("2010Q4"), `count`, `default_rate`, `mean_probability`,
        `declined_share` (the share at or above `threshold`), `AUC` (None if the quarter has one
        class only) and `Brier`.
    """
    # numpy counts months from 1970-01, the first month of a quarter
    quarters = np.asarray(issue_month).astype("datetime64[M]").astype(np.int64) // 3
    rows: list[dict[str, str | float | None]] = []
    for quarter in np.unique(quarters):
        chosen = quarters == quarter
        name = f"{1970 + quarter // 4}Q{quarter % 4 + 1}"
        rows.append({"quarter": name, **_summary(default[chosen], probability[chosen], threshold)})
    return rows


def best_f1_threshold(default: Integers, probability: Floats) -> float:
    """Return the probability that gives the highest F1 as the threshold; the highest of ties.

    Raises:
        InputError: the loans have one class only.
    """
    from sklearn.metrics import confusion_matrix_at_thresholds

    _need_both_classes(default)
    _, fp, fn, tp, thresholds = confusion_matrix_at_thresholds(default, probability)
    # One division of exact counts makes equal F1 compare equal; thresholds fall, so the first wins
    return float(thresholds[np.argmax(2 * tp / (2 * tp + fp + fn))])


def cost_threshold(cost_ratio: float) -> float:
    """Return the threshold, in (0, 1), with the lowest expected cost for calibrated probabilities.

    `cost_ratio` > 0 is the cost of a missed default divided by the cost of declining a good loan;
    correct decisions cost nothing (Elkan 2001, The foundations of cost-sensitive learning, eq. 2).
    """
    return 1 / (1 + cost_ratio)


def paired_auc_difference(
    default: Integers,
    champion: Floats,
    challenger: Floats,
    seed: int,
    resamples: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Return AUC(challenger) - AUC(champion) with its percentile bootstrap interval.

    Each resample draws n loans with replacement for both models at once, so that the difficulty of
    a draw cancels (Efron and Tibshirani 1993, An introduction to the bootstrap, chapter 13).
    Resamples of one class, which have no AUC, are drawn again.

    Args:
        default: (n,) of 0 and 1, both present.
        champion: scores (n,), higher is riskier.
        challenger: scores (n,), higher is riskier.
        seed: seed of the resamples.
        resamples: number of resamples.
        level: confidence level of the interval.

    Raises:
        InputError: the loans have one class only.
    """
    _need_both_classes(default)
    generator = np.random.default_rng(seed)
    cells = [_cells(default, score) for score in (champion, challenger)]

    def difference(weight: Integers) -> float:
        of_champion, of_challenger = (_weighted_auc(cell, weight) for cell in cells)
        return of_challenger - of_champion

    draws = [difference(_resample(default, generator)) for _ in range(resamples)]
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(difference(np.ones_like(default)), float(low), float(high), level)


def _both_classes(default: Integers) -> bool:
    return bool(0 < np.count_nonzero(default) < len(default))


def _need_both_classes(default: Integers) -> None:
    if not _both_classes(default):
        raise InputError(
            f"one class only: {np.count_nonzero(default)} of {len(default)} loans defaulted; "
            "provide loans of both outcomes"
        )


def _at_threshold(default: Integers, predicted: NDArray[np.bool_]) -> dict[str, float]:
    actual = int(np.count_nonzero(default))
    declined = int(np.count_nonzero(predicted))
    caught = int(np.count_nonzero(default[predicted]))
    return {
        "F1": 2 * caught / (declined + actual),
        "Precision": caught / declined if declined else 0.0,
        "Recall": caught / actual,
    }


def _kolmogorov_smirnov(default: Integers, probability: Floats) -> float:
    from sklearn.metrics import roc_curve

    fpr, tpr, _ = roc_curve(default, probability)
    return float(np.abs(tpr - fpr).max())


def _equal_count_bins(probability: Floats, bins: int) -> Integers:
    """Return the bin (n,) of each loan by rank, 0 to `bins` - 1.

    Tied loans share the bin of their mean rank.
    """
    _, group, size = np.unique(probability, return_inverse=True, return_counts=True)
    twice_rank = 2 * np.cumsum(size) - size - 1
    bin_of: Integers = (twice_rank * bins // (2 * len(probability)))[group]
    return bin_of


def _summary(
    default: Integers, probability: Floats, threshold: float
) -> dict[str, str | float | None]:
    from sklearn.metrics import roc_auc_score

    area = float(roc_auc_score(default, probability)) if _both_classes(default) else None
    return {
        "count": len(default),
        "default_rate": float(default.mean()),
        "mean_probability": float(probability.mean()),
        "declined_share": float(np.mean(probability >= threshold)),
        "AUC": area,
        "Brier": brier(default, probability),
    }


def _cells(default: Integers, score: Floats) -> Integers:
    """Return twice the rank (n,) of each score among the distinct ones, plus 1 for a default."""
    ranks = np.unique(score, return_inverse=True)[1]
    cells: Integers = 2 * ranks + default
    return cells


def _resample(default: Integers, generator: np.random.Generator) -> Integers:
    """Draw n loans with replacement until both classes occur; return each loan's count (n,)."""
    n = len(default)
    while True:
        weight = np.bincount(generator.integers(n, size=n), minlength=n)
        if 0 < weight @ default < n:
            return weight


def _weighted_auc(cells: Integers, weight: NDArray[np.number]) -> float:
    """Return the AUC of loans with `weight` (n,) and `cells` (n,) from `_cells`.

    Scores are sorted once, in `_cells`, and only counted here, which makes the bootstrap fast.
    """
    # An even length gives each rank both columns, even if the top score has no default
    totals = np.bincount(cells, weights=weight, minlength=cells.max() // 2 * 2 + 2)
    value = auc(*totals.reshape(-1, 2).T)
    assert value is not None, "every resample holds both classes"
    return value
