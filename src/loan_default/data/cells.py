"""Read the numbers and categories of a column as lenders write them.

Only distinct texts that are not plain are looked at one by one, so plain columns cost nothing.
"""

import re

import polars as pl

from loan_default.contract.contract import Column
from loan_default.contract.texts import MISSING_TEXTS, fold

_CURRENCY = "$€£"
# 1,234,567.89
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
# The words that may follow a number, by the first word of the column's unit
_UNIT_WORDS = {
    "percent": frozenset({"%", "percent"}),
    "months": frozenset({"months", "month", "mths", "mth", "mos", "mo"}),
    "years": frozenset({"years", "year", "yrs", "yr", "y"}),
    "days": frozenset({"days", "day"}),
    "dollars": frozenset({"dollars", "usd"}),
    "euros": frozenset({"euros", "euro", "eur"}),
    "pounds": frozenset({"pounds", "gbp"}),
}
_NUMBER_THEN_WORD = re.compile(r"(.*?[\d.])\s*([A-Za-z%]+)\.?")


def text(series: pl.Series) -> pl.Series:
    """Return the cells as stripped texts; texts that mean a missing value become null."""
    stripped = series.cast(pl.String).str.strip_chars()
    missing = stripped.is_in(MISSING_TEXTS)
    return stripped.set(missing, None) if missing.any() else stripped


def numbers(column: Column, texts: pl.Series) -> pl.Series:
    """Parse texts into numbers; an unreadable text becomes NaN."""
    plain = texts.cast(pl.Float64, strict=False)
    odd = plain.is_null() & texts.is_not_null()
    if not odd.any():
        return plain
    words = {fold(word): number for word, number in column.words.items()}
    distinct = texts.filter(odd).unique()
    parsed = pl.Series([_number(cell, column, words) for cell in distinct], dtype=pl.Float64)
    read = texts.replace_strict(distinct, parsed, default=None, return_dtype=pl.Float64)
    return plain.zip_with(~odd, read)


def _number(cell: str, column: Column, words: dict[str, float]) -> float:
    """Parse `$12,000`, `10.5 %`, `36 months` or a word; NaN if it is none of them.

    A word or a sign of another unit is not read: `3 years` in a column of months is not 3.
    """
    if (word := words.get(fold(cell))) is not None:
        return word
    # An apostrophe or a plus closes an open range, as in "10+ years": only words may say so
    if match := _NUMBER_THEN_WORD.fullmatch(cell):
        if match[2].lower() not in _UNIT_WORDS.get(_unit(column), ()):
            return float("nan")
        cell = match[1]
    if column.is_money:
        cell = cell.strip().strip(_CURRENCY).strip()
    # Where a percentage has a comma, it is a decimal comma
    if _THOUSANDS.fullmatch(cell) and _unit(column) != "percent":
        cell = cell.replace(",", "")
    try:
        return float(cell) if "_" not in cell else float("nan")
    except ValueError:
        return float("nan")


def _unit(column: Column) -> str:
    """Return the first word of the column's unit."""
    return column.unit.partition(" ")[0].rstrip(",")


def spellings(column: Column) -> dict[str, str]:
    """Return by folded spelling the level of a category that it stands for."""
    levels = {fold(level): level for level in column.levels}
    return levels | {fold(other): level for other, level in column.spellings.items()}


def unknown(column: Column, texts: pl.Series) -> dict[str, int]:
    """Return how often each text occurs that is none of the category's levels."""
    distinct = texts.unique().drop_nulls()
    odd = distinct.filter(~distinct.is_in(column.levels))
    if not len(odd):
        return {}
    return dict(texts.filter(texts.is_in(odd.implode())).value_counts().rows())


def categories(column: Column, texts: pl.Series) -> tuple[pl.Series, bool]:
    """Return the levels that texts stand for, and whether any text stands for none and stays."""
    distinct = texts.unique().drop_nulls()
    odd = distinct.filter(~distinct.is_in(column.levels))
    if not len(odd):
        return texts, False
    known = spellings(column)
    meant = {cell: level for cell in odd if (level := known.get(fold(cell)))}
    return texts.replace(meant) if meant else texts, len(meant) < len(odd)
