"""The files of served versions: fetched by a child process, kept for a restart, removed when done.

A folder `NAME-NUMBER` for each version, and `served.json`, which names the one in service with the
digests of its files.
"""

import asyncio
import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loan_default import storage
from loan_default.errors import InputError, ServiceError

FETCH = Path(__file__).resolve().parents[2] / "fetch_model.py"
KEPT = "served.json"
# Stopped from outside, for want of memory or at a shutdown: that says nothing about the files.
STOPPED = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class ModelCache:
    """Versions of the model `name` below `folder`, for the server of one `alias`.

    A fetch that takes longer than `seconds` is given up.
    """

    folder: Path
    name: str
    alias: str
    seconds: float = 900.0
    _children: dict[str, "subprocess.Popen[str]"] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: threading.Event = field(default_factory=threading.Event)

    def place(self, number: str) -> Path:
        """Where the files of a version lie."""
        return self.folder / f"{self.name}-{number}"

    def has(self, number: str) -> bool:
        """Whether the files of a version lie here already."""
        return self.place(number).exists()

    def start(self, number: str) -> None:
        """Start to fetch a version, for a `fetch` of it later.

        Raises ServiceError after `close`: nobody would stop the child.
        """
        with self._lock:
            if self._closed.is_set():
                raise ServiceError("the server is stopping")
            self._children[number] = subprocess.Popen(
                [
                    *(sys.executable, str(FETCH), "--model-name", self.name),
                    *("--version", number, "--folder", str(self.place(number))),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )

    async def fetch(self, number: str) -> Path:
        """Fetch a version in a child process, which also tries it out; returns its folder.

        Raises ServiceError where it could not be fetched, InputError where it cannot serve.
        """
        if number not in self._children:
            self.start(number)
        child = self._children.pop(number)
        try:
            said, complaints = await asyncio.to_thread(child.communicate, timeout=self.seconds)
        except subprocess.TimeoutExpired:
            raise ServiceError(f"fetching took longer than {self.seconds:.0f} s") from None
        finally:
            if child.returncode is None:
                child.kill()
        _judge(child.returncode, said, complaints)
        return self.place(number)

    def close(self) -> None:
        """Stop what was started and never asked for."""
        with self._lock:
            self._closed.set()
            for child in self._children.values():
                child.kill()
                child.communicate()
            self._children.clear()

    def keep(self, number: str, passed_gate: bool) -> None:
        """Remember what is served, for a restart while the registry is down, and remove the files
        of all other versions."""
        kept = {"name": self.name, "alias": self.alias, "number": number}
        digests = _digests(self.place(number))
        told = json.dumps(kept | {"passed_gate": passed_gate, "digests": digests})
        storage.write_text(str(self.folder / KEPT), told)
        self.tidy(number)

    def tidy(self, number: str | None) -> None:
        """Remove the files of all versions but one, and what a fetch that died has left."""
        version = re.compile(rf"{re.escape(self.name)}-\d+(\..*)?")
        for folder in self.folder.iterdir():
            if version.fullmatch(folder.name) and (not number or folder != self.place(number)):
                shutil.rmtree(folder, ignore_errors=True)

    def kept(self) -> tuple[str, bool] | None:
        """The version that was served last and whether it had passed the gate; None without one.

        Raises InputError where its files are not what they were.
        """
        try:
            kept: dict[str, Any] = json.loads((self.folder / KEPT).read_text())
            if (kept["name"], kept["alias"]) != (self.name, self.alias):
                return None
            number, passed_gate = str(kept["number"]), bool(kept["passed_gate"])
            whole = _digests(self.place(number)) == kept["digests"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.folder / KEPT} cannot be used: {error!r}") from None
        if not whole:
            raise InputError(f"the files of the kept version {number} have changed")
        return number, passed_gate


@contextlib.contextmanager
def cache_folder(path: str) -> Iterator[Path]:
    """The folder for versions: `path`, made where it is missing, else one that goes at the end.

    Raises InputError where `path` is not local."""
    if "://" in path:
        raise InputError(f"SERVE_CACHE_PATH={path!r}: versions are kept in a local folder")
    if path:
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="loan-default-serve-") as temporary:
        yield Path(temporary)


def _judge(code: int, said: str, complaints: str) -> None:
    if code < 0 and -code not in STOPPED:
        raise InputError(f"its files bring down what loads them ({signal.Signals(-code).name})")
    if code:
        lines = complaints.strip().splitlines() or ["no message"]
        raise ServiceError(f"it could not be fetched: {lines[-1]}")
    if unusable := json.loads(said.splitlines()[-1])["unusable"]:
        raise InputError(unusable)


def _digests(folder: Path) -> dict[str, str]:
    return {file.name: storage.digest(str(file)) for file in folder.iterdir() if file.is_file()}
