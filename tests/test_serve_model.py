"""The scoring server as a process: what it does when things around it go wrong."""

import concurrent.futures
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from conftest import Workspace
from loan_default import columns, model
from loan_default.local_stack import LocalStack, free_ports
from scoring_server import (
    SAMPLE,
    Server,
    add_version,
    copy_of,
    point,
    running_server,
)

pytestmark = pytest.mark.slow

DECISION = {"predictions": [0]}
SPLIT = json.loads(SAMPLE)["dataframe_split"]
ROW: dict[str, Any] = dict(zip(SPLIT["columns"], SPLIT["data"][0], strict=True))
NAME = "loan_default_model"
MIB = 2**20
QUIET: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


def body_of(rows: int, full: bool = False) -> bytes:
    asked: dict[str, Any] = {"dataframe_records": [ROW] * rows}
    return json.dumps(asked | ({"params": {"return": "full"}} if full else {})).encode()


def head(length: int | str, path: str = "/invocations") -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


def answer_of(connection: socket.socket) -> bytes:
    """What arrives until the server closes the connection."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


@pytest.fixture(scope="module")
def server(trained: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with small limits, for requests that shall not harm it."""
    workspace = copy_of(trained, tmp_path_factory.mktemp("served"))
    limits = {"SERVE_BODY_SECONDS": "1", "SERVE_MAX_BODY_MB": "1"}
    with running_server(workspace, **limits) as found:
        found.serves("1")
        yield found


