"""Train on completed loans, evaluate, register the version and point the candidate alias at it.

Reads an export that CONTRACT describes, or a prepared file. The last line of stdout is a JSON
object: run_id, model_name, model_version, alias, metrics, promotable, reasons, findings (what was
noticed about the file), and registered: whether this run registered a new version. A repeat with
the same --idempotency-key reports what its first try did.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from loan_default import cli


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; flags that are not given come from the settings."""
    flags = cli.parser(__doc__)
    cli.add_paths(flags, "--data-path", "export or prepared file (TRAIN_DATA_PATH)")
    flags.add_argument("--as-of", type=cli.as_of, help="YYYY-MM through which outcomes are known")
    flags.add_argument("--test-from", type=cli.month, help="YYYY-MM of the first test month")
    flags.add_argument("--model-name", help="registered model (MODEL_NAME)")
    flags.add_argument("--alias", help="alias to move to the version (MODEL_ALIAS)")
    flags.add_argument("--idempotency-key", help="a repeat with the same key registers nothing")
    cli.add_accept_findings(flags)
    return flags


def job(flags: argparse.Namespace) -> dict[str, Any]:
    """Run the job and return the JSON result."""
    from loan_default.pipelines.train import Request, train

    return train(Request(**vars(flags)))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    return cli.run(build_parser(), job, argv)


if __name__ == "__main__":
    sys.exit(main())
