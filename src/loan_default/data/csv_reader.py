"""CSV to blocks of cells: streamed, nothing lost.

What cannot be a row (a wrong number of fields, bytes that are not UTF-8, a blank line) is handed on
with its number and the reason. Cells are text, but a block in which every cell of the columns named
as numbers is one, or is missing, holds them as numbers: less work for all who read it.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from io import BufferedReader
from typing import Any, BinaryIO, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from loan_default.data.rejections import MISSING_TEXTS, Fault, Malformed, blank_line
from loan_default.errors import InputError

BLOCK_BYTES = 32 << 20
# What is made of a piece stays in a core's cache: two thirds of the time that a block takes at once
PIECE_BYTES = 2 << 20
MAX_RECORD_BYTES = 256 << 20
UNCLOSED = "a quote is opened and never closed; a quote within a field is written twice"
NOT_UTF8 = "bytes that are not UTF-8; convert the file, for example with iconv -f latin1 -t utf-8"
UNUSED = "\x01"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Block:
    """Consecutive rows; `row` in `cells` is a row's number in the file, from 1, header apart."""

    cells: pl.DataFrame
    malformed: list[Malformed]


def csv_blocks(
    path: str,
    stream: BinaryIO,
    header: tuple[str, ...],
    wanted: Collection[str],
    numbers: Collection[str],
) -> Iterator[Block]:
    """The blocks of the `wanted` columns of what follows the `header` in `stream`."""
    names = [name if name in wanted else f"{UNUSED}{place}" for place, name in enumerate(header)]
    hoped = {name for name in names if name in numbers}
    row = 1
    for pieces in _whole_records(path, stream):
        block, rows = _parse(pieces, names, hoped, row)
        yield block
        row += rows


def _whole_records(path: str, stream: BinaryIO) -> Iterator[list[memoryview]]:
    """The stream block by block, each in pieces that end where a record ends, which a newline
    within quotes does not.

    Blocks share one buffer, without copies: a block is gone when the next one is asked for.
    """
    buffer, filled = bytearray(BLOCK_BYTES), 0
    while read := cast(BufferedReader, stream).readinto(memoryview(buffer)[filled:]):
        filled += read
        pieces = _pieces(buffer, filled)
        cut = sum(map(len, pieces))
        if cut:
            yield pieces
            buffer[: filled - cut] = buffer[cut:filled]
            filled -= cut
        elif filled > MAX_RECORD_BYTES:
            raise InputError(f"{path}: {UNCLOSED}")
        if filled == len(buffer):
            buffer = buffer + bytearray(BLOCK_BYTES)
    if filled:
        if _quotes(buffer, 0, filled) % 2:
            raise InputError(f"{path}: {UNCLOSED}")
        yield [memoryview(buffer)[:filled]]


def _pieces(data: bytearray, length: int) -> list[memoryview]:
    """The whole records of `data[:length]`, which starts with one, some PIECE_BYTES at a time."""
    pieces, start, end = [], 0, 0
    while end < length:
        # Where the last piece was too short for a record, one of twice its size
        end = min(max(start + PIECE_BYTES, 2 * end - start), length)
        if cut := _last_record_end(data, start, end):
            pieces.append(memoryview(data)[start:cut])
            start = cut
    return pieces


def _last_record_end(data: bytearray, start: int, end: int) -> int:
    """Where the last record of `data[start:end]` ends that ends there; 0 where none does.

    A record starts at `start`, so a newline ends one when the quotes before it are even in number.
    """
    quotes = _quotes(data, start, end)
    while (newline := data.rfind(b"\n", start, end)) >= 0:
        quotes -= _quotes(data, newline, end)
        if quotes % 2 == 0:
            return newline + 1
        end = newline
    return 0


def _quotes(data: bytearray, start: int, end: int) -> int:
    # Less than half of the time that bytes.count takes, which goes byte by byte
    cells = np.frombuffer(data, np.uint8, end - start, start)
    return int(np.count_nonzero(cells == ord('"')))


