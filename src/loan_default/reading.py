"""Bytes to blocks of cells: CSV, gzipped CSV and Parquet, told apart by content, streamed, nothing
lost.

A CSV's cells stay text; `loans` gives them meaning. What cannot be a row (a wrong number of fields,
bytes that are not UTF-8, a blank line) is handed on with its number and the reason.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from loan_default import storage
from loan_default.errors import InputError

BLOCK_BYTES = 16 << 20
PARQUET_ROWS = 50_000
LONGEST_RECORD = 256 << 20
BLANK = "blank line"
UNCLOSED = "a quote is opened and never closed; a quote within a field is written twice"
NOT_UTF8 = "bytes that are not UTF-8; convert the file, for example with iconv -f latin1 -t utf-8"
UNUSED = "\x01"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Block:
    """Consecutive rows; `row` in `cells` is a row's number in the file, from 1, header apart."""

    cells: pl.DataFrame
    malformed: list[tuple[int, str]]


@dataclass(frozen=True)
class Table:
    """An open input: its column names, its metadata (Parquet) and its blocks, to be read once."""

    path: str
    columns: tuple[str, ...]
    metadata: dict[str, str]
    blocks: Iterator[Block]


@contextmanager
def open_table(path: str, wanted: Iterable[str]) -> Iterator[Table]:
    """Open `path` for one pass over its blocks, which hold those of the `wanted` columns that
    exist.

    Raises InputError, also while the blocks are read, where the file is not what it should be.
    """
    with storage.open_input(path) as stream, _explained(path):
        magic = stream.read(4)
        stream.seek(0)
        if not magic:
            raise InputError(f"{path} is empty")
        if magic == b"PAR1":
            yield _parquet(path, stream, set(wanted))
        elif magic[:2] == b"\x1f\x8b":
            with gzip.open(stream, "rb") as plain:
                yield _csv(path, cast(BinaryIO, plain), set(wanted))
        else:
            yield _csv(path, stream, set(wanted))


@contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except EOFError:
        raise InputError(f"{path} is cut off in the middle (gzip): fetch it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} is damaged (gzip: {error}): fetch it again") from None
    except pa.ArrowException as error:
        raise InputError(f"{path} cannot be read: {error}") from None


@contextmanager
def _parquet_explained(path: str) -> Iterator[None]:
    # pyarrow reports some damage as a plain OSError; its subclasses come from the disk or the
    # network.
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, OSError) and type(error) is not OSError:
            raise
        said = str(error).splitlines()[0].rstrip(": .")
        raise InputError(f"{path} is damaged (Parquet: {said}): fetch it again") from None


def _parquet(path: str, stream: BinaryIO, wanted: set[str]) -> Table:
    with _parquet_explained(path):
        file = pa.parquet.ParquetFile(stream)
    names = tuple(file.schema_arrow.names)
    _refuse_repeated(path, names)
    odd = [field for field in file.schema_arrow if field.name in wanted and _no_cells(field.type)]
    if odd:
        raise InputError(
            f"{path} holds {', '.join(f'{field.name} as {field.type}' for field in odd)}: "
            "write plain text, numbers or dates"
        )
    metadata = {
        key.decode(): value.decode()
        for key, value in (file.metadata.metadata or {}).items()
        if not key.startswith((b"ARROW", b"pandas"))
    }
    columns = [name for name in names if name in wanted]
    return Table(path, names, metadata, _parquet_blocks(path, file, columns))


def _no_cells(kind: pa.DataType) -> bool:
    binary = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    return pa.types.is_nested(kind) or any(is_kind(kind) for is_kind in binary)


def _parquet_blocks(path: str, file: Any, columns: list[str]) -> Iterator[Block]:
    row = 1
    with _parquet_explained(path):
        for batch in file.iter_batches(batch_size=PARQUET_ROWS, columns=columns):
            frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))
            numbers = pl.Series("row", np.arange(row, row + batch.num_rows), pl.Int64)
            yield Block(frame.insert_column(0, numbers), [])
            row += batch.num_rows


def _csv(path: str, stream: BinaryIO, wanted: set[str]) -> Table:
    header = _header(path, stream.readline(LONGEST_RECORD))
    return Table(path, header, {}, _csv_blocks(path, stream, header, wanted))


def _header(path: str, line: bytes) -> tuple[str, ...]:
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise InputError(f"{path} is neither text in UTF-8, nor gzip, nor Parquet")
    try:
        names = tuple(name.strip() for name in next(csv.reader([text]), []))
    except csv.Error:
        raise InputError(
            f"{path} does not start with a CSV header: end its lines with LF or CRLF, and name "
            f"each column in less than {csv.field_size_limit():,} characters"
        ) from None
    _refuse_repeated(path, names)
    return names


