"""The same requests to `mlflow models serve` and to serve_model.py, on the same model version."""

import contextlib
import csv
import fnmatch
import gzip
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from conftest import ROOT, Workspace
from loan_default import loans
from loan_default.columns import BY_NAME, CORE, NAMES, NUMBERS, RECORD
from loan_default.local_stack import free_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
MODEL = "loan_default_model"
SECONDS_TO_START = 90
Row = dict[str, Any]
SAMPLE = json.loads((ROOT / "data" / "sample_input.json").read_text())


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
    return loans.parse(numbered, date(2026, 2, 1)).records.select(NAMES).to_dicts()


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


@dataclass(frozen=True)
class Difference:
    """Where the two differ on purpose: our status, MLflow's, the cases, and why ours is right."""

    ours: int
    mlflow: int
    cases: tuple[str, ...]
    reason: str

    def __contains__(self, case: Case) -> bool:
        return any(fnmatch.fnmatchcase(case.name, pattern) for pattern in self.cases)


DIFFERENCES = {
    "units": Difference(
        200,
        400,
        ("units as *", "employment as *", "n/a employment as [!c]*", "raw export"),
        "the spellings of the export (36 months, 13.5%, 10+ years, n/a) are read as in every file; "
        "MLflow casts the column to a double",
    ),
    "raw columns": Difference(
        400,
        200,
        ("bad raw names as *", "bad issue month as *"),
        "a raw column is read, so one that says nothing is refused; MLflow drops what is not in "
        "its signature",
    ),
    "twice": Difference(
        400,
        200,
        ("csv a twice named column",),
        "a column that is named twice is ambiguous; pandas renames the second",
    ),
    "booleans": Difference(
        400,
        200,
        ("boolean number as *", "boolean optional number as *"),
        "true is no number of months; MLflow casts it to 1.0",
    ),
    "nested": Difference(
        400,
        200,
        ("object category as [!c]*",),
        "a nested value is a client's mistake; MLflow takes its text for a category",
    ),
    "content type": Difference(
        200,
        415,
        ('type application/json; charset="utf-8"', "type Application/JSON", "type *json;"),
        "RFC 9110, 8.3: types are case-insensitive, a parameter may be quoted",
    ),
    "no content type": Difference(415, 500, ("type None",), "MLflow fails on a header not sent"),
    "index": Difference(
        200,
        200,
        ("an index of another length",),
        "one row in, one decision out; pandas repeats the row to fill a longer index",
    ),
    "unknown keys": Difference(
        200,
        400,
        ("an unknown key in split", "chat beside a table"),
        "keys that nobody reads are ignored wherever they stand; MLflow looks for chats",
    ),
    "params": Difference(
        400,
        200,
        ("params unknown return", "params null return"),
        "who asks for an answer that there is not must be told; MLflow knows the type alone",
    ),
    "not quite JSON": Difference(
        400,
        200,
        ("NaN", "UTF-16", "byte order mark"),
        "RFC 8259: no NaN, UTF-8, no byte order mark; Python's json takes them",
    ),
    "deep": Difference(400, 500, ("deep",), "Python's json fails on its recursion limit"),
    "NUL": Difference(400, 200, ("csv NUL",), "pandas drops what follows a NUL"),
    "parquet": Difference(
        415, 200, ("parquet",), "not in the platform's protocol; batch_predict.py reads Parquet"
    ),
}


@dataclass(frozen=True)
class Servers:
    """Where each of the two answers."""

    mlflow: httpx.Client
    ours: httpx.Client


@contextlib.contextmanager
def started(
    folder: Path, name: str, command: list[str], port: int, env: dict[str, str]
) -> Iterator[httpx.Client]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        # MLflow closes the connection, unannounced, after a failure of its own.
        limits = httpx.Limits(max_keepalive_connections=0)
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, timeout=60, limits=limits) as client:
            yield client
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)


def wait_for(client: httpx.Client, path: str, log: Path) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until:
        with contextlib.suppress(httpx.TransportError):
            if client.get(path).is_success:
                return
        time.sleep(0.2)
    pytest.fail(log.read_text(errors="replace")[-3000:])


