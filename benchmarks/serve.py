"""Benchmark the scoring server against `mlflow models serve`, with one worker each.

Trains three small versions on generated loans, starts both servers with the same model, and sends
both the same requests in turns from a separate process. Then moves the alias twenty times under
load. Prints medians over the rounds; memory is the proportional set size of a server's processes.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from loan_default.sandbox.local_stack import free_ports

ROOT = Path(__file__).resolve().parents[1]
NAME, ALIAS, VERSIONS = "loan_default_model", "staging", 3
# Gives a booster of realistic size: 300 trees of depth 4.
TRAINING = {
    "XGB_MAX_ROUNDS": "300",
    "XGB_EARLY_STOPPING_ROUNDS": "300",
    "CV_FOLDS": "2",
    "PROMOTION_AUC_THRESHOLD": "0.5",
}
POLL, SWITCHES, CONNECTIONS = 1.0, 20, 8
SECONDS = 4.0
MIB = 2**20


# The client runs in its own process, so that it takes no time from the servers' interpreters.


async def _connection(port: int, request: bytes, until: float, most: int) -> list[Any]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = []
    while time.perf_counter() < until and len(found) < most:
        started = time.perf_counter()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        await reader.readexactly(int(fields["content-length"]))
        ended = time.perf_counter()
        version = fields.get("x-model-version", "")
        found.append((started, ended, int(head.split(" ", 2)[1]), version))
    writer.close()
    return found


def client(port: int, rows: int, connections: int, seconds: float, most: int) -> None:
    """Send requests of `rows` rows; print start, end, status and version of each as JSON."""
    request = _request(rows)

    async def run() -> list[Any]:
        until = time.perf_counter() + seconds
        sending = [_connection(port, request, until, most) for _ in range(connections)]
        return [answer for answers in await asyncio.gather(*sending) for answer in answers]

    print(json.dumps(asyncio.run(run())))


def _request(rows: int) -> bytes:
    sample = json.loads((ROOT / "data" / "sample_input.json").read_text())
    split = sample["dataframe_split"]
    body = json.dumps({"dataframe_split": split | {"data": split["data"] * rows}}).encode()
    head = (
        "POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def send(port: int, rows: int, connections: int = 1, seconds: float = SECONDS) -> list[Any]:
    """Run a client process and return its measurements."""
    given = [str(part) for part in (port, rows, connections, seconds)]
    command = [sys.executable, __file__, "--client", *given]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout))


# The servers


class Server:
    """A server process and its port."""

    def __init__(self, command: list[str], port: int, environment: dict[str, str], log: Path):
        self.port = port
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def first_answer(self) -> float:
        """Return the seconds from now to the first scored row."""
        started, sample = time.perf_counter(), (ROOT / "data" / "sample_input.json").read_bytes()
        headers = {"Content-Type": "application/json"}
        while True:
            with contextlib.suppress(httpx.TransportError):
                url = f"http://127.0.0.1:{self.port}/invocations"
                if httpx.post(url, content=sample, headers=headers).is_success:
                    return time.perf_counter() - started
            if self.process.poll() is not None:
                raise SystemExit(f"{self.process.args} stopped")
            time.sleep(0.02)

    def memory(self, children: bool = True) -> float:
        """Return the memory of the process and its children, in MiB."""
        process = psutil.Process(self.process.pid)
        total = 0
        for one in [process, *(process.children(recursive=True) if children else [])]:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += one.memory_full_info().pss
        return total / MIB

    def stop(self) -> None:
        """Stop the process and its children."""
        process = psutil.Process(self.process.pid)
        everything = [process, *process.children(recursive=True)]
        for one in everything:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.terminate()
        psutil.wait_procs(everything, timeout=20)


class Bench:
    """A registry, and the two servers started on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        registry, self.mlflow_port, self.our_port = free_ports(3)
        self.uri = f"http://127.0.0.1:{registry}"
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "MLFLOW_TRACKING_URI": self.uri,
            "OUTPUT_PATH": str(folder / "artifacts"),
            "SERVE_POLL_SECONDS": str(POLL),
            "LOG_LEVEL": "INFO",
        }
        store = f"sqlite:///{folder}/mlflow.db"
        command = [*_mlflow("server"), "--port", str(registry), "--backend-store-uri", store]
        command += ["--artifacts-destination", str(folder / "mlruns"), "--workers", "1"]
        self.registry = self.start(command, registry, "registry")

    def train(self, versions: int = VERSIONS) -> None:
        """Register `versions` versions, with the alias on the first."""
        loans = str(self.folder / "loans.csv")
        self._script("make_loans", "--rows", "30000", "--seed", "3", "--output-path", loans)
        wait_for(f"{self.uri}/health")
        for seed in range(versions):
            self._script("train_with_mlflow", "--data-path", loans, RANDOM_SEED=str(seed))
        self.point(1)

    def point(self, version: int) -> None:
        """Move the alias."""
        body = {"name": NAME, "alias": ALIAS, "version": str(version)}
        url = f"{self.uri}/api/2.0/mlflow/registered-models/alias"
        httpx.post(url, json=body).raise_for_status()

    def mlflow(self) -> Server:
        """Start `mlflow models serve`."""
        model = f"models:/{NAME}@{ALIAS}"
        command = [*_mlflow("models", "serve"), "-m", model, "--env-manager", "local"]
        command += ["--host", "127.0.0.1", "--port", str(self.mlflow_port), "--workers", "1"]
        return self.start(command, self.mlflow_port, "mlflow")

    def ours(self) -> Server:
        """Start this project's server."""
        command = [sys.executable, str(ROOT / "src" / "serve_model.py")]
        return self.start([*command, "--port", str(self.our_port)], self.our_port, "ours")

    def start(self, command: list[str], port: int, name: str) -> Server:
        """Start a server whose log is named so."""
        return Server(command, port, self.environment, self.folder / f"{name}.log")

    def _script(self, name: str, *arguments: str, **settings: str) -> None:
        command = [sys.executable, str(ROOT / "src" / f"{name}.py"), *arguments]
        environment = self.environment | TRAINING | settings
        with (self.folder / "scripts.log").open("ab") as log:
            subprocess.run(command, env=environment, stdout=log, stderr=log, check=True)


