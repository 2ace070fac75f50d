"""The area under the ROC curve, from the loans or weights at each score. Pure."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]
Weights = NDArray[np.number]


def counts_by_score(default: Integers, score: Floats) -> tuple[Integers, Integers]:
    """Count repaid and defaulted loans at each distinct score, lowest score first.

    Args:
        default: (n,) of 0 and 1.
        score: (n,), higher is riskier.

    Returns:
        Repaid and defaulted loans, (k,) each for k distinct scores.
    """
    _, rank = np.unique(score, return_inverse=True)
    repaid, defaulted = (
        np.bincount(rank[np.asarray(default) == outcome], minlength=rank.max(initial=-1) + 1)
        for outcome in (0, 1)
    )
    return repaid, defaulted


def share_below(weights: Weights) -> NDArray[np.float64]:
    """Return for each score (k,), lowest first, the share of `weights` (k,) below it.

    Equal scores count half.
    """
    return np.asarray((np.cumsum(weights) - weights / 2) / weights.sum(), dtype=np.float64)


def auc(repaid: Weights, defaulted: Weights) -> float | None:
    """Return the chance that a default outscores a repaid loan; ties count half.

    Mann and Whitney's U over the product of the classes' weights (Hanley and McNeil 1982, Radiology
    143:29).

    Args:
        repaid: weight of the repaid loans at each score (k,), lowest score first.
        defaulted: weight of the defaulted loans at the same scores (k,).

    Returns:
        The area in [0, 1]; None if either class has no weight.
    """
    pairs = defaulted.sum() * repaid.sum()
    outscored = np.cumsum(repaid) - repaid / 2
    # Not `@`: on a busy machine, the threads of a BLAS dot product cost ten times what they save
    return float(np.sum(defaulted * outscored) / pairs) if pairs else None
