"""Make loans in the layout of the LendingClub export, of known default probability.

Shaped like LendingClub's loans of 2007 to 2018 as they stood in March 2019, newest month first; the
same rows and seed give the same bytes. The last line of stdout is a JSON object: rows, output_path,
the matured loans' default_rate, and best_auc: what no model can beat on the matured loans.
best_auc_newest is the same on the newest 20 % of them, in months of which every loan has matured.
Both are null without such loans.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from loan_default import cli


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; flags that are not given come from the settings."""
    flags = cli.parser(__doc__)
    flags.add_argument("--rows", type=int, required=True, help="how many loans")
    flags.add_argument("--seed", type=int, help="0 or more (RANDOM_SEED)")
    flags.add_argument(
        "--output-path", required=True, help=".csv, or .csv.gz, which takes several times as long"
    )
    flags.add_argument("--truth-path", help="also write id,default_probability to this CSV")
    return flags


def job(flags: argparse.Namespace) -> dict[str, Any]:
    """Run the job and return the JSON result."""
    from loan_default.synthetic.export import export

    return export(**vars(flags))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    return cli.run(build_parser(), job, argv)


if __name__ == "__main__":
    sys.exit(main())
