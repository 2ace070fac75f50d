"""Turn typed records into the float32 matrix that the booster reads, for one row as for many.

Trees need neither logarithms nor scaling, so amounts stay in dollars. Missing values stay missing
(NaN); unordered categories are XGBoost's native ones.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loan_default.contract.contract import Contract

Matrix = NDArray[np.float32]
Levels = Mapping[str, Sequence[str]]
SLICE_ROWS = 1 << 15
LARGEST = float(np.finfo(np.float32).max)  # XGBoost rejects infinity


def types(names: Sequence[str], contract: Contract) -> list[str]:
    """Return XGBoost's feature types: "c" for an unordered category, "q" for numbers and ranks."""
    return ["c" if name in contract.unordered else "q" for name in names]


def matrix(
    records: pl.DataFrame,
    contract: Contract,
    names: Sequence[str] | None = None,
    levels: Levels | None = None,
) -> Matrix:
    """Build the feature matrix of typed records.

    Args:
        records: n rows with all columns of the contract's record.
        contract: what the columns mean.
        names: k features, in the order that the booster was trained with; by default all.
        levels: by category, the levels in the order of their codes; others count as missing. By
            default those of the contract.

    Returns:
        (n, k) float32, NaN for a missing value. Raises KeyError if a feature is unknown.
    """
    names = contract.features if names is None else names
    levels = contract.levels if levels is None else levels
    out = np.empty((records.height, len(names)), dtype=np.float32)
    done = 0
    for part in records.iter_slices(SLICE_ROWS):
        # Written by feature and transposed at the end: several times as fast as writing one cell of
        # each row at a time
        by_feature = np.empty((len(names), part.height), dtype=np.float32)
        for position, name in enumerate(names):
            with np.errstate(over="ignore"):
                by_feature[position] = _column(part, name, contract, levels)
        out[done : done + part.height] = by_feature.T
        done += part.height
    return out


def _column(
    records: pl.DataFrame, name: str, contract: Contract, levels: Levels
) -> NDArray[np.floating]:
    if name in levels:
        return _codes(records[name], levels[name])
    if name in contract.by_name:
        return _numbers(records[name])
    ratio = contract.ratio_of[name]
    return quotient(_numbers(records[ratio.over]), _numbers(records[ratio.under]))


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
