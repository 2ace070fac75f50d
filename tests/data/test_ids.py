import math
from typing import Any

import polars as pl
import pytest

from loan_default.data import ids
from loan_default.errors import InputError


def column(*values: Any, dtype: Any = None) -> list[str | None]:
    rows = pl.Series(range(2, len(values) + 2), dtype=pl.Int64)
    return ids.of_column("id", pl.Series(values, dtype=dtype), rows).to_list()


@pytest.mark.parametrize(
    "cells, read",
    [
        ((" 1077501 ", "A-1", "007", "n/a", "", None), ["1077501", "A-1", "007", None, None, None]),
        (("1077501.0", "12.00", "-3.0"), ["1077501", "12", "-3"]),
        (("2024.17", "1.0.0", "a.0", "1E5", "x+y"), ["2024.17", "1.0.0", "a.0", "1E5", "x+y"]),
        (("123456789012345678901",), ["123456789012345678901"]),
        ((str(2**53) + ".0",), [str(2**53)]),
    ],
)
def test_a_text_is_kept_and_a_whole_number_loses_its_fraction(cells: Any, read: Any) -> None:
    assert column(*cells, dtype=pl.String) == read


def test_numbers_of_a_table_are_their_digits() -> None:
    assert column(1077501, None, dtype=pl.Int32) == ["1077501", None]
    assert column(2**64 - 1, dtype=pl.UInt64) == [str(2**64 - 1)]
    assert column(1077501.0, None, math.nan, float(2**53)) == ["1077501", None, None, str(2**53)]
    assert column(2.0**24, dtype=pl.Float32) == [str(2**24)]
    decimal = pl.Series(["123456789012345678", None]).cast(pl.Decimal(20, 2))
    rows = pl.Series([1, 2])
    assert ids.of_column("id", decimal.cast(pl.Decimal(20, 0)), rows)[0] == "123456789012345678"
    assert column(None, None, dtype=pl.Null) == [None, None]


@pytest.mark.parametrize(
    "cells, dtype, why",
    [
        ((1.0, 1.5), pl.Float64, "row 3: id is the float 1.5: send each id as text"),
        ((2.0**53 + 2,), pl.Float64, "row 2: id is the float 9007199254740994"),
        ((2.0**24 + 2,), pl.Float32, "row 2: id is the float 16777218"),
        ((math.inf,), pl.Float64, "row 2: id is the float inf"),
        ((True, False), pl.Boolean, "id holds Boolean instead of ids"),
        (([1], [2]), pl.List(pl.Int64), r"id holds List\(Int64\) instead of ids"),
        (("a", "1.23457E+17"), pl.String, "row 3: id is '1.23457E.17', which has lost digits"),
        (("1e+18",), pl.String, "row 2: id is '1e.18', which has lost digits"),
        ((str(2**53 + 2) + ".0",), pl.String, "which has lost digits"),
    ],
)
def test_what_may_have_lost_digits_is_refused(cells: Any, dtype: Any, why: str) -> None:
    with pytest.raises(InputError, match=why):
        column(*cells, dtype=dtype)


@pytest.mark.parametrize(
    "value, read",
    [
        (None, None),
        (" 1.0 ", " 1.0 "),
        (17, "17"),
        (10**40, str(10**40)),
        (17.0, "17"),
        (float(2**53), str(2**53)),
    ],
)
def test_a_string_of_json_is_kept_and_an_integer_is_its_digits(value: Any, read: Any) -> None:
    assert ids.of_json("id", value, 1) == read


@pytest.mark.parametrize(
    "value, shown",
    [
        (True, "true"),
        (False, "false"),
        (1.5, "the number 1.5"),
        (2.0**53 + 2, "the number 9007199254740994"),
        (math.nan, "the number nan"),
        ([1], "a list"),
        ({"a": 1}, "an object"),
    ],
)
def test_any_other_value_of_json_is_refused_by_row(value: Any, shown: str) -> None:
    with pytest.raises(InputError, match=f"row 3: LoanID is {shown}: send each id as text"):
        ids.of_json("LoanID", value, 3)


def test_a_cell_of_a_csv_is_read_as_in_a_file() -> None:
    assert [ids.of_csv("id", text, 1) for text in (" 17 ", "17.0", "a.0")] == ["17", "17", "a.0"]
    with pytest.raises(InputError, match="row 5: id is '1E.17', which has lost digits"):
        ids.of_csv("id", "1E+17", 5)


def test_a_row_without_an_id_gets_one_that_no_other_run_has() -> None:
    loans, rows = pl.Series("id", ["7", None]), pl.Series([1, 2])
    named = ids.of_rows_without(loans, rows, "2026-02-03")
    assert named.to_list() == ["7", "no-id:2026-02-03/2"] and named.name == "id"
    assert ids.is_none(named).to_list() == [False, True]
    assert ids.of_rows_without(loans.head(1), rows.head(1), "x").to_list() == ["7"]


def test_rows_numbered_by_earlier_releases_have_no_id_either() -> None:
    loans = pl.Series(["row-17", "row-a", "arrow-1", None, "17"])
    assert ids.is_none(loans).to_list() == [True, False, False, True, False]
    assert ids.is_none(pl.Series([None, "a"])).to_list() == [True, False]


def test_joins_compare_what_earlier_releases_wrote_as_floats() -> None:
    assert ids.for_joins(pl.Series(["17.0", "17", "a.0", None])).to_list() == [
        "17",
        "17",
        "a.0",
        None,
    ]
    assert ids.for_joins(pl.Series(["17", None])).to_list() == ["17", None]
