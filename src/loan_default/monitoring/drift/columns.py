"""Choose the drift test and threshold for each column and prepare its two samples.

Numbers are clipped to the inner 99% of both samples. One income of 110,000,000 would otherwise
inflate the reference's standard deviation and hide all drift, or move the current mean and fake
drift. The wider of the two samples' bounds applies, so that values outside the reference's range
count as soon as they are more than 0.5% of the values.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loan_default.columns import PROBABILITY
from loan_default.contract.contract import Contract
from loan_default.monitoring.drift.verdict import (
    Method,
    Thresholds,
    psi_limit,
    wasserstein_limit,
)

# Evidently's names of its column types
ColumnType = Literal["num", "cat"]

# The two categories that a column is reduced to when its missing shares are compared
MISSING_CELL, GIVEN_CELL = "missing", "given"

_OUTER_SHARE = 0.005


@dataclass(frozen=True)
class Pair:
    """One column's two samples, nulls included, with a test; reports call it `label`."""

    label: str
    kind: ColumnType
    method: Method
    threshold: float
    reference: pl.Series
    current: pl.Series


def watched(
    reference: pl.DataFrame, current: pl.DataFrame, contract: Contract
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Select the columns to compare: known, in both frames, and with a value in either.

    Returns both frames with numbers as floats (NaN as null) and categories as strings, unknown ones
    included.
    """
    known = (PROBABILITY, *contract.numbers, *contract.categories)
    names = [name for name in known if name in reference.columns and name in current.columns]
    typed = [_typed(name, name in contract.levels) for name in names]
    frames = [frame.select(typed) for frame in (reference, current)]
    with_values = [name for name in names if any(frame[name].count() for frame in frames)]
    return frames[0].select(with_values), frames[1].select(with_values)


def value_pair(reference: pl.Series, current: pl.Series, thresholds: Thresholds) -> Pair | None:
    """Pair the values for a test: Wasserstein for numbers, PSI for categories.

    A number that is constant in the reference has no standard deviation to divide by, so it is
    tested by PSI. Returns None if either side has no values.
    """
    counts = reference.count(), current.count()
    if not all(counts):
        return None
    kind: ColumnType = "num" if reference.dtype == pl.Float64 else "cat"
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
    """Pair the missing shares for a test: each cell is `MISSING_CELL` or `GIVEN_CELL`."""
    label = f"{reference.name} (missing)"
    return Pair(label, "cat", "missing share", threshold, _presence(reference), _presence(current))


def _typed(name: str, is_category: bool) -> pl.Expr:
    column = pl.col(name)
    return column.cast(pl.String) if is_category else column.cast(pl.Float64).fill_nan(None)


def _clipped(reference: pl.Series, current: pl.Series) -> tuple[pl.Series, pl.Series]:
    ends = (_OUTER_SHARE, 1 - _OUTER_SHARE)
    lows, highs = zip(*(np.quantile(_values(series), ends) for series in (reference, current)))
    return reference.clip(min(lows), max(highs)), current.clip(min(lows), max(highs))


def _pooled_spread(reference: pl.Series, current: pl.Series) -> float:
    """Return the standard deviation of all values over that of the reference."""
    then, now = _values(reference), _values(current)
    return float(np.std(np.concatenate([then, now])) / np.std(then))


def _values(series: pl.Series) -> NDArray[np.float64]:
    return series.drop_nulls().to_numpy()


def _presence(series: pl.Series) -> pl.Series:
    return series.is_null().replace_strict({True: MISSING_CELL, False: GIVEN_CELL})
