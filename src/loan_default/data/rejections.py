"""Rejected rows: one code and one sentence per row, and duplicate-id detection."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loan_default.columns import DEFAULT, ID, ISSUE_MONTH, OUTCOME_MONTH
from loan_default.contract.contract import Column, Contract
from loan_default.contract.texts import fold
from loan_default.data.dates import has_two_meanings
from loan_default.errors import InputError
from loan_default.plausibility.units import of_value

SCHEMA = {
    "row": pl.Int64,
    "id": pl.String,
    "column": pl.String,
    "code": pl.String,
    "reason": pl.String,
}
REJECTED_FILE = "rejected.csv"


class Fault(StrEnum):
    """Why a row is rejected. Programs compare these codes, never the sentences."""

    BLANK_LINE = "blank_line"
    FOOTER = "footer"
    PROSE = "prose"
    HEADER = "header"
    FIELD_COUNT = "field_count"
    NOT_UTF8 = "not_utf8"
    DUPLICATE_ID = "duplicate_id"
    MISSING_VALUE = "missing_value"
    NOT_A_NUMBER = "not_a_number"
    NOT_A_MONTH = "not_a_month"
    UNKNOWN_OUTCOME = "unknown_outcome"
    OUT_OF_RANGE = "out_of_range"


# Rows without a loan: counted, but never a reason to reject the file.
NOT_LOANS = frozenset({Fault.BLANK_LINE, Fault.FOOTER, Fault.PROSE, Fault.HEADER})

_SENTENCES = {
    Fault.BLANK_LINE: "blank line",
    Fault.FOOTER: "not a loan: only the id cell is filled",
    Fault.PROSE: "not a loan: a line of text",
    Fault.HEADER: "not a loan: the header again",
    Fault.FIELD_COUNT: "wrong number of fields",
    Fault.NOT_UTF8: "bytes that are not UTF-8",
    Fault.DUPLICATE_ID: "repeats the id of an earlier row",
    Fault.MISSING_VALUE: "{column} is empty",
    Fault.NOT_A_NUMBER: "{column} is not a number",
    Fault.NOT_A_MONTH: "{column} is not a month",
    Fault.UNKNOWN_OUTCOME: "{column} is not a known outcome",
    Fault.OUT_OF_RANGE: "{column} is outside its range",
}


class RejectionKind(NamedTuple):
    """A kind of rejection: the fault and the record's column; None if the whole row is at fault."""

    code: Fault
    column: str | None

    def sentence(self, contract: Contract) -> str:
        """Return the kind in words; months and outcomes go by their column in the raw export."""
        column = self.column
        if self.code in (Fault.NOT_A_MONTH, Fault.UNKNOWN_OUTCOME) and column:
            sources = {DEFAULT: contract.outcome.column, **contract.raw_source}
            if rule := contract.outcome.default_month:
                sources[OUTCOME_MONTH] = rule.column
            column = sources.get(column, column)
        return _SENTENCES[self.code].format(column=column)


@dataclass(frozen=True)
class Parsed:
    """The parsed rows of a block.

    Attributes:
        records: row, id (null for none), issue_month, default (training only) and every column of
            the record.
        rejected: row, id, column (null if the whole row is at fault), code (`Fault`) and reason.
        unknown: by category, how often each text occurs that is none of its levels.
    """

    records: pl.DataFrame
    rejected: pl.DataFrame
    unknown: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


