"""Hundreds of requests, good and bad: what both servers of test_prediction_integration get."""

import gzip
import io
import json
import random
from collections.abc import Iterator
from typing import Any

import polars as pl

from lendingclub import BY_NAME, CORE, NAMES, NUMBERS, RECORD
from request_formats import (
    APPLIED,
    CSV,
    INVENTED,
    JSON,
    ONE,
    Case,
    Row,
    as_csv,
    as_json,
    each_format,
    in_turn,
)
from workspace import ROOT

PARQUET = "application/vnd.apache.parquet"
SAMPLE = json.loads((ROOT / "data" / "sample_input.json").read_text())


def without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}


OPTIONAL = [name for name in NAMES if name not in CORE]


def good() -> Iterator[Case]:
    for count in (1, 3, len(APPLIED)):
        yield from each_format(f"{count} applications", APPLIED[:count])
    for count in (1, 19, 60):
        yield from each_format(f"{count} invented", INVENTED[:count])
    yield from each_format("core only", [{name: ONE[name] for name in CORE}])
    yield from each_format("nothing optional", [ONE | dict.fromkeys(OPTIONAL)])
    yield from each_format("extra columns", [ONE | {"shoe_size": 43, "color": "red", "x": None}])
    yield from in_turn(holes())
    yield from in_turn(ends())


def holes() -> Iterator[tuple[str, list[Row]]]:
    """Rows with something missing."""
    for number in range(12):
        draw = random.Random(number)
        some = draw.sample(OPTIONAL, 15)
        rows = [row | dict.fromkeys(draw.sample(OPTIONAL, 15)) for row in INVENTED[:4]]
        yield f"nulls {number}", rows
        yield f"a null row {number}", [INVENTED[number] | dict.fromkeys(some)]
        yield f"left out {number}", [without(row, *some) for row in rows]
        shuffled = draw.sample(NAMES, len(NAMES))
        yield f"shuffled {number}", [{name: row[name] for name in shuffled} for row in rows]


def ends() -> Iterator[tuple[str, list[Row]]]:
    """The ends of the ranges, and categories that nobody knows."""
    for column in RECORD:
        if column.kind == "category":
            for text in ("a yacht", f" {column.levels[0]} ", "", "NA", "None"):
                yield f"{column.name} {text!r}", [ONE | {column.name: text}]
        else:
            limits = (column.low, column.high)
            yield f"ends of {column.name}", [ONE | {column.name: float(end)} for end in limits]


def whole(rows: list[Row]) -> list[Row]:
    return [
        {n: int(v) if n in NUMBERS and v is not None else v for n, v in row.items()} for row in rows
    ]


def loose() -> Iterator[Case]:
    """Good here, whatever MLflow says."""
    yield from each_format("integers", whole(INVENTED[1:2]))
    yield from each_format("integers in rows", whole(INVENTED[1:4]))
    yield from each_format("one integer column", [ONE | {"term": 36}])
    yield from each_format("integers and floats", [ONE, ONE | {"term": 36}])
    yield from each_format("text numbers", [ONE | {"term": "36", "int_rate": "13.5"}])
    yield from each_format("units", [ONE | {"term": " 36 months", "int_rate": "13.5%"}])
    yield from each_format("employment", [ONE | {"emp_length": "10+ years"}])
    yield from each_format("n/a employment", [ONE | {"emp_length": "n/a"}])
    yield from each_format("boolean category", [ONE | {"purpose": True}])
    yield from each_format("numeric category", [ONE | {"purpose": 5}])
    yield from each_format(
        "raw names", [without(ONE, "credit_history_months") | {"earliest_cr_line": "Dec-2001"}]
    )
    yield from each_format(
        "bad raw names", [without(ONE, "credit_history_months") | {"earliest_cr_line": "soon"}]
    )
    yield from each_format("bad issue month", [ONE | {"issue_d": "soon"}])


def bad() -> Iterator[Case]:
    for name in CORE:
        yield from each_format(f"without {name}", [without(ONE, name)])
        yield from each_format(f"null {name}", [ONE, ONE | {name: None}])
    yield from in_turn(out_of_range())
    yield from each_format("boolean number", [ONE | {"term": True}])
    yield from each_format("boolean optional number", [ONE | {"dti": False}])
    yield from each_format("list number", [ONE | {"term": [36]}])
    yield from each_format("object category", [ONE | {"purpose": {"a": 1}}])
    yield from each_format("log dollars", [ONE | {"annual_inc": 11.2}] * 20)
    yield from each_format("blank row", [ONE, dict.fromkeys(NAMES)])


