"""Replay training at each quarter's start with what was known then, and test on that quarter.

Compares the ways to learn, all by the platform's own code: from the hazard of default over every
month observed, over the first 18 months alone, and from matured loans alone. For each, AUC, mean
predicted over observed defaults and Brier score, and the paired bootstrap interval of the AUC over
that of the price alone. The last line of stdout is a JSON object with every figure.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from loan_default import cli
from loan_default.columns import DEFAULT, ISSUE_MONTH
from loan_default.contract.contract import Contract
from loan_default.contract.load import load
from loan_default.errors import InputError
from loan_default.metrics import classification, intervals
from loan_default.model.artifact import Vector
from loan_default.pipelines.train import read
from loan_default.settings import settings
from loan_default.training import benchmarks, cohorts, fitting, training_set

WAYS = {"every month observed": 60, "first 18 months": 18, "matured loans alone": 0}


@dataclass(frozen=True)
class Scored:
    """The loans of a quarter, or of all: outcomes, default probabilities and price, each (n,)."""

    default: Any
    probability: Vector
    price: Vector

    def figures(self) -> dict[str, float]:
        """Return the figures of the quarter."""
        area = intervals.auc(self.default, self.probability)
        price = intervals.auc(self.default, self.price)
        gain = classification.paired_auc_difference(
            self.default, self.price, self.probability, seed=0, resamples=500
        )
        assert area and price
        ratio = self.probability.mean() / self.default.mean()
        brier = classification.brier(self.default, self.probability)
        found = {"AUC": area.value, "price": price.value, "low": gain.low, "high": gain.high}
        return found | {"ratio": float(ratio), "Brier": brier}


def replay(flags: argparse.Namespace) -> dict[str, Any]:
    """Return the figures by way and quarter, and of all quarters together."""
    contract = load(settings().contract)
    loans, _, _ = read(flags.data_path, contract, settings().max_rejected_share)
    first = 12 * flags.first.year + flags.first.month - 1
    starts = [first + 3 * quarter for quarter in range(flags.quarters)]
    table = Table(
        "learned from", "quarter", "AUC", "price alone", "AUC over price", "ratio", "Brier"
    )
    found: dict[str, Any] = {}
    for way, window in WAYS.items():
        quarters = {}
        for start in starts:
            try:
                quarters[_named(start)] = _scored(loans, start, window, contract)
            except InputError as error:
                Console(stderr=True).print(f"{way}, {_named(start)}: {error}")
        found[way] = {name: scored.figures() for name, scored in quarters.items()}
        if quarters:
            found[way]["all"] = _together(list(quarters.values())).figures()
        for quarter, row in found[way].items():
            gain = f"{row['low']:+.4f} to {row['high']:+.4f}"
            shown = [f"{row[name]:.3f}" for name in ("AUC", "price")]
            table.add_row(way, quarter, *shown, gain, f"{row['ratio']:.2f}", f"{row['Brier']:.4f}")
    Console(stderr=True, width=110).print(table)
    return found


def _scored(loans: pl.DataFrame, start: int, window: int, contract: Contract) -> Scored:
    """Train with what was known before the month `start` and score the quarter from it on."""
    config, known = settings(), _month(start - 1)
    then = cohorts.known_by(loans, known)
    if window:
        data = training_set.windowed(then, known, window, contract, known)
    else:
        matured = cohorts.matured(then, known)
        every = np.ones(matured.height, dtype=bool)
        data = training_set.full_term(matured, every, contract, known)
    validation = fitting.cross_validate(data, contract, config)
    model, _ = fitting.assemble(data, validation, contract, config)
    month = pl.col(ISSUE_MONTH)
    test = loans.filter(
        month >= _month(start), month < _month(start + 3), pl.col(DEFAULT).is_not_null()
    )
    price = benchmarks.price_score(test, contract)
    if price is None:
        raise InputError("the contract names no price to compare with")
    return Scored(test[DEFAULT].to_numpy(), model.probability(test), price)


def _together(quarters: list[Scored]) -> Scored:
    joined = (np.concatenate(each) for each in zip(*(vars(q).values() for q in quarters)))
    return Scored(*joined)


def _month(number: int) -> date:
    return date(number // 12, number % 12 + 1, 1)


def _named(start: int) -> str:
    return f"{start // 12}Q{start % 12 // 3 + 1}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    flags = cli.parser(__doc__)
    flags.add_argument("--data-path", required=True, help="export with final outcomes")
    flags.add_argument("--first", type=cli.month, default=date(2010, 1, 1), help="YYYY-MM")
    flags.add_argument("--quarters", type=int, default=4)
    return cli.run(flags, replay, argv)


if __name__ == "__main__":
    sys.exit(main())
