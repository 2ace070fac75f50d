"""Serve the version behind an alias over REST, and the next one without a pause.

MLflow's scoring protocol at /invocations; /docs describes the rest. Starts before any model exists
and takes the first one up by itself. Logs are JSON lines on stderr; ends on SIGTERM once the
requests in flight are answered. The last line of stdout is a JSON object: the address, and the
version served last.
"""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from loan_default import cli
from loan_default.errors import ServiceError

if TYPE_CHECKING:
    from loan_default.lookout import Look
    from loan_default.model_cache import ModelCache


def build_parser() -> argparse.ArgumentParser:
    """The command line; a flag that is not given is as in the settings."""
    flags = cli.parser(__doc__)
    flags.add_argument("--host", help="address to listen on (SERVE_HOST)")
    flags.add_argument("--port", type=int, help="port to listen on (SERVE_PORT)")
    flags.add_argument("--model-name", help="registered model (MODEL_NAME)")
    flags.add_argument("--alias", help="alias to serve (SERVE_ALIAS)")
    return flags


def serve(flags: argparse.Namespace) -> dict[str, Any]:
    """The job: serves until it is told to stop; returns what the JSON line holds."""
    from loan_default.lookout import lookout
    from loan_default.model_cache import ModelCache, cache_folder
    from loan_default.settings import settings

    given = {"serve_host": flags.host, "serve_port": flags.port, "serve_alias": flags.alias}
    given["model_name"] = flags.model_name
    config = settings().model_copy(update={k: v for k, v in given.items() if v is not None})
    look = lookout(config, config.model_name, config.serve_alias)
    with cache_folder(config.serve_cache_path) as folder:
        cache = ModelCache(folder, config.model_name, config.serve_alias)
        try:
            _start_fetching(look, cache)
            # The web framework and the rest load while the first version is on its way.
            from loan_default import serving

            return serving.run(config, look, cache)
        finally:
            cache.close()


def _start_fetching(look: "Look", cache: "ModelCache") -> None:
    with contextlib.suppress(ServiceError):
        sighting = look()
        if sighting and not cache.has(sighting.number):
            cache.start(sighting.number)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    return cli.run(build_parser(), serve, argv)


if __name__ == "__main__":
    sys.exit(main())
