"""Measure how time and memory of each step grow with the rows; print a table, plot for the docs.

Each size is generated, prepared, trained on, scored (raw and typed) and monitored once, each step
in its own process. Training uses 100 boosting rounds and 3 folds, so that sizes are comparable.
"""

import argparse
import tempfile
from pathlib import Path

from matplotlib import pyplot
from rich.console import Console
from rich.table import Table

from measured import ROOT, Cost, Workplace

SIZES = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
QUICK = {"XGB_MAX_ROUNDS": "100", "CV_FOLDS": "3", "XGB_LEARNING_RATE": "0.1"}
PLOT = ROOT / "docs" / "images" / "growth.png"
Costs = dict[str, dict[int, Cost]]


def steps(place: Workplace, rows: int) -> dict[str, Cost]:
    """Return the cost of each step for that many rows; leave no files behind."""
    made = ("--rows", str(rows), "--seed", "1", "--output-path", "raw.csv")
    paths = ("--input-path", "raw.csv", "--output-path", "typed.parquet")
    scored = ("--reasons", "none", "--rescore", "--output-path", "scored")
    found = {
        "make_loans": place.script("make_loans", *made),
        "prepare_data": place.script("prepare_data", *paths),
        "train_with_mlflow": place.script("train_with_mlflow", "--data-path", "typed.parquet"),
        "batch_predict, raw CSV": place.script("batch_predict", *scored, "--input-path", "raw.csv"),
        "batch_predict, Parquet": place.script(
            "batch_predict", *scored, "--input-path", "typed.parquet"
        ),
        "monitor_predictions": place.script("monitor_predictions", "--output-path", "scored"),
    }
    for name in ("raw.csv", "typed.parquet"):
        (place.folder / name).unlink()
    return found


def show(found: Costs) -> None:
    """Print a table of seconds and MiB."""
    sizes = list(next(iter(found.values())))
    table = Table("step", *(f"{rows:,}" for rows in sizes), title="seconds (peak MiB)")
    for step, costs in found.items():
        cells = (f"{costs[rows].seconds:.1f} ({costs[rows].memory:,.0f})" for rows in sizes)
        table.add_row(step, *cells)
    Console(width=120).print(table)


def draw(found: Costs, path: Path) -> None:
    """Plot seconds and memory over the rows on log scales, next to proportional growth."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for step, costs in found.items():
        rows = list(costs)
        left.plot(rows, [costs[n].seconds for n in rows], marker="o", label=step)
        right.plot(rows, [costs[n].memory / 1024 for n in rows], marker="o", label=step)
    ends = [min(rows), max(rows)]
    left.plot(ends, [n / 100_000 for n in ends], ":", color="grey", label="100,000 rows a second")
    for axes, what in ((left, "seconds"), (right, "peak memory, GiB")):
        axes.set(xscale="log", yscale="log", xlabel="rows", ylabel=what)
        axes.grid(alpha=0.3)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    left.legend(frameon=False, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def main() -> None:
    """Measure, print and plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--plot", type=Path, default=PLOT)
    flags = parser.parse_args()
    found: Costs = {}
    for rows in flags.sizes:
        with tempfile.TemporaryDirectory() as temporary:
            for step, cost in steps(Workplace(Path(temporary), **QUICK), rows).items():
                found.setdefault(step, {})[rows] = cost
        # After each size, since the largest takes longer than all the others together.
        show(found)
        draw(found, flags.plot)


if __name__ == "__main__":
    main()
