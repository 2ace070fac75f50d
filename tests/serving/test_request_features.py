"""The short way of reading a request's rows against the long way, which reads every file."""

import math
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import lendingclub
from applications import APPLICATIONS, ISSUED, Application, raw
from lendingclub import BY_NAME, CONTRACT, CORE, LEVELS, NAMES, RECORD
from loan_default.contract.contract import Column, Contract
from loan_default.serving import request_features
from loan_default.serving.request_features import (
    MANY_ROWS,
    FeatureReader,
    RequestTable,
    typed_records,
)
from properties import tries
from request_tables import LEAST, READERS, TODAY, Cells, assert_ways_agree, long_way, table

QUICK = tries(100)


def limits(column: Column) -> list[float]:
    """The ends of the range and the numbers next to them, inside and outside."""
    ends = [float(column.low), float(column.high)]
    beyond = [math.nextafter(end, to) for end in ends for to in (-math.inf, math.inf)]
    return ends + beyond + [int(column.high), int(column.high) + 1, -1, math.ceil(column.low)]


# What a request may hold in any column, as orjson gives it.
STRANGE = (
    [-0.0, 0, -1, 2**53 + 1, 2**63, 2**64 - 1, 1e308, 5e-324, 1e-40, True, False]
    + ["36 months", " 36 months", "13.5%", " 10+ years", "< 1 year", "n/a", "7", " 7.5 ", "1e3"]
    + [
        "nan",
        "NA",
        "",
        " ",
        "None",
        "inf",
        "-inf",
        "much",
        "0x10",
        "1_000",
        "\N{FULLWIDTH DIGIT SIX}",
    ]
)
PADS = ["", " ", "\t", "\n", "\xa0", "\x85", "\u3000", "\u200b", "\ufeff"]


def padded(column: Column) -> st.SearchStrategy[str]:
    return st.builds(
        lambda before, level, after: before + level + after,
        st.sampled_from(PADS),
        st.sampled_from((*column.levels, "a yacht", "", "\N{SNOWMAN}")),
        st.sampled_from(PADS),
    )


def sane(column: Column) -> st.SearchStrategy[Any]:
    if column.kind == "category":
        return st.none() | padded(column)
    inside = [value for value in limits(column) if column.low <= value <= column.high]
    number = st.sampled_from(inside) | st.floats(column.low, column.high)
    return number if column.core else st.none() | number


SANE = st.fixed_dictionaries({column.name: sane(column) for column in RECORD})
# Where in a request something strange stands: a column, and what there.
FAULTS = st.sampled_from(RECORD).flatmap(
    lambda column: st.tuples(
        st.just(column.name), st.sampled_from([None, *STRANGE, *limits(column)])
    )
)


@st.composite
def tables(draw: st.DrawFn, faults: int) -> RequestTable:
    """Rows of one request: shuffled columns, some left out, some nobody knows."""
    rows = [dict(row) for row in draw(st.lists(SANE, max_size=3))]
    for name, value in draw(st.lists(FAULTS, max_size=faults)):
        for row in draw(st.permutations(rows))[:1]:
            row[name] = value
    left_out = draw(st.sets(st.sampled_from([n for n in NAMES if n not in CORE]), max_size=20))
    known = [name for name in NAMES if name not in left_out]
    extra = draw(st.sets(st.sampled_from(["id", "zip_code", "row", "colour", ""])))
    names = draw(st.permutations([*known, *sorted(extra)]))
    return table(rows, names)


@pytest.fixture
def detours(monkeypatch: pytest.MonkeyPatch) -> list[RequestTable]:
    """The requests that went the long way."""
    found: list[RequestTable] = []

    def counted(asked: RequestTable, contract: Contract, today: date) -> pl.DataFrame:
        found.append(asked)
        return typed_records(asked, contract, today)

    monkeypatch.setattr(request_features, "typed_records", counted)
    return found


@pytest.mark.thorough
@QUICK
@given(asked=tables(faults=0))
def test_typed_rows_in_range_give_the_same_matrix_bit_by_bit(asked: RequestTable) -> None:
    for model, (names, _) in READERS.items():
        assert assert_ways_agree(asked, model)[0] == (len(asked.rows), len(names))


