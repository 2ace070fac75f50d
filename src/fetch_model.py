"""Download a model version atomically and check that it loads and scores.

The scoring server runs this as a child process for each new version, so that a corrupt file crashes
this process and not the server, and so that the server never imports MLflow (nor does this script
unless the files cannot be fetched without it). The last line of stdout is a JSON object:
model_version, folder and unusable, the reason why the version cannot be served (null if it can).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loan_default import cli


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    flags = cli.parser(__doc__)
    flags.add_argument("--model-name", required=True, help="registered model")
    flags.add_argument("--version", required=True, help="version to download")
    flags.add_argument("--folder", required=True, type=Path, help="destination folder")
    return flags


def job(flags: argparse.Namespace) -> dict[str, Any]:
    """Run the job and return the JSON result."""
    from loan_default.serving.fetch import fetch
    from loan_default.settings import settings

    return fetch(settings(), flags.model_name, flags.version, flags.folder)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    return cli.run(build_parser(), job, argv)


if __name__ == "__main__":
    sys.exit(main())
