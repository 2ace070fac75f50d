"""Score a file of applications with a registered model version.

Writes predictions.parquet, sample.parquet, rejected.csv and manifest.json under
ROOT/predictions/run_date=YYYY-MM-DD/, then updates the marker latest_prediction.txt. Scoring a date
again uses the version in its manifest and writes the same files, unless --rescore is given. Another
file of the same date needs a name of its own, --batch, and is written to batch=NAME/ below. The
last line of stdout is a JSON object: run_date, the paths, model_version and the row counts.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from loan_default import cli


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; flags that are not given come from the settings."""
    flags = cli.parser(__doc__)
    cli.add_paths(flags, "--input-path", "applications, raw or typed (BATCH_INPUT_PATH)")
    flags.add_argument("--output-path", help="root of predictions/ (OUTPUT_PATH)")
    flags.add_argument("--run-date", type=cli.run_date, help="YYYY-MM-DD (default: today in UTC)")
    flags.add_argument("--model-name", help="registered model (MODEL_NAME)")
    flags.add_argument("--alias", help="aliases A[,B]: the first that exists is used (BATCH_ALIAS)")
    flags.add_argument(
        "--reasons",
        choices=("declined", "all", "none"),
        default="declined",
        help="applications that get reasons (default: declined)",
    )
    flags.add_argument(
        "--rescore", action="store_true", help="use the version behind the alias now"
    )
    flags.add_argument(
        "--batch", type=cli.batch, help="name of a further run, of another file of the same date"
    )
    flags.add_argument(
        "--latest",
        action="store_true",
        help="with --rescore: the newest scored date with its own input; --run-date if none is",
    )
    cli.add_accept_findings(flags)
    return flags


def job(flags: argparse.Namespace) -> dict[str, Any]:
    """Run the job and return the JSON result."""
    from loan_default.pipelines.batch import Request, predict

    return predict(Request(**vars(flags)))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    return cli.run(build_parser(), job, argv)


if __name__ == "__main__":
    sys.exit(main())
