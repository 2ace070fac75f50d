"""Why a row was set aside: one plain reason a row, and the ids that were seen before."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loan_default.columns import BY_NAME, DEFAULT, ID, ISSUE_MONTH, RAW_SOURCE, STATUS, Column

SCHEMA = {"row": pl.Int64, "id": pl.String, "column": pl.String, "reason": pl.String}
MISSING = ("", "n/a", "N/A", "NA", "nan", "NaN", "null", "NULL", "None", "#N/A")
BLANK_LINE = "blank line"
FOOTER = "not a loan: only the id cell is filled"
NOT_LOANS = (BLANK_LINE, FOOTER)


@dataclass(frozen=True)
class Parsed:
    """`records`: row, id, issue_month, default (training only) and the record's columns, all of
    them.

    `rejected`: row, id, column (null where the whole row is at fault) and reason.
    """

    records: pl.DataFrame
    rejected: pl.DataFrame


class SeenIds:
    """Finds the rows that repeat an id, over all the blocks of a file, in 8 bytes an id.

    Ids are compared by a 64-bit hash: among 10 million the chance of a single false match is 3e-6.
    """

    def __init__(self) -> None:
        # Sorted, each more than twice as long as the next: adding to one array would copy it
        # whole with every block.
        self._runs: list[NDArray[np.uint64]] = []

    def split(self, parsed: Parsed) -> Parsed:
        """`parsed` with every later row of a repeated id moved to the rejected ones."""
        hashes = parsed.records[ID].hash().to_numpy()
        run = np.sort(hashes)
        # The common case first: looked up in order, ids are found several times as fast
        if (run[1:] != run[:-1]).all() and not self._known(run).any():
            self._add(run)
            return parsed
        first = parsed.records[ID].is_first_distinct().to_numpy() & ~self._known(hashes)
        self._add(np.sort(hashes[first]))
        again = parsed.records.filter(~first).select(
            "row",
            ID,
            pl.lit(ID).alias("column"),
            pl.lit("repeats the id of an earlier row").alias("reason"),
        )
        return Parsed(parsed.records.filter(first), pl.concat([parsed.rejected, again]).sort("row"))

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


def malformed(rows: list[tuple[int, str]]) -> pl.DataFrame:
    """Rows that are not even cells, as rejections."""
    numbers, reasons = [row for row, _ in rows], [reason for _, reason in rows]
    empty = [None] * len(rows)
    return pl.DataFrame([numbers, empty, empty, reasons], schema=SCHEMA)


def explain(faulty: pl.DataFrame, faults: dict[str, pl.Expr], cells: pl.DataFrame) -> pl.DataFrame:
    """One rejection for each faulty row: the first column at fault, or the row itself where it is
    no loan."""
    raw = cells.filter(pl.col("row").is_in(faulty["row"].implode())).with_columns(
        _empty_but(cells, ID).alias("footer"), _empty_but(cells).alias("blank")
    )
    flags = faulty.select(**faults)
    rows = []
    for value, cell, flag in zip(
        faulty.iter_rows(named=True),
        raw.iter_rows(named=True),
        flags.iter_rows(named=True),
        strict=True,
    ):
        rows.append((value["row"], value[ID], *_reason(value, cell, flag)))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _empty_but(cells: pl.DataFrame, *filled: str) -> pl.Expr:
    others = [name for name in cells.columns if name not in ("row", *filled)]
    return pl.all_horizontal(pl.col(others).is_null())


def _reason(
    value: dict[str, Any], cell: dict[str, Any], flag: dict[str, bool | None]
) -> tuple[str | None, str]:
    if cell["blank"]:
        return None, BLANK_LINE
    if cell["footer"]:
        return None, FOOTER
    name = next(name for name, broken in flag.items() if broken)
    if name == ISSUE_MONTH:
        return name, f"{_shown(cell, name, RAW_SOURCE[name])} is not a month such as Dec-2010"
    if name == DEFAULT:
        return name, f"{_shown(cell, name, STATUS)} is not a known outcome"
    return name, _number_reason(BY_NAME[name], value[name], cell)


def _number_reason(column: Column, value: float | None, cell: dict[str, Any]) -> str:
    """`value` is None where the cell is empty, NaN where its text is no number."""
    name = column.name
    if name not in cell and name in RAW_SOURCE:
        return f"{_shown(cell, RAW_SOURCE[name])} gives a {name} outside {_span(column)}"
    if value is None:
        return f"{name} is empty"
    if math.isnan(value):
        return f"{_shown(cell, name)} is not a number"
    return f"{_shown(cell, name)} is outside {_span(column)}"


def _span(column: Column) -> str:
    return f"{column.low:,g} to {column.high:,.0f} {column.unit}"


def _shown(cell: dict[str, Any], *names: str) -> str:
    name = next((name for name in names if name in cell), names[0])
    value = cell.get(name)
    text = f"{value:.15g}" if isinstance(value, float) else str("" if value is None else value)
    return f"{name} {text[:40]!r}"
