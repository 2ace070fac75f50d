"""Stream CSV, gzipped CSV and Parquet files as blocks of cells; content decides the format.

Cells are not interpreted here: `parsing` does that.
"""

import csv
import gzip
import logging
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet

from loan_default import storage
from loan_default.contract.texts import fold
from loan_default.data.csv_reader import MAX_RECORD_BYTES, Block, csv_blocks
from loan_default.data.prefetch import prefetch
from loan_default.errors import InputError

PARQUET_ROWS = 50_000
# Given the names of all columns, returns the new names of those to be renamed
Rename = Callable[[Sequence[str]], dict[str, str]]
# In the order of preference
SEPARATORS = (",", ";", "\t", "|")
# Lines of prose that may stand above the header, and the wanted columns that show where it is
PREAMBLE_LINES = 5
MIN_NAMED = 3

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Table:
    """An open input file.

    Attributes:
        path: the path as given, local or remote.
        local: the local file that is read: a copy if `path` is remote.
        columns: all column names.
        metadata: key-value metadata (Parquet only).
        blocks: the blocks, to be read once.
    """

    path: str
    local: str
    columns: tuple[str, ...]
    metadata: dict[str, str]
    blocks: Iterator[Block]


@contextmanager
def open_table(
    path: str,
    wanted: Iterable[str],
    numbers: Collection[str] = (),
    rename: Rename = lambda names: {},
) -> Iterator[Table]:
    """Open `path` for one pass over its blocks.

    Args:
        path: a local or remote file.
        wanted: the columns to read, as far as they exist.
        rename: given all column names, returns the new names of some.
        numbers: columns of a CSV that may be read as numbers instead of text (`csv_blocks`).

    Raises:
        InputError: the file is missing, damaged or malformed; also raised while reading blocks.
    """
    with storage.open_input(path) as stream, _translated(path):
        magic = stream.read(4)
        stream.seek(0)
        if not magic:
            raise InputError(f"{path} is empty")
        if magic == b"PAR1":
            yield _parquet(path, stream, set(wanted), rename)
            return
        zipped = magic[:2] == b"\x1f\x8b"
        with gzip.open(stream, "rb") if zipped else nullcontext(stream) as plain:
            text = cast(BinaryIO, plain)
            header, separator = _find_header(path, text, set(wanted))
            new = rename(header)
            header = tuple(new.get(name, name) for name in header)
            read = csv_blocks(path, text, header, set(wanted), numbers, separator)
            with prefetch(read) as blocks:
                yield Table(path, stream.name, header, {}, blocks)


@contextmanager
def _translated(path: str) -> Iterator[None]:
    try:
        yield
    except EOFError:
        raise InputError(f"{path} is cut off in the middle (gzip): fetch it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} is damaged (gzip: {error}): fetch it again") from None
    except pa.ArrowException as error:
        raise InputError(f"{path} cannot be read: {error}") from None


@contextmanager
def _parquet_translated(path: str) -> Iterator[None]:
    # pyarrow reports some damage as a plain OSError; subclasses come from the disk or the network.
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, OSError) and type(error) is not OSError:
            raise
        reason = str(error).splitlines()[0].rstrip(": .")
        raise InputError(f"{path} is damaged (Parquet: {reason}): fetch it again") from None


def _parquet(path: str, stream: BinaryIO, wanted: set[str], rename: Rename) -> Table:
    with _parquet_translated(path):
        file = pa.parquet.ParquetFile(stream)
    names = tuple(file.schema_arrow.names)
    _reject_duplicates(path, names)
    new = {name: name for name in names} | rename(names)
    bad = [f for f in file.schema_arrow if new[f.name] in wanted and _is_unsupported(f.type)]
    if bad:
        raise InputError(
            f"{path} holds {', '.join(f'{field.name} as {field.type}' for field in bad)}: "
            "write plain text, numbers or dates"
        )
    metadata = {
        key.decode(): value.decode()
        for key, value in (file.metadata.metadata or {}).items()
        if not key.startswith((b"ARROW", b"pandas"))
    }
    read = {name: target for name, target in new.items() if target in wanted}
    columns = tuple(new[name] for name in names)
    return Table(path, stream.name, columns, metadata, _parquet_blocks(path, file, read))


def _is_unsupported(kind: pa.DataType) -> bool:
    binary = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    return pa.types.is_nested(kind) or any(is_kind(kind) for is_kind in binary)


def _parquet_blocks(path: str, file: Any, columns: dict[str, str]) -> Iterator[Block]:
    row = 1
    with _parquet_translated(path):
        for batch in file.iter_batches(batch_size=PARQUET_ROWS, columns=list(columns)):
            frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch]))).rename(columns)
            numbers = pl.Series("row", np.arange(row, row + batch.num_rows), pl.Int64)
            yield Block(frame.insert_column(0, numbers), [])
            row += batch.num_rows


def _find_header(path: str, stream: BinaryIO, wanted: set[str]) -> tuple[tuple[str, ...], str]:
    """Read the header, which some exports put below a line of prose; return names and separator.

    The first line is the header unless it names none of the wanted columns and one of the next
    lines names several. The stream is left behind the header.
    """
    known = set(map(fold, wanted))

    def named(header: tuple[str, ...]) -> int:
        return len(known & set(map(fold, header)))

    first = stream.readline(MAX_RECORD_BYTES)
    header, separator = _header(path, first)
    if not named(header):
        for skipped in range(1, PREAMBLE_LINES + 1):
            line = stream.readline(MAX_RECORD_BYTES)
            if not _is_text(line):
                break
            try:
                below = _split(line.decode("utf-8"))
            except csv.Error:
                break  # the first line is refused or accepted for what it is
            if named(below[0]) >= MIN_NAMED:
                log.warning("%s: lines above the header skipped: %s", path, skipped)
                _reject_duplicates(path, below[0])
                return below
        stream.seek(len(first))
    return header, separator


def _header(path: str, line: bytes) -> tuple[tuple[str, ...], str]:
    if not _is_text(line):
        raise InputError(f"{path} is neither text in UTF-8, nor gzip, nor Parquet")
    try:
        names, separator = _split(line.decode("utf-8-sig"))
    except csv.Error:
        raise InputError(
            f"{path} does not start with a CSV header: end its lines with LF or CRLF, and name "
            f"each column in less than {csv.field_size_limit():,} characters"
        ) from None
    _reject_duplicates(path, names)
    return names, separator


def _is_text(line: bytes) -> bool:
    try:
        return "\0" not in line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return False


def _split(line: str) -> tuple[tuple[str, ...], str]:
    """Split a header into names by the separator that gives the most."""
    splits = {
        separator: tuple(name.strip() for name in next(csv.reader([line], delimiter=separator), []))
        for separator in SEPARATORS
    }
    best = max(splits, key=lambda separator: len(splits[separator]))
    return splits[best], best


def _reject_duplicates(path: str, names: tuple[str, ...]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1 and name})
    if repeated:
        raise InputError(f"{path} has more than one column named {', '.join(repeated)}")
