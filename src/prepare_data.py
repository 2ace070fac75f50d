"""Convert an export of loans into typed application records with an outcome.

Rows that break the data contract go to rejected.csv next to the output, each with a code and a
reason. The last line of stdout is a JSON object: output_path, rejected_path, as_of and the counts.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from loan_default import cli


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; flags that are not given come from the settings."""
    flags = cli.parser(__doc__)
    cli.add_paths(flags, "--input-path", "the export, CSV or Parquet (TRAIN_DATA_PATH)")
    flags.add_argument("--output-path", help=".parquet or .csv (PREPARED_DATA_PATH)")
    flags.add_argument("--as-of", type=cli.as_of, help="YYYY-MM through which outcomes are known")
    cli.add_accept_findings(flags)
    return flags


def job(flags: argparse.Namespace) -> dict[str, Any]:
    """Run the job and return the JSON result."""
    from loan_default.contract import load as contracts
    from loan_default.data import prepare as prepared
    from loan_default.settings import settings

    config = settings()
    return prepared.prepare(
        contracts.load(config.contract),
        flags.input_path or config.train_data_path,
        flags.output_path or config.prepared_data_path,
        flags.as_of,
        config.max_rejected_share,
        config.max_unknown_share,
        flags.accept_findings,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    return cli.run(build_parser(), job, argv)


if __name__ == "__main__":
    sys.exit(main())
