"""Keeps the served version the one behind the alias: looks, fetches, checks, swaps.

A version that cannot be fetched, loaded or does not reproduce its stored scores is refused; the one
in service stays, as it does when the registry is down.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from loan_default.errors import InputError, ServiceError
from loan_default.registry.alias_lookup import Look, Sighting
from loan_default.serving import loaded_model
from loan_default.serving.loaded_model import Served
from loan_default.serving.model_cache import ModelCache

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
    registry_down: str | None = "the registry has not answered yet"
    refused: dict[str, str] = field(default_factory=dict)
    swaps: int = 0
    refusals: int = 0


@dataclass
class Watch:
    """Looks at the alias every `seconds` and keeps `service` current."""

    service: Service
    look: Look
    cache: ModelCache
    seconds: float
    threads: int
    on_swap: Callable[[Served], None] = lambda _: None
    _tried: str | None = None
    _tries: int = 0
    _again: float = 0.0

    async def run(self) -> None:
        """Look, again and again, until cancelled."""
        await self._guarded(self._resume)
        while True:
            await self._guarded(self.step)
            await asyncio.sleep(self.seconds)

    async def step(self) -> None:
        """Look once and act on it."""
        try:
            sighting = await asyncio.to_thread(self.look)
        except ServiceError as error:
            self.service.registry_down = str(error)
            log.warning("registry down", extra={"error": str(error)})
            return
        self.service.registry_down = None
        current = self.service.current
        if sighting is None:
            self._tried = None
        elif current and current.number == sighting.number:
            self._tried = None
            self.service.passed_gate = sighting.passed_gate
            self.service.refused.clear()
        elif sighting.number != self._tried or time.monotonic() >= self._again:
            await self._take(sighting)

    async def _guarded(self, act: Callable[[], Awaitable[None]]) -> None:
        """A watch that ends leaves a server that never changes again: whatever nobody thought of
        is logged and shown, and the next look follows."""
        try:
            await act()
        except Exception as error:
            self.service.registry_down = f"the watch failed: {error!r}"
            log.exception("the watch failed")

    def _note_try(self, number: str) -> None:
        """Each next one comes later; a version that the alias moves to is tried at once."""
        self._tries = self._tries + 1 if number == self._tried else 1
        self._tried = number
        pause = min(self.seconds * 2 ** min(self._tries, 6), max(MOST_BACK_OFF, self.seconds))
        self._again = time.monotonic() + pause

    async def _take(self, sighting: Sighting) -> None:
        number = self.service.taking = sighting.number
        self._note_try(number)
        try:
            await self.cache.fetch(number)
            loaded = await self._load(number)
        except (ServiceError, OSError) as error:
            self._refuse(number, str(error))
            return
        except (InputError, ValueError) as error:
            # What has been fetched and is wrong stays wrong.
            self._again = math.inf
            self._refuse(number, str(error))
            return
        finally:
            self.service.taking = None
        await self._swap(loaded, sighting.passed_gate)

    async def _load(self, number: str) -> Served:
        place, name = self.cache.place(number), self.cache.name
        return await asyncio.to_thread(loaded_model.load, place, name, number, self.threads)

    def _refuse(self, number: str, why: str) -> None:
        self.service.refused = {number: why}
        self.service.refusals += 1
        current = self.service.current
        self.cache.tidy(current.number if current else None)
        log.error("version refused", extra={"model_version": number, "error": why})

    async def _swap(self, loaded: Served, passed_gate: bool) -> None:
        self.service.current = loaded
        self.service.passed_gate = passed_gate
        self.service.refused.clear()
        self.service.swaps += 1
        self.on_swap(loaded)
        log.info("version in service", extra={"model_version": loaded.number})
        try:
            await asyncio.to_thread(self.cache.keep, loaded.number, passed_gate)
        except (InputError, OSError) as error:
            # It serves all the same; only a restart will have to fetch it again.
            log.warning("version not kept", extra={"error": str(error)})

    async def _resume(self) -> None:
        """Serve again what was served last, until the registry says otherwise."""
        try:
            if kept := await asyncio.to_thread(self.cache.kept):
                await self._swap(await self._load(kept[0]), kept[1])
        except (InputError, OSError, ValueError) as error:
            log.warning("kept version not usable", extra={"error": str(error)})