def _mlflow(*command: str) -> list[str]:
    return [sys.executable, "-m", "mlflow", *command]


def wait_for(url: str) -> None:
    """Return once the address answers. Raises SystemExit where it does not within a minute."""
    for _ in range(600):
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url).is_success:
                return
        time.sleep(0.1)
    raise SystemExit(f"{url} does not answer")


# The measurements


def rounds(mlflow: Server, ours: Server, repeats: int) -> dict[str, dict[str, float]]:
    """Return the median of each measure over the rounds, by measure and server."""
    figures: dict[str, dict[str, list[float]]] = {}
    for _ in range(repeats):
        for name, server in (("mlflow", mlflow), ("ours", ours)):
            for measure, value in figures_of(server).items():
                figures.setdefault(measure, {}).setdefault(name, []).append(value)
    return {
        measure: {name: statistics.median(values) for name, values in by.items()}
        for measure, by in figures.items()
    }


def figures_of(server: Server) -> dict[str, float]:
    """How fast it answers: single rows on one and on eight connections, a thousand rows."""
    single = sorted(end - start for start, end, *_ in _good(send(server.port, 1)))
    eight = _good(send(server.port, 1, CONNECTIONS))
    thousand = _good(send(server.port, 1000))
    return {
        "median ms": statistics.median(single) * 1000,
        "p99 ms": single[int(len(single) * 0.99)] * 1000,
        "requests/s": len(eight) / _span(eight),
        "rows/s": 1000 * len(thousand) / _span(thousand),
    }


def _good(answers: list[Any]) -> list[Any]:
    if bad := [status for *_, status, _ in answers if status != 200]:
        raise SystemExit(f"{len(bad)} requests failed: {bad[:3]}")
    return answers


def _span(answers: list[Any]) -> float:
    return float(max(end for _, end, *_ in answers) - min(start for start, *_ in answers))


