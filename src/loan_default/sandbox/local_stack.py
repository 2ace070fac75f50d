"""Run Airflow and an MLflow server on this machine without Docker, in a folder and on free ports.

For the demo, the tests and the benchmarks; the real platform is the Compose stack.
"""

import contextlib
import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from loan_default.errors import ServiceError

if TYPE_CHECKING:
    from loan_default.sandbox.airflow_client import AirflowApi

ROOT = Path(__file__).resolve().parents[3]
# A slow disk may take minutes; a server that ends is noticed at once
SECONDS_TO_START, SECONDS_TO_STOP = 600, 15
AIRFLOW = (sys.executable, "-m", "airflow")
AIRFLOW_PARTS = ("api-server", "scheduler", "dag-processor")


@dataclass
class LocalStack:
    """Airflow (API server, scheduler, DAG processor) and an MLflow server, below `folder`.

    Each process logs to `folder`/logs.

    Attributes:
        settings: variables added to every process's environment.
        database: Airflow's SQLAlchemy URL; by default an SQLite file in the folder.
        user: the name of Airflow's administrator.
    """

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    database: str = ""
    user: str = "admin"

    def __post_init__(self) -> None:
        self.airflow_port, self.mlflow_port, log_port = free_ports(3)
        self.password = secrets.token_urlsafe(12)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = os.environ | self._airflow(log_port) | self._platform()
        self.environment |= self.settings

    @property
    def airflow_url(self) -> str:
        """The URL of Airflow's pages and REST API."""
        return f"http://127.0.0.1:{self.airflow_port}"

    @property
    def mlflow_url(self) -> str:
        """The URL of MLflow's pages and REST API."""
        return f"http://127.0.0.1:{self.mlflow_port}"

    @property
    def api(self) -> "AirflowApi":
        """Airflow's REST API for the administrator."""
        from loan_default.sandbox.airflow_client import AirflowApi  # takes a second

        return AirflowApi(self.airflow_url, self.user, self.password)

    def start(self, say: Callable[[str], None] = lambda what: None) -> None:
        """Start every process and wait until it is healthy.

        Calls `say` with what is being done. Raises ServiceError if a server is not healthy in time.
        """
        self._prepare()
        self.start_mlflow()
        say("creating Airflow's database")
        self._run(*AIRFLOW, "db", "migrate")
        for part in AIRFLOW_PARTS:
            self.start_airflow(part)
        say("waiting for MLflow")
        self._wait("mlflow", lambda: _answers(f"{self.mlflow_url}/health"))
        say("waiting for Airflow to load the DAGs")
        self._wait("airflow", lambda: self.api.healthy())
        say("")

    def start_mlflow(self) -> None:
        """Start the MLflow server, with its store and artifacts in the folder."""
        self._start("mlflow", *self.mlflow_command(self.mlflow_port))

    def mlflow_command(self, port: int) -> list[str]:
        """Return the command that serves the folder's runs and models on `port`."""
        return [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
            *("--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"),
            *("--artifacts-destination", str(self.folder / "mlruns"), "--workers", "1"),
        ]

    def start_airflow(self, part: str) -> None:
        """Start a component of Airflow: api-server, scheduler or dag-processor."""
        more = {"api-server": ("--host", "127.0.0.1", "--port", str(self.airflow_port))}
        self._start(part, *AIRFLOW, part, *more.get(part, ()))

    def stop(self) -> None:
        """Stop every process and its children, the last started first."""
        for name in reversed(list(self._processes)):
            self.kill(name, signal.SIGTERM)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a process and its children, and wait for the process to end."""
        process = self._processes.pop(name)
        for sent in (number, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, sent)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(SECONDS_TO_STOP)

    def stop_command(self) -> str:
        """Return the command that stops the servers once their parent process has gone."""
        return "kill -- " + " ".join(f"-{process.pid}" for process in self._processes.values())

    def log_of(self, name: str) -> str:
        """Return what a process has logged so far."""
        return (self.folder / "logs" / f"{name}.log").read_text(errors="replace")

    def _prepare(self) -> None:
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        (self.folder / "airflow").mkdir(exist_ok=True)
        passwords = Path(self.environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
        passwords.touch(mode=0o600)
        passwords.write_text(json.dumps({self.user: self.password}))

    def _airflow(self, log_port: int) -> dict[str, str]:
        home = self.folder / "airflow"
        options = {
            "CORE__DAGS_FOLDER": ROOT / "airflow" / "dags",
            "CORE__PLUGINS_FOLDER": ROOT / "airflow" / "plugins",
            "CORE__LOAD_EXAMPLES": False,
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": False,
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": 4,
            "CORE__FERNET_KEY": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "CORE__EXECUTION_API_SERVER_URL": f"{self.airflow_url}/execution/",
            "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{self.user}:admin",
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": home / "passwords.json",
            "API__BASE_URL": self.airflow_url,
            "API__WORKERS": 1,
            "API__SECRET_KEY": secrets.token_hex(32),
            "API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "DATABASE__SQL_ALCHEMY_CONN": self.database or f"sqlite:///{home}/airflow.db",
            "LOGGING__WORKER_LOG_SERVER_PORT": log_port,
        }
        named = {f"AIRFLOW__{name}": str(value) for name, value in options.items()}
        return {"AIRFLOW_HOME": str(home), **named}

    def _platform(self) -> dict[str, str]:
        return {
            "MLFLOW_TRACKING_URI": self.mlflow_url,
            # Nobody uses MLflow's jobs, whose workers take half a minute of processor time to start
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "OUTPUT_PATH": str(self.folder / "artifacts"),
            "PREPARED_DATA_PATH": str(self.folder / "prepared.parquet"),
        }

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise ServiceError(f"{' '.join(command)} failed: {done.stderr[-2000:]}")

    def _start(self, name: str, *command: str) -> None:
        with (self.folder / "logs" / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait(self, service: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while not ready():
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise ServiceError(f"{name} stopped: {self.log_of(name)[-2000:]}")
            if time.monotonic() > deadline:
                raise ServiceError(f"{service} did not answer within {SECONDS_TO_START} s")
            time.sleep(0.5)


@contextlib.contextmanager
def running(stack: LocalStack) -> Iterator[LocalStack]:
    """Start the stack, and stop it at the end of the block, even after an error."""
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


def free_ports(count: int) -> list[int]:
    """Return ports that no process listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [int(free.getsockname()[1]) for free in sockets]


def _answers(url: str) -> bool:
    import httpx

    # httpx would log every look
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False