def out_of_range() -> Iterator[tuple[str, list[Row]]]:
    for name in NUMBERS:
        column = BY_NAME[name]
        for value in (column.low - 1, column.high + 1, "much"):
            yield f"{name} {value}", [ONE | {name: value}]


def odd() -> Iterator[Case]:
    """What no format writes."""
    yield Case("README's request", JSON, as_json(SAMPLE))
    table = SAMPLE["dataframe_split"]
    for kind in (
        "application/json; charset=utf-8",
        "application/json; charset=UTF-8",
        'application/json; charset="utf-8"',
        "Application/JSON",
        "application/json;",
        "application/json; charset=latin-1",
        "application/json; format=pandas-split",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "",
        None,
    ):
        yield Case(f"type {kind}", kind, as_json(SAMPLE))
    bodies: dict[str, Any] = {
        "no rows": {"dataframe_split": table | {"data": []}},
        "no rows no columns": {"dataframe_split": {"columns": [], "data": []}},
        "an index": {"dataframe_split": table | {"index": [7]}},
        "an index of another length": {"dataframe_split": table | {"index": [7, 8]}},
        "an unknown key in split": {"dataframe_split": table | {"dtype": "x"}},
        "no columns": {"dataframe_split": {"data": table["data"]}},
        "no data": {"dataframe_split": {"columns": table["columns"]}},
        "short row": {"dataframe_split": table | {"data": [table["data"][0][:-1]]}},
        "long row": {"dataframe_split": table | {"data": [[*table["data"][0], 1]]}},
        "one short row": {"dataframe_split": table | {"data": table["data"] + [[26525.0]]}},
        "number columns": {"dataframe_split": {"columns": [1, 2], "data": [[1, 2]]}},
        "split as list": {"dataframe_split": [table]},
        "split null": {"dataframe_split": None},
        "no records": {"dataframe_records": []},
        "records as object": {"dataframe_records": ONE},
        "records by column": {"dataframe_records": {n: [v] for n, v in ONE.items()}},
        "records of numbers": {"dataframe_records": [1, 2]},
        "records of lists": {"dataframe_records": [[1, 2]]},
        "empty record": {"dataframe_records": [{}]},
        "no instances": {"instances": []},
        "instances of numbers": {"instances": [1, 2, 3]},
        "instances as object": {"instances": {n: [v] for n, v in ONE.items()}},
        "no inputs": {"inputs": []},
        "empty inputs": {"inputs": {}},
        "inputs of numbers": {"inputs": [1.0, 2.0]},
        "inputs of lists": {"inputs": [[1.0, 2.0]]},
        "inputs of scalars": {"inputs": ONE},
        "inputs of empty lists": {"inputs": {name: [] for name in NAMES}},
        "inputs of lengths": {"inputs": {n: [v] for n, v in ONE.items()} | {"dti": [1.0, 2.0]}},
        "inputs text": {"inputs": "x"},
        "inputs null": {"inputs": None},
        "two formats": SAMPLE | {"inputs": [ONE]},
        "no format": {"columns": [], "data": []},
        "pandas split without its key": table,
        "empty object": {},
        "list": [ONE],
        "number": 5,
        "null": None,
        "text": "inputs",
        "an unknown key": SAMPLE | {"x": 1},
        "an unknown key with instances": {"instances": [ONE], "x": 1},
        "signature name": {"instances": [ONE], "signature_name": "x"},
        "chat": {"messages": [{"role": "user", "content": "x"}]},
        "chat beside a table": SAMPLE | {"messages": []},
        "a twice named column": {
            "dataframe_split": {
                "columns": [*table["columns"], "dti"],
                "data": [[*table["data"][0], 1.0]],
            }
        },
    }
    params: dict[str, Any] = {
        "decision": {"return": "decision"},
        "unknown return": {"return": "all"},
        "numeric return": {"return": 1},
        "null return": {"return": None},
        "unknown name": {"temperature": 1},
        "empty": {},
        "null": None,
        "text": "full",
        "list": ["full"],
    }
    bodies |= {f"params {name}": SAMPLE | {"params": value} for name, value in params.items()}
    bodies |= {
        f"{form} with params": {form: [ONE], "params": {"return": "decision"}}
        for form in ("dataframe_records", "instances", "inputs")
    }
    for name, body in bodies.items():
        yield Case(name, JSON, as_json(body))
    text = as_json(SAMPLE)
    yield Case("NaN", JSON, as_json({"dataframe_records": [ONE | {"dti": float("nan")}]}))
    yield Case("infinity", JSON, as_json({"dataframe_records": [ONE | {"dti": float("inf")}]}))
    yield Case("1e999", JSON, text.replace(b"2.43", b"1e999"))
    yield Case("huge integer", JSON, text.replace(b"2.43", b"9" * 400))
    yield Case("big integer", JSON, text.replace(b"2.43", b"99999999999999999999"))
    yield Case("empty body", JSON, b"")
    yield Case("blank body", JSON, b" \n")
    yield Case("cut off", JSON, text[:-10])
    yield Case("trailing", JSON, text + b"x")
    yield Case("not UTF-8", JSON, b'{"inputs": "\xff"}')
    yield Case("UTF-16", JSON, text.decode().encode("utf-16"))
    yield Case("byte order mark", JSON, b"\xef\xbb\xbf" + text)
    yield Case("lone surrogate", JSON, text.replace(b'"MORTGAGE"', b'"\\ud800"'))
    yield Case("deep", JSON, b"[" * 100_000)
    yield Case("single quotes", JSON, b"{'inputs': []}")
    yield Case("random bytes", JSON, random.Random(1).randbytes(100_000))
    yield Case("a key twice", JSON, b'{"inputs": [], ' + text[1:].lstrip())
    rows = as_csv([ONE, INVENTED[1]])
    head, first, second = rows.decode().splitlines()
    texts = {
        "csv empty": "",
        "csv blank": "\n",
        "csv header only": head + "\n",
        "csv without last newline": rows.decode().rstrip(),
        "csv CRLF": rows.decode().replace("\n", "\r\n"),
        "csv CR": rows.decode().replace("\n", "\r"),
        "csv byte order mark": "\ufeff" + rows.decode(),
        "csv blank lines": f"{head}\n\n{first}\n\n{second}\n\n",
        "csv trailing blank line": rows.decode() + "\n",
        "csv short row": f"{head}\n{first}\n{first.rsplit(',', 1)[0]}\n",
        "csv long row": f"{head}\n{first}\n{first},1\n",
        "csv all rows long": f"{head}\n{first},1\n",
        "csv open quote": f'{head}\n"{first}\n',
        "csv quotes": f"{head}\n" + ",".join(f'"{cell}"' for cell in first.split(",")) + "\n",
        "csv spaces": f"{head}\n" + first.replace(",", ", ") + "\n",
        "csv spaced header": f"{head.replace(',', ', ')}\n{first}\n",
        "csv semicolons": rows.decode().replace(",", ";"),
        "csv a twice named column": f"{head},dti\n{first},1.0\n",
        "csv NUL": f"{head}\n{first}\0\n",
        "csv blank cells": f"{head}\n{first}\n" + "," * head.count(",") + "\n",
    }
    for name, body in texts.items():
        yield Case(name, CSV, body.encode())
    yield Case("csv not UTF-8", CSV, rows.replace(b"car", b"c\xe4r") + b"\xff\n")
    yield Case(
        "csv header not UTF-8", CSV, f"{head},\n{first},1\n".encode().replace(b",\n", b",\xff\n")
    )
    yield Case("csv gzip", CSV, gzip.compress(rows, mtime=0))
    yield Case("csv broken gzip", CSV, gzip.compress(rows, mtime=0)[:50])
    yield Case("csv random bytes", CSV, random.Random(2).randbytes(100_000))
    yield Case("raw export", CSV, (ROOT / "data" / "batch_input.csv").read_bytes())
    parquet = io.BytesIO()
    pl.DataFrame([ONE]).write_parquet(parquet)
    yield Case("parquet", PARQUET, parquet.getvalue())


GOOD = list(good())
CASES = [*GOOD, *loose(), *bad(), *odd()]
