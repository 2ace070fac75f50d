"""Benchmark each step on a file of LendingClub's full size against the usual pandas code.

Generates loans once, then runs every case and its peer in turns, each in its own process, and
prints median seconds, ratios and maximum memory. The peers are in `pandas_way.py`; the one that
reads all columns takes 10 GB.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from measured import Cost, Workplace, median

FULL, SHORTER, EXPLAINED = 2_260_000, 1_000_000, 100_000
TRAINED_ON = 300_000
MODEL = "models:/loan_default_model@staging"
SCRIPTS = (
    "make_loans",
    "prepare_data",
    "train_with_mlflow",
    "promote_model",
    "batch_predict",
    "monitor_predictions",
    "serve_model",
)


@dataclass(frozen=True)
class Case:
    """Work on `rows` rows; its time is compared with that of the case `peer`."""

    name: str
    rows: int
    work: Callable[[], Cost]
    peer: str = ""


def loans(place: Workplace, rows: int, name: str = "") -> Cost:
    """Generate an export of `rows` loans."""
    path = name or f"{rows}.csv"
    return place.script("make_loans", "--rows", str(rows), "--seed", "1", "--output-path", path)


def prepare(place: Workplace, rows: int) -> Cost:
    """Convert the export to typed Parquet."""
    paths = ("--input-path", f"{rows}.csv", "--output-path", f"{rows}.parquet")
    return place.script("prepare_data", *paths)


def score(place: Workplace, path: str, reasons: str = "none") -> Cost:
    """Score a file of applications."""
    given = ("--input-path", path, "--output-path", "scored", "--rescore")
    return place.script("batch_predict", *given, "--reasons", reasons)


def pandas_prepare(place: Workplace, rows: int, how: str = "prepare") -> Cost:
    """Convert the export in pandas."""
    return place.peer("pandas_way", how, f"{rows}.csv", "peer.parquet")


def pandas_score(place: Workplace, rows: int) -> Cost:
    """Score the export with pandas and MLflow's pyfunc."""
    return place.peer("pandas_way", "score", f"{rows}.csv", "peer.csv", MODEL)


def cases(place: Workplace, full: int, shorter: int) -> list[Case]:
    """Return every case, each peer before the cases compared with it."""
    explained = min(EXPLAINED, shorter)
    return [
        Case("make_loans", full, lambda: loans(place, full, "again.csv")),
        Case("make_loans", shorter, lambda: loans(place, shorter, "again.csv")),
        Case("pandas: prepare", full, lambda: pandas_prepare(place, full)),
        Case(
            "pandas, used columns: prepare",
            full,
            lambda: pandas_prepare(place, full, "prepare_used"),
            "pandas: prepare",
        ),
        Case("prepare_data", full, lambda: prepare(place, full), "pandas: prepare"),
        Case("pandas + pyfunc: score", full, lambda: pandas_score(place, full)),
        Case(
            "batch_predict, raw CSV",
            full,
            lambda: score(place, f"{full}.csv"),
            "pandas + pyfunc: score",
        ),
        Case("batch_predict, raw CSV, shorter", shorter, lambda: score(place, f"{shorter}.csv")),
        Case(
            "batch_predict, typed Parquet",
            full,
            lambda: score(place, f"{full}.parquet"),
            "pandas + pyfunc: score",
        ),
        Case("batch_predict", explained, lambda: score(place, f"{explained}.csv")),
        Case(
            "batch_predict --reasons declined",
            explained,
            lambda: score(place, f"{explained}.csv", "declined"),
            "batch_predict",
        ),
    ]


def show(found: dict[str, list[Cost]], listed: list[Case]) -> None:
    """Print the table."""
    table = Table("case", "rows", "seconds", "rows a second", "peak MiB", "times as fast")
    medians = {name: median(costs) for name, costs in found.items()}
    for case in listed:
        cost = medians[_key(case)]
        peer = next((medians[_key(c)] for c in listed if c.name == case.peer), None)
        table.add_row(
            case.name,
            f"{case.rows:,}",
            f"{cost.seconds:.1f}",
            f"{case.rows / cost.seconds:,.0f}",
            f"{cost.memory:,.0f}",
            f"{peer.seconds / cost.seconds:.1f}" if peer else "",
        )
    Console(width=110).print(table)


def _key(case: Case) -> str:
    return f"{case.name} {case.rows}"


def start_up(place: Workplace, rounds: int) -> dict[str, float]:
    """Return by script the median seconds to print `--help`."""
    return {
        name: statistics.median(place.script(name, "--help").seconds for _ in range(rounds))
        for name in SCRIPTS
    }


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=FULL)
    parser.add_argument("--shorter", type=int, default=SHORTER)
    parser.add_argument("--rounds", type=int, default=3)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = Workplace(Path(temporary))
        for rows in {flags.rows, flags.shorter, min(EXPLAINED, flags.shorter)}:
            loans(place, rows)
        prepare(place, flags.rows)
        loans(place, TRAINED_ON, "training.csv")
        trained = place.script("train_with_mlflow", "--data-path", "training.csv")
        listed = cases(place, flags.rows, flags.shorter)
        found: dict[str, list[Cost]] = {_key(case): [] for case in listed}
        for _ in range(flags.rounds):
            for case in listed:
                found[_key(case)].append(case.work())
        show(found, listed)
        print(
            f"Training on {TRAINED_ON:,} loans, start-up and reports included: "
            f"{trained.seconds:.0f} s, {trained.memory:,.0f} MiB"
        )
        slowest = max(start_up(place, flags.rounds).items(), key=lambda item: item[1])
        print(f"--help: {slowest[1]:.2f} s at most ({slowest[0]})")


if __name__ == "__main__":
    main()
