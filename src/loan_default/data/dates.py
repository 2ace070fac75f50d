"""Read the months of dates, in the forms that files have.

Every distinct text is parsed once. A text with more than one meaning, such as `03/04/2010` or
`11-Dec`, is unreadable unless the contract says how the column's dates are written.
"""

import re
from collections.abc import Callable
from datetime import date, timedelta
from math import floor

import polars as pl

from loan_default.contract.texts import epoch

_MONTHS = {
    name: number
    for number, name in enumerate(
        "jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1
    )
}
_NAMED = re.compile(r"(?:(\d{1,2})[-/ ])?([A-Za-z]{3})[a-z]*[-/ ](\d{2}|\d{4})")
# Dec 31, 2010
_NAMED_US = re.compile(r"([A-Za-z]{3})[a-z]*\.? (\d{1,2}),? (\d{4})")
# 2010-Dec and Dec2010, of which four digits can only be the year
_YEAR_FIRST = re.compile(r"(\d{4})[-/ ]([A-Za-z]{3})[a-z]*")
_JOINED = re.compile(r"([A-Za-z]{3})[a-z]*(\d{4})")
# 12/2010
_MONTH_YEAR = re.compile(r"(\d{1,2})[/.-](\d{4})")
_TWO_MEANINGS = re.compile(r"\d{2}[-/ ][A-Za-z]{3}[a-z]*|\d{1,2}[/.-]\d{1,2}[/.-]\d{2}(\d{2})?.*")
_ISO = re.compile(r"(\d{4})[-/](\d{1,2})(?:[-/]\d{1,2}(?:[T ].*)?)?")
_COMPACT = re.compile(r"(\d{4})(\d{2})(?:(\d{2})(?:T?\d{6})?)?(?:\.0)?")
_NUMERIC = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?:[T ].*)?")
# A fraction is the time of the day
_DAYS = re.compile(r"-?\d{1,6}(?:\.\d+)?")
# So many of a column's dates must have one meaning for their order to hold for the others
_CLEAR_SHARE = 0.2
# Two digits of a year: loans and credit lines before 1950 and after 2049 are not written so
_PIVOT = 50


def month(text: str, form: str = "auto") -> date | None:
    """Parse a date into the first day of its month; None if it is unreadable or ambiguous.

    Args:
        text: such as `Dec-2010`, `Dec-10`, `1-Dec-10`, `2010-12`, `2010-12-31`, `20101231`.
        form: how it is written: a form of `contract.texts`.
    """
    text = text.strip()
    if start := epoch(form):
        return _from_days(text, start)
    if named := _NAMED.fullmatch(text):
        return _first(_year(named[3]), _MONTHS.get(named[2].lower(), 0), named[1])
    if named := _NAMED_US.fullmatch(text):
        return _first(int(named[3]), _MONTHS.get(named[1].lower(), 0), named[2])
    if named := _YEAR_FIRST.fullmatch(text):
        return _first(int(named[1]), _MONTHS.get(named[2].lower(), 0), None)
    if named := _JOINED.fullmatch(text):
        return _first(int(named[2]), _MONTHS.get(named[1].lower(), 0), None)
    return _of_numbers(text, form)


def _of_numbers(text: str, form: str) -> date | None:
    if iso := _ISO.fullmatch(text):
        return _first(int(iso[1]), int(iso[2]), None)
    if compact := _COMPACT.fullmatch(text):
        return _first(int(compact[1]), int(compact[2]), compact[3])
    if short := _MONTH_YEAR.fullmatch(text):
        return _first(int(short[2]), int(short[1]), None)
    if numeric := _NUMERIC.fullmatch(text):
        return _numeric(int(numeric[1]), int(numeric[2]), int(numeric[3]), form)
    return None


def months(texts: pl.Series, form: str = "auto") -> pl.Series:
    """Parse texts into the first days of their months; unreadable ones become null.

    Where enough of them can only be 12/31/2010 or only 31/12/2010, the others are read alike.
    """
    distinct = texts.unique().drop_nulls()
    order = _order(distinct) if form == "auto" else form
    return _by_distinct(texts, distinct, lambda text: month(text, order))


def has_two_meanings(text: str) -> bool:
    """Return whether a text that is no month could be one in more than one way."""
    return _TWO_MEANINGS.fullmatch(text.strip()) is not None


def _order(distinct: pl.Series) -> str:
    """Return the order of day and month that the dates written with numbers show; else "auto"."""
    matches = [match for text in distinct if (match := _NUMERIC.fullmatch(text.strip()))]
    month_first = sum(int(match[2]) > 12 >= int(match[1]) for match in matches)
    day_first = sum(int(match[1]) > 12 >= int(match[2]) for match in matches)
    if not matches or (month_first and day_first):
        return "auto"
    if month_first + day_first < _CLEAR_SHARE * len(matches):
        return "auto"
    return "month first" if month_first else "day first"


def _by_distinct(
    texts: pl.Series, distinct: pl.Series, parse: Callable[[str], date | None]
) -> pl.Series:
    parsed = pl.Series([parse(text) for text in distinct], dtype=pl.Date)
    return texts.replace_strict(distinct, parsed, default=None, return_dtype=pl.Date)


def _year(digits: str) -> int:
    year = int(digits)
    if len(digits) == 4:
        return year
    return year + (2000 if year < _PIVOT else 1900)


def _first(year: int, number: int, day: str | None) -> date | None:
    if not (1 <= number <= 12 and year >= 1) or (day and not 1 <= int(day) <= 31):
        return None
    return date(year, number, 1)


def _numeric(first: int, second: int, year: int, form: str) -> date | None:
    """Parse 12/31/2010 and 31/12/2010; if both could be a month, `form` decides."""
    if form == "month first" or (form == "auto" and second > 12):
        return _first(year, first, str(second))
    if form == "day first" or (form == "auto" and first > 12):
        return _first(year, second, str(first))
    return _first(year, first, None) if first == second else None


def _from_days(text: str, start: date) -> date | None:
    if not _DAYS.fullmatch(text):
        return None
    try:
        return (start + timedelta(days=floor(float(text)))).replace(day=1)
    except OverflowError:
        return None
