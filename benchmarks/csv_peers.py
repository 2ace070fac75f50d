"""CSV readers to compare with the platform's: the peers of `csv_readers.py`.

`faults` prints as JSON what each reader does with small files that have one fault each. A reader is
exact if every row comes with its number and its cells or is rejected by its number, or if the whole
file is rejected. `read FILE READER` reads an export as a training does; `parse FILE READER` also
parses it. Both print rows, wall seconds and CPU seconds as JSON, without the start-up.
"""

import contextlib
import importlib.util
import itertools
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl
import pyarrow as pa
import pyarrow.csv

from loan_default.contract.load import LENDINGCLUB, load
from loan_default.data import parsing, readers

CONTRACT = load(LENDINGCLUB)

# Small enough for a core's cache, larger than the longest record of the cases
BLOCK_BYTES, BLOCK_ROWS = 4 << 20, 50_000


@dataclass(frozen=True)
class Blocks:
    """Frames of cells with a column `row`, and the numbers of the rejected rows, which are complete
    once the frames are consumed. Unless `numbered`, `row` only counts the accepted rows."""

    frames: Iterator[pl.DataFrame]
    rejected: list[int] = field(default_factory=list)
    numbered: bool = True


Reader = Callable[[str, Collection[str], Collection[str]], Blocks]


def here(path: str, wanted: Collection[str], numbers: Collection[str]) -> Blocks:
    """Use the platform's reader."""
    rejected: list[int] = []

    def frames() -> Iterator[pl.DataFrame]:
        with readers.open_table(path, wanted, numbers) as table:
            for block in table.blocks:
                rejected.extend(line.row for line in block.malformed)
                yield block.cells

    return Blocks(frames(), rejected)


def here_in_turn(path: str, wanted: Collection[str], numbers: Collection[str]) -> Blocks:
    """Use the platform's reader without prefetching."""

    def frames() -> Iterator[pl.DataFrame]:
        with mock.patch.object(readers, "prefetch", contextlib.nullcontext):
            yield from blocks.frames

    blocks = here(path, wanted, numbers)
    return Blocks(frames(), blocks.rejected)


def arrow(path: str, wanted: Collection[str], numbers: Collection[str]) -> Blocks:
    """Use pyarrow's streaming reader in one thread, or it does not number the rejected rows."""
    rejected: list[int] = []

    def skip(row: Any) -> str:
        rejected.append(row.number - 1)
        return "skip"

    used = [name for name in _header(path) if name in wanted]
    types = {name: pa.float64() if name in numbers else pa.string() for name in used}

    def frames() -> Iterator[pl.DataFrame]:
        with pa.csv.open_csv(
            path,
            pa.csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
            pa.csv.ParseOptions(
                newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=skip
            ),
            pa.csv.ConvertOptions(
                include_columns=used, column_types=types, strings_can_be_null=True
            ),
        ) as batches:
            yield from _frames(batches)

    return Blocks(_counted(frames()), rejected, numbered=False)


def polars(path: str, wanted: Collection[str], numbers: Collection[str]) -> Blocks:
    """Use polars' lazy reader."""
    names = _header(path)
    types = {name: pl.Float64 if name in numbers else pl.String for name in names}
    scan = pl.scan_csv(path, schema_overrides=types, row_index_name="row", row_index_offset=1)
    used = [name for name in names if name in wanted]
    return Blocks(
        scan.select("row", *used).collect_batches(chunk_size=BLOCK_ROWS, maintain_order=True)
    )


def polars_texts(path: str, wanted: Collection[str], numbers: Collection[str]) -> Blocks:
    """Use polars and read every cell as text."""
    return polars(path, wanted, ())


def duckdb(path: str, wanted: Collection[str], numbers: Collection[str]) -> Blocks:
    """Use DuckDB, which stores the rows that it rejects."""
    from duckdb import connect

    rejected: list[int] = []
    names = _header(path)
    used = ", ".join(f'"{name}"' for name in names if name in wanted)
    types = {name: "DOUBLE" if name in numbers else "VARCHAR" for name in names}
    query = (
        f"select {used} from read_csv('{path}', columns = {types}, header = true, delim = ',', "
        "auto_detect = false, quote = '\"', escape = '\"', store_rejects = true)"
    )

    def frames() -> Iterator[pl.DataFrame]:
        with connect() as connection:
            yield from _frames(connection.sql(query).to_arrow_reader(BLOCK_ROWS))
            found = "select distinct line - 1 from reject_errors order by 1"
            rejected.extend(row for (row,) in connection.sql(found).fetchall())

    return Blocks(_counted(frames()), rejected, numbered=False)


def duckdb_texts(path: str, wanted: Collection[str], numbers: Collection[str]) -> Blocks:
    """Use DuckDB and read every cell as text."""
    return duckdb(path, wanted, ())


READERS: dict[str, Reader] = {
    "here": here,
    "here, no prefetch": here_in_turn,
    "pyarrow": arrow,
    "polars": polars,
    "polars, all as text": polars_texts,
    "duckdb": duckdb,
    "duckdb, all as text": duckdb_texts,
}


def _header(path: str) -> list[str]:
    with open(path, "rb") as stream:
        return stream.readline().decode().strip().split(",")


