from datetime import date

import polars as pl
import pytest

from loan_default.drafting.columns import numbers, read

ISSUED = pl.Series(["17167", "17500", "18000", "18400"])
DAYS = "days since 1970-01-01"


def holds(cells: list[str], name: str = "x") -> tuple[str, str]:
    column = read(name, pl.Series(cells), ISSUED, DAYS)
    return column.holds, column.unit


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["£1,200.00", "£30", "£999,000.50", "£5"], ("numbers", "pounds")),
        (["$1,200", "30", "$5", "$7"], ("numbers", "dollars")),
        (["12 €", "€ 30", "1,000 €", "9 €"], ("numbers", "euros")),
        (["10.5%", "11 %", "3%", "4%"], ("numbers", "percent")),
        ([" 36 months", " 60 months", "12 months", "9 months"], ("numbers", "months")),
        (["1,200", "3", "4", "5.5"], ("numbers", "")),
        (["low", "high", "low", "3"], ("texts", "")),
        (["Dec-2010", "Jan-2011", "Feb-2011", "Mar-2011"], ("dates", "")),
    ],
)
def test_numbers_are_read_with_their_unit(cells: list[str], expected: tuple[str, str]) -> None:
    assert holds(cells) == expected


def test_day_numbers_are_dates_by_their_name_or_if_they_move_with_the_issue() -> None:
    assert holds(["17300", "17700", "18100", "18600"]) == ("dates", "")
    assert holds(["18600", "17300", "18100", "17700"]) == ("numbers", "")
    assert holds(["18600", "17300", "18100", "17700"], "contact_day") == ("dates", "")
    assert holds(["5", "17300", "18100", "17700"], "amount") == ("numbers", "")


def test_a_day_number_with_a_time_is_its_day() -> None:
    column = read("met_on", pl.Series(["17167.75", "17500.5", "18000.0", "18400"]), ISSUED, DAYS)
    assert column.months is not None and column.months[0] == date(2017, 1, 1)


def test_no_number_is_no_number() -> None:
    assert numbers(pl.Series(["a", "b"])) is None
    assert numbers(pl.Series([None, None], dtype=pl.String)) is None
