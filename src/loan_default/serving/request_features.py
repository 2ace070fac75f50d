"""Turn the rows of a request into model features, avoiding a DataFrame on the fast path.

Rows of typed values (numbers, category strings, nulls) take the fast path. Everything else, from a
raw column to a value out of range, goes through `parsing.parse` as every file does, which parses
the rows or says what is wrong. The fast path may fall back to the slow one but never returns a
different result.
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

from loan_default.columns import ID
from loan_default.contract.contract import Column, Contract
from loan_default.contract.matching import canonical, nearly
from loan_default.contract.texts import MISSING_TEXTS, fold
from loan_default.data import ids, parsing
from loan_default.data.cells import spellings
from loan_default.errors import InputError
from loan_default.model import features
from loan_default.model.features import LARGEST, Levels, Matrix

Row = Sequence[Any]
# From this many rows on, `parsing.parse` checks whether dollars came as logarithms, and reading
# column by column is faster.
MANY_ROWS = 20
# The export has 151 columns; a request with more than this takes the slow path.
MAX_COLUMNS = 200
# The characters that polars strips; Python's `strip` removes four control characters more.
WHITESPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_MISSING = math.nan
NUMBER_TYPES, TEXT_TYPES = {int, float, type(None)}, {str, type(None)}
ID_TYPES = {str, int, type(None)}


@dataclass(frozen=True)
class RequestTable:
    """The rows of a request; `columns` names the cells of each row.

    `nameless` is the table of an empty list of records, which names no columns.
    """

    columns: tuple[str, ...]
    rows: Sequence[Row]
    nameless: bool = False


class FeatureReader:
    """Turn rows into the features `names`, with the category codes of `levels`."""

    def __init__(self, contract: Contract, names: Sequence[str], levels: Levels) -> None:
        self._contract = contract
        self._names = tuple(names)
        self._levels = levels
        # Cache a function, not a bound method: the reference cycle would keep an old model alive
        # after gc.freeze().
        self._fast_path = lru_cache(maxsize=64)(partial(_fast_path, contract, self._names, levels))
        self._id_at = lru_cache(maxsize=64)(partial(_id_at, contract))
        self._unread = lru_cache(maxsize=64)(partial(_unread, contract))

    def id_at(self, columns: tuple[str, ...]) -> int | None:
        """Return the index of the column with the ids; None if there is none."""
        # Not cached if wide: a client could exhaust memory by sending ever-new column sets.
        cacheable = len(columns) <= MAX_COLUMNS
        return self._id_at(columns) if cacheable else _id_at(self._contract, columns)

    def read(self, table: RequestTable, today: date) -> Matrix:
        """Return the features of n rows, (n, k) float32, NaN where a value is missing.

        Raises InputError that names the row, the column and the reason.
        """
        if table.nameless:
            return np.empty((0, len(self._names)), dtype=np.float32)
        if (at := self.id_at(table.columns)) is not None:
            _check_ids(table, at)
        fast_path = self._fast_path(table.columns) if len(table.columns) <= MAX_COLUMNS else None
        few = len(table.rows) < MANY_ROWS
        if fast_path and (few or not fast_path.may_hold_logarithms(table.rows)):
            matrix = fast_path.by_row(table.rows) if few else fast_path.by_column(table.rows)
            if matrix is not None:
                return matrix
        records = typed_records(table, self._contract, today)
        return features.matrix(records, self._contract, self._names, self._levels)

    def unknown(self, table: RequestTable) -> list[list[str]]:
        """Return for each row what was not read.

        That is categories that hold none of their levels, with the text, and columns with nearly
        the name of one that is missing.
        """
        cacheable = len(table.columns) <= MAX_COLUMNS
        plan = self._unread(table.columns) if cacheable else _unread(self._contract, table.columns)
        categories, columns = plan
        found = []
        for row in table.rows:
            odd = [(name, str(row[at])) for name, at, codes in categories if _odd(row[at], codes)]
            told = [f"{name} {text.strip(WHITESPACE)[:40]!r}" for name, text in odd]
            found.append(told + columns)
        return found


def _unread(
    contract: Contract, columns: tuple[str, ...]
) -> tuple[list[tuple[str, int, dict[str, float]]], list[str]]:
    """Return each category with its index in a row and its codes, and a sentence for each column
    with nearly the name of one that is missing."""
    new = canonical(columns, contract)
    place = {new.get(name, name): index for index, name in enumerate(columns)}
    categories = []
    for name in contract.categories:
        column = contract.by_name[name]
        at = place.get(name, place.get(column.source))
        if at is not None:
            categories.append((name, at, _codes(column, column.levels)))
    return categories, nearly([new.get(name, name) for name in columns], contract)


def _id_at(contract: Contract, columns: tuple[str, ...]) -> int | None:
    new = canonical(columns, contract)
    names = [new.get(name, name) for name in columns]
    column = parsing.id_column(names, contract)
    return None if column is None else names.index(column)


def _check_ids(table: RequestTable, at: int) -> None:
    """Raise InputError if an id is neither a text nor a whole number."""
    for number, row in enumerate(table.rows, start=1):
        if type(row[at]) not in ID_TYPES:
            ids.of_json(table.columns[at], row[at], number)


def _fast_path(
    contract: Contract, names: tuple[str, ...], levels: Levels, columns: tuple[str, ...]
) -> "_FastPath | None":
    """Return the fast path for rows with these columns, None if they must take the slow one."""
    new = canonical(columns, contract)
    columns = tuple(new.get(name, name) for name in columns)
    raw = contract.sources - set(contract.names) - {ID, contract.loan.id}
    if len(set(columns)) < len(columns) or raw & set(columns):
        return None
    place = {name: index for index, name in enumerate(columns)}
    has_core = all(column.name in place for column in contract.record if column.core)
    return _FastPath(place, contract, names, levels) if has_core else None


def typed_records(
    table: RequestTable, contract: Contract, today: date, check_scale: bool = True
) -> pl.DataFrame:
    """Parse the rows into typed records, the slow path.

    The credit history of a row without an issue month is counted up to `today`. `check_scale`
    rejects dollars that came as logarithms.

    Raises InputError that names the row, the column and the reason.
    """
    if len(set(table.columns)) < len(table.columns):
        name = Counter(table.columns).most_common(1)[0][0]
        raise InputError(f"the request names the column {name[:40]!r} twice")
    new = canonical(table.columns, contract)
    columns = tuple(new.get(name, name) for name in table.columns)
    parsing.require_core("the request", columns, contract)
    cells = {"row": pl.Series(range(1, len(table.rows) + 1), dtype=pl.Int64)}
    with_id = parsing.id_column(columns, contract)
    for place, name in enumerate(columns):
        values = [row[place] for row in table.rows]
        if name == with_id:
            texts = [ids.of_json(table.columns[place], v, n) for n, v in enumerate(values, 1)]
            cells[name] = pl.Series(texts, dtype=pl.String)
        elif name in contract.sources:
            cells[name] = _series(name, values)
    parsed = parsing.parse(
        pl.DataFrame(cells),
        contract,
        today.replace(day=1),
        check_scale=check_scale,
        verbatim_ids=True,
    )
    if not parsed.rejected.is_empty():
        row, reason = parsed.rejected.select("row", "reason").row(0)
        raise InputError(f"row {row}: {reason}")
    return parsed.records


def _series(name: str, values: list[Any]) -> pl.Series:
    """Return numbers if all values are, else text.

    Raises InputError if a value is a list or an object.
    """
    if {type(value) for value in values} <= NUMBER_TYPES:
        return pl.Series(values, dtype=pl.Float64, strict=False)
    for number, value in enumerate(values, start=1):
        if isinstance(value, (list, dict)):
            raise InputError(f"row {number}: {name} holds a {type(value).__name__}, not one value")
    return pl.Series([None if v is None else str(v) for v in values], dtype=pl.String)


class _FastPath:
    """The source of each feature, for one order of columns.

    `place` is a column's index in a row, `slot` a feature's index in the matrix.
    """

    def __init__(
        self,
        place: dict[str, int],
        contract: Contract,
        names: tuple[str, ...],
        levels: Levels,
    ) -> None:
        slots = {name: slot for slot, name in enumerate(names)}
        self._width = len(names)
        # A number that is not a feature is checked as well: its slot is one past the last.
        self._numbers = [
            (place[c.name], slots.get(c.name, self._width), c.low, c.high, c.core)
            for c in contract.record
            if c.kind == "number" and c.name in place
        ]
        self._categories = [
            (place[name], slots[name], _codes(contract.by_name[name], known))
            for name, known in levels.items()
            if name in place and name in slots
        ]
        self._unused_categories = [
            place[c.name]
            for c in contract.record
            if c.kind == "category" and c.name in place and c.name not in slots
        ]
        self._ratios = [
            (place[ratio.over], place[ratio.under], slots[ratio.name])
            for ratio in contract.ratios
            if ratio.name in slots and ratio.over in place and ratio.under in place
        ]
        self._dollars = [place[c.name] for c in contract.record if c.is_money and c.name in place]

    def by_row(self, rows: Sequence[Row]) -> Matrix | None:
        """Return the features (n, k), None unless every value is a plain one in its range."""
        matrix = []
        for row in rows:
            values = self._row(row)
            if values is None:
                return None
            matrix.append(values)
        return np.array(matrix, dtype=np.float32).reshape(len(matrix), self._width + 1)[:, :-1]

    def by_column(self, rows: Sequence[Row]) -> Matrix | None:
        """Return the same as `by_row`, one column at a time, which is faster for many rows."""
        cells = list(zip(*rows, strict=True))
        matrix = np.full((len(rows), self._width + 1), _MISSING, dtype=np.float32)
        values: dict[int, NDArray[np.float64]] = {}
        for place, slot, low, high, core in self._numbers:
            if not set(map(type, cells[place])) <= NUMBER_TYPES:
                return None
            number = values[place] = np.array(cells[place], dtype=np.float64)
            missing = np.isnan(number)
            inside = (number >= low) & (number <= high)
            if not (inside if core else inside | missing).all():
                return None
            matrix[:, slot] = number
        for place, slot, codes in self._categories:
            if not set(map(type, cells[place])) <= TEXT_TYPES:
                return None
            matrix[:, slot] = [_code(value, codes) for value in cells[place]]
        for place in self._unused_categories:
            if not set(map(type, cells[place])) <= TEXT_TYPES:
                return None
        for over, under, slot in self._ratios:
            matrix[:, slot] = features.quotient(values[over], values[under])
        return matrix[:, :-1]

    def may_hold_logarithms(self, rows: Sequence[Row]) -> bool:
        """Return whether a dollar column looks like logarithms, for the slow path to decide."""
        for place in self._dollars:
            dollars = (row[place] for row in rows if _is_number(row[place]))
            largest = max((value for value in dollars if value == value), default=math.inf)
            if 1 < largest < parsing.LOG_SCALE:
                return True
        return False

    def _row(self, row: Row) -> list[float] | None:
        values = [_MISSING] * (self._width + 1)
        for place, slot, low, high, core in self._numbers:
            value = row[place]
            if value is None and not core:
                continue
            if not (_is_number(value) and low <= value <= high):
                return None
            values[slot] = value
        for place, slot, codes in self._categories:
            if type(row[place]) not in TEXT_TYPES:
                return None
            values[slot] = _code(row[place], codes)
        for place in self._unused_categories:
            if type(row[place]) not in TEXT_TYPES:
                return None
        for over, under, slot in self._ratios:
            part, whole = row[over], row[under]
            if part is not None and whole is not None and whole > 0:
                values[slot] = min(part / whole, LARGEST)
        return values


def _codes(column: Column, levels: Sequence[str]) -> dict[str, float]:
    """Return the code of each level, under its own spelling and every folded one."""
    codes = {level: float(code) for code, level in enumerate(levels)}
    folded = {text: codes[level] for text, level in spellings(column).items() if level in codes}
    return folded | codes


def _code(value: str | None, codes: dict[str, float]) -> float:
    if value is None:
        return _MISSING
    code = codes.get(value)
    if code is not None:
        return code
    stripped = value.strip(WHITESPACE)
    if stripped in codes:
        return codes[stripped]
    # "None" is a missing value, though it folds to LendingClub's level "NONE"
    return _MISSING if stripped in MISSING_TEXTS else codes.get(fold(stripped), _MISSING)


def _odd(value: Any, codes: dict[str, float]) -> bool:
    """Return whether a cell is filled with none of the levels."""
    if value is None or str(value).strip(WHITESPACE) in MISSING_TEXTS:
        return False
    return math.isnan(_code(str(value), codes))


def _is_number(value: Any) -> bool:
    kind = type(value)
    return kind is float or kind is int