@pytest.mark.thorough
@QUICK
@given(asked=tables(faults=3))
def test_strange_rows_are_read_or_refused_alike(asked: RequestTable) -> None:
    for model in READERS:
        assert_ways_agree(asked, model)


@pytest.mark.parametrize("column", RECORD, ids=lambda column: column.name)
def test_each_limit_is_judged_alike(column: Column) -> None:
    for value in limits(column) if column.kind == "number" else column.levels[:3]:
        assert_ways_agree(table([LEAST | {column.name: value}]))


@pytest.mark.parametrize("column", RECORD, ids=lambda column: column.name)
def test_each_limit_is_judged_alike_among_many_rows(column: Column) -> None:
    low, high = (math.nextafter(*end) for end in ((column.low, -1), (column.high, math.inf)))
    number = column.kind == "number"
    good = [column.low, column.high] if number else [*column.levels, "a yacht"]
    bad = [low, high, "much", *([None] if column.core else [])] if number else [7]
    others = [LEAST | {"revol_bal": 60_000}] * MANY_ROWS
    rows = [*others, *(LEAST | {column.name: value} for value in good)]
    for model in ("the usual model", "another model"):
        assert assert_ways_agree(table(rows), model)[0] != "refused"
    for value in bad:
        assert_ways_agree(table([*rows, LEAST | {column.name: value}]))


@pytest.mark.parametrize("name", ["loan_amnt", "term", "emp_length", "purpose", "revol_bal"])
def test_each_strange_value_is_judged_alike(name: str) -> None:
    for value in (None, *STRANGE):
        assert_ways_agree(table([LEAST | {name: value}]))


@tries(40)
@given(st.lists(APPLICATIONS, min_size=1, max_size=3))
def test_one_reader_gives_the_same_for_applications_one_by_one_and_together(
    applications: list[Application],
) -> None:
    reader = FeatureReader(CONTRACT, lendingclub.FEATURES, LEVELS)
    together = reader.read(table(applications), TODAY)
    alone = [reader.read(table([one]), TODAY) for one in applications]
    assert together.tobytes() == b"".join(one.tobytes() for one in alone)
    assert (
        together.tobytes() == long_way(table(applications), lendingclub.FEATURES, LEVELS).tobytes()
    )


@tries(40)
@given(APPLICATIONS, st.booleans())
def test_a_raw_application_gives_the_matrix_of_the_typed_one(
    application: Application, issued: bool
) -> None:
    reader = FeatureReader(CONTRACT, lendingclub.FEATURES, LEVELS)
    by_raw = reader.read(table([raw(application, issued)]), ISSUED)
    assert by_raw.tobytes() == reader.read(table([application]), ISSUED).tobytes()


def test_the_credit_history_of_a_raw_row_runs_to_its_issue_month_or_else_to_today() -> None:
    place = lendingclub.FEATURES.index("credit_history_months")
    row = {name: LEAST[name] for name in CORE} | {"earliest_cr_line": "Feb-2016"}
    for more, months in (({}, 120), ({"issue_d": "Mar-2016"}, 1), ({"issue_d": None}, 120)):
        found = FeatureReader(CONTRACT, lendingclub.FEATURES, LEVELS).read(
            table([row | more]), TODAY
        )
        assert found[0, place] == months


def test_plain_rows_take_the_short_way_and_others_the_long_one(detours: list[RequestTable]) -> None:
    reader = FeatureReader(CONTRACT, lendingclub.FEATURES, LEVELS)
    for rows in ([LEAST], [LEAST] * 500, []):
        reader.read(table(rows, NAMES), TODAY)
    reader.read(table([LEAST | {"grade": " C ", "purpose": "a yacht", "zip_code": [1]}]), TODAY)
    assert detours == []
    reader.read(table([LEAST | {"term": "36 months"}]), TODAY)
    reader.read(table([LEAST | {"issue_d": "Dec-2018"}]), TODAY)
    assert len(detours) == 2


