"""Turn typed records into the float32 matrix that the booster reads, for one row as for many.

Trees need neither logarithms nor scaling, so amounts stay in dollars. Missing values stay missing
(NaN); unordered categories are XGBoost's native ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loan_default.columns import BY_NAME, RECORD

Matrix = NDArray[np.float32]
Levels = Mapping[str, Sequence[str]]
SLICE_ROWS = 1 << 15
LARGEST = float(np.finfo(np.float32).max)  # XGBoost rejects infinity


@dataclass(frozen=True)
class Ratio:
    """A feature that divides one dollar column by another; `risk` is as in `columns.Column`."""

    name: str
    over: str
    under: str
    risk: int
    reason: str | None

    def of(self, records: pl.DataFrame) -> NDArray[np.float64]:
        """Return the ratio (n,) of n typed records."""
        return quotient(_numbers(records[self.over]), _numbers(records[self.under]))


_INCOME = BY_NAME["annual_inc"].reason
RATIOS: tuple[Ratio, ...] = (
    Ratio("loan_to_income", "loan_amnt", "annual_inc", 1, _INCOME),
    Ratio("revolving_balance_to_income", "revol_bal", "annual_inc", 0, BY_NAME["dti"].reason),
)
_RATIO = {ratio.name: ratio for ratio in RATIOS}
NAMES: tuple[str, ...] = (*BY_NAME, *_RATIO)
LEVELS: Levels = {c.name: c.levels for c in RECORD if c.kind == "category"}
REASONS: dict[str, str | None] = {c.name: c.reason for c in RECORD} | {
    ratio.name: ratio.reason for ratio in RATIOS
}
RISKS: dict[str, int] = {c.name: c.risk for c in RECORD} | {r.name: r.risk for r in RATIOS}


def types(names: Sequence[str]) -> list[str]:
    """Return XGBoost's feature types: "c" for an unordered category, "q" for numbers and ranks."""
    unordered = {c.name for c in RECORD if c.kind == "category" and not c.ordered}
    return ["c" if name in unordered else "q" for name in names]


def matrix(records: pl.DataFrame, names: Sequence[str] = NAMES, levels: Levels = LEVELS) -> Matrix:
    """Build the feature matrix of typed records.

    Args:
        records: n rows with all columns of `columns.RECORD`.
        names: k features, in the order that the booster was trained with.
        levels: by category, the levels in the order of their codes; others count as missing.

    Returns:
        (n, k) float32, NaN for a missing value. Raises KeyError if a feature is unknown.
    """
    out = np.empty((records.height, len(names)), dtype=np.float32)
    done = 0
    for part in records.iter_slices(SLICE_ROWS):
        # Written by feature and transposed at the end: several times as fast as writing one cell of
        # each row at a time
        by_feature = np.empty((len(names), part.height), dtype=np.float32)
        for position, name in enumerate(names):
            with np.errstate(over="ignore"):
                by_feature[position] = _column(part, name, levels)
        out[done : done + part.height] = by_feature.T
        done += part.height
    return out


def _column(records: pl.DataFrame, name: str, levels: Levels) -> NDArray[np.floating]:
    if name in levels:
        return _codes(records[name], levels[name])
    if name in BY_NAME:
        return _numbers(records[name])
    return _RATIO[name].of(records)


def _numbers(series: pl.Series) -> NDArray[np.float64]:
    return series.cast(pl.Float64).to_numpy()


def _codes(series: pl.Series, levels: Sequence[str]) -> NDArray[np.float32]:
    codes = series.cast(pl.String).cast(pl.Enum(levels), strict=False)
    return codes.to_physical().cast(pl.Float32).to_numpy()


def quotient(over: NDArray[np.float64], under: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide (n,) by (n,): NaN if either is missing or `under` is not above 0, never infinite."""
    missing = np.full(over.shape, np.nan)
    divided: NDArray[np.float64] = np.divide(over, under, out=missing, where=under > 0)
    return divided.clip(max=LARGEST)