def _is_utf8(data: memoryview) -> bool:
    if np.frombuffer(data, np.uint8).max() < 0x80:
        return True
    try:
        str(data, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _parse(
    pieces: list[memoryview], names: list[str], hoped: set[str], first_row: int
) -> tuple[Block, int]:
    """The block, and how many rows it has, malformed ones included.

    The columns `hoped` to be numbers lose those that turn out to hold something else.
    """
    used = [name for name in names if not name.startswith(UNUSED)]
    if hoped and all(map(_is_utf8, pieces)):
        numbers = _numbers(pieces, names, used, hoped)
        if numbers is not None:
            numbered = _numbered(numbers, np.arange(numbers.height) + first_row)
            return Block(numbered, []), numbers.height
    parts, row = [], first_row
    for piece in pieces:
        part, rows = _texts(piece, names, used, row)
        parts.append(part)
        row += rows
    cells = pl.concat([part.cells for part in parts], rechunk=True)
    malformed = [fault for part in parts for fault in part.malformed]
    hoped -= {name for name in hoped if _starts_with_text(cells[name])}
    return Block(cells, malformed), row - first_row


def _numbers(
    pieces: list[memoryview], names: list[str], used: list[str], hoped: set[str]
) -> pl.DataFrame | None:
    """The cells, those `hoped` to be numbers as such; None where one is not, or a row is none."""
    skipped: list[Malformed] = []
    types = {name: pa.float64() if name in hoped else pa.string() for name in used}
    tables = []
    for piece in pieces:
        try:
            tables.append(_arrow(piece, names, types, MISSING_TEXTS, skipped))
        except pa.ArrowInvalid:
            return None
        if skipped:
            return None
    cells = pl.DataFrame(pl.from_arrow(pa.concat_tables(tables)))
    # What is not finite was a text such as "inf", which is for the next step to refuse by its name
    return cells if all(cells.select(pl.col(hoped).is_finite().all()).row(0)) else None


def _starts_with_text(cells: pl.Series) -> bool:
    """Whether the first cell that is filled is no number: a unit, say, stands in all of them."""
    filled = cells.filter(~cells.is_in(MISSING_TEXTS) & cells.is_not_null()).head(1)
    return bool(filled.str.strip_chars().cast(pl.Float64, strict=False).is_null().any())


def _texts(
    data: memoryview, names: list[str], used: list[str], first_row: int
) -> tuple[Block, int]:
    skipped: list[Malformed] = []
    broken = not _is_utf8(data)
    if broken:
        data, used = memoryview(str(data, "utf-8", "replace").encode("utf-8")), names
    table = _arrow(data, names, {name: pa.string() for name in used}, [""], skipped)
    malformed = [replace(line, row=first_row + line.row - 1) for line in skipped]
    rows = table.num_rows + len(malformed)
    kept = np.setdiff1d(np.arange(first_row, first_row + rows), [line.row for line in malformed])
    cells = _numbered(pl.DataFrame(pl.from_arrow(table)), kept)
    if broken:
        cells, unreadable = _without_broken_text(cells)
        malformed = sorted(malformed + unreadable)
    return Block(cells, malformed), rows


def _numbered(cells: pl.DataFrame, rows: NDArray[np.int64]) -> pl.DataFrame:
    return cells.insert_column(0, pl.Series("row", rows, pl.Int64))


def _arrow(
    data: memoryview,
    names: list[str],
    types: dict[str, pa.DataType],
    missing: Collection[str],
    skipped: list[Malformed],
) -> pa.Table:
    def skip(row: Any) -> str:
        reason = f"{row.actual_columns} fields, not {len(names)}"
        fault = Malformed(row.number, Fault.FIELD_COUNT, reason)
        skipped.append(fault if row.text.strip() else blank_line(row.number))
        return "skip"

    return pa.csv.read_csv(
        pa.BufferReader(pa.py_buffer(data)),
        # As one block, for Arrow's own cuts lose what a carriage return has at one's end; in one
        # thread, which knows the rows' numbers.
        pa.csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
        pa.csv.ParseOptions(
            newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=skip
        ),
        pa.csv.ConvertOptions(
            include_columns=list(types),
            column_types=types,
            strings_can_be_null=True,
            null_values=list(missing),
            check_utf8=False,
        ),
    )


def _without_broken_text(cells: pl.DataFrame) -> tuple[pl.DataFrame, list[Malformed]]:
    texts = pl.col(pl.String)
    broken = cells.select(
        pl.any_horizontal(texts.str.contains(REPLACEMENT, literal=True))
    ).to_series()
    broken = broken.fill_null(False)
    readable = cells.filter(~broken).select(
        name for name in cells.columns if not name.startswith(UNUSED)
    )
    rows = cells.filter(broken)["row"]
    return readable, [Malformed(row, Fault.NOT_UTF8, NOT_UTF8) for row in rows]
