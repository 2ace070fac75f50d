"""Draft a data contract from a file of finished loans, for a person to edit.

What looks like known only afterwards, a proxy for a protected characteristic, an id or a constant
is set apart and left out; a table on the terminal says why. The last line of stdout is a JSON
object: contract_path, rows, issued (first and last month), features, look_again (features that
predict well alone), known_afterwards, proxies, unused, outcome.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from loan_default import cli


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; what is not answered is guessed, or asked for in an error."""
    flags = cli.parser(__doc__)
    flags.add_argument("--input-path", required=True, help="the loans, CSV or Parquet")
    flags.add_argument("--output-path", default="contract.toml", help="the contract to write")
    flags.add_argument("--id", help="column of the id")
    flags.add_argument("--issued", help="column of the date on which the loan was granted")
    flags.add_argument("--term", help="column of the term in months, or the months of every loan")
    flags.add_argument("--outcome", help="column of the outcome")
    flags.add_argument("--default-when", help="its words for a default, separated by commas")
    flags.add_argument(
        "--open-when", help="its words for a loan that still runs, separated by commas"
    )
    return flags


def job(flags: argparse.Namespace) -> dict[str, Any]:
    """Run the job and return the JSON result."""
    from loan_default.drafting.draft import draft

    answers = vars(flags)
    return draft(answers.pop("input_path"), answers.pop("output_path"), answers)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    return cli.run(build_parser(), job, argv)


if __name__ == "__main__":
    sys.exit(main())
