"""Compare the fast path of `serving/request_features.py` with `parsing.parse`, the reader of files.

ADR 16 quotes the figures. First in this process: requests of several sizes are read, and scored, in
turn. Then over HTTP: the scoring server, and one that reads every request with `parsing.parse`.
Prints medians.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from unittest import mock

import orjson
from rich.console import Console
from rich.table import Table

from loan_default.registry import resolve
from loan_default.sandbox.local_stack import free_ports
from loan_default.serving import loaded_model, request_features
from loan_default.settings import Settings
from measured import ROOT
from serve import NAME, Bench, Server, figures_of, running

SIZES = (1, 20, 1_000)
# Without a plan for its columns, no request takes the fast path
PARSE_ALL = mock.patch.object(request_features, "_fast_path", lambda *_: None)


def sample(rows: int) -> request_features.RequestTable:
    """Return the sample request with its row repeated `rows` times."""
    split = orjson.loads((ROOT / "data" / "sample_input.json").read_bytes())["dataframe_split"]
    return request_features.RequestTable(tuple(split["columns"]), split["data"] * rows)


def loaded(bench: Bench, folder: Path) -> loaded_model.LoadedModel:
    """Load the registered version into this process."""
    folder.mkdir()
    files = resolve.files(Settings(mlflow_tracking_uri=bench.uri), NAME, "1", folder)
    return loaded_model.load(files, NAME, "1", threads=1)


def milliseconds(works: list[Callable[[], object]], rounds: int) -> list[float]:
    """Return the median of each work; they are done in turn."""
    found: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, seconds in zip(works, found, strict=True):
            started = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - started)
    return [1000 * statistics.median(seconds) for seconds in found]


def in_process(bench: Bench, folder: Path, rounds: int) -> None:
    """Print the time of reading and of scoring."""
    quick = loaded(bench, folder / "quick")
    with PARSE_ALL:
        slow = loaded(bench, folder / "slow")
    today = date.today()
    table = Table(
        "rows", "fast path, ms", "parse, ms", "times", "scored, ms", "by parse, ms", "times"
    )
    for size in SIZES:
        rows = sample(size)
        read, parsed, scored, both = milliseconds(
            [
                lambda: quick.reader.read(rows, today),
                lambda: slow.reader.read(rows, today),
                lambda: quick.score(rows, False, today),
                lambda: slow.score(rows, False, today),
            ],
            rounds,
        )
        cells = (read, parsed, parsed / read, scored, both, both / scored)
        table.add_row(f"{size:,}", *(f"{cell:.3g}" for cell in cells))
    Console(width=110).print(table)


def over_http(bench: Bench, repeats: int) -> None:
    """Print the latency and the throughput of both servers."""
    (port,) = free_ports(1)
    command = [sys.executable, __file__, "--serve-by-parse", "--port", str(port)]
    servers: dict[str, Server] = {
        "as it is": bench.ours(),
        "by parse": bench.start(command, port, "parse"),
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
    with running(*servers.values()):
        for server in servers.values():
            server.first_answer()
        for _ in range(repeats):
            for name, server in servers.items():
                found[name].append(figures_of(server))
    table = Table("over HTTP", *servers, "ratio")
    for measure in found["as it is"][0]:
        here, parse = (statistics.median(f[measure] for f in figures) for figures in found.values())
        table.add_row(measure, f"{here:,.3g}", f"{parse:,.3g}", f"{parse / here:.2f}")
    Console(width=110).print(table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300, help="of requests in this process")
    parser.add_argument("--repeats", type=int, default=5, help="of the measures over HTTP")
    parser.add_argument("--serve-by-parse", action="store_true", help=argparse.SUPPRESS)
    flags, others = parser.parse_known_args()
    if flags.serve_by_parse:
        import serve_model

        with PARSE_ALL:
            sys.exit(serve_model.main(others))
    with tempfile.TemporaryDirectory() as temporary:
        bench = Bench(Path(temporary))
        with running(bench.registry):
            bench.train(versions=1)
            in_process(bench, Path(temporary), flags.rounds)
            over_http(bench, flags.repeats)


if __name__ == "__main__":
    main()
