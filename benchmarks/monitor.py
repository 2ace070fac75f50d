"""Benchmark a day's monitoring by size of the day, with and without labels.

Scores generated loans with one model, then runs `monitor_predictions.py` on each size in turns,
each time in its own process. Prints median seconds and peak memory, and how many times as long the
largest size takes as the smallest.
"""

import argparse
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from measured import Cost, Workplace, median

QUICK = {"XGB_MAX_ROUNDS": "100", "CV_FOLDS": "3", "XGB_LEARNING_RATE": "0.1"}
TRAINED_ON = 100_000
DAY = "2026-03-01"


def prepare(place: Workplace, sizes: list[int]) -> None:
    """Generate loans, train a model on other loans, and score a day of each size."""
    place.script("make_loans", *_loans(TRAINED_ON, 1, "training.csv"))
    place.script("train_with_mlflow", "--data-path", "training.csv")
    for rows in sizes:
        place.script("make_loans", *_loans(rows, 2, f"{rows}.csv"))
        scored = ("--input-path", f"{rows}.csv", "--output-path", f"out{rows}", "--run-date", DAY)
        place.script("batch_predict", "--reasons", "none", *scored)


def _loans(rows: int, seed: int, path: str) -> tuple[str, ...]:
    return ("--rows", str(rows), "--seed", str(seed), "--output-path", path)


def monitor(place: Workplace, rows: int, labels: bool) -> Cost:
    """Monitor the day of that size."""
    more = ("--labels", f"{rows}.csv") if labels else ()
    return place.script("monitor_predictions", "--output-path", f"out{rows}", *more)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 2_260_000])
    parser.add_argument("--rounds", type=int, default=3)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = Workplace(Path(temporary), **QUICK)
        prepare(place, flags.rows)
        table = Table("rows", "labels", "seconds", "against the first", "peak MiB")
        for labels in (False, True):
            rounds = [
                [monitor(place, rows, labels) for rows in flags.rows] for _ in range(flags.rounds)
            ]
            medians = [median(costs) for costs in zip(*rounds, strict=True)]
            for rows, cost in zip(flags.rows, medians, strict=True):
                growth = cost.seconds / medians[0].seconds
                cells = (f"{cost.seconds:.1f}", f"{growth:.2f}", f"{cost.memory:,.0f}")
                table.add_row(f"{rows:,}", "every loan" if labels else "none", *cells)
        Console().print(table)


if __name__ == "__main__":
    main()
