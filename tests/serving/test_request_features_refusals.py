"""What is refused in a request, by row and column, and that a request leaves nothing behind."""

import gc
import sys
import time
import weakref
from typing import Any

import pytest

import lendingclub
from lendingclub import CONTRACT, CORE, LEVELS, NAMES
from loan_default.errors import InputError
from loan_default.serving.request_features import FeatureReader, RequestTable
from request_tables import LEAST, TODAY, assert_ways_agree, table


@pytest.mark.parametrize("nested", [[], [1], {}, {"a": 1}], ids=str)
@pytest.mark.parametrize("name", ["dti", "grade", "loan_amnt", "emp_length", "earliest_cr_line"])
def test_a_nested_value_is_refused_by_row_and_column(name: str, nested: Any) -> None:
    kind = type(nested).__name__
    asked = table([LEAST | {"earliest_cr_line": None}, LEAST | {name: nested}], (*NAMES, name))
    asked = RequestTable(
        tuple(dict.fromkeys(asked.columns)), [row[: len(NAMES)] for row in asked.rows]
    )
    if name not in NAMES:
        names = (*NAMES, name)
        asked = table([LEAST, LEAST | {name: nested}], names)
    assert assert_ways_agree(asked) == ("refused", f"row 2: {name} holds a {kind}, not one value")


def test_a_nested_value_in_a_column_that_nobody_reads_is_ignored() -> None:
    assert assert_ways_agree(table([LEAST | {"history": [1, {"a": 2}]}]))[0] == (1, len(NAMES) + 2)


@pytest.mark.parametrize("twice", ["dti", "zip_code", "term"])
def test_a_column_named_twice_is_refused(twice: str) -> None:
    names = (*NAMES, *({"zip_code"} - set(NAMES)), twice)
    expected = assert_ways_agree(table([LEAST], names))
    assert expected == ("refused", f"the request names the column {twice!r} twice")


@pytest.mark.parametrize("rows", [0, 1, 30])
def test_missing_core_columns_are_named_with_and_without_rows(rows: int) -> None:
    names = tuple(name for name in NAMES if name not in ("term", "annual_inc"))
    refused = assert_ways_agree(table([LEAST] * rows, names))[1]
    assert refused.startswith("the request lacks the columns term, annual_inc; it has loan_amnt")
    assert "it has none" in assert_ways_agree(RequestTable((), [()] * rows))[1]


def test_an_empty_row_is_called_blank() -> None:
    nothing = dict.fromkeys(NAMES)
    assert assert_ways_agree(table([LEAST, nothing])) == ("refused", "row 2: blank line")


def test_the_first_row_and_column_at_fault_are_named() -> None:
    bad = LEAST | {"dti": "much", "annual_inc": -1}
    assert assert_ways_agree(table([LEAST, bad, bad]))[1] == (
        "row 2: annual_inc '-1' is outside 0 to 1,000,000,000 dollars a year"
    )


def refusal(asked: RequestTable) -> str:
    with pytest.raises(InputError) as refused:
        FeatureReader(CONTRACT, lendingclub.FEATURES, LEVELS).read(asked, TODAY)
    return str(refused.value)


def test_many_columns_named_twice_are_refused_at_once() -> None:
    started = time.perf_counter()
    refusal(RequestTable(tuple(f"c{number // 2}" for number in range(20_000)), []))
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    "names",
    [("x" * 10**6,), tuple(f"column {number // 2}" for number in range(1000))],
    ids=["a long name", "many names twice"],
)
def test_a_refusal_stays_short(names: tuple[str, ...]) -> None:
    assert len(refusal(RequestTable(names, []))) < 2000


def test_the_columns_of_a_refused_request_are_not_kept() -> None:
    reader, columns = FeatureReader(CONTRACT, lendingclub.FEATURES, LEVELS), tuple(
        f"c{n}" for n in range(100_000)
    )
    before = sys.getrefcount(columns)
    with pytest.raises(InputError):
        reader.read(RequestTable(columns, []), TODAY)
    assert sys.getrefcount(columns) == before


def test_a_reader_goes_with_its_version() -> None:
    """By its references alone: what a loaded version leaves is spared by the collector."""
    reader = FeatureReader(CONTRACT, lendingclub.FEATURES, LEVELS)
    reader.read(RequestTable(tuple(CORE), [[1000, 36, 10.0, 50_000]]), TODAY)
    known = weakref.ref(reader)
    gc.disable()
    try:
        del reader
        assert known() is None
    finally:
        gc.enable()
