"""The rows of a request to the model's features, without building a table where that can be helped.

A row of typed values (numbers, category strings, nulls) takes the short way. Anything else, from a
raw column to a value out of range, goes through `loans.parse` as every file does, which reads it or
says what is wrong; the short way may decline, and never differs.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache, partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loan_default.columns import ID, RECORD
from loan_default.data import parsing
from loan_default.errors import InputError
from loan_default.model import features
from loan_default.model.features import LARGEST, RATIOS, Levels, Matrix

Row = Sequence[Any]
# From so many rows on `loans.parse` judges whether dollars came as logarithms.
MANY_ROWS = 20
# The export has 151; a request with more takes the long way.
MOST_COLUMNS = 200
# What polars strips: Python strips four control characters more.
BLANK = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_RAW = frozenset(parsing.SOURCES) - {column.name for column in RECORD} - {ID}
_MISSING = math.nan
PLAIN, TEXT = {int, float, type(None)}, {str, type(None)}


@dataclass(frozen=True)
class Table:
    """The rows of a request: `columns` names the cells of each of `rows`."""

    columns: tuple[str, ...]
    rows: Sequence[Row]


class Reader:
    """Reads rows as the features `names`, with the category codes of `levels`."""

    def __init__(self, names: Sequence[str], levels: Levels) -> None:
        self._names = tuple(names)
        self._levels = levels
        # Of a function, not a method: a cycle would outlive its version, spared by the collector.
        self._plan = lru_cache(maxsize=64)(partial(_plan, self._names, levels))

    def read(self, table: Table, today: date) -> Matrix:
        """The features of n rows, (n, k) float32, NaN where a value is missing.

        Raises InputError that names the row, the column and the reason.
        """
        # Not remembered either: a client could fill the memory with columns of its own.
        ordinary = len(table.columns) <= MOST_COLUMNS
        plan = self._plan(table.columns) if ordinary else None
        few = len(table.rows) < MANY_ROWS
        if plan and (few or not plan.dollars_look_small(table.rows)):
            quick = plan.matrix(table.rows) if few else plan.matrix_of_many(table.rows)
            if quick is not None:
                return quick
        return features.matrix(records(table, today), self._names, self._levels)


def _plan(names: tuple[str, ...], levels: Levels, columns: tuple[str, ...]) -> "_Plan | None":
    """How rows with these columns take the short way, None where they cannot."""
    if len(set(columns)) < len(columns) or _RAW & set(columns):
        return None
    place = {name: number for number, name in enumerate(columns)}
    return _Plan(place, names, levels) if _core_is_in(place) else None


def records(table: Table, today: date, check_scale: bool = True) -> pl.DataFrame:
    """Typed records of the rows, the credit history counted to `today` where a row has no issue
    month. With `check_scale`, dollars that came as logarithms are refused.

    Raises InputError that names the row, the column and the reason.
    """
    if len(set(table.columns)) < len(table.columns):
        name = Counter(table.columns).most_common(1)[0][0]
        raise InputError(f"the request names the column {name[:40]!r} twice")
    parsing.require_core("the request", table.columns)
    cells = {"row": pl.Series(range(1, len(table.rows) + 1), dtype=pl.Int64)}
    for place, name in enumerate(table.columns):
        if name in parsing.SOURCES:
            cells[name] = _cells(name, [row[place] for row in table.rows])
    parsed = parsing.parse(pl.DataFrame(cells), today.replace(day=1), check_scale=check_scale)
    if not parsed.rejected.is_empty():
        row, reason = parsed.rejected.select("row", "reason").row(0)
        raise InputError(f"row {row}: {reason}")
    return parsed.records


def _cells(name: str, values: list[Any]) -> pl.Series:
    """Numbers as numbers where all are, else everything as text; a nested value is refused."""
    if {type(value) for value in values} <= PLAIN:
        return pl.Series(values, dtype=pl.Float64, strict=False)
    for number, value in enumerate(values, start=1):
        if isinstance(value, (list, dict)):
            raise InputError(f"row {number}: {name} holds a {type(value).__name__}, not one value")
    return pl.Series([None if v is None else str(v) for v in values], dtype=pl.String)


def _core_is_in(place: dict[str, int]) -> bool:
    return all(column.name in place for column in RECORD if column.core)


class _Plan:
    """Where each feature of a row comes from, for one order of columns."""

    def __init__(self, place: dict[str, int], names: tuple[str, ...], levels: Levels) -> None:
        slots = {name: slot for slot, name in enumerate(names)}
        self._width = len(names)
        # A number that is no feature is still checked: its slot is one behind the last.
        self._numbers = [
            (place[c.name], slots.get(c.name, self._width), c.low, c.high, c.core)
            for c in RECORD
            if c.kind == "number" and c.name in place
        ]
        self._categories = [
            (place[name], slots[name], {level: float(code) for code, level in enumerate(known)})
            for name, known in levels.items()
            if name in place and name in slots
        ]
        self._others = [
            place[c.name]
            for c in RECORD
            if c.kind == "category" and c.name in place and c.name not in slots
        ]
        self._ratios = [
            (place[ratio.over], place[ratio.under], slots[ratio.name])
            for ratio in RATIOS
            if ratio.name in slots and ratio.over in place and ratio.under in place
        ]
        self._dollars = [
            place[c.name] for c in RECORD if c.unit.startswith("dollars") and c.name in place
        ]

    def matrix(self, rows: Sequence[Row]) -> Matrix | None:
        """The features (n, k), None where a row holds anything but plain values in range."""
        found = []
        for row in rows:
            values = self._row(row)
            if values is None:
                return None
            found.append(values)
        return np.array(found, dtype=np.float32).reshape(len(found), self._width + 1)[:, :-1]

    def matrix_of_many(self, rows: Sequence[Row]) -> Matrix | None:
        """The same, column by column, which is faster from some twenty rows on."""
        cells = list(zip(*rows, strict=True))
        out = np.full((len(rows), self._width + 1), _MISSING, dtype=np.float32)
        values: dict[int, NDArray[np.float64]] = {}
        for place, slot, low, high, core in self._numbers:
            if not set(map(type, cells[place])) <= PLAIN:
                return None
            number = values[place] = np.array(cells[place], dtype=np.float64)
            missing = np.isnan(number)
            inside = (number >= low) & (number <= high)
            if not (inside if core else inside | missing).all():
                return None
            out[:, slot] = number
        for place, slot, codes in self._categories:
            if not set(map(type, cells[place])) <= TEXT:
                return None
            out[:, slot] = [_code(value, codes) for value in cells[place]]
        for place in self._others:
            if not set(map(type, cells[place])) <= TEXT:
                return None
        for over, under, slot in self._ratios:
            out[:, slot] = features.quotient(values[over], values[under])
        return out[:, :-1]

    def dollars_look_small(self, rows: Sequence[Row]) -> bool:
        """Whether a dollar column might hold logarithms, which the long way judges."""
        for place in self._dollars:
            dollars = (row[place] for row in rows if _is_number(row[place]))
            largest = max((value for value in dollars if value == value), default=math.inf)
            if 1 < largest < parsing.LOG_SCALE:
                return True
        return False

    def _row(self, row: Row) -> list[float] | None:
        out = [_MISSING] * (self._width + 1)
        for place, slot, low, high, core in self._numbers:
            value = row[place]
            if value is None and not core:
                continue
            if not (_is_number(value) and low <= value <= high):
                return None
            out[slot] = value
        for place, slot, codes in self._categories:
            if type(row[place]) not in TEXT:
                return None
            out[slot] = _code(row[place], codes)
        for place in self._others:
            if type(row[place]) not in TEXT:
                return None
        for over, under, slot in self._ratios:
            part, whole = row[over], row[under]
            if part is not None and whole is not None and whole > 0:
                out[slot] = min(part / whole, LARGEST)
        return out


def _code(value: str | None, codes: dict[str, float]) -> float:
    if value is None:
        return _MISSING
    code = codes.get(value)
    return codes.get(value.strip(BLANK), _MISSING) if code is None else code


def _is_number(value: Any) -> bool:
    kind = type(value)
    return kind is float or kind is int
