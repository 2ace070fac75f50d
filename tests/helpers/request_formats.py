"""Rows of applications, and a request of them in each format that MLflow's protocol knows."""

import csv
import io
import json
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from lendingclub import CONTRACT, NAMES, RECORD
from loan_default.data import parsing
from workspace import ROOT

JSON, CSV = "application/json", "text/csv"
Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One request."""

    name: str
    kind: str | None
    body: bytes


# What the rows are made of


def applications() -> list[Row]:
    """Typed records of data/batch_input.csv."""
    raw = pl.read_csv(ROOT / "data" / "batch_input.csv", infer_schema=False)
    numbered = raw.with_columns(pl.Series("row", range(1, raw.height + 1), pl.Int64))
    return parsing.parse(numbered, CONTRACT, date(2026, 2, 1)).records.select(NAMES).to_dicts()


def invented(draw: random.Random) -> Row:
    """A record with every column, anywhere in its range."""
    row: Row = {}
    for column in RECORD:
        if column.kind == "category":
            row[column.name] = draw.choice(column.levels)
        else:
            high = min(column.high, 200_000.0)
            row[column.name] = round(draw.uniform(column.low, high) + 0.005, 2) % column.high
            row[column.name] = max(row[column.name], column.low) + 0.0
    return row


DRAW = random.Random(11)
APPLIED = applications()
INVENTED = [invented(DRAW) for _ in range(60)]
ONE = INVENTED[0]


# What a format makes of rows


def as_json(body: Any) -> bytes:
    return json.dumps(body).encode()


def names_of(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def split(rows: list[Row]) -> bytes:
    names = names_of(rows)
    data = [[row.get(name) for name in names] for row in rows]
    return as_json({"dataframe_split": {"columns": names, "data": data}})


def by_column(rows: list[Row]) -> bytes:
    names = names_of(rows)
    return as_json({"inputs": {name: [row.get(name) for row in rows] for name in names}})


def as_csv(rows: list[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, names_of(rows), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


FORMATS: dict[str, tuple[str, Callable[[list[Row]], bytes]]] = {
    "split": (JSON, split),
    "records": (JSON, lambda rows: as_json({"dataframe_records": rows})),
    "instances": (JSON, lambda rows: as_json({"instances": rows})),
    "inputs": (JSON, lambda rows: as_json({"inputs": rows})),
    "inputs by column": (JSON, by_column),
    "csv": (CSV, as_csv),
}


def each_format(name: str, rows: list[Row]) -> list[Case]:
    """The rows in every format."""
    return [Case(f"{name} as {form}", kind, make(rows)) for form, (kind, make) in FORMATS.items()]


def in_turn(named: Iterable[tuple[str, list[Row]]]) -> Iterator[Case]:
    """The first rows in the first format, the next in the next, and so on."""
    for place, (name, rows) in enumerate(named):
        yield each_format(name, rows)[place % len(FORMATS)]
