"""Stream a CSV as blocks of cells, with a reason for each line that is not a row.

Lines with a wrong number of fields or no cell at all are reported with their row number. Bytes that
are not UTF-8 are read as Windows-1252, decimal commas as points. Cells are text. Only if every cell
of the numeric columns in a block is a number or missing, these columns hold floats there, which
saves later steps from parsing them.
"""

import codecs
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from io import BufferedReader
from typing import Any, BinaryIO, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from loan_default.contract.texts import MISSING_TEXTS
from loan_default.data import decimals
from loan_default.data.rejections import Fault, Malformed, wrong_width
from loan_default.errors import InputError

BLOCK_BYTES = 32 << 20
# 2 MiB pieces fit the CPU cache and take two thirds of the time of parsing a whole block.
PIECE_BYTES = 2 << 20
MAX_RECORD_BYTES = 256 << 20
UNCLOSED = "a quote is opened and never closed; a quote within a field is written twice"
NOT_UTF8 = "bytes that are neither UTF-8 nor Windows-1252; convert the file with iconv"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Western Europe's encoding before UTF-8, which Excel still writes
WINDOWS = "windows-1252"


@dataclass(frozen=True)
class Block:
    """Consecutive rows of a file.

    Attributes:
        cells: the rows; column `row` is the row's number in the file, from 1, not counting the
            header.
        malformed: the lines that are not rows, by row number.
    """

    cells: pl.DataFrame
    malformed: list[Malformed]

    @property
    def rows(self) -> int:
        """Return the number of rows, including malformed ones."""
        return self.cells.height + len(self.malformed)

    def moved(self, rows: int) -> "Block":
        """Return the block with its rows numbered on behind the `rows` of earlier files."""
        if not rows:
            return self
        return Block(
            self.cells.with_columns(pl.col("row") + rows),
            [replace(line, row=line.row + rows) for line in self.malformed],
        )


