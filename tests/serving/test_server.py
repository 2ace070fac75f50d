"""The scoring server as a process: what every answer carries, whatever a client sends."""

import random
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import lendingclub
from scoring_server import DECISION, SAMPLE, Server, body_of, copy_of, running_server
from workspace import Workspace

pytestmark = pytest.mark.slow

MIB = 2**20


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
    assert all(column.name in page.text for column in lendingclub.RECORD)


def test_the_server_imports_neither_mlflow_nor_what_xgboost_does_not_need(server: Server) -> None:
    mapped = Path(f"/proc/{server.process.pid}/maps").read_text()
    # What MLflow and XGBoost import and the server does not; each maps libraries of its own.
    assert "libxgboost" in mapped
    assert not re.search("sqlalchemy|greenlet|pandas|sklearn", mapped)
