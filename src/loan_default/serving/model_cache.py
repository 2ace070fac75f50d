"""The files of served versions: fetched by a child process, kept for a restart, then removed.

The cache holds a folder `NAME-VERSION` per version and `served.json`, which names the version in
service with the digests of its files.
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
SAVED = "served.json"
# Signals from outside, when memory runs out or at a shutdown: they say nothing about the files.
EXTERNAL_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class ModelCache:
    """Versions of the model `name` below `folder`, for the server of one `alias`.

    A fetch that takes longer than `timeout` seconds is abandoned.
    """

    folder: Path
    name: str
    alias: str
    timeout: float = 900.0
    _children: dict[str, "subprocess.Popen[str]"] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: threading.Event = field(default_factory=threading.Event)

    def folder_of(self, version: str) -> Path:
        """Return the folder for a version's files."""
        return self.folder / f"{self.name}-{version}"

    def has(self, version: str) -> bool:
        """Return whether the version's files are cached."""
        return self.folder_of(version).exists()

    def start_fetch(self, version: str) -> None:
        """Start fetching a version in a child process, for a later `fetch` of it.

        Raises ServiceError after `close`: nothing would stop the child.
        """
        with self._lock:
            if self._closed.is_set():
                raise ServiceError("the server is stopping")
            self._children[version] = subprocess.Popen(
                [
                    *(sys.executable, str(FETCH), "--model-name", self.name),
                    *("--version", version, "--folder", str(self.folder_of(version))),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )

    async def fetch(self, version: str) -> Path:
        """Fetch a version in a child process, which also tests it; return its folder.

        Raises ServiceError if it could not be fetched, InputError if it cannot be served.
        """
        if version not in self._children:
            self.start_fetch(version)
        child = self._children.pop(version)
        try:
            out, err = await asyncio.to_thread(child.communicate, timeout=self.timeout)
        except subprocess.TimeoutExpired:
            raise ServiceError(f"fetching took longer than {self.timeout:.0f} s") from None
        finally:
            if child.returncode is None:
                child.kill()
        _check_result(child.returncode, out, err)
        return self.folder_of(version)

    def close(self) -> None:
        """Stop the children whose result was never fetched."""
        with self._lock:
            self._closed.set()
            for child in self._children.values():
                child.kill()
                child.communicate()
            self._children.clear()

    def save(self, version: str, passed_gate: bool) -> None:
        """Record the version in service, for a restart while the registry is down.

        The files of all other versions are removed.
        """
        record = {
            "name": self.name,
            "alias": self.alias,
            "number": version,
            "passed_gate": passed_gate,
            "digests": _digests(self.folder_of(version)),
        }
        storage.write_text(str(self.folder / SAVED), json.dumps(record))
        self.remove_all_but(version)

    def remove_all_but(self, version: str | None) -> None:
        """Remove the files of all other versions and the leftovers of fetches that died."""
        pattern = re.compile(rf"{re.escape(self.name)}-\d+(\..*)?")
        for folder in self.folder.iterdir():
            if pattern.fullmatch(folder.name) and (
                not version or folder != self.folder_of(version)
            ):
                shutil.rmtree(folder, ignore_errors=True)

    def saved(self) -> tuple[str, bool] | None:
        """Return the version saved last and whether it passed the gate; None if there is none.

        Raises InputError if its files have changed or the record cannot be read.
        """
        try:
            record: dict[str, Any] = json.loads((self.folder / SAVED).read_text())
            if (record["name"], record["alias"]) != (self.name, self.alias):
                return None
            version, passed_gate = str(record["number"]), bool(record["passed_gate"])
            unchanged = _digests(self.folder_of(version)) == record["digests"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.folder / SAVED} cannot be used: {error!r}") from None
        if not unchanged:
            raise InputError(f"the files of the cached version {version} have changed")
        return version, passed_gate


@contextlib.contextmanager
def cache_folder(path: str) -> Iterator[Path]:
    """Yield the cache's folder: `path`, created if missing, or a temporary one if `path` is empty.

    Raises InputError if `path` is not local.
    """
    if "://" in path:
        raise InputError(f"SERVE_CACHE_PATH={path!r}: the cache must be a local folder")
    if path:
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="loan-default-serve-") as temporary:
        yield Path(temporary)


def _check_result(code: int, out: str, err: str) -> None:
    if code < 0 and -code not in EXTERNAL_SIGNALS:
        raise InputError(
            f"its files crash the process that loads them ({signal.Signals(-code).name})"
        )
    if code:
        lines = err.strip().splitlines() or ["no message"]
        raise ServiceError(f"it could not be fetched: {lines[-1]}")
    if unusable := json.loads(out.splitlines()[-1])["unusable"]:
        raise InputError(unusable)


def _digests(folder: Path) -> dict[str, str]:
    return {file.name: storage.digest(str(file)) for file in folder.iterdir() if file.is_file()}