def _read_invalid(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode(WINDOWS, "replace"), error.end


codecs.register_error(WINDOWS, _read_invalid)


def decoded(line: bytes) -> str:
    """Return a line as text without a byte order mark; invalid bytes are those of Windows-1252."""
    return str(line, "utf-8", WINDOWS).removeprefix("\ufeff")


def csv_blocks(
    path: str,
    stream: BinaryIO,
    header: tuple[str, ...],
    wanted: Collection[str],
    numbers: Collection[str],
    separator: str = ",",
    notes: list[str] | None = None,
) -> Iterator[Block]:
    """Parse the rest of a CSV block by block.

    Args:
        path: the file's name for error messages.
        stream: the file, positioned after its header.
        header: the column names, unique unless empty.
        wanted: the columns to return, if the header has them.
        numbers: the columns expected to hold numbers.
        separator: the character between fields.
        notes: gets sentences about how the file was read.

    Raises:
        InputError: a quote is never closed, or decimals are written in two ways.
    """
    parser = _Parser(path, header, wanted, numbers, separator)
    for pieces in _whole_records(path, stream):
        yield parser.parse(pieces)
    if notes is not None:
        notes += parser.notes()


def _whole_records(path: str, stream: BinaryIO) -> Iterator[list[memoryview]]:
    """Yield the stream in blocks, each cut into pieces of whole records.

    A newline within quotes does not end a record. Blocks share one buffer to avoid copies: each is
    valid only until the next one is requested.
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
    """Cut `data[:length]`, which starts with a record, into pieces of whole records."""
    pieces, start, end = [], 0, 0
    while end < length:
        # Double the size if the last piece was too short for a record
        end = min(max(start + PIECE_BYTES, 2 * end - start), length)
        if cut := _last_record_end(data, start, end):
            pieces.append(memoryview(data)[start:cut])
            start = cut
    return pieces


def _last_record_end(data: bytearray, start: int, end: int) -> int:
    """Return the end of the last whole record in `data[start:end]`; 0 if there is none.

    A record starts at `start`, so a newline ends one if an even number of quotes precedes it.
    """
    quotes = _quotes(data, start, end)
    while (newline := data.rfind(b"\n", start, end)) >= 0:
        quotes -= _quotes(data, newline, end)
        if quotes % 2 == 0:
            return newline + 1
        end = newline
    return 0


def _quotes(data: bytearray, start: int, end: int) -> int:
    # Takes less than half the time of bytes.count, which goes byte by byte
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


class _Parser:
    """Parse the blocks of one CSV, and find out which columns hold numbers.

    `_numbers` are the columns to parse as numbers. One that turns out to start with text, such as a
    number with a unit, is parsed as text in all later blocks.
    """

    def __init__(
        self,
        path: str,
        header: tuple[str, ...],
        wanted: Collection[str],
        numbers: Collection[str],
        separator: str,
    ) -> None:
        # Arrow gets positions for names, since a header may leave several names empty.
        self._places = [str(place) for place in range(len(header))]
        self._wanted = {place: n for place, n in zip(self._places, header) if n in wanted}
        self._numbers = {name for name in self._wanted.values() if name in numbers}
        self._all_numbers = frozenset(self._numbers)
        self._path, self._next_row, self._separator = path, 1, separator
        # Not known until a block shows it
        self._decimal: str | None = None
        self._windows_rows = 0

    def notes(self) -> list[str]:
        """Return sentences about how the file was read."""
        found = []
        if self._decimal == ",":
            found.append(f"{self._path} is read with decimal commas")
        if self._windows_rows:
            found.append(
                f"{self._path} holds bytes that are not UTF-8 in {self._windows_rows} rows, read "
                "as Windows-1252"
            )
        return found

    def parse(self, pieces: list[memoryview]) -> Block:
        """Parse the next block, which comes in pieces of whole records."""
        block = self._with_numbers(pieces) if self._numbers else None
        if block is None:
            block = self._with_points(self._as_text(pieces))
            self._numbers -= {
                name for name in self._numbers if _starts_with_text(block.cells[name])
            }
        self._next_row += block.rows
        return block

    def _with_points(self, block: Block) -> Block:
        """Return the block with points for decimal commas, once a block has shown them."""
        columns = block.cells.select(sorted(self._all_numbers))
        if self._decimal is None:
            self._decimal = decimals.mark(self._path, columns)
        if self._decimal != ",":
            return block
        return replace(block, cells=block.cells.with_columns(decimals.with_points(columns)))

    def _with_numbers(self, pieces: list[memoryview]) -> Block | None:
        """Parse numeric columns as floats; return None if a cell is not numeric or a row is bad."""
        if not all(map(_is_utf8, pieces)):
            return None
        types = {
            place: pa.float64() if name in self._numbers else pa.string()
            for place, name in self._wanted.items()
        }
        tables: list[pa.Table] = []
        skipped: list[Malformed] = []
        for piece in pieces:
            try:
                tables.append(self._arrow(piece, types, MISSING_TEXTS, skipped))
            except pa.ArrowInvalid:
                return None
            if skipped:
                return None
        cells = pl.DataFrame(pl.from_arrow(pa.concat_tables(tables)))
        block = Block(self._numbered(cells, np.arange(cells.height) + self._next_row), [])
        # Texts such as "inf" are left to the next step, which rejects them with their text.
        finite = block.cells.select(pl.col(self._numbers).is_finite().all()).row(0)
        return block if all(finite) else None

    def _as_text(self, pieces: list[memoryview]) -> Block:
        parts, row = [], self._next_row
        for piece in pieces:
            parts.append(self._piece_as_text(piece, row))
            row += parts[-1].rows
        cells = pl.concat([part.cells for part in parts], rechunk=True)
        return Block(cells, [line for part in parts for line in part.malformed])

    def _piece_as_text(self, data: memoryview, first_row: int) -> Block:
        valid, raw = _is_utf8(data), data
        if not valid:
            data = memoryview(str(data, "utf-8", WINDOWS).encode("utf-8"))
        skipped: list[Malformed] = []
        # Invalid bytes in a column that nobody reads, such as a job title, cost no row
        table = self._arrow(data, dict.fromkeys(self._wanted, pa.string()), [""], skipped)
        cells = pl.DataFrame(pl.from_arrow(table))
        malformed = [replace(line, row=first_row + line.row - 1) for line in skipped]
        rows = np.arange(first_row, first_row + cells.height + len(malformed))
        rows = np.setdiff1d(rows, [line.row for line in malformed])
        if not valid:
            self._windows_rows += self._rows_of_windows(raw)
            broken = _replaced(cells)
            malformed += [Malformed(int(row), Fault.NOT_UTF8, NOT_UTF8) for row in rows[broken]]
            cells, rows = cells.filter(~broken), rows[~broken]
        return Block(self._numbered(cells, rows), sorted(malformed))

    def _rows_of_windows(self, data: memoryview) -> int:
        """Return the rows whose cells hold bytes that are not UTF-8."""
        plain = memoryview(str(data, "utf-8", "replace").encode("utf-8"))
        table = self._arrow(plain, dict.fromkeys(self._wanted, pa.string()), [""], [])
        return int(_replaced(pl.DataFrame(pl.from_arrow(table))).sum())

    def _numbered(self, cells: pl.DataFrame, rows: NDArray[np.int64]) -> pl.DataFrame:
        """Return the wanted cells under the header's names, with the rows' numbers first."""
        cells = cells.select(pl.col(place).alias(name) for place, name in self._wanted.items())
        return cells.insert_column(0, pl.Series("row", rows, pl.Int64))

    def _arrow(
        self,
        data: memoryview,
        types: dict[str, pa.DataType],
        missing: Collection[str],
        skipped: list[Malformed],
    ) -> pa.Table:
        """Parse the columns in `types`; append rows of another width to `skipped`."""
        width = len(self._places)

        def skip(row: Any) -> str:
            skipped.append(wrong_width(row.number, row.text, row.actual_columns, width))
            return "skip"

        return pa.csv.read_csv(
            pa.BufferReader(pa.py_buffer(data)),
            # One block, since Arrow's own cuts break a carriage return at a block's end; one
            # thread, which knows the row numbers.
            pa.csv.ReadOptions(
                use_threads=False, block_size=len(data) + 1, column_names=self._places
            ),
            pa.csv.ParseOptions(
                delimiter=self._separator,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=skip,
            ),
            pa.csv.ConvertOptions(
                include_columns=list(types),
                column_types=types,
                strings_can_be_null=True,
                null_values=list(missing),
                check_utf8=False,
                decimal_point=self._decimal or ".",
            ),
        )


def _starts_with_text(cells: pl.Series) -> bool:
    """Return whether the first cell with a value is not a number; then it probably has a unit."""
    first = cells.filter(~cells.is_in(MISSING_TEXTS) & cells.is_not_null()).head(1)
    return bool(first.str.strip_chars().cast(pl.Float64, strict=False).is_null().any())


def _replaced(cells: pl.DataFrame) -> NDArray[np.bool_]:
    """Return for each row whether a replacement character stands for invalid bytes."""
    replaced = pl.any_horizontal(pl.all().str.contains(REPLACEMENT, literal=True))
    return cells.select(replaced.fill_null(False)).to_series().to_numpy()