def batch(rows: int = 1000, **cells: Any) -> list[Cells]:
    """Rows like those of a day: dollars from nothing to a lot, many missing."""
    draw = np.random.default_rng(5)
    dollars = [c for c in RECORD if c.unit.startswith("dollars") and c.name not in cells]
    drawn = {
        c.name: draw.lognormal(7, 2, rows).clip(c.low, min(c.high, 1e6)).round(2) for c in dollars
    }
    missing = draw.random((rows, len(dollars))) < 0.3
    found = []
    for row in range(rows):
        given_ = {c.name: float(drawn[c.name][row]) for c in dollars}
        gone = [c for place, c in enumerate(dollars) if missing[row, place] and not c.core]
        found.append(LEAST | given_ | dict.fromkeys((c.name for c in gone), None) | cells)
    return found


@pytest.mark.parametrize("rows", [MANY_ROWS - 1, MANY_ROWS, 1000])
def test_an_ordinary_big_request_does_not_take_the_long_way(
    rows: int, detours: list[RequestTable]
) -> None:
    asked = table(batch(rows))
    found = FeatureReader(CONTRACT, lendingclub.FEATURES, LEVELS).read(asked, TODAY)
    assert detours == []
    assert found.tobytes() == long_way(asked, lendingclub.FEATURES, LEVELS).tobytes()


@pytest.mark.parametrize("name", ["annual_inc", "revol_bal", "tot_cur_bal"])
@pytest.mark.parametrize("value", [0, 0.0, 1, 1.5, 11.3, 24.99, 25, 25.0, 60_000])
def test_log_transformed_dollars_are_refused_exactly_as_in_a_file(name: str, value: float) -> None:
    for rows in (MANY_ROWS - 1, MANY_ROWS, MANY_ROWS + 5):
        logged = 1 < value < 25 and rows >= MANY_ROWS
        found = assert_ways_agree(table([LEAST | {name: value}] * rows))
        assert logged == ("looks log-transformed" in str(found[1])), rows


@tries(40)
@given(
    st.lists(
        st.sampled_from([None, 0, 0.5, 1, 1.5, 12, 24.9, 25, 300.0, math.nan]),
        min_size=MANY_ROWS - 2,
        max_size=MANY_ROWS + 4,
    )
)
@example([math.nan, *[12] * MANY_ROWS])
@example([*[12] * MANY_ROWS, math.nan])
def test_whether_dollars_came_as_logarithms_is_judged_alike(balances: list[float | None]) -> None:
    assert_ways_agree(table([LEAST | {"revol_bal": balance} for balance in balances]))


@pytest.mark.parametrize("names", [NAMES, CORE, (*NAMES, "issue_d", "earliest_cr_line")], ids=len)
def test_no_rows_give_a_matrix_without_rows(names: tuple[str, ...]) -> None:
    assert assert_ways_agree(RequestTable(names, []))[0] == (0, len(lendingclub.FEATURES))


@pytest.mark.parametrize("kind", [int, float])
def test_integers_and_floats_are_one_number(kind: type) -> None:
    whole = {name: kind(BY_NAME[name].low + 1) for name in NAMES if BY_NAME[name].kind == "number"}
    as_float = table([LEAST | {name: float(value) for name, value in whole.items()}])
    assert assert_ways_agree(table([LEAST | whole])) == assert_ways_agree(as_float)


@pytest.mark.parametrize("pad", ["\x1c", "\x1d", "\x1e", "\x1f"], ids=repr)
def test_a_category_behind_a_separator_character_counts_as_missing(pad: str) -> None:
    assert_ways_agree(table([LEAST | {"grade": f"{pad}A"}]))


@pytest.mark.parametrize("text", ["None", " None ", "NONE", "none", "n/a", "NA", "Rent", "a yacht"])
def test_a_category_is_missing_or_a_level_in_both_ways(text: str) -> None:
    asked = table([LEAST | {"home_ownership": text}])
    for model in READERS:
        assert_ways_agree(asked, model)
