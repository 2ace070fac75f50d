"""Promote a model version through the gate, or roll production back to the previous version.

A refusal is a result, not a failure: exit code 0 with "promoted": false and the reasons. The last
line of stdout is a JSON object: promoted, model_version, checks, reasons.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from loan_default import cli


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; flags that are not given come from the settings."""
    flags = cli.parser(__doc__)
    flags.add_argument("--model-name", help="registered model (MODEL_NAME)")
    flags.add_argument("--from-alias", help="alias of the candidate (MODEL_ALIAS)")
    flags.add_argument("--to-alias", help="alias to move (PRODUCTION_ALIAS)")
    flags.add_argument("--version", help="promote this version instead of the one behind the alias")
    flags.add_argument("--output-path", help="root of promotions/ (OUTPUT_PATH)")
    flags.add_argument(
        "--triggered-by", help="person or schedule that asked (default: your user name)"
    )
    flags.add_argument(
        "--trigger-source", default="cli", help="program that called this script (default: cli)"
    )
    what = flags.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="evaluate only: move no alias")
    what.add_argument("--rollback", action="store_true", help="restore the previous version")
    what.add_argument("--force", action="store_true", help="skip the gate; needs --reason")
    flags.add_argument("--reason", help="why the gate is skipped, or production rolled back")
    return flags


def job(flags: argparse.Namespace) -> dict[str, Any]:
    """Run the job and return the JSON result."""
    from loan_default.pipelines.promote import Request, promote

    return promote(Request(**vars(flags)))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    return cli.run(build_parser(), job, argv)


if __name__ == "__main__":
    sys.exit(main())
