"""Read one column of unknown meaning: numbers with their unit, dates with their form, or texts."""

import math
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loan_default.contract import contract
from loan_default.contract.texts import DATE_FORMS
from loan_default.data import cells as reading
from loan_default.data.dates import months
from loan_default.drafting.names import named

_MOSTLY = 0.95
_DAY_WORDS = frozenset("day date dt on".split())
_SAMPLE = 1_000
# Spearman's correlation with the issue date, of dates that have to do with the loan
_MOVES = 0.2
# What may stand at a number, and its unit; the first that reads most cells is taken
_UNITS = ("", "percent", "months", "years", "days", "pounds", "dollars", "euros")
_SIGNS = {"£": "pounds", "$": "dollars", "€": "euros"}
LAST_DAY = date(2050, 1, 1)


@dataclass(frozen=True)
class Column:
    """A column of n cells as it is read.

    Attributes:
        name: its name in the file.
        texts: (n,) the cells as texts, null if missing.
        values: (n,) the numbers; None if it holds none.
        unit: the unit that stands at the numbers, in the contract's words.
        months: (n,) the months of the dates; None if it holds none.
        form: how the dates are written.
    """

    name: str
    texts: pl.Series
    values: pl.Series | None = None
    unit: str = ""
    months: pl.Series | None = None
    form: str = "auto"

    @property
    def holds(self) -> str:
        """What the cells are, in a word."""
        if self.months is not None:
            return "dates"
        return "numbers" if self.values is not None else "texts"

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """The cells (n,) as numbers, dates as counted months; NaN if missing or a text."""
        if self.months is not None:
            values = self.months.dt.year().cast(pl.Float64) * 12 + self.months.dt.month()
        elif self.values is not None:
            values = self.values
        else:
            return np.full(len(self.texts), math.nan)
        return np.asarray(values.fill_null(math.nan).to_numpy(), dtype=np.float64)


def read(name: str, texts: pl.Series, issued: pl.Series, issued_form: str) -> Column:
    """Read a column; `issued` are the cells of the issue dates, written in `issued_form`."""
    found = numbers(texts)
    values, unit = found or (None, "")
    day_form = issued_form if issued_form.startswith("days") else None
    near = day_form and values is not None and not unit and _are_days(name, values, issued)
    if dated := dates(texts, day_form if near else None):
        return Column(name, texts, months=dated[0], form=dated[1])
    return Column(name, texts, values, unit)


def numbers(texts: pl.Series) -> tuple[pl.Series, str] | None:
    """Return the cells as numbers with their unit; None unless nearly all filled cells are."""
    some = texts.drop_nulls().head(_SAMPLE)
    for unit in _UNITS:
        if _are_numbers(some, unit):
            values = _read(texts, unit)
            if values.count() >= _MOSTLY * texts.count():
                return values, _currency(some, unit)
    return None


def dates(texts: pl.Series, day_form: str | None = None) -> tuple[pl.Series, str] | None:
    """Return the months of dates and their form; None unless nearly all filled cells are dates.

    `day_form` is the form of day numbers, for columns that may hold them.
    """
    filled = texts.count()
    if not filled:
        return None
    is_number = _are_numbers(texts.drop_nulls().head(_SAMPLE), "")
    compact = is_number and bool(texts.drop_nulls().str.contains(r"^(19|20)\d{6}$").all())
    forms = DATE_FORMS if compact or not is_number else ((day_form,) if day_form else ())
    for form in forms:
        found = months(texts, form)
        if found.is_between(date(1900, 1, 1), LAST_DAY).sum() >= _MOSTLY * filled:
            return found, form
    return None


def _are_days(name: str, values: pl.Series, issued: pl.Series) -> bool:
    """Return whether numbers lie where the day numbers of the issue dates lie.

    Amounts may lie there too: without a word for it in the name, they must move with the issue.
    """
    day = _read(issued, "")
    after = (values - day).drop_nulls()
    if not after.is_between(-40_000, 10_000).all() or not len(after):
        return False
    if named(name, _DAY_WORDS):
        return True
    both = pl.DataFrame({"value": values, "day": day}).drop_nulls()
    moves = both.select(pl.corr("value", "day", method="spearman")).item()
    return (
        moves is not None and moves > _MOVES and not both["value"].is_between(-1_200, 1_200).any()
    )


def _are_numbers(texts: pl.Series, unit: str) -> bool:
    return bool(len(texts)) and _read(texts, unit).count() >= _MOSTLY * len(texts)


def _read(texts: pl.Series, unit: str) -> pl.Series:
    return reading.numbers(contract.Column("", "number", unit), texts).fill_nan(None)


def _currency(texts: pl.Series, unit: str) -> str:
    """Return the currency of the signs in the cells, for units that are one."""
    if unit not in _SIGNS.values():
        return unit
    signs = {sign: int(texts.str.contains(sign, literal=True).sum()) for sign in _SIGNS}
    best = max(signs, key=lambda sign: signs[sign])
    return _SIGNS[best] if signs[best] else unit
