"""Rows of a request, read the short way and the long way."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import lendingclub
from lendingclub import CONTRACT, LEVELS, NAMES
from loan_default.errors import InputError
from loan_default.model import features
from loan_default.serving.request_features import FeatureReader, RequestTable, typed_records

TODAY = date(2026, 2, 3)
# A model trained by another version of the code: fewer features, another order, other levels.
OTHER_NAMES = ("loan_to_income", "purpose", "dti", "grade", "annual_inc")
OTHER_LEVELS = {"grade": ["C", "B"], "purpose": ["car", "a yacht"], "home_ownership": ["RENT"]}
READERS = {
    "the usual model": (lendingclub.FEATURES, LEVELS),
    "another model": (OTHER_NAMES, OTHER_LEVELS),
    "a model of ratios": (("revolving_balance_to_income",), {}),
    "a model of nothing": ((), LEVELS),
}
LEAST = dict.fromkeys(NAMES) | {
    "loan_amnt": 10_000,
    "term": 36,
    "int_rate": 13.5,
    "annual_inc": 60_000,
}
Cells = dict[str, Any]


def table(rows: Sequence[Cells], names: Sequence[str] | None = None) -> RequestTable:
    names = tuple(rows[0]) if names is None else tuple(names)
    return RequestTable(names, [tuple(row.get(name) for name in names) for row in rows])


def outcome(read: Any) -> tuple[Any, ...]:
    """What came of it: the matrix to the last bit, or the refusal to the last letter."""
    try:
        found = read()
    except InputError as refused:
        return ("refused", str(refused))
    return (found.shape, found.dtype, found.tobytes())


def long_way(asked: RequestTable, names: Sequence[str], levels: features.Levels) -> features.Matrix:
    return features.matrix(typed_records(asked, CONTRACT, TODAY), CONTRACT, names, levels)


def assert_ways_agree(asked: RequestTable, model: str = "the usual model") -> tuple[Any, ...]:
    names, levels = READERS[model]
    expected = outcome(lambda: long_way(asked, names, levels))
    assert outcome(lambda: FeatureReader(CONTRACT, names, levels).read(asked, TODAY)) == expected
    return expected


def cells(table: RequestTable) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    return table.columns, [tuple(row) for row in table.rows]