class SeenIds:
    """Detect duplicate ids across the blocks of a file, in 8 bytes per id.

    Ids are compared by a 64-bit hash: the chance of any false match among 10 million is 3e-6.
    """

    def __init__(self) -> None:
        # Sorted arrays, each more than twice as long as the next: a single array would be copied
        # for every block.
        self._runs: list[NDArray[np.uint64]] = []

    def split(self, parsed: Parsed) -> Parsed:
        """Return `parsed` with rows that repeat an earlier id moved to the rejected rows."""
        if parsed.records[ID].has_nulls():
            return self._split_with_ids(parsed)
        hashes = parsed.records[ID].hash().to_numpy()
        run = np.sort(hashes)
        # The common case first: looking ids up in order is several times as fast
        if (run[1:] != run[:-1]).all() and not self._known(run).any():
            self._add(run)
            return parsed
        first = parsed.records[ID].is_first_distinct().to_numpy() & ~self._known(hashes)
        self._add(np.sort(hashes[first]))
        repeated = parsed.records.filter(~first).select(
            "row",
            ID,
            pl.lit(ID).alias("column"),
            pl.lit(str(Fault.DUPLICATE_ID)).alias("code"),
            pl.lit(_SENTENCES[Fault.DUPLICATE_ID]).alias("reason"),
        )
        return Parsed(
            parsed.records.filter(first),
            pl.concat([parsed.rejected, repeated]).sort("row"),
            parsed.unknown,
        )

    def _split_with_ids(self, parsed: Parsed) -> Parsed:
        """Split the rows with an id; those without one repeat none."""
        has_id = parsed.records[ID].is_not_null()
        split = self.split(Parsed(parsed.records.filter(has_id), parsed.rejected, parsed.unknown))
        together = pl.concat([split.records, parsed.records.filter(~has_id)])
        return Parsed(together.sort("row"), split.rejected, split.unknown)

    def _known(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        known = np.zeros(len(hashes), dtype=bool)
        for run in self._runs:
            places = np.searchsorted(run, hashes).clip(max=len(run) - 1)
            known |= run[places] == hashes
        return known

    def _add(self, run: NDArray[np.uint64]) -> None:
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        if len(run):
            self._runs.append(run)


@dataclass(frozen=True, order=True)
class Malformed:
    """A line that is not a row of cells: its row number in the file, code and reason."""

    row: int
    code: Fault
    reason: str


def blank_line(row: int) -> Malformed:
    """Return the rejection of a line without any cell."""
    return Malformed(row, Fault.BLANK_LINE, _SENTENCES[Fault.BLANK_LINE])


def wrong_width(row: int, text: str, fields: int, width: int) -> Malformed:
    """Return the rejection of a line with another number of fields than the header.

    A line of a few fields with words in it is prose: a heading or a total within an export.
    """
    if not text.strip():
        return blank_line(row)
    if fields <= max(1, width // 10) and re.search(r"[^\W\d_]\s+\w", text):
        return Malformed(row, Fault.PROSE, _SENTENCES[Fault.PROSE])
    return Malformed(row, Fault.FIELD_COUNT, f"{fields} fields, not {width}")


def malformed(lines: list[Malformed]) -> pl.DataFrame:
    """Return the lines as rejections (`SCHEMA`), without id and column."""
    rows = [(line.row, None, None, line.code, line.reason) for line in lines]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def explain(
    faulty: pl.DataFrame, faults: dict[str, pl.Expr], cells: pl.DataFrame, contract: Contract
) -> pl.DataFrame:
    """Return one rejection per faulty row (`SCHEMA`): its first faulty column, or the whole row.

    Args:
        faulty: the typed values of the faulty rows.
        faults: for each column, an expression that is true if a row breaks the contract there.
        cells: the cells of the whole block.
        contract: what the columns may hold.
    """
    raw = cells.filter(pl.col("row").is_in(faulty["row"].implode())).with_columns(
        _all_empty(cells, ID).alias("footer"), _all_empty(cells).alias("blank")
    )
    flags = faulty.select(**faults)
    rows = []
    for value, cell, flag in zip(
        faulty.iter_rows(named=True),
        raw.iter_rows(named=True),
        flags.iter_rows(named=True),
        strict=True,
    ):
        rows.append((value["row"], value[ID], *_reason(value, cell, flag, contract)))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _all_empty(cells: pl.DataFrame, *except_for: str) -> pl.Expr:
    others = [name for name in cells.columns if name not in ("row", *except_for)]
    return pl.all_horizontal(pl.col(others).is_null())


def _reason(
    value: dict[str, Any],
    cell: dict[str, Any],
    flag: dict[str, bool | None],
    contract: Contract,
) -> tuple[str | None, Fault, str]:
    if cell["blank"]:
        return None, Fault.BLANK_LINE, _SENTENCES[Fault.BLANK_LINE]
    if cell["footer"]:
        return None, Fault.FOOTER, _SENTENCES[Fault.FOOTER]
    if _is_header(cell):
        return None, Fault.HEADER, _SENTENCES[Fault.HEADER]
    name = next(name for name, broken in flag.items() if broken)
    if name == ISSUE_MONTH:
        return name, Fault.NOT_A_MONTH, _not_a_month(cell, name, contract.loan.issued)
    if name == OUTCOME_MONTH and (rule := contract.outcome.default_month):
        return name, Fault.NOT_A_MONTH, _not_a_month(cell, name, rule.column)
    if name == DEFAULT:
        shown = _shown(cell, name, contract.outcome.column)
        return name, Fault.UNKNOWN_OUTCOME, f"{shown} is not a known outcome"
    return name, *_number_reason(contract.by_name[name], value[name], cell)


def _is_header(cell: dict[str, Any]) -> bool:
    """Return whether a row repeats the header, as files joined end to end do.

    Raises:
        InputError: it is the header of other columns, or of the same in another order.
    """
    texts = {name: fold(text) for name, text in cell.items() if isinstance(text, str)}
    names = {fold(name) for name in cell}
    if 2 * sum(text in names for text in texts.values()) <= max(len(texts), 4):
        return False
    if 2 * sum(text == fold(name) for name, text in texts.items()) > len(texts):
        return True
    raise InputError(
        f"row {cell['row']} is the header of a table with other columns or another order: split "
        "the file there and name both parts"
    )


def _number_reason(column: Column, value: float | None, cell: dict[str, Any]) -> tuple[Fault, str]:
    """Return code and reason; `value` is None for an empty cell, NaN for unparseable text."""
    name = column.name
    if value is None:
        return Fault.MISSING_VALUE, f"{name} is empty"
    derived = name not in cell and column.months_before_issue
    if derived and math.isnan(value):
        return Fault.NOT_A_MONTH, _not_a_month(cell, column.source)
    shown = _shown(cell, name, column.source)
    if derived:
        return Fault.OUT_OF_RANGE, f"{shown} gives a {name} outside {_span(column)}"
    if math.isnan(value):
        return Fault.NOT_A_NUMBER, f"{shown} is not a number"
    # A text with a unit of its own is not in another one
    unit = None if re.search(r"[A-Za-z%]", shown.partition(" ")[2]) else of_value(column, value)
    hint = f"; it would be usual among {unit}" if unit else ""
    return Fault.OUT_OF_RANGE, f"{shown} is outside {_span(column)}{hint}"


def _not_a_month(cell: dict[str, Any], *names: str) -> str:
    shown = _shown(cell, *names)
    text = next((cell[name] for name in names if name in cell), None)
    if isinstance(text, str) and has_two_meanings(text):
        return (
            f"{shown} has more than one meaning: write Dec-2010 or 2010-12, or say in the contract "
            "how dates are written"
        )
    return f"{shown} is not a month such as Dec-2010"


def _span(column: Column) -> str:
    return f"{column.low:,g} to {column.high:,.0f} {column.unit}"


def _shown(cell: dict[str, Any], *names: str) -> str:
    name = next((name for name in names if name in cell), names[0])
    value = cell.get(name)
    text = f"{value:.15g}" if isinstance(value, float) else str("" if value is None else value)
    return f"{name} {text[:40]!r}"
