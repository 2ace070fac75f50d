"""A real process that speaks Cloud Storage's protocol, to be killed and brought back, and a relay
in front of it that answers as a troubled service does."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from loan_default.sandbox.local_stack import free_ports
from loan_default.storage import gcs

BUCKET = "gs://loans"
RAW = f"{BUCKET}/raw/loans.csv"
# Nothing but the bucket is named: where else things go follows from it.
IN_THE_BUCKET = {"GCS_BUCKET": "loans", "OUTPUT_PATH": "", "MLFLOW_ARTIFACT_ROOT": ""}
HOST = "STORAGE_EMULATOR_HOST"


@dataclass
class Emulator:
    """The bucket `loans`; what was written to a `folder` is there again after a restart."""

    cwd: Path
    folder: Path | None = None
    host: str = "127.0.0.1"
    port: int = field(default_factory=lambda: free_ports(1)[0])
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Start it and wait until it listens."""
        place = [] if self.folder is None else ["--data-dir", str(self.folder)]
        memory = ["--in-memory"] if self.folder is None else []
        known = self.folder is not None and self.folder.exists()
        bucket = [] if known else ["--default-bucket=loans"]
        self._process = subprocess.Popen(
            [
                *(str(Path(sys.executable).parent / "gcp-storage-emulator"), *place, "start"),
                *(f"--host={self.host}", f"--port={self.port}", "--quiet", *memory, *bucket),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.cwd,
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex((self.host, self.port)) == 0:
                    return
            time.sleep(0.05)
        raise TimeoutError("the storage emulator did not start")

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
            self._process = None


@contextlib.contextmanager
def reached_at(url: str) -> Iterator[None]:
    """Cloud Storage lies at `url`, for this process and those that it starts."""
    previous = os.environ.get(HOST)
    os.environ[HOST] = url
    gcs.reset_clients()
    try:
        yield
    finally:
        gcs.reset_clients()
        os.environ.pop(HOST)
        if previous is not None:
            os.environ[HOST] = previous


@dataclass
class Relay:
    """Passes requests on to the service at `port`, but for the troubles that it was told of.

    `answers` are statuses and bodies given in place of the service's, one a request below `only`;
    `lost` counts writes whose answer is dropped after the service has done what was asked; `cut`
    counts downloads that break off in the middle; `damage` turns a bit of every download,
    `damage_chunks` of so many chunks of an upload; `read_only` forbids uploads; `on_upload` is
    called before one is passed on. Preconditions, which the emulator ignores, hold here.
    """

    upstream: int
    answers: list[tuple[int, str]] = field(default_factory=list)
    only: str = "/"
    lost: int = 0
    cut: int = 0
    damage: bool = False
    damage_chunks: int = 0
    read_only: bool = False
    on_upload: Callable[[], None] = lambda: None
    seen: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def trouble(self, path: str) -> tuple[int, str] | None:
        with self._lock:
            self.seen.append(path)
            if self.read_only and path.startswith("/upload/"):
                return 403, ""
            given = self.answers and path.startswith(self.only)
            return self.answers.pop(0) if given else None

    def loses(self, method: str) -> bool:
        with self._lock:
            lost = method in ("PUT", "POST") and self.lost > 0
            self.lost -= lost
            return lost

    def received(self, path: str, body: bytes) -> bytes:
        with self._lock:
            damaged = "upload_id=" in path and self.damage_chunks > 0
            self.damage_chunks -= damaged
        return bytes([body[0] ^ 1]) + body[1:] if damaged else body

    def cuts(self, size: int) -> bool:
        with self._lock:
            cut = size > 1_000_000 and self.cut > 0
            self.cut -= cut
            return cut

    def ask(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        upstream = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=60)
        with contextlib.closing(upstream):
            # One that answers before it has read everything, and hangs up.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                upstream.request(method, path, body, headers)
            answer = upstream.getresponse()
            return answer.status, answer.getheaders(), answer.read()

    def outdated(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> bool:
        """Whether an upload that begins names another generation than the one that is there."""
        wanted = parse_qs(urlsplit(path).query).get("ifGenerationMatch")
        named = re.search(rb'"name": ?"([^"]+)"', body[:2000])
        if method != "POST" or not wanted or not named:
            return False
        target = f"/storage/v1/b/loans/o/{quote(named[1].decode(), safe='')}"
        status, _, found = self.ask("GET", target, None, headers)
        there = "0" if status == 404 else json.loads(found)["generation"]
        return bool(there != wanted[0])


class _Handler(BaseHTTPRequestHandler):
    relay: Relay

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = dict(self.headers)
        if trouble := self.relay.trouble(self.path):
            self._answer(trouble[0], [("Content-Type", "application/json")], trouble[1].encode())
            return
        if self.path.startswith("/upload/"):
            self.relay.on_upload()
        if self.relay.outdated(self.command, self.path, body, {"Host": headers["Host"]}):
            self._answer(412, [], b"")
            return
        try:
            body = self.relay.received(self.path, body)
            status, given, content = self.relay.ask(self.command, self.path, body or None, headers)
        except OSError:
            self.close_connection = True
            return
        if self.relay.loses(self.command):
            self.close_connection = True
            return
        if self.relay.damage and self.path.startswith("/download/"):
            content = bytes([content[0] ^ 1]) + content[1:]
        self._answer(status, given, content)

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        part = content[: len(content) // 2] if self.relay.cuts(len(content)) else content
        self.wfile.write(part)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _pass_on

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def relay(emulator: Emulator) -> Iterator[Relay]:
    """A relay in front of the emulator, through which Cloud Storage is reached in the block."""
    passing = Relay(emulator.port)
    handler = type("Handler", (_Handler,), {"relay": passing})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        with reached_at(f"http://127.0.0.1:{server.server_port}"):
            yield passing
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
