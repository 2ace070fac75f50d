"""Serve the model version behind an alias over REST and hot-swap it when the alias moves.

MLflow's scoring protocol at /invocations; /docs describes the rest. The server starts before any
model exists and picks up the first one by itself. Logs are JSON lines on stderr. On SIGTERM it
finishes the requests in flight and exits. The last line of stdout is a JSON object: the address and
the version served last.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from loan_default import cli


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; flags that are not given come from the settings."""
    flags = cli.parser(__doc__)
    flags.add_argument("--host", help="address to listen on (SERVE_HOST)")
    flags.add_argument("--port", type=cli.port, help="port to listen on (SERVE_PORT)")
    flags.add_argument("--model-name", help="registered model (MODEL_NAME)")
    flags.add_argument("--alias", help="alias to serve (SERVE_ALIAS)")
    return flags


def job(flags: argparse.Namespace) -> dict[str, Any]:
    """Serve until stopped and return the JSON result."""
    from loan_default.serving.launch import serve
    from loan_default.settings import settings

    overrides = {
        "serve_host": flags.host,
        "serve_port": flags.port,
        "model_name": flags.model_name,
        "serve_alias": flags.alias,
    }
    given = {name: value for name, value in overrides.items() if value is not None}
    return serve(settings().model_copy(update=given))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    return cli.run(build_parser(), job, argv)


if __name__ == "__main__":
    sys.exit(main())
