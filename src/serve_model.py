"""Serve the version behind an alias over REST, and the next one without a pause.

MLflow's scoring protocol at /invocations; /docs describes the rest. Starts before any model exists
and takes the first one up by itself. Logs are JSON lines on stderr; ends on SIGTERM once the
requests in flight are answered. The last line of stdout is a JSON object: the address, and the
version served last.
"""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from loan_default import cli

if TYPE_CHECKING:
    from loan_default.registry.alias_lookup import Look, Sighting
    from loan_default.serving.model_cache import ModelCache


def build_parser() -> argparse.ArgumentParser:
    """The command line; a flag that is not given is as in the settings."""
    flags = cli.parser(__doc__)
    flags.add_argument("--host", help="address to listen on (SERVE_HOST)")
    flags.add_argument("--port", type=cli.port, help="port to listen on (SERVE_PORT)")
    flags.add_argument("--model-name", help="registered model (MODEL_NAME)")
    flags.add_argument("--alias", help="alias to serve (SERVE_ALIAS)")
    return flags


def serve(flags: argparse.Namespace) -> dict[str, Any]:
    """The job: serves until it is told to stop; returns what the JSON line holds."""
    from loan_default.registry.alias_lookup import lookout
    from loan_default.serving.model_cache import ModelCache, cache_folder
    from loan_default.settings import settings

    # Until the server takes signals itself: what was started is stopped, the files are removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    given = {"serve_host": flags.host, "serve_port": flags.port, "serve_alias": flags.alias}
    given["model_name"] = flags.model_name
    config = settings().model_copy(update={k: v for k, v in given.items() if v is not None})
    look = lookout(config, config.model_name, config.serve_alias)
    with cache_folder(config.serve_cache_path) as folder:
        cache = ModelCache(folder, config.model_name, config.serve_alias)
        try:
            begun = _begun(look, cache)
            # The web framework and the rest load while the first version is on its way.
            from loan_default.serving import server

            return server.run(config, begun, cache)
        finally:
            cache.close()


def _begun(look: "Look", cache: "ModelCache") -> "Look":
    """`look` with its first answer on the way, and the fetch that follows from it. In a thread: a
    registry that keeps everybody waiting does not keep the server from starting."""
    first: Future[Sighting | None] = Future()

    def begin() -> None:
        try:
            sighting = look()
            if sighting and not cache.has(sighting.number):
                cache.start(sighting.number)
            first.set_result(sighting)
        # Raised where the answer is asked for.
        except Exception as error:
            first.set_exception(error)

    threading.Thread(target=begin, name="first-look", daemon=True).start()
    looks = iter([first.result])
    return lambda: next(looks, look)()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    return cli.run(build_parser(), serve, argv)


if __name__ == "__main__":
    sys.exit(main())
