"""What is compared with what: a column's two samples, made comparable, with method and threshold.

Numbers are clipped to the inner 99 % of both samples. One income of 110,000,000 would otherwise
blow up the reference's standard deviation and hide everything, or move the current mean and fake
drift. The wider of the two bounds counts: what leaves the reference's range is seen as soon
as it is more than 0.5 % of the values.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from loan_default.columns import CATEGORIES, NUMBERS, PROBABILITY
from loan_default.monitoring.drift.verdict import (
    MISSING,
    Method,
    Thresholds,
    psi_limit,
    wasserstein_limit,
)

# Evidently's names of its column types.
Kind = Literal["num", "cat"]

GIVEN = "given"

_KNOWN = (PROBABILITY, *NUMBERS, *CATEGORIES)

_OUTER_SHARE = 0.005


@dataclass(frozen=True)
class Pair:
    """One column's samples, nulls included, for one test; a report calls it `label`."""

    label: str
    kind: Kind
    method: Method
    threshold: float
    reference: pl.Series
    current: pl.Series


def watched(reference: pl.DataFrame, current: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both frames with the columns to compare: known, in both, and with a value in either.

    Numbers come as floats, NaN as null, categories as strings: unknown ones stay themselves.
    """
    names = [name for name in _KNOWN if name in reference.columns and name in current.columns]
    frames = [frame.select(map(_typed, names)) for frame in (reference, current)]
    kept = [name for name in names if any(frame[name].count() for frame in frames)]
    return frames[0].select(kept), frames[1].select(kept)


def value_pair(reference: pl.Series, current: pl.Series, thresholds: Thresholds) -> Pair | None:
    """What compares the values: Wasserstein for numbers, PSI for categories; None without values.

    A number that is constant in the reference has no standard deviation to norm by: PSI again.
    """
    counts = reference.count(), current.count()
    if not all(counts):
        return None
    kind: Kind = "num" if reference.dtype == pl.Float64 else "cat"
    if kind == "num":
        reference, current = _clipped(reference, current)
    levels = reference.drop_nulls().n_unique()
    if kind == "cat" or levels == 1:
        limit = psi_limit(thresholds.value_of(reference.name, "psi"), *counts, levels)
        return Pair(reference.name, kind, "psi", limit, reference, current)
    distance = thresholds.value_of(reference.name, "wasserstein")
    limit = wasserstein_limit(distance, *counts, _pooled_spread(reference, current))
    return Pair(reference.name, kind, "wasserstein", limit, reference, current)


def missing_pair(reference: pl.Series, current: pl.Series, threshold: float) -> Pair:
    """What compares the missing shares: MISSING or GIVEN in place of each value."""
    label = f"{reference.name} (missing)"
    return Pair(label, "cat", "missing share", threshold, _presence(reference), _presence(current))


def _typed(name: str) -> pl.Expr:
    column = pl.col(name)
    return column.cast(pl.String) if name in CATEGORIES else column.cast(pl.Float64).fill_nan(None)


def _clipped(reference: pl.Series, current: pl.Series) -> tuple[pl.Series, pl.Series]:
    ends = (_OUTER_SHARE, 1 - _OUTER_SHARE)
    lows, highs = zip(*(np.quantile(_values(series), ends) for series in (reference, current)))
    return reference.clip(min(lows), max(highs)), current.clip(min(lows), max(highs))


def _pooled_spread(reference: pl.Series, current: pl.Series) -> float:
    """The standard deviation of all values over that of the reference."""
    then, now = _values(reference), _values(current)
    return float(np.std(np.concatenate([then, now])) / np.std(then))


def _values(series: pl.Series) -> np.ndarray[Any, np.dtype[np.float64]]:
    return series.drop_nulls().to_numpy()


def _presence(series: pl.Series) -> pl.Series:
    return series.is_null().replace_strict({True: MISSING, False: GIVEN})
