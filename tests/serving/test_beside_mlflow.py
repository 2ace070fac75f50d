"""The same requests to `mlflow models serve` and to serve_model.py, on the same model version."""

import contextlib
import fnmatch
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from loan_default.sandbox.local_stack import free_ports
from request_cases import CASES, GOOD, SAMPLE
from request_formats import JSON, Case, as_json
from waiting import wait_for
from workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MODEL = "loan_default_model"
SECONDS_TO_START = 90


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
        ("boolean optional number as *",),
        "false is no number; MLflow casts it to 0.0",
    ),
    "spaced names": Difference(
        200,
        400,
        ("csv spaced header",),
        "names are compared without the blanks around them; MLflow misses the columns",
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
        ("UTF-16", "byte order mark"),
        "RFC 8259: UTF-8, no byte order mark; Python's json takes them",
    ),
    "no records": Difference(
        200,
        400,
        ("no records", "no instances", "no inputs"),
        "an empty list is answered as a table without rows is; MLflow misses its columns",
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


def answers(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path).is_success
    except httpx.TransportError:
        return False


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
        wait_for(lambda: answers(served, "/ready") and answers(mlflow, "/ping"), SECONDS_TO_START)
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
