"""What a column usually holds: from the contract, or from the reference sample of a version."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from loan_default.columns import TERM
from loan_default.contract.contract import Column, Contract

# Fewer values above zero do not tell the 1st and the 99th percentile
_MIN_VALUES = 200


@dataclass(frozen=True)
class Expected:
    """What a column usually holds; a field that is None is not known.

    Attributes:
        usual: the 1st and the 99th percentile of its values above zero.
        missing: the share of missing values in [0, 1].
        commonest: the share of its most frequent value among the filled cells, in [0, 1].
        values: by category, or term, every value that was seen.
    """

    usual: tuple[float, float] | None = None
    missing: float | None = None
    commonest: float | None = None
    values: frozenset[str] | frozenset[float] | None = None


Expectations = Mapping[str, Expected]


def of_contract(contract: Contract) -> dict[str, Expected]:
    """Return what the contract says about its columns."""
    return {column.name: Expected(usual=column.usual) for column in contract.record}


def of_reference(reference: pl.DataFrame, contract: Contract) -> dict[str, Expected]:
    """Return what a version's reference sample shows; the contract's span where it shows none."""
    known = of_contract(contract)
    for column in contract.record:
        if column.name in reference.columns and reference.height:
            known[column.name] = _of_column(reference[column.name], column)
    return known


def _of_column(cells: pl.Series, column: Column) -> Expected:
    filled = cells.drop_nulls()
    counts = filled.value_counts()["count"]
    seen = column.kind == "category" or column.name == TERM
    return Expected(
        usual=_usual(filled) or column.usual if column.kind == "number" else None,
        missing=cells.null_count() / len(cells),
        commonest=float(counts.to_numpy().max()) / len(filled) if len(filled) else None,
        values=frozenset(filled.unique()) if seen and len(filled) else None,
    )


def _usual(values: pl.Series) -> tuple[float, float] | None:
    above = values.filter(values > 0)
    if len(above) < _MIN_VALUES:
        return None
    low, high = above.quantile(0.01), above.quantile(0.99)
    assert low is not None and high is not None
    return low, high
