"""Simulate how often the plausibility report suspects loans that are right, and misses wrong units.

Right loans: random samples and special sub-portfolios (each grade, purpose, year, lowest and
highest tenth of every amount), compared with a version's reference. Wrong loans: each column in
each of its other units, in samples of the same sizes. With --other-path the reference comes from
another portfolio. Prints the shares that are warned about and refused.
"""

import argparse
from collections.abc import Iterator

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from loan_default.contract.contract import Contract
from loan_default.contract.load import LENDINGCLUB, load
from loan_default.data.assess import of_columns
from loan_default.data.ingest import open_loans
from loan_default.plausibility import units
from loan_default.plausibility.expected import Expectations, of_contract, of_reference
from loan_default.plausibility.finding import Code, Severity

SIZES, REPEATS, MIN_PART = (5, 20, 100, 1_000), 200, 20
SUSPICIONS = (Code.UNIT, Code.UNLIKE_REFERENCE)


def read(path: str, contract: Contract) -> pl.DataFrame:
    """Return the typed records of a file of finished loans."""
    with open_loans(path, contract, labelled=True) as reader:
        return pl.concat([block.records for block in reader])


def worst(loans: pl.DataFrame, contract: Contract, known: Expectations) -> Severity | None:
    """Return the worst severity of the suspicions about loans; None without any."""
    missing = dict(zip(loans.columns, loans.null_count().row(0), strict=True))
    found = of_columns([loans], loans.height, missing, contract, known)
    severities = {f.severity for f in found if f.code in SUSPICIONS} - {Severity.NOTE}
    refused = Severity.REFUSED in severities
    return Severity.REFUSED if refused else Severity.WARNING if severities else None


def special(loans: pl.DataFrame, contract: Contract) -> Iterator[pl.DataFrame]:
    """Yield sub-portfolios of 20 loans and more."""
    year = pl.col("issue_month").dt.year()
    conditions = [pl.col(c) == level for c, levels in contract.levels.items() for level in levels]
    conditions += [year == value for value in loans["issue_month"].dt.year().unique()]
    for name in contract.numbers:
        low, high = loans[name].quantile(0.1), loans[name].quantile(0.9)
        conditions += [pl.col(name) <= low, pl.col(name) >= high] if low is not None else []
    parts = (loans.filter(condition) for condition in conditions)
    yield from (part for part in parts if part.height >= MIN_PART)


def shares(severities: list[Severity | None]) -> str:
    """Return the shares warned about and refused as a cell."""
    count = len(severities)
    warned = sum(severity == Severity.WARNING for severity in severities) / count
    refused = sum(severity == Severity.REFUSED for severity in severities) / count
    return f"{warned:.1%} / {refused:.1%}"


def wrong(
    loans: pl.DataFrame, contract: Contract, known: Expectations, rows: int
) -> list[Severity | None]:
    """Return the worst severity for a sample in each wrong unit of each column that varies."""
    found = []
    for seed, column in enumerate(contract.record):
        expected = known[column.name].usual
        if column.kind != "number" or expected is None or not loans[column.name].count():
            continue
        for unit in units.others(column):
            sample = loans.sample(rows, seed=seed)
            changed = sample.with_columns(pl.col(column.name) / unit.factor)
            found.append(worst(changed, contract, known))
    return found


def main() -> None:
    """Parse arguments, simulate, print the table."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("data_path", help="an export of finished loans")
    flags.add_argument("--other-path", help="the portfolio of the reference (default: the same)")
    args = flags.parse_args()
    contract = load(LENDINGCLUB)
    loans = read(args.data_path, contract)
    other = read(args.other_path, contract) if args.other_path else loans
    reference = other.sample(min(20_000, other.height), seed=1)
    known = {"contract": of_contract(contract), "reference": of_reference(reference, contract)}
    table = Table("loans", *(f"against the {name}: warned / refused" for name in known))
    generator = np.random.default_rng(1)
    for rows in SIZES:
        seeds = generator.integers(2**31, size=REPEATS)
        samples = [loans.sample(rows, seed=int(seed)) for seed in seeds]
        cells = (shares([worst(s, contract, k) for s in samples]) for k in known.values())
        table.add_row(f"{rows:,} at random", *cells)
    parts = list(special(loans, contract))
    cells = (shares([worst(part, contract, k) for part in parts]) for k in known.values())
    table.add_row(f"{len(parts)} sub-portfolios", *cells)
    for rows in SIZES:
        cells = (shares(wrong(loans, contract, k, rows)) for k in known.values())
        table.add_row(f"{rows:,} in a wrong unit", *cells)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