def _refuse_repeated(path: str, names: tuple[str, ...]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1 and name})
    if twice:
        raise InputError(f"{path} has more than one column named {', '.join(twice)}")


def _csv_blocks(
    path: str, stream: BinaryIO, header: tuple[str, ...], wanted: set[str]
) -> Iterator[Block]:
    names = [name if name in wanted else f"{UNUSED}{place}" for place, name in enumerate(header)]
    row = 1
    for data in _whole_records(path, stream):
        block, rows = _parse(data, names, row)
        yield block
        row += rows


def _whole_records(path: str, stream: BinaryIO) -> Iterator[bytes]:
    """The stream in pieces that end where a record ends, which a newline within quotes does not."""
    pieces: list[bytes] = []
    while data := stream.read(BLOCK_BYTES):
        pieces.append(data)
        whole = b"".join(pieces)
        cut = _last_record_end(whole)
        if cut:
            yield whole[:cut]
        elif len(whole) > LONGEST_RECORD:
            raise InputError(f"{path}: {UNCLOSED}")
        pieces = [whole[cut:]]
    if rest := b"".join(pieces):
        if rest.count(b'"') % 2:
            raise InputError(f"{path}: {UNCLOSED}")
        yield rest


def _last_record_end(data: bytes) -> int:
    """The length of the longest prefix that ends with a record; 0 when there is none.

    `data` starts with a record, so a newline ends one when the quotes before it are even in number.
    """
    end = len(data)
    quotes = data.count(b'"')
    while (newline := data.rfind(b"\n", 0, end)) >= 0:
        quotes -= data.count(b'"', newline, end)
        if quotes % 2 == 0:
            return newline + 1
        end = newline
    return 0


def _parse(data: bytes, names: list[str], first_row: int) -> tuple[Block, int]:
    """The block's cells as text, and how many rows it has, malformed ones included."""
    try:
        data.decode("utf-8")
        broken_text = False
    except UnicodeDecodeError:
        data = data.decode("utf-8", "replace").encode("utf-8")
        broken_text = True
    used = names if broken_text else [name for name in names if not name.startswith(UNUSED)]
    skipped: list[tuple[int | None, str]] = []
    table = _arrow(data, names, used, skipped, threads=True)
    if skipped:
        # Only the slower, serial reader knows the rows' numbers.
        skipped.clear()
        table = _arrow(data, names, used, skipped, threads=False)
    malformed = [(first_row + cast(int, number) - 1, reason) for number, reason in skipped]
    rows = table.num_rows + len(malformed)
    kept = np.setdiff1d(np.arange(first_row, first_row + rows), [number for number, _ in malformed])
    cells = pl.DataFrame(pl.from_arrow(table)).insert_column(0, pl.Series("row", kept, pl.Int64))
    if broken_text:
        cells, unreadable = _without_broken_text(cells)
        malformed = sorted(malformed + unreadable)
    return Block(cells, malformed), rows


def _arrow(
    data: bytes,
    names: list[str],
    used: list[str],
    skipped: list[tuple[int | None, str]],
    threads: bool,
) -> pa.Table:
    def skip(row: Any) -> str:
        reason = BLANK if not row.text.strip() else f"{row.actual_columns} fields, not {len(names)}"
        skipped.append((row.number, reason))
        return "skip"

    return pa.csv.read_csv(
        io.BytesIO(data),
        # One chunk: the piece is whole records already, and columns are converted in parallel.
        pa.csv.ReadOptions(use_threads=threads, block_size=len(data) + 1, column_names=names),
        pa.csv.ParseOptions(
            newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=skip
        ),
        pa.csv.ConvertOptions(
            include_columns=used,
            column_types={name: pa.string() for name in used},
            strings_can_be_null=True,
            null_values=[""],
            check_utf8=False,
        ),
    )


def _without_broken_text(cells: pl.DataFrame) -> tuple[pl.DataFrame, list[tuple[int, str]]]:
    texts = pl.col(pl.String)
    broken = cells.select(
        pl.any_horizontal(texts.str.contains(REPLACEMENT, literal=True))
    ).to_series()
    broken = broken.fill_null(False)
    readable = cells.filter(~broken).select(
        name for name in cells.columns if not name.startswith(UNUSED)
    )
    return readable, [(number, NOT_UTF8) for number in cells.filter(broken)["row"]]
