"""Generate loans in the layout of the LendingClub export, with known default probabilities.

They resemble LendingClub's loans of 2007 to 2018 as of March 2019, newest month first; the same
rows and seed give the same bytes. The last line of stdout is a JSON object: rows, output_path,
default_rate of the matured loans, and best_auc, the highest AUC that a model can reach on them.
best_auc_newest is the same for the newest 20% of them, in issue months of which every loan has
matured. Both are null if there are no such loans.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from loan_default import cli


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; flags that are not given come from the settings."""
    flags = cli.parser(__doc__)
    flags.add_argument("--rows", type=int, required=True, help="number of loans")
    flags.add_argument("--seed", type=int, help="random seed, 0 or more (RANDOM_SEED)")
    flags.add_argument(
        "--output-path", required=True, help=".csv, or .csv.gz (several times slower)"
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
