"""A real scoring server in a process of its own, and versions for it to serve or to refuse."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from mlflow import MlflowClient

from loan_default.model import artifact
from loan_default.sandbox.local_stack import free_ports
from workspace import COVERED, ROOT, Workspace

NAME = "loan_default_model"
SAMPLE = (ROOT / "data" / "sample_input.json").read_bytes()
JSON = {"Content-Type": "application/json"}
DECISION = {"predictions": [0]}
_SPLIT = json.loads(SAMPLE)["dataframe_split"]
ROW: dict[str, Any] = dict(zip(_SPLIT["columns"], _SPLIT["data"][0], strict=True))
SECONDS = 60


def body_of(rows: int, full: bool = False) -> bytes:
    asked: dict[str, Any] = {"dataframe_records": [ROW] * rows}
    return json.dumps(asked | ({"params": {"return": "full"}} if full else {})).encode()


@dataclass(frozen=True)
class Server:
    """A running server: its process, a client, and what it has said on stderr."""

    process: subprocess.Popen[str]
    port: int
    http: httpx.Client
    log: Path

    def post(self, body: bytes = SAMPLE, **headers: str) -> httpx.Response:
        return self.http.post("/invocations", content=body, headers=JSON | headers)

    def ready(self) -> dict[str, Any]:
        return dict(self.http.get("/ready").json())

    def until(self, what: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Wait until /ready says so."""
        last = time.monotonic() + SECONDS
        while time.monotonic() < last:
            with contextlib.suppress(httpx.TransportError):
                if what(found := self.ready()):
                    return found
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            time.sleep(0.1)
        pytest.fail(f"{self.ready()}: {self.log.read_text()[-3000:]}")

    def serves(self, number: str) -> dict[str, Any]:
        return self.until(lambda state: state["model_version"] == number)

    def metric(self, name: str) -> float:
        from prometheus_client.parser import text_string_to_metric_families as families

        page = self.http.get("/metrics").text
        found = [s.value for f in families(page) for s in f.samples if s.name == name]
        assert found, f"no {name} in {page}"
        return float(sum(found))

    def lines(self) -> list[dict[str, Any]]:
        """The log, each line one JSON object."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stop(self) -> dict[str, Any]:
        """End it as an orchestrator does; returns the last line of stdout."""
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=40)
        assert self.process.returncode == 0, self.log.read_text()[-3000:]
        return dict(json.loads(out.splitlines()[-1]))

    def socket(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


@contextlib.contextmanager
def running_server(workspace: Workspace, **more: str) -> Iterator[Server]:
    """The server of the workspace's model, stopped at the end; in service or not."""
    (port,) = free_ports(1)
    log = workspace.folder / f"serve-{port}.log"
    env = os.environ | COVERED | workspace.settings | {"SERVE_POLL_SECONDS": "0.2"} | more
    with (
        log.open("w") as stderr,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        process = subprocess.Popen(
            workspace.command("serve_model", "--port", str(port)),
            cwd=workspace.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        server = Server(process, port, client, log)
        try:
            server.until(lambda state: True)
            yield server
        finally:
            # Killed, it would tell nothing of the lines that it has run
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=20)
            process.kill()
            process.communicate()


def copy_of(trained: Workspace, folder: Path, **environment: str) -> Workspace:
    """A store of a test's own with the trained version in it; the artifacts are shared."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(trained.folder / "mlflow.db", folder / "mlflow.db")
    return Workspace(folder, environment)


def client(workspace: Workspace) -> MlflowClient:
    return MlflowClient(workspace.settings["MLFLOW_TRACKING_URI"])


def point(workspace: Workspace, number: str, alias: str = "staging") -> None:
    client(workspace).set_registered_model_alias(NAME, alias, number)


def add_version(workspace: Workspace, change: Callable[[Path], None] = lambda _: None) -> str:
    """Register a copy of version 1 whose files `change` has changed; returns its number."""
    store = client(workspace)
    first = Path(store.get_model_version_download_uri(NAME, "1").removeprefix("file://"))
    folder = workspace.folder / "versions" / f"{time.monotonic_ns()}"
    shutil.copytree(first, folder)
    (facts,) = [
        path for path in folder.rglob(artifact.FACTS) if path.parent.name != artifact.EVALUATION
    ]
    change(facts.parent)
    return str(store.create_model_version(NAME, str(folder)).version)
