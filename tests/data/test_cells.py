"""Numbers as lenders write them, and what is not read as one."""

import math

import polars as pl
import pytest

from loan_default.contract.contract import Column
from loan_default.data import cells

MONEY = Column("lent", "number", "dollars", 0, 1e9)
YEARLY = Column("income", "number", "euros a year", 0, 1e9)
MONTHS = Column("term", "number", "months", 1, 480)
YEARS = Column("job", "number", "years, 10 means 10 or more", 0, 80, words={"10+ years": 10})
PERCENT = Column("rate", "number", "percent a year", 0, 10_000)
COUNT = Column("accounts", "number", "accounts", 0, 1_000)


def read(column: Column, text: str) -> float | None:
    value: float | None = cells.numbers(column, cells.text(pl.Series([text, "1"])))[0]
    return value


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        (MONEY, "$12,000", 12_000),
        (MONEY, "52,000.50", 52_000.5),
        (MONEY, "700 USD", 700),
        (YEARLY, "€ 1,000,000", 1_000_000),
        (YEARLY, "9 EUR", 9),
        (MONTHS, "36 Months", 36),
        (MONTHS, "36 mo", 36),
        (YEARS, "7 yrs", 7),
        (YEARS, "10+ Years", 10),
        (PERCENT, "10.65%", 10.65),
        (PERCENT, "10.65 percent", 10.65),
        (COUNT, "1,000", 1_000),
        (COUNT, "NULL", None),
    ],
)
def test_numbers_are_read_as_lenders_write_them(
    column: Column, text: str, value: float | None
) -> None:
    assert read(column, text) == value


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (MONTHS, "3 years"),
        (MONTHS, "3y"),
        (YEARS, "36 months"),
        (YEARS, "10+"),
        (MONEY, "12%"),
        (MONEY, "12 months"),
        (MONEY, "12,00"),
        (PERCENT, "$12"),
        (PERCENT, "9,500"),
        (PERCENT, "5 mo"),
        (COUNT, "5%"),
        (COUNT, "$5"),
        (COUNT, "5 years"),
        (COUNT, "1_000"),
    ],
)
def test_a_number_of_another_unit_is_not_read(column: Column, text: str) -> None:
    value = read(column, text)
    assert value is not None and math.isnan(value)
