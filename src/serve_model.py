"""Serve the version behind an alias over REST, and the next one without a pause.

MLflow's scoring protocol at /invocations; /docs describes the rest. Starts before any model exists
and takes the first one up by itself. Logs are JSON lines on stderr; ends on SIGTERM once the
requests in flight are answered. The last line of stdout is a JSON object: the address, and the
version served last.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from loan_default import cli


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
    from loan_default import serving
    from loan_default.settings import settings

    config = settings()
    given = {"serve_host": flags.host, "serve_port": flags.port, "serve_alias": flags.alias}
    given["model_name"] = flags.model_name
    return serving.run(config.model_copy(update={k: v for k, v in given.items() if v is not None}))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    return cli.run(build_parser(), serve, argv)


if __name__ == "__main__":
    sys.exit(main())
