"""Typed records to the float32 matrix that the booster reads: one code path for 1 row and for many.

Trees need no logarithms and no scaling, so a client sends dollars and the model sees dollars.
Missing values stay missing (NaN), unordered categories are XGBoost's native ones.
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
LARGEST = float(np.finfo(np.float32).max)  # XGBoost refuses infinity


@dataclass(frozen=True)
class Ratio:
    """A feature computed from two dollar columns; its direction of risk as in `columns.Column`."""

    name: str
    over: str
    under: str
    risk: int
    reason: str | None

    def of(self, records: pl.DataFrame) -> NDArray[np.float64]:
        """The ratio (n,) of n typed records."""
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
    """XGBoost's feature types: "c" for an unordered category, "q" for numbers and ranks."""
    unordered = {c.name for c in RECORD if c.kind == "category" and not c.ordered}
    return ["c" if name in unordered else "q" for name in names]


def matrix(records: pl.DataFrame, names: Sequence[str] = NAMES, levels: Levels = LEVELS) -> Matrix:
    """The features of typed records.

    Args:
        records: n rows with all columns of `columns.RECORD`.
        names: k features, in the order that the booster was trained with.
        levels: by category, the values in the order of their codes; others count as missing.

    Returns:
        (n, k) float32, NaN where a value is missing. Raises KeyError for an unknown feature.
    """
    out = np.empty((records.height, len(names)), dtype=np.float32)
    done = 0
    for part in records.iter_slices(SLICE_ROWS):
        # Feature by feature in one piece each, turned over at the end: several times as fast as
        # writing one cell of each row at a time
        turned = np.empty((len(names), part.height), dtype=np.float32)
        for place, name in enumerate(names):
            with np.errstate(over="ignore"):
                turned[place] = _column(part, name, levels)
        out[done : done + part.height] = turned.T
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
    known = series.cast(pl.String).cast(pl.Enum(levels), strict=False)
    return known.to_physical().cast(pl.Float32).to_numpy()


def quotient(over: NDArray[np.float64], under: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) over (n,), NaN where either is missing or `under` is not above 0; never infinite."""
    missing = np.full(over.shape, np.nan)
    divided: NDArray[np.float64] = np.divide(over, under, out=missing, where=under > 0)
    return divided.clip(max=LARGEST)
