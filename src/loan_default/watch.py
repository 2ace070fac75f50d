"""Keeps the served version the one behind the alias: looks, fetches, checks, swaps.

A version that cannot be fetched, loaded or does not reproduce its stored scores is refused; the one
in service stays, as it does when the registry is down.
"""

import asyncio
import json
import logging
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from loan_default import served
from loan_default.errors import LoanDefaultError, ServiceError
from loan_default.lookout import Look, Sighting
from loan_default.served import Served

FETCH = Path(__file__).resolve().parents[1] / "fetch_model.py"
KEPT = "served.json"
MOST_BACK_OFF = 60.0

log = logging.getLogger("serve")


@dataclass
class Service:
    """What is served now, and what was tried: read by the API, changed by the watch alone.

    `taking` is the version that is being fetched and loaded, `refused` the one that was refused
    and why, `registry_down` what is wrong with the registry.
    """

    name: str
    alias: str
    current: Served | None = None
    passed_gate: bool | None = None
    taking: str | None = None
    registry_down: str | None = None
    refused: dict[str, str] = field(default_factory=dict)
    swaps: int = 0


@dataclass
class Watch:
    """Looks at the alias every `seconds` and keeps `service` current.

    `folder` holds the files of the versions in use. `load` makes a served version of a folder.
    """

    service: Service
    look: Look
    folder: Path
    seconds: float
    threads: int
    failures: int = 0
    on_swap: Callable[[Served], None] = lambda _: None

    async def run(self) -> None:
        """Look, again and again, until cancelled."""
        await self._resume()
        while True:
            await self.step()
            await asyncio.sleep(min(self.seconds * 2 ** min(self.failures, 6), self._longest()))

    async def step(self) -> None:
        """Look once and act on it."""
        try:
            sighting = await asyncio.to_thread(self.look)
        except ServiceError as error:
            self.service.registry_down = str(error)
            log.warning("registry down", extra={"error": str(error)})
            return
        self.service.registry_down = None
        if sighting is None:
            return
        current = self.service.current
        if current and current.number == sighting.number:
            self.service.passed_gate = sighting.passed_gate
            self.service.refused.clear()
        elif sighting.number not in self.service.refused or self.failures:
            await self._take(sighting)

    def _longest(self) -> float:
        return max(MOST_BACK_OFF, self.seconds)

    async def _take(self, sighting: Sighting) -> None:
        number = self.service.taking = sighting.number
        folder = self.folder / f"{self.service.name}-{number}"
        try:
            await self._fetch(number, folder)
            loaded = await asyncio.to_thread(
                served.load, folder, self.service.name, number, self.threads
            )
        except ServiceError as error:
            # Fetching may work next time; what has been fetched and is wrong stays wrong.
            self.failures += 1
            self._refuse(number, str(error))
            return
        except (LoanDefaultError, OSError, ValueError) as error:
            self.failures = 0
            self._refuse(number, str(error))
            return
        finally:
            self.service.taking = None
        self.failures = 0
        self._swap(loaded, sighting.passed_gate)

    def _refuse(self, number: str, why: str) -> None:
        self.service.refused = {number: why}
        log.error("version refused", extra={"model_version": number, "error": why})

    def _swap(self, loaded: Served, passed_gate: bool) -> None:
        before, self.service.current = self.service.current, loaded
        self.service.passed_gate = passed_gate
        self.service.refused.clear()
        self.service.swaps += 1
        self._keep(loaded, passed_gate)
        self.on_swap(loaded)
        if before:
            shutil.rmtree(self.folder / f"{before.name}-{before.number}", ignore_errors=True)
        log.info("version in service", extra={"model_version": loaded.number})

    async def _fetch(self, number: str, folder: Path) -> None:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, str(FETCH), "--model-name", self.service.name),
            *("--version", number, "--folder", str(folder)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            _, said = await child.communicate()
        except asyncio.CancelledError:
            child.kill()
            raise
        if child.returncode:
            lines = said.decode(errors="replace").strip().splitlines() or ["no message"]
            raise ServiceError(f"version {number} could not be fetched: {lines[-1]}")

    def _keep(self, loaded: Served, passed_gate: bool) -> None:
        """Remember what is served, for a restart while the registry is down."""
        kept = {"name": loaded.name, "number": loaded.number, "passed_gate": passed_gate}
        (self.folder / KEPT).write_text(json.dumps(kept | {"alias": self.service.alias}))

    async def _resume(self) -> None:
        """Serve again what was served last, until the registry says otherwise."""
        try:
            kept = json.loads((self.folder / KEPT).read_text())
            if (kept["name"], kept["alias"]) != (self.service.name, self.service.alias):
                return
            folder = self.folder / f"{kept['name']}-{kept['number']}"
            loaded = await asyncio.to_thread(
                served.load, folder, kept["name"], kept["number"], self.threads
            )
        except FileNotFoundError:
            return
        except (LoanDefaultError, OSError, ValueError, KeyError) as error:
            log.warning("kept version not usable", extra={"error": str(error)})
            return
        self._swap(loaded, bool(kept["passed_gate"]))


def cache_folder(path: str) -> Path:
    """The folder for versions: `path`, made where it is missing, else a temporary one."""
    if not path:
        return Path(tempfile.mkdtemp(prefix="loan-default-serve-"))
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
