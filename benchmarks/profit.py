"""Measure what each threshold strategy earns on the newest year, on your own loans.

Trains on the loans issued before that year, with their final outcomes, chooses each strategy's
threshold on their out-of-fold probabilities, and applies it to the loans of the year. Prints the
measures with their intervals; the last line of stdout is a JSON object with all of them. It all
holds among approved loans.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from typing import Any

from loan_default import cli


def measure(flags: argparse.Namespace) -> dict[str, Any]:
    """Return the measures of each strategy: out of fold, and on the newest year."""
    import polars as pl
    from rich.console import Console
    from rich.table import Table

    from loan_default.columns import ISSUE_MONTH
    from loan_default.contract.load import load
    from loan_default.data.ingest import open_loans
    from loan_default.errors import InputError
    from loan_default.settings import settings
    from loan_default.training import cohorts, threshold_report, thresholds, train

    config = settings()
    contract = load(config.contract)
    with open_loans(flags.data_path, contract, labelled=True) as reader:
        loans = pl.concat([block.records for block in reader]).drop("row")
    as_of = flags.as_of or reader.as_of
    if as_of is None:
        raise InputError("the file does not tell through which month outcomes are known: --as-of")
    months = cohorts.complete_months(loans, as_of)
    year = date(months[-1].year, 1, 1)
    split = cohorts.split(loans.filter(pl.col(ISSUE_MONTH) < year), as_of, config.test_share)
    trained = train.train(split, contract, config)
    complete = pl.col(ISSUE_MONTH).is_between(year, months[-1])
    newest = cohorts.matured(loans, as_of).filter(complete)
    chosen, probability = trained.thresholds, trained.served.probability(newest)
    tested = thresholds.evaluate(chosen, newest, probability, config, contract)
    console = Console(stderr=True, width=160)
    for where, measured in (("out of fold", chosen.measured), ("newest year", tested)):
        title = f"{measured.loans:,} loans, {where}; profits in thousands"
        table = Table(*threshold_report.HEAD, title=title)
        for name, row in measured.table.items():
            table.add_row(name, *threshold_report.cells(row))
        console.print(table)
    return threshold_report.as_json(chosen, tested) | {"year": year.year}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    flags = cli.parser(__doc__)
    flags.add_argument("--data-path", required=True, help="export or prepared file with outcomes")
    flags.add_argument("--as-of", type=cli.as_of, help="month through which outcomes are known")
    return cli.run(flags, measure, argv)


if __name__ == "__main__":
    sys.exit(main())