@pytest.fixture(scope="module")
def servers(trained: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("servers")
    first, second = free_ports(2)
    # `mlflow models serve` starts the uvicorn that it finds on the path.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | trained.settings | {"PATH": path, "OMP_NUM_THREADS": "1"}
    env |= {"OUTPUT_PATH": str(folder / "artifacts"), "SERVE_POLL_SECONDS": "0.5"}
    theirs = [*(sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local")]
    theirs += ["-m", f"models:/{MODEL}@staging", "-h", "127.0.0.1", "-p", str(first)]
    ours = trained.command("serve_model", "--port", str(second))
    with (
        started(folder, "mlflow", theirs, first, env) as mlflow,
        started(folder, "ours", ours, second, env) as served,
    ):
        wait_for(served, "/ready", folder / "ours.log")
        wait_for(mlflow, "/ping", folder / "mlflow.log")
        yield Servers(mlflow, served)


def answer(client: httpx.Client, case: Case) -> httpx.Response:
    headers = {} if case.kind is None else {"Content-Type": case.kind}
    return client.post("/invocations", content=case.body, headers=headers)


def both(servers: Servers, case: Case) -> tuple[httpx.Response, httpx.Response]:
    return answer(servers.ours, case), answer(servers.mlflow, case)


def outcome(found: httpx.Response) -> tuple[int, Any]:
    """The class of the status and, of a good answer, what it holds."""
    return found.status_code // 100, found.json() if found.is_success else None


def disagreements(servers: Servers, cases: Iterable[Case]) -> list[str]:
    found = []
    for case in cases:
        ours, mlflow = both(servers, case)
        if outcome(ours) != outcome(mlflow):
            found.append(
                f"{case.name}: {ours.status_code} {ours.text[:200]} but {mlflow.text[-200:]}"
            )
    return found


def plain(cases: Iterable[Case]) -> list[Case]:
    return [case for case in cases if not any(case in known for known in DIFFERENCES.values())]


def test_the_corpus_is_large_and_has_no_case_twice() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names)) > 400


def test_predictions_and_status_classes_agree(servers: Servers) -> None:
    assert disagreements(servers, plain(CASES)) == []


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_deliberate_difference_is_as_the_table_says(servers: Servers, name: str) -> None:
    known = DIFFERENCES[name]
    cases = [case for case in CASES if case in known]
    assert len(cases) >= len(known.cases)
    for case in cases:
        ours, mlflow = both(servers, case)
        assert (ours.status_code, mlflow.status_code) == (known.ours, known.mlflow), case.name
        assert outcome(ours) != outcome(mlflow)


def test_no_request_fails_here_and_every_refusal_says_why(servers: Servers) -> None:
    for case in CASES:
        found = answer(servers.ours, case)
        assert found.status_code in (200, 400, 415), case.name
        assert found.headers["X-Model-Version"] == "1"
        assert found.headers["Content-Type"] == "application/json"
        if not found.is_success:
            told = found.json()
            assert set(told) == {"error_code", "message"} and told["message"], case.name
            assert "Traceback" not in found.text and "/site-packages/" not in found.text


def test_the_full_answers_agree_to_the_last_digits(servers: Servers) -> None:
    compared = 0
    for case in GOOD:
        if case.kind != JSON:
            continue
        body = as_json(json.loads(case.body) | {"params": {"return": "full"}})
        ours, mlflow = both(servers, Case(case.name, JSON, body))
        rows = list(zip(ours.json()["predictions"], mlflow.json()["predictions"], strict=True))
        for here, there in rows:
            probability = there.pop("default_probability")
            assert here.pop("default_probability") == pytest.approx(probability, abs=1e-12, rel=0)
            assert here == there | {"model_version": "1"}, case.name
        compared += len(rows)
    assert compared > 500


def test_the_readme_call_gets_the_answer_that_mlflow_gives(servers: Servers) -> None:
    ours, mlflow = both(servers, Case("README", JSON, as_json(SAMPLE)))
    assert ours.json() == mlflow.json() == {"predictions": [0]}


@pytest.mark.parametrize("path", ["/ping", "/health", "/version"])
def test_what_a_load_balancer_asks_is_answered_as_mlflow_does(servers: Servers, path: str) -> None:
    ours, mlflow = servers.ours.get(path), servers.mlflow.get(path)
    assert (ours.status_code, ours.content) == (mlflow.status_code, mlflow.content)
    assert ours.is_success


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/invocations", 405),
        ("PUT", "/invocations", 405),
        ("POST", "/ping", 405),
        ("GET", "/", 404),
        ("POST", "/invocation", 404),
        ("GET", "/../etc/passwd", 404),
    ],
)
def test_other_paths_and_methods_are_refused_as_mlflow_does(
    servers: Servers, method: str, path: str, status: int
) -> None:
    for client in (servers.ours, servers.mlflow):
        assert client.request(method, path).status_code == status