def _frames(batches: Iterable[pa.RecordBatch]) -> Iterator[pl.DataFrame]:
    """Join the batches to frames of some BLOCK_ROWS rows, which take less time to parse."""
    joined: list[pa.RecordBatch] = []
    for batch in batches:
        joined.append(batch)
        if sum(one.num_rows for one in joined) >= BLOCK_ROWS:
            yield pl.DataFrame(pl.from_arrow(pa.Table.from_batches(joined)))
            joined = []
    if joined:
        yield pl.DataFrame(pl.from_arrow(pa.Table.from_batches(joined)))


def _counted(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    row = 1
    for frame in frames:
        yield frame.with_row_index("row", row)
        row += frame.height


# Faulty files with the columns id, amount (a number) and note. For each row the expected cells, or
# None if it is to be rejected; None instead of the list if the whole file is to be rejected.

Row = tuple[str | None, ...] | None
HEAD, COLUMNS, NUMBERS = "id,amount,note\n", ("id", "amount", "note"), ("amount",)
LONG = "y" * 3_000_000
FIRST = ("1", "1", "x")


@dataclass(frozen=True)
class Case:
    """A file and the expected rows."""

    content: str
    rows: list[Row] | None
    encoding: str = "utf-8"


CASES = {
    "too few and too many fields": Case(
        "1,1,x\n2,2\n3,3,x,y\nfooter\n5,5,x\n", [FIRST, None, None, None, ("5", "5", "x")]
    ),
    "newlines in quotes": Case(
        '1,1,"a\nb,""c""\r\n"\n2,2\n3,3,x\n', [("1", "1", 'a\nb,"c"\r\n'), None, ("3", "3", "x")]
    ),
    "blank lines": Case("1,1,x\n\n3,3\n\n5,5,x\n", [FIRST, None, None, None, ("5", "5", "x")]),
    "bytes that are not UTF-8": Case(
        "1,1,x\n2,2,Müller\n3,3,x\n", [FIRST, None, ("3", "3", "x")], "latin-1"
    ),
    "a text among numbers": Case(
        "1,1,x\n2,12%,x\n3,3,x\n", [FIRST, ("2", "12%", "x"), ("3", "3", "x")]
    ),
    "a number too large": Case("1,1,x\n2,1e400,x\n", [FIRST, ("2", "1e400", "x")]),
    "blanks around a number": Case("1, 1 ,x\n2,2,x\n", [("1", " 1 ", "x"), ("2", "2", "x")]),
    "an id with zeros before it": Case("001,1,x\n", [("001", "1", "x")]),
    "a record of 3 MB": Case(
        f"1,1,x\n2,2,{LONG}\n3,3,x\n", [FIRST, ("2", "2", LONG), ("3", "3", "x")]
    ),
    "a quote never closed": Case('1,1,x\n2,2,"x\n3,3,x\n', None),
}


def judge(case: Case, reader: Reader, path: Path) -> str:
    """Return in a few words what the reader does with the case."""
    path.write_bytes((HEAD + case.content).encode(case.encoding))
    try:
        blocks = reader(str(path), COLUMNS, NUMBERS)
        rows = [row for frame in blocks.frames for row in frame.rows()]
    except (AttributeError, ImportError, NameError, TypeError):
        raise  # a mistake of this benchmark
    # Each reader has its own exceptions
    except Exception:
        return "exact" if case.rows is None else "rejects the file"
    if case.rows is None:
        return "accepts the file"
    numbers = (row[0] for row in rows)
    if not blocks.numbered:
        numbers = (n for n in itertools.count(1) if n not in blocks.rejected)
    found: dict[int, Row] = dict.fromkeys(blocks.rejected)
    found |= {number: row[1:] if any(row[1:]) else None for number, row in zip(numbers, rows)}
    return _difference(found, dict(enumerate(case.rows, start=1)))


def _difference(found: dict[int, Row], wanted: dict[int, Row]) -> str:
    if found.keys() != wanted.keys():
        return "miscounts the rows"
    pairs = [(found[row], cells) for row, cells in wanted.items()]
    if any(mine is None and cells is not None for mine, cells in pairs):
        return "rejects a good row"
    if any(mine is not None and cells is None for mine, cells in pairs):
        return "accepts a faulty row"
    same = all(all(map(_same, mine or (), cells or ())) for mine, cells in pairs)
    return "exact" if same else "changes a cell"


def _same(mine: object, cell: str | None) -> bool:
    if isinstance(mine, float):
        return math.isfinite(mine) and cell is not None and float(cell) == mine
    return (mine or None) == cell


def faults() -> dict[str, dict[str, str]]:
    """Return what each reader does with each case."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "case.csv")
        return {
            fault: {name: judge(case, reader, path) for name, reader in _tried().items()}
            for fault, case in CASES.items()
        }


def _tried() -> dict[str, Reader]:
    found = importlib.util.find_spec("duckdb") is not None
    return {name: read for name, read in READERS.items() if found or "duckdb" not in name}


def use(path: str, name: str, parse: bool) -> dict[str, float]:
    """Read an export as a training does, and parse it if `parse`."""
    wanted = (*CONTRACT.sources, *CONTRACT.loan.known_through)
    rows, started, worked = 0, time.perf_counter(), time.process_time()
    for frame in READERS[name](path, wanted, parsing.plain_numbers(CONTRACT)).frames:
        rows += frame.height
        if parse:
            parsing.parse(frame, CONTRACT, labelled=True)
    seconds, processor = time.perf_counter() - started, time.process_time() - worked
    return {"rows": rows, "seconds": seconds, "processor": processor}


if __name__ == "__main__":
    work, *given = sys.argv[1:]
    print(json.dumps(faults() if work == "faults" else use(*given, parse=work == "parse")))