def switches(bench: Bench, ours: Server) -> dict[str, float]:
    """Move the alias under load.

    Returns:
        The requests, the failed ones, those answered by a version that the alias did not point at,
        and the maximum memory in MiB of the server alone and with its children.
    """
    moves: list[tuple[float, int]] = [(time.perf_counter(), 1)]
    peaks, done = {"server": 0.0, "tree": 0.0}, threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            peaks["server"] = max(peaks["server"], ours.memory(children=False))
            peaks["tree"] = max(peaks["tree"], ours.memory())

    def move() -> None:
        for switch in range(1, SWITCHES + 1):
            version = switch % VERSIONS + 1
            bench.point(version)
            moves.append((time.perf_counter(), version))
            _until_served(ours, version)
        done.set()

    threads = [threading.Thread(target=target) for target in (look, move)]
    for thread in threads:
        thread.start()
    answers = []
    while not done.is_set():
        answers += send(ours.port, 1, CONNECTIONS, 5.0)
    for thread in threads:
        thread.join()
    return {
        "requests": len(answers),
        "failed": sum(status != 200 for *_, status, _ in answers),
        "wrong version": sum(not _allowed(answer, moves) for answer in answers),
        **peaks,
    }


def _until_served(server: Server, version: int) -> None:
    until = time.perf_counter() + 60
    while httpx.get(f"http://127.0.0.1:{server.port}/ready").json()["model_version"] != str(
        version
    ):
        if time.perf_counter() > until:
            raise SystemExit(f"version {version} was not served within 60 s")
        time.sleep(0.05)


def _allowed(answer: list[Any], moves: list[tuple[float, int]]) -> bool:
    """Return whether the alias pointed at the answer's version then, or until the previous move.

    Each move waits until its version is served, so versions before that are no longer served.
    """
    started, ended, _, version = answer
    before = [v for when, v in moves if when <= started][-2:]
    meanwhile = [v for when, v in moves if started < when <= ended]
    return int(version or 0) in (*before, *meanwhile)


def start_up(bench: Bench, repeats: int) -> dict[str, float]:
    """Return the median seconds from the start of the process to the first answer."""
    seconds: dict[str, list[float]] = {"mlflow": [], "ours": []}
    for _ in range(repeats):
        for name, start in (("mlflow", bench.mlflow), ("ours", bench.ours)):
            server = start()
            seconds[name].append(server.first_answer())
            server.stop()
    return {name: statistics.median(values) for name, values in seconds.items()}


@contextlib.contextmanager
def running(*servers: Server) -> Iterator[None]:
    """Stop the servers at the end of the block."""
    try:
        yield
    finally:
        for server in servers:
            server.stop()


def main() -> None:
    """Measure and print the table."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--repeats", type=int, default=3)
    flags.add_argument("--client", nargs=4, help=argparse.SUPPRESS)
    given = flags.parse_args()
    if given.client:
        port, rows, connections, seconds = given.client
        client(int(port), int(rows), int(connections), float(seconds), 1_000_000)
        return
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        with running(bench.registry):
            bench.train()
            found: dict[str, Any] = {"first answer s": start_up(bench, given.repeats)}
            mlflow, ours = bench.mlflow(), bench.ours()
            with running(mlflow, ours):
                for server in (mlflow, ours):
                    server.first_answer()
                found |= rounds(mlflow, ours, given.repeats)
                found["memory MiB"] = {"mlflow": mlflow.memory(), "ours": ours.memory()}
                found["switches"] = switches(bench, ours)
    _print(found)


def _print(found: dict[str, Any]) -> None:
    table = Table("one worker each", "mlflow models serve", "here", "ratio", "aim")
    for measure, aim, inverse in (
        ("median ms", "<= 1/10", True),
        ("p99 ms", "< 3 x the median here", True),
        ("requests/s", ">= 20", False),
        ("rows/s", ">= 3", False),
        ("memory MiB", "<= 1", True),
        ("first answer s", "<= 1/2.5", True),
    ):
        theirs, here = found[measure]["mlflow"], found[measure]["ours"]
        ratio = f"1/{theirs / here:.1f}" if inverse and theirs > here else f"{here / theirs:.1f}"
        table.add_row(measure, f"{theirs:,.2f}", f"{here:,.2f}", ratio, aim)
    moved = found["switches"]
    two = f"{moved['server']:.0f} ({moved['tree']:.0f} with the fetching child)"
    table.add_row("memory MiB, two versions", "", two, "", "<= MLflow's")
    told = f"{moved['failed']} failed, {moved['wrong version']} of a wrong version"
    table.add_row(f"{SWITCHES} switches", "", f"{moved['requests']:,} requests: {told}", "", "0, 0")
    Console(width=120).print(table)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