@pytest.fixture(autouse=True)
def _still_well(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test did to the shared server, it answers afterwards, and has shown no traceback
    to anyone."""
    yield
    if "server" in request.fixturenames:
        found: Server = request.getfixturevalue("server")
        assert found.post().json() == DECISION
        assert "Traceback" not in found.log.read_text()


# Clients that do not behave


def test_a_body_that_arrives_too_slowly_is_answered_408_while_others_are_served(
    server: Server,
) -> None:
    with server.socket() as slow:
        slow.sendall(head(len(SAMPLE)) + SAMPLE[:100])
        started = time.monotonic()
        assert server.post().json() == DECISION
        assert time.monotonic() - started < 1
        told = answer_of(slow)
    assert told.startswith(b"HTTP/1.1 408 ") and b"took too long" in told
    assert 0.8 < time.monotonic() - started < 5


@pytest.mark.parametrize(
    "begun", [b"", b"POST /invo", b"POST /invocations HTTP/1.1\r\nHost: x\r\n"], ids=len
)
def test_half_a_head_does_not_hold_a_connection(server: Server, begun: bytes) -> None:
    with server.socket() as slow:
        slow.sendall(begun)
        started = time.monotonic()
        assert answer_of(slow) == b""
        assert 0.8 < time.monotonic() - started < 5


def test_a_second_head_that_arrives_by_drops_does_not_hold_it_either(server: Server) -> None:
    with server.socket() as slow:
        slow.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in slow.recv(65536)
        started = time.monotonic()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for drop in b"GET /ping HTTP/1.1\r\nX: " + b"y" * 1000:
                slow.sendall(bytes([drop]))
                time.sleep(0.02)
        assert time.monotonic() - started < 5


def test_a_head_without_an_end_is_refused(server: Server) -> None:
    with server.socket() as endless:
        endless.sendall(b"POST /invocations HTTP/1.1\r\n")
        sent = 0
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while sent < 64 * MIB:
                endless.sendall(b"X-Filler: " + b"y" * 8000 + b"\r\n")
                sent += 8012
    assert sent < 16 * MIB


def test_a_body_cut_off_is_counted_and_harms_nobody(server: Server) -> None:
    with server.socket() as gone:
        gone.sendall(head(len(SAMPLE)) + SAMPLE[:200])
    server.until(lambda _: '"status":499' in server.log.read_text())


def test_a_client_that_leaves_before_the_answer_harms_nobody(server: Server) -> None:
    body = body_of(300, full=True)
    for _ in range(5):
        with server.socket() as gone:
            gone.sendall(head(len(body)) + body)


@pytest.mark.parametrize("kind", ["application/json", "text/csv"])
def test_random_bytes_are_refused(server: Server, kind: str) -> None:
    noise = random.Random(7).randbytes(100_000)
    found = server.http.post("/invocations", content=noise, headers={"Content-Type": kind})
    assert found.status_code == 400
    assert set(found.json()) == {"error_code", "message"}
    assert len(found.content) < 2000


def test_random_bytes_instead_of_a_request_close_the_connection(server: Server) -> None:
    with server.socket() as noisy:
        noisy.sendall(random.Random(8).randbytes(100_000))
        try:
            told = answer_of(noisy)
        except ConnectionResetError:
            told = b""
    assert told == b"" or told.startswith(b"HTTP/1.1 400 ")


def test_too_large_is_413_whether_its_length_was_told_or_not(server: Server) -> None:
    large = b'{"dataframe_records": [' + b" " * MIB + b"]}"
    told = server.post(large)
    untold = server.http.post(
        "/invocations",
        content=iter([large[:1000], large[1000:]]),
        headers={"Content-Type": "application/json"},
    )
    for found in (told, untold):
        assert found.status_code == 413 and "1,048,576 bytes" in found.json()["message"]


def test_a_length_that_is_a_lie_does_not_get_past_the_limit(server: Server) -> None:
    for length in ("-1", "1e3", "99999999999999999999"):
        with server.socket() as liar:
            liar.sendall(head(length) + SAMPLE)
            found = liar.recv(65536)
        assert found.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 ")), length


# What every answer carries


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/invocations", 400),
        ("GET", "/ping", 200),
        ("GET", "/ready", 200),
        ("GET", "/nothing", 404),
        ("GET", "/invocations", 405),
    ],
)
def test_every_answer_names_the_version_and_the_request(
    server: Server, method: str, path: str, status: int
) -> None:
    headers = {"X-Request-ID": "page-17:3", "Content-Type": "application/json"}
    found = server.http.request(method, path, headers=headers, content=b"{")
    assert found.status_code == status
    assert found.headers["X-Model-Version"] == "1"
    assert found.headers["X-Request-ID"] == "page-17:3"
    assert ("Allow" in found.headers) == (status == 405)


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", 'a"b', "naïve"], ids=len)
def test_a_request_id_that_is_not_sane_is_replaced(server: Server, given: str) -> None:
    found = server.http.get("/ping", headers=[(b"X-Request-ID", given.encode())])
    assert re.fullmatch("[0-9a-f]{32}", found.headers["X-Request-ID"])


def test_the_log_is_json_lines_with_the_id_of_the_request(server: Server) -> None:
    assert server.post(**{"X-Request-ID": "find-me"}).is_success
    # The line is written once the answer is on its way.
    server.until(lambda _: "find-me" in server.log.read_text())
    (line,) = [line for line in server.lines() if line.get("request_id") == "find-me"]
    assert (line["path"], line["status"], line["rows"]) == ("/invocations", 200, 1)
    assert line["level"] == "INFO" and 0 < line["milliseconds"] < 10_000


def test_metrics_count_what_happened(server: Server) -> None:
    names = ("serve_requests_total", "serve_rows_total", "serve_default_probability_count")
    before = [server.metric(name) for name in (*names, "serve_latency_seconds_count")]
    assert server.post(body_of(3)).is_success
    after = [server.metric(name) for name in (*names, "serve_latency_seconds_count")]
    # The requests include the one to /metrics that read the first numbers last.
    assert after[1] - before[1] == after[2] - before[2] == 3
    assert after[3] - before[3] == 1 and after[0] > before[0]
    for name, value in {"serve_model_version": 1, "serve_ready": 1, "serve_registry_up": 1}.items():
        assert server.metric(name) == value
    assert server.metric("serve_gate_passed") == 0


def test_the_documentation_needs_nothing_from_elsewhere(server: Server) -> None:
    page = server.http.get("/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    assert not re.search(r"""(src|href)=["'](https?:)?//""", page.text)
    assert all(column.name in page.text for column in columns.RECORD)


def test_the_server_imports_neither_mlflow_nor_what_xgboost_does_not_need(server: Server) -> None:
    mapped = Path(f"/proc/{server.process.pid}/maps").read_text()
    # What MLflow and XGBoost import and the server does not; each maps libraries of its own.
    assert "libxgboost" in mapped
    assert not re.search("sqlalchemy|greenlet|pandas|sklearn", mapped)


# Starting, stopping


def test_it_starts_before_any_model_and_takes_the_first_one_by_itself(
    trained: Workspace, workspace: Workspace
) -> None:
    with running_server(workspace) as found:
        assert found.http.get("/ping").status_code == 200
        found.until(lambda state: state["registry"] == "up")
        for asked in (found.post(), found.http.get("/ready")):
            assert asked.status_code == 503 and asked.headers["Retry-After"] == "1"
            assert "no version with the alias staging" in asked.json()["message"]
            assert asked.headers["X-Model-Version"] == "none"
        copy_of(trained, workspace.folder)
        assert found.serves("1")["passed_gate"] is False
        assert found.post().json() == DECISION
        assert found.stop()["model_version"] == "1"


def test_a_port_that_is_taken_is_one_clear_line(workspace: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = workspace.run("serve_model", "--port", port)
    assert done.code == 2
    assert done.error == (
        f"error: cannot listen on 127.0.0.1:{port} (Address already in use): stop what does, or "
        "give --port"
    )


def test_a_host_that_is_no_address_is_one_clear_line(workspace: Workspace) -> None:
    done = workspace.run("serve_model", "--host", "nowhere.invalid", "--port", "0")
    assert done.code == 2
    assert done.error == "error: cannot listen on nowhere.invalid: no address of this machine"


def test_an_address_of_ip_version_6_serves_both(trained: Workspace, tmp_path: Path) -> None:
    with running_server(copy_of(trained, tmp_path), SERVE_HOST="::") as found:
        found.serves("1")
        with socket.create_connection(("::1", found.port), timeout=20) as connection:
            connection.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("seconds", [0.02, 0.1, 0.3])
def test_a_stop_while_it_starts_leaves_nothing_behind(
    trained: Workspace, tmp_path: Path, seconds: float
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    workspace = copy_of(trained, tmp_path / "store", TMPDIR=str(temporary))
    command = workspace.command("serve_model", "--port", "0")
    environment = os.environ | workspace.settings
    with subprocess.Popen(command, cwd=workspace.folder, env=environment, **QUIET) as process:
        until = time.monotonic() + 30
        while not list(temporary.glob("loan-default-serve-*")) and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(seconds)
        process.terminate()
        told = process.communicate(timeout=30)[1].splitlines()[-1]
    # On a quick machine it listens already.
    assert process.returncode == 0 or (process.returncode, told) == (130, "error: interrupted")
    assert not list(temporary.glob("loan-default-serve-*"))
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(temporary) not in running.stdout


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("postgresql://db/mlflow", "serving watches a tracking server"),
        ("http://mlflow:port", "MLFLOW_TRACKING_URI"),
    ],
)
def test_a_registry_that_cannot_be_watched_is_one_clear_line(
    workspace: Workspace, uri: str, says: str
) -> None:
    done = workspace.run("serve_model", "--port", "0", MLFLOW_TRACKING_URI=uri)
    assert done.code == 2 and says in done.error


def test_sigterm_lets_requests_in_flight_finish_and_writes_the_log(
    trained: Workspace, tmp_path: Path
) -> None:
    """The requests take longer than the signal does to come: all are in flight."""
    workspace = copy_of(trained, tmp_path, SERVE_LOG_ROWS="100000")
    rows, clients = 10_000, 4
    body = body_of(rows, full=True)
    with (
        running_server(workspace) as found,
        concurrent.futures.ThreadPoolExecutor(clients) as pool,
    ):
        found.serves("1")
        asked = [pool.submit(found.post, body) for _ in range(clients)]
        time.sleep(0.3)
        assert not any(one.done() for one in asked)
        ended = found.stop()
        answers = [one.result() for one in asked]
        with pytest.raises(httpx.ConnectError):
            found.post()
    assert [answer.status_code for answer in answers] == [200] * clients
    assert all(len(answer.json()["predictions"]) == rows for answer in answers)
    assert ended["model_version"] == "1"
    logged = pl.read_parquet(tmp_path / "artifacts" / "online" / "*" / "*.parquet")
    assert logged.height == rows * clients


def test_a_stopped_server_leaves_no_files_behind(trained: Workspace, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    workspace = copy_of(trained, tmp_path / "store", TMPDIR=str(temporary))
    with running_server(workspace) as found:
        found.serves("1")
        assert list(temporary.glob("loan-default-serve-*"))
        found.stop()
    assert not list(temporary.glob("loan-default-serve-*"))


# The alias


def _cut(folder: Path) -> None:
    whole = (folder / model.BOOSTER).read_bytes()
    (folder / model.BOOSTER).write_bytes(whole[: len(whole) // 2])


def _other_scores(folder: Path) -> None:
    facts = json.loads((folder / model.FACTS).read_text())
    facts["calibration"]["intercept"] += 0.01
    (folder / model.FACTS).write_text(json.dumps(facts))


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "an empty booster": (lambda to: (to / model.BOOSTER).write_bytes(b""), "SIGABRT"),
    "half a booster": (_cut, ""),
    "other scores": (_other_scores, "does not reproduce its stored scores"),
    "no self-check": (lambda to: (to / model.SELF_CHECK).unlink(), "self_check.parquet"),
    "a damaged self-check": (
        lambda to: (to / model.SELF_CHECK).write_bytes(b"PAR1PAR1"),
        "ComputeError",
    ),
    "facts of another code": (
        lambda to: (to / model.FACTS).write_text("[]"),
        "holds no model of this platform",
    ),
}


def test_a_broken_version_is_refused_and_the_old_one_stays(
    trained: Workspace, tmp_path: Path
) -> None:
    workspace = copy_of(trained, tmp_path)
    broken = {add_version(workspace, change): says for change, says in BROKEN.values()}
    good = add_version(workspace)
    cache = tmp_path / "cache"
    with running_server(workspace, SERVE_CACHE_PATH=str(cache)) as found:
        found.serves("1")
        for count, (number, says) in enumerate(broken.items(), start=1):
            point(workspace, number)
            state = found.until(lambda state, number=number: number in state["refused"])
            assert says in state["refused"][number]
            assert (state["ready"], state["model_version"]) == (True, "1")
            assert found.post().json() == DECISION
            assert found.metric("serve_refused_versions") == 1
            assert found.metric("serve_refusals_total") == count
        time.sleep(1)
        # Tried once: five looks later there has been no other try.
        refusals = [line for line in found.lines() if line["message"] == "version refused"]
        assert [line["model_version"] for line in refusals] == list(broken)
        point(workspace, good)
        assert found.serves(good)["refused"] == {}
        assert found.post().headers["X-Model-Version"] == good
        kept = {"served.json", f"{NAME}-{good}"}
        found.until(lambda _: {path.name for path in cache.iterdir()} == kept)


def test_a_version_whose_files_are_away_is_tried_again(trained: Workspace, tmp_path: Path) -> None:
    workspace = copy_of(trained, tmp_path)
    number = add_version(workspace)
    (folder,) = (tmp_path / "versions").iterdir()
    folder.rename(tmp_path / "away")
    with running_server(workspace) as found:
        found.serves("1")
        point(workspace, number)
        state = found.until(lambda state: number in state["refused"])
        assert "could not be fetched" in state["refused"][number]
        (tmp_path / "away").rename(folder)
        found.serves(number)


def test_an_alias_that_moves_on_does_not_wait_for_the_next_try_of_a_version(
    trained: Workspace, tmp_path: Path
) -> None:
    workspace = copy_of(trained, tmp_path)
    gone, good = add_version(workspace), add_version(workspace)
    shutil.rmtree(min((tmp_path / "versions").iterdir()))
    point(workspace, gone)
    # The fourth try comes eight seconds after the third.
    with running_server(workspace, SERVE_POLL_SECONDS="1") as found:
        for tries in (1, 2, 3):
            found.until(lambda _, tries=tries: found.metric("serve_refusals_total") >= tries)
        point(workspace, good)
        started = time.monotonic()
        found.serves(good)
        assert time.monotonic() - started < 7


def test_the_alias_is_followed_under_load_without_a_failed_request(
    trained: Workspace, tmp_path: Path
) -> None:
    workspace = copy_of(trained, tmp_path)
    numbers = ["1", *(add_version(workspace) for _ in range(2))]
    with running_server(workspace) as found:
        found.serves("1")
        done = False

        def load() -> list[httpx.Response]:
            answers = []
            with httpx.Client(base_url=found.http.base_url, timeout=30) as one:
                while not done:
                    headers = {"Content-Type": "application/json"}
                    answers.append(one.post("/invocations", content=SAMPLE, headers=headers))
                    time.sleep(0.002)
            return answers

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            loads = [pool.submit(load) for _ in range(2)]
            for number in (numbers[1], numbers[2], numbers[0]):
                point(workspace, number)
                found.serves(number)
            done = True
            seen = [one.result() for one in loads]
    for answers in seen:
        assert {answer.status_code for answer in answers} == {200}
        versions = [answer.headers["X-Model-Version"] for answer in answers]
        changes = [v for v, before in zip(versions, ["", *versions]) if v != before]
        assert changes == ["1", *numbers[1:], "1"]


def test_only_promoted_versions_serve_behind_production(trained: Workspace, tmp_path: Path) -> None:
    workspace = copy_of(trained, tmp_path)
    with running_server(workspace, SERVE_ALIAS="production") as found:
        time.sleep(1)
        assert found.post().status_code == 503
        gate = {"PROMOTION_AUC_THRESHOLD": "0.5", "PROMOTION_CALIBRATION_TOLERANCE": "1"}
        assert workspace.run("promote_model", **gate).result["promoted"] is True
        assert found.serves("1")["passed_gate"] is True
        assert found.metric("serve_gate_passed") == 1


# The registry


def test_the_registry_stopped_and_started(trained: Workspace, tmp_path: Path) -> None:
    stack = LocalStack(copy_of(trained, tmp_path).folder)
    (tmp_path / "logs").mkdir()
    workspace = Workspace(tmp_path, {"SERVE_CACHE_PATH": str(tmp_path / "cache")})
    number = add_version(workspace)
    over_http = {"MLFLOW_TRACKING_URI": stack.mlflow_url}
    try:
        stack.start_mlflow()
        with running_server(workspace, **over_http) as found:
            found.serves("1")
            stack.kill("mlflow")
            found.until(lambda state: state["registry"] != "up")
            assert found.post().json() == DECISION
            assert found.metric("serve_registry_up") == 0
        # A server that starts meanwhile serves what it served last.
        with running_server(workspace, **over_http) as found:
            state = found.serves("1")
            found.until(lambda state: state["registry"] != "up")
            assert found.post().json() == DECISION
            point(workspace, number)
            stack.start_mlflow()
            assert found.serves(number)["registry"] == "up"
            assert state["ready"]
    finally:
        stack.stop()


def test_without_a_kept_version_and_a_registry_the_reason_is_told(workspace: Workspace) -> None:
    (port,) = free_ports(1)
    uri = f"http://127.0.0.1:{port}"
    with running_server(workspace, MLFLOW_TRACKING_URI=uri) as found:
        found.until(lambda state: state["registry"] != "up")
        asked = found.post()
        assert asked.status_code == 503
        assert "the registry does not answer" in asked.json()["message"]


def test_a_registry_that_keeps_everybody_waiting_delays_neither_start_nor_stop(
    trained: Workspace, tmp_path: Path
) -> None:
    workspace = copy_of(trained, tmp_path, SERVE_CACHE_PATH=str(tmp_path / "cache"))
    with running_server(workspace) as found:
        found.serves("1")
        found.stop()
    # The system takes the connections; nobody reads from them.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with running_server(workspace, MLFLOW_TRACKING_URI=uri) as found:
            state = found.serves("1")
            assert state["registry"] == "the registry has not answered yet"
            assert found.post().json() == DECISION
            started = time.monotonic()
            found.stop()
            assert time.monotonic() - started < 8


def test_a_kept_version_whose_files_have_changed_is_not_loaded(
    trained: Workspace, tmp_path: Path
) -> None:
    workspace = copy_of(trained, tmp_path)
    cache = tmp_path / "cache"
    with running_server(workspace, SERVE_CACHE_PATH=str(cache)) as found:
        found.serves("1")
        found.stop()
    (cache / f"{NAME}-1" / model.BOOSTER).write_bytes(b"")
    with running_server(workspace, SERVE_CACHE_PATH=str(cache)) as found:
        found.serves("1")
        warned = [line for line in found.lines() if line["message"] == "kept version not usable"]
        assert len(warned) == 1 and "have changed" in warned[0]["error"]


def test_a_cache_that_cannot_be_written_to_does_not_end_the_service(
    trained: Workspace, tmp_path: Path
) -> None:
    workspace = copy_of(trained, tmp_path)
    cache = tmp_path / "cache"
    # A folder where the file shall be: nothing can replace it, not even root.
    (cache / "served.json").mkdir(parents=True)
    with running_server(workspace, SERVE_CACHE_PATH=str(cache)) as found:
        found.serves("1")
        assert found.post().json() == DECISION
        found.until(lambda _: "version not kept" in found.log.read_text())


# Keys and the prediction log


def test_a_key_is_asked_for_where_one_is_set(trained: Workspace, tmp_path: Path) -> None:
    with running_server(copy_of(trained, tmp_path), SERVE_API_KEY="s3cret-ü") as found:
        found.serves("1")
        refused = [found.post(), found.post(**{"X-API-Key": "s3cret"})]
        assert [answer.status_code for answer in refused] == [401, 401]
        headers = [(b"X-API-Key", "s3cret-ü".encode()), (b"Content-Type", b"application/json")]
        asked = found.http.post("/invocations", content=SAMPLE, headers=headers)
        assert asked.json() == DECISION
        assert found.http.get("/ping").is_success


def test_what_was_served_is_logged_as_typed_rows(trained: Workspace, tmp_path: Path) -> None:
    workspace = copy_of(trained, tmp_path)
    with running_server(workspace) as found:
        found.serves("1")
        full = body_of(2, full=True)
        told = found.post(full, **{"X-Request-ID": "two-rows"}).json()["predictions"]
        named = json.dumps({"dataframe_records": [ROW | {"id": "A-1"}, ROW | {"id": None}]})
        found.post(named.encode(), **{"X-Request-ID": "named"})
        found.stop()
    logged = pl.read_parquet(tmp_path / "artifacts" / "online" / "*" / "*.parquet").sort("id")
    assert logged["id"].to_list() == ["A-1", "named-2", "two-rows-1", "two-rows-2"]
    assert logged.select(columns.NAMES).unique().height == 1
    typed = logged.select(columns.NAMES).row(0, named=True)
    assert {k: v for k, v in typed.items() if v is not None} == {
        name: value for name, value in ROW.items() if value is not None
    }
    assert logged["default_probability"].to_list()[2:] == [t["default_probability"] for t in told]
    assert logged["model_version"].unique().to_list() == ["1"]
    assert logged["time"].dtype == pl.Datetime("us", "UTC")


def test_rows_that_cannot_be_logged_are_counted_and_answered_all_the_same(
    trained: Workspace, tmp_path: Path
) -> None:
    workspace = copy_of(trained, tmp_path)
    (tmp_path / "artifacts").write_text("a file where the folder should be")
    with running_server(workspace, SERVE_LOG_SECONDS="0.2") as found:
        found.serves("1")
        assert found.post(body_of(7)).is_success
        found.until(lambda _: found.metric("serve_lost_rows_total"))
        assert found.metric("serve_lost_rows_total") == 7
        assert found.metric("serve_logged_rows_total") == 0


def test_an_interrupt_from_the_keyboard_ends_it_well(trained: Workspace, tmp_path: Path) -> None:
    with running_server(copy_of(trained, tmp_path)) as found:
        found.process.send_signal(signal.SIGINT)
        found.process.communicate(timeout=40)
        assert found.process.returncode == 0
