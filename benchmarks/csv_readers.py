"""Compare the platform's CSV reader with pyarrow, polars and DuckDB, on faulty files and for speed.

`csv_peers.py` holds the readers; ADR 14 quotes the figures. Each reader reads an export, and reads
and parses it, in turn and in a process of its own; the start-up is not counted. DuckDB is in no
lock; to try it, make an environment that you can throw away:
`make install VENV=/tmp/tried; /tmp/tried/bin/uv pip install --python /tmp/tried/bin/python duckdb`
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from measured import Cost, Workplace

PEERS, HERE = "csv_peers", "here"
WORK = ("read", "parse")


def show_faults(found: dict[str, dict[str, str]]) -> None:
    """Print what each reader does with each case."""
    readers = list(next(iter(found.values())))
    table = Table("fault", *readers, title="faulty files")
    for fault, by_reader in found.items():
        table.add_row(fault, *by_reader.values())
    Console(width=150).print(table)


def costs(place: Workplace, readers: list[str], rows: int, rounds: int) -> None:
    """Print the cost of a clean export for each reader: medians over the rounds."""
    made = ("--rows", str(rows), "--seed", "1", "--output-path", "raw.csv")
    place.script("make_loans", *made)
    found: dict[tuple[str, str], list[Cost]] = {}
    for _ in range(rounds):
        for work in WORK:
            for name in readers:
                cost = place.peer(PEERS, work, "raw.csv", name)
                found.setdefault((work, name), []).append(cost)
    table = Table("work", "reader", "seconds", "CPU seconds", "CPU ratio", "peak MiB")
    for (work, name), measured in found.items():
        processor = _median(measured, "processor")
        ratio = processor / _median(found[work, HERE], "processor")
        memory = max(cost.memory for cost in measured)
        seconds = f"{_median(measured, 'seconds'):.2f}"
        table.add_row(work, name, seconds, f"{processor:.2f}", f"{ratio:.2f}", f"{memory:,.0f}")
    Console(width=110).print(table)


def _median(measured: list[Cost], figure: str) -> float:
    return statistics.median(cost.result[figure] for cost in measured)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = Workplace(Path(temporary))
        found = place.peer(PEERS, "faults").result
        show_faults(found)
        costs(place, list(next(iter(found.values()))), flags.rows, flags.rounds)


if __name__ == "__main__":
    main()
