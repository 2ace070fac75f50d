"""The scoring server as a process: starting, stopping, keys and the prediction log."""

import concurrent.futures
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

import lendingclub
from scoring_server import DECISION, ROW, SAMPLE, body_of, copy_of, running_server
from workspace import Workspace

pytestmark = pytest.mark.slow

QUIET: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


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
        done = workspace.spawn("serve_model", "--port", port)
    assert done.code == 2
    assert done.error == (
        f"error: cannot listen on 127.0.0.1:{port} (Address already in use): stop the program that "
        "uses it, or give another --port"
    )


def test_a_host_that_is_no_address_is_one_clear_line(workspace: Workspace) -> None:
    done = workspace.spawn("serve_model", "--host", "nowhere.invalid", "--port", "0")
    assert done.code == 2
    assert done.error == "error: cannot listen on nowhere.invalid: not an address of this machine"


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
        ("postgresql://db/mlflow", "serving needs a tracking server"),
        ("http://mlflow:port", "MLFLOW_TRACKING_URI"),
    ],
)
def test_a_registry_that_cannot_be_watched_is_one_clear_line(
    workspace: Workspace, uri: str, says: str
) -> None:
    done = workspace.spawn("serve_model", "--port", "0", MLFLOW_TRACKING_URI=uri)
    assert done.code == 2 and says in done.error


def test_a_root_with_another_models_runs_is_one_clear_line(
    trained: Workspace, tmp_path: Path
) -> None:
    workspace = copy_of(trained, tmp_path)
    online = tmp_path / "theirs" / "online" / "date=2025-01-01" / "1.parquet"
    online.parent.mkdir(parents=True)
    pl.DataFrame({"id": ["a"]}).write_parquet(online, metadata={"model_name": "theirs"})
    done = workspace.spawn("serve_model", "--port", "0", OUTPUT_PATH=str(tmp_path / "theirs"))
    assert done.code == 2 and "holds the runs of the model theirs" in done.error


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
    given, *made = logged["id"].to_list()
    assert given == "A-1" and all(identifier.startswith("no-id:") for identifier in made)
    assert [identifier.split("/", 1)[1] for identifier in made] == [
        "two-rows/1",
        "two-rows/2",
        "named/2",
    ]
    assert logged.select(lendingclub.NAMES).unique().height == 1
    typed = logged.select(lendingclub.NAMES).row(0, named=True)
    assert {k: v for k, v in typed.items() if v is not None} == {
        name: value for name, value in ROW.items() if value is not None
    }
    assert logged["default_probability"].to_list()[1:3] == [t["default_probability"] for t in told]
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
