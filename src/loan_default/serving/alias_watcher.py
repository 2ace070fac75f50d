"""Poll the alias and hot-swap the served model: fetch, verify, replace.

A version that cannot be fetched or loaded, or does not reproduce its stored scores, is rejected and
the current one stays, as it does while the registry is down.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from loan_default.errors import InputError, ServiceError
from loan_default.registry.alias_lookup import AliasTarget, Lookup
from loan_default.serving import loaded_model
from loan_default.serving.loaded_model import LoadedModel
from loan_default.serving.model_cache import ModelCache

MAX_RETRY_SECONDS = 60.0

log = logging.getLogger(__name__)


@dataclass
class ServingState:
    """The current model and the state of hot swaps: read by the API, changed by the watcher alone.

    `loading` is the version being fetched and loaded, `rejected` the version that was rejected with
    the reason, `registry_error` the reason why the registry cannot be reached.
    """

    name: str
    alias: str
    current: LoadedModel | None = None
    passed_gate: bool | None = None
    loading: str | None = None
    registry_error: str | None = "the registry has not answered yet"
    rejected: dict[str, str] = field(default_factory=dict)
    swaps: int = 0
    rejections: int = 0


@dataclass
class AliasWatcher:
    """Look the alias up every `seconds` and keep `state` current.

    `threads` is the number of threads a model scores with; `on_swap` is called after each swap.
    """

    state: ServingState
    lookup: Lookup
    cache: ModelCache
    seconds: float
    threads: int
    on_swap: Callable[[], None] = lambda: None
    _attempted: str | None = None
    _attempts: int = 0
    _retry_at: float = 0.0

    async def run(self) -> None:
        """Restore the cached version, then poll until cancelled."""
        await self._guarded(self._restore)
        while True:
            await self._guarded(self.poll)
            await asyncio.sleep(self.seconds)

    async def poll(self) -> None:
        """Look the alias up once and hot-swap the model if the alias has moved."""
        try:
            target = await asyncio.to_thread(self.lookup)
        except ServiceError as error:
            self.state.registry_error = str(error)
            log.warning("registry down", extra={"error": str(error)})
            return
        self.state.registry_error = None
        current = self.state.current
        if target is None:
            self._attempted = None
        elif current and current.version == target.version:
            self._attempted = None
            self.state.passed_gate = target.passed_gate
            self.state.rejected.clear()
        elif target.version != self._attempted or time.monotonic() >= self._retry_at:
            await self._deploy(target)

    async def _guarded(self, step: Callable[[], Awaitable[None]]) -> None:
        """Run one step and log whatever fails.

        If this loop died, the server would never pick up another version, so unexpected exceptions
        are logged, shown on /ready, and followed by the next poll.
        """
        try:
            await step()
        except Exception as error:
            self.state.registry_error = f"alias polling failed: {error!r}"
            log.exception("alias polling failed")

    def _schedule_retry(self, version: str) -> None:
        """Double the delay with each attempt; a version that the alias moves to starts anew."""
        self._attempts = self._attempts + 1 if version == self._attempted else 1
        self._attempted = version
        longest = max(MAX_RETRY_SECONDS, self.seconds)
        self._retry_at = time.monotonic() + min(self.seconds * 2 ** min(self._attempts, 6), longest)

    async def _deploy(self, target: AliasTarget) -> None:
        version = self.state.loading = target.version
        self._schedule_retry(version)
        try:
            await self.cache.fetch(version)
            loaded = await self._load(version)
        except (ServiceError, OSError) as error:
            self._reject(version, str(error))
            return
        except (InputError, ValueError) as error:
            # Fetched files that are wrong stay wrong.
            self._retry_at = math.inf
            self._reject(version, str(error))
            return
        finally:
            self.state.loading = None
        await self._swap(loaded, target.passed_gate)

    async def _load(self, version: str) -> LoadedModel:
        folder, name = self.cache.folder_of(version), self.cache.name
        return await asyncio.to_thread(loaded_model.load, folder, name, version, self.threads)

    def _reject(self, version: str, reason: str) -> None:
        self.state.rejected = {version: reason}
        self.state.rejections += 1
        current = self.state.current
        self.cache.remove_all_but(current.version if current else None)
        log.error("version rejected", extra={"model_version": version, "error": reason})

    async def _swap(self, loaded: LoadedModel, passed_gate: bool) -> None:
        self.state.current = loaded
        self.state.passed_gate = passed_gate
        self.state.rejected.clear()
        self.state.swaps += 1
        self.on_swap()
        log.info("version activated", extra={"model_version": loaded.version})
        try:
            await asyncio.to_thread(self.cache.save, loaded.version, passed_gate)
        except (InputError, OSError) as error:
            # It is served all the same; only a restart will have to fetch it again.
            log.warning("version not cached", extra={"error": str(error)})

    async def _restore(self) -> None:
        """Serve the cached version again until the registry names another."""
        try:
            if cached := await asyncio.to_thread(self.cache.saved):
                version, passed_gate = cached
                await self._swap(await self._load(version), passed_gate)
        except (InputError, OSError, ValueError) as error:
            log.warning("cached version not usable", extra={"error": str(error)})
