"""Stream CSV and Parquet files, packed or not, one or several as one; content decides the format.

Cells are not interpreted here: `parsing` does that.
"""

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from io import BufferedReader
from itertools import chain
from typing import Any, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet

from loan_default.data import sources, streams
from loan_default.data.csv_header import find_header, reject_duplicates
from loan_default.data.csv_reader import Block, csv_blocks
from loan_default.data.prefetch import prefetch
from loan_default.data.sources import Source
from loan_default.data.streams import Packed
from loan_default.errors import InputError

PARQUET_ROWS = 50_000
# Given the names of all columns, returns the new names of those to be renamed
Rename = Callable[[Sequence[str]], dict[str, str]]
# Given a file's name and the names of its columns, raises InputError if they are wrong
Check = Callable[[str, tuple[str, ...]], None]


@dataclass(frozen=True)
class Table:
    """An open input: one file, or several as one.

    Attributes:
        path: the path as given, local or remote.
        files: the local files that are read: copies if `path` is remote.
        columns: all column names, of several files those of the first.
        metadata: key-value metadata (Parquet only), of several files those of the first.
        blocks: the blocks, to be read once; row numbers go on from file to file.
        notes: sentences about how the files were read, complete once all blocks are.
    """

    path: str
    files: tuple[str, ...]
    columns: tuple[str, ...]
    metadata: dict[str, str]
    blocks: Iterator[Block]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Part:
    """One of a table's files: its name, columns, metadata and blocks."""

    name: str
    columns: tuple[str, ...]
    metadata: dict[str, str]
    blocks: Iterator[Block]


@dataclass(frozen=True)
class Wanted:
    """What is read of each file.

    Attributes:
        columns: the columns to read, as far as they exist.
        numbers: columns of a CSV that may be read as numbers instead of text (`csv_blocks`).
        rename: given all column names, returns the new names of some.
        check: called with each file's name and its columns, as renamed.
    """

    columns: frozenset[str]
    numbers: Collection[str] = ()
    rename: Rename = lambda names: {}
    check: Check = lambda name, columns: None


@contextmanager
def open_table(
    path: str,
    wanted: Iterable[str],
    numbers: Collection[str] = (),
    rename: Rename = lambda names: {},
    check: Check = lambda name, columns: None,
) -> Iterator[Table]:
    """Open `path` for one pass over its blocks.

    Args:
        path: a file, a folder, a pattern or a JSON list of paths, as `sources.expand` reads it.
        wanted: the columns to read; `numbers`, `rename` and `check` as in `Wanted`.

    Raises:
        InputError: a file is missing, damaged or malformed; also raised while reading blocks.
    """
    what = Wanted(frozenset(wanted), numbers, rename, check)
    notes: list[str] = []
    with sources.local_files(path, sorted(what.columns)) as files:
        with closing(_parts(files, what, notes)) as parts:
            first = next(parts, None)
            if first is None:
                raise InputError(f"{path} is empty")
            with prefetch(_blocks(first, parts)) as blocks:
                local = tuple(file.local for file in files)
                yield Table(path, local, first.columns, first.metadata, blocks, notes)


def _parts(files: Sequence[Source], what: Wanted, notes: list[str]) -> Generator[Part]:
    """Yield each table of the files, one open at a time; empty ones among several are left out."""
    first: Part | None = None
    for file in files:
        with sources.opened(file) as stream:
            if not cast(BufferedReader, stream).peek(1):
                continue
            for packed in streams.tables(file.path, stream):
                part = _part(packed, what, notes)
                what.check(part.name, part.columns)
                if first:
                    _note_differences(first, part, what.columns, notes)
                first = first or part
                yield part


def _part(packed: Packed, what: Wanted, notes: list[str]) -> Part:
    with _translated(packed):
        if streams.is_parquet(packed.stream):
            return _parquet(packed, what)
        if packed.kind == "UTF-16":
            notes.append(f"{packed.name} is read as UTF-16")
        return _csv(packed, what, notes)


def _csv(packed: Packed, what: Wanted, notes: list[str]) -> Part:
    found = find_header(packed.name, packed.stream, what.columns)
    new = what.rename(found.names)
    header = tuple(new.get(name, name) for name in found.names)
    blocks = csv_blocks(
        packed.name, found.stream, header, what.columns, what.numbers, found.separator, notes
    )
    return Part(packed.name, header, {}, _from_csv(packed, blocks))


def _from_csv(packed: Packed, blocks: Iterator[Block]) -> Iterator[Block]:
    with _translated(packed):
        yield from blocks


def _blocks(first: Part, others: Iterator[Part]) -> Iterator[Block]:
    """Yield the blocks of all files, their rows numbered from file to file."""
    before = 0
    for part in chain([first], others):
        rows = 0
        for block in part.blocks:
            rows += block.rows
            yield block.moved(before)
        before += rows


def _note_differences(first: Part, part: Part, wanted: Collection[str], notes: list[str]) -> None:
    for one, other in ((first, part), (part, first)):
        if lacking := [n for n in other.columns if n in wanted and n not in one.columns]:
            notes.append(f"{one.name} lacks {', '.join(lacking[:5])}, which {other.name} has")


@contextmanager
def _translated(packed: Packed) -> Iterator[None]:
    try:
        with streams.translated(packed.name, packed.kind):
            yield
    except pa.ArrowException as error:
        raise InputError(f"{packed.name} cannot be read: {error}") from None


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


def _parquet(packed: Packed, what: Wanted) -> Part:
    path, wanted = packed.name, what.columns
    with _parquet_translated(path):
        file = pa.parquet.ParquetFile(packed.stream)
    names = tuple(file.schema_arrow.names)
    reject_duplicates(path, names)
    new = {name: name for name in names} | what.rename(names)
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
    return Part(path, columns, metadata, _parquet_blocks(path, file, read))


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
