"""What a day's monitoring costs as the day grows: seconds and peak memory, with and without labels.

Scores generated loans with one model, then runs `monitor_predictions.py` on each size in turns, in
processes of its own. Prints medians, and the time of the largest against that of the smallest.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
QUICK = {"XGB_MAX_ROUNDS": "100", "CV_FOLDS": "3", "XGB_LEARNING_RATE": "0.1"}
LEARNED = 100_000
DAY = "2026-03-01"


def run(folder: Path, script: str, *arguments: str) -> tuple[float, float]:
    """Seconds that a script took, and its peak memory in MiB."""
    settings = {
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "MLFLOW_ARTIFACT_ROOT": str(folder / "mlruns"),
        "LOG_LEVEL": "ERROR",
        **QUICK,
    }
    command = [sys.executable, str(ROOT / "src" / f"{script}.py"), *arguments]
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=os.environ | settings, stdout=subprocess.DEVNULL
    )
    # The usage of this very child, which the process object would lose.
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"{script} failed")
    return seconds, usage.ru_maxrss / 1024


def prepare(folder: Path, sizes: list[int]) -> None:
    """Loans of each size, a model that learned from others, and a scored day of each."""
    learned = str(folder / "learned.csv")
    run(folder, "make_loans", "--rows", str(LEARNED), "--seed", "1", "--output-path", learned)
    run(folder, "train_with_mlflow", "--data-path", learned)
    for rows in sizes:
        loans, root = str(folder / f"{rows}.csv"), str(folder / f"out{rows}")
        run(folder, "make_loans", "--rows", str(rows), "--seed", "2", "--output-path", loans)
        scored = ("--input-path", loans, "--output-path", root, "--run-date", DAY)
        run(folder, "batch_predict", "--reasons", "none", *scored)


def monitor(folder: Path, rows: int, labels: bool) -> tuple[float, float]:
    """Monitor the day of that size."""
    more = ("--labels", str(folder / f"{rows}.csv")) if labels else ()
    return run(folder, "monitor_predictions", "--output-path", str(folder / f"out{rows}"), *more)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 2_260_000])
    parser.add_argument("--rounds", type=int, default=3)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(folder, flags.rows)
        table = Table("rows", "labels", "seconds", "against the first", "peak MiB")
        for labels in (False, True):
            rounds = [
                [monitor(folder, rows, labels) for rows in flags.rows] for _ in range(flags.rounds)
            ]
            first = statistics.median(found[0][0] for found in rounds)
            for place, rows in enumerate(flags.rows):
                seconds = statistics.median(found[place][0] for found in rounds)
                peak = max(found[place][1] for found in rounds)
                cells = (f"{seconds:.1f}", f"{seconds / first:.2f}", f"{peak:,.0f}")
                table.add_row(f"{rows:,}", "every loan" if labels else "none", *cells)
        Console().print(table)


if __name__ == "__main__":
    main()
