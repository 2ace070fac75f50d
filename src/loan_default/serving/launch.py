"""Start the scoring server, looking up and fetching the first version while the server loads."""

import signal
import threading
from concurrent.futures import Future
from typing import Any

from loan_default.registry.alias_lookup import AliasTarget, Lookup, create_lookup
from loan_default.serving.model_cache import ModelCache, cache_folder
from loan_default.settings import Settings


def serve(settings: Settings) -> dict[str, Any]:
    """Serve until stopped; return the address and the version served last.

    Raises InputError if the registry cannot be polled, the cache is not a local folder, or the
    server cannot listen on the address.
    """
    # Until the server handles signals itself: children are stopped and files removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    lookup = create_lookup(settings, settings.model_name, settings.serve_alias)
    with cache_folder(settings.serve_cache_path) as folder:
        cache = ModelCache(folder, settings.model_name, settings.serve_alias)
        try:
            early_lookup = EarlyLookup(lookup, cache)
            # The web framework and XGBoost are imported while the first version is fetched.
            from loan_default.serving import server

            return server.run(settings, early_lookup, cache)
        finally:
            cache.close()


class EarlyLookup:
    """A lookup whose first call starts at once, in a thread, and starts to fetch the version.

    A registry that does not answer therefore does not delay the server's start.
    """

    def __init__(self, lookup: Lookup, cache: ModelCache) -> None:
        self._lookup, self._cache = lookup, cache
        self._first: Future[AliasTarget | None] | None = Future()
        threading.Thread(
            target=self._look_up_first, args=(self._first,), name="first-lookup", daemon=True
        ).start()

    def __call__(self) -> AliasTarget | None:
        """Return the alias's current target: on the first call, what the early lookup found."""
        if self._first is None:
            return self._lookup()
        first, self._first = self._first, None
        return first.result()

    def _look_up_first(self, first: "Future[AliasTarget | None]") -> None:
        try:
            target = self._lookup()
            if target and not self._cache.has(target.version):
                self._cache.start_fetch(target.version)
            first.set_result(target)
        # Raised again by the first call
        except Exception as error:
            first.set_exception(error)
