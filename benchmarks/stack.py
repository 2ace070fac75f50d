"""Measure the Docker stack: seconds from `make start` to healthy, idle memory, image sizes.

Stops and starts the platform of this checkout and keeps its data. The images are built first.
"""

import argparse
import statistics
import subprocess
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
# Targets, in seconds and megabytes of 10^6 bytes.
START, MEMORY = 90, 4_000
IMAGES = {"serve": 700, "monitoring": 1_900, "airflow-init": 1_900}


def run(*command: str) -> str:
    """Run a command in the checkout and return its stdout."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def start() -> float:
    """Return the seconds that `make start` takes after `make stop`."""
    run("make", "stop")
    started = time.perf_counter()
    run("make", "start")
    return time.perf_counter() - started


def memory() -> float:
    """Return the memory of all containers, in MB."""
    ids = run("docker", "compose", "ps", "--quiet").split()
    lines = run("docker", "stats", "--no-stream", "--format", "{{.MemUsage}}", *ids)
    return sum(map(_bytes, lines.splitlines())) / 1e6


def _bytes(usage: str) -> float:
    used = usage.split("/")[0].strip()
    unit = next(unit for unit in sorted(UNITS, key=len, reverse=True) if used.endswith(unit))
    return float(used.removesuffix(unit)) * UNITS[unit]


def image(service: str) -> float:
    """Return the size of a service's image on disk, in MB."""
    name = run("docker", "compose", "ps", "--all", "--format", "{{.Image}}", service).strip()
    return int(run("docker", "image", "inspect", "--format", "{{.Size}}", name)) / 1e6


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=3, help="number of starts (the median is printed)"
    )
    parser.add_argument(
        "--rest", type=float, default=60, help="idle seconds before memory is measured"
    )
    flags = parser.parse_args()
    run("make", "start")
    seconds = statistics.median(start() for _ in range(flags.rounds))
    time.sleep(flags.rest)
    table = Table("", "measured", "aim")
    table.add_row("make start, images built", f"{seconds:.0f} s", f"< {START} s")
    table.add_row("memory at rest, all containers", f"{memory():,.0f} MB", f"< {MEMORY:,} MB")
    for service, aim in IMAGES.items():
        name = service.removesuffix("-init")
        table.add_row(f"image {name}", f"{image(service):,.0f} MB", f"≤ {aim:,} MB")
    Console().print(table)


if __name__ == "__main__":
    main()
