"""The text of an id, the same for the same loan in every file, request and delivery of outcomes.

A text is kept, without the blanks around it. A whole number is its digits, also if a table wrote it
as a float. A number that may have lost digits is no id, nor are truth values, lists and objects:
two loans would become one, or a loan another.
"""

import re
from typing import Any

import polars as pl

from loan_default.data import cells
from loan_default.errors import InputError

# IEEE 754: the largest integers up to which a float holds every one
EXACT, EXACT_32 = 2**53, 2**24
# Starts the id of a row that came without one, followed by its run and its number there
NONE = "no-id:"
_ROW_OF_EARLIER_RELEASES = r"^row-\d+$"

_WHOLE = re.compile(r"([+-]?\d+)\.0+")
_SCIENTIFIC = re.compile(r"[+-]?\d(\.\d+)?[eE]\+\d+")
_REMEDY = "send each id as text or as a whole number with all its digits"


def of_column(name: str, values: pl.Series, rows: pl.Series) -> pl.Series:
    """Return a column of ids of a file as texts, null where a row has none.

    Args:
        name: the column's name for messages.
        values: (n,) cells as a file holds them.
        rows: (n,) their row numbers for messages.

    Raises:
        InputError: a number may have lost digits, or the cells are no ids.
    """
    kind = values.dtype
    if kind.is_float():
        return _of_floats(name, values, rows)
    if kind == pl.Boolean or kind.is_temporal() or kind.is_nested():
        raise InputError(f"{name} holds {kind} instead of ids: {_REMEDY}")
    texts = cells.text(values)
    odd = texts.str.contains("[.+]").fill_null(False)
    if not odd.any():
        return texts
    read = [
        _of_cell(name, text, row)
        for text, row in zip(texts.filter(odd), rows.filter(odd), strict=True)
    ]
    return texts.scatter(odd.arg_true(), pl.Series(read, dtype=pl.String))


def of_csv(name: str, text: str, row: int) -> str:
    """Return the id in a cell of a CSV; `name` and `row` are for messages.

    Raises:
        InputError: the number has lost digits.
    """
    return _of_cell(name, text.strip(), row)


def of_json(name: str, value: Any, row: int) -> str | None:
    """Return the id in a value of JSON, None for null; `name` and `row` are for messages.

    Raises:
        InputError: the value is not an id.
    """
    if value is None or type(value) is str:
        return None if value is None else str(value)
    if type(value) is int:
        return str(value)
    if type(value) is float and value.is_integer() and abs(value) <= EXACT:
        return str(int(value))
    raise InputError(f"row {row}: {name} is {_shown(value)}: {_REMEDY}")


def of_rows_without(ids: pl.Series, rows: pl.Series, run: str) -> pl.Series:
    """Return `ids` with nulls replaced by ids that no other run has: `run` names this one."""
    if not ids.has_nulls():
        return ids
    return ids.fill_null(f"{NONE}{run}/" + rows.cast(pl.String)).alias(ids.name)


def for_joins(ids: pl.Series) -> pl.Series:
    """Return stored ids as joins compare them: earlier releases kept the `.0` of floats."""
    if not ids.str.ends_with(".0").any():
        return ids
    return ids.str.replace(r"^([+-]?\d+)\.0+$", "$1")


def is_none(ids: pl.Series) -> pl.Series:
    """Return for each id whether there is none: it is missing, or a row was numbered for lack."""
    none = ids.str.starts_with(NONE).fill_null(True)
    rows = ids.str.starts_with("row-").fill_null(False)
    return none | ids.str.contains(_ROW_OF_EARLIER_RELEASES).fill_null(True) if rows.any() else none


def _of_floats(name: str, values: pl.Series, rows: pl.Series) -> pl.Series:
    numbers = values.cast(pl.Float64).fill_nan(None)
    limit = EXACT_32 if values.dtype == pl.Float32 else EXACT
    exact = (numbers.abs() <= limit) & (numbers == numbers.round())
    if not exact.all():
        number, row = numbers.filter(~exact)[0], rows.filter(~exact)[0]
        raise InputError(f"row {row}: {name} is the float {number:.17g}: {_REMEDY}")
    return numbers.cast(pl.Int64).cast(pl.String)


def _of_cell(name: str, text: str, row: int) -> str:
    if match := _WHOLE.fullmatch(text):
        if abs(int(match[1])) <= EXACT:
            return match[1]
    elif not _SCIENTIFIC.fullmatch(text):
        return text
    raise InputError(f"row {row}: {name} is {text[:40]!r}, which has lost digits: {_REMEDY}")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"the number {value:.17g}"
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else f"a {type(value).__name__}"
