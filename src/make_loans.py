"""Make loans in the layout of the LendingClub export, of known default probability.

Shaped like LendingClub's loans of 2007 to 2018 as they stood in March 2019, newest month first; the
same rows and seed give the same bytes. The last line of stdout is a JSON object: rows, output_path,
the matured loans' default_rate, and best_auc: what no model can beat on the matured loans.
best_auc_newest is the same on the newest 20 % of them, in months of which every loan has matured.
Both are null without such loans.
"""

import argparse
import contextlib
import gzip
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from loan_default import cli
from loan_default.errors import InputError

if TYPE_CHECKING:
    from loan_default.synthetic.generator import Chunk, Tally

log = logging.getLogger("make_loans")


def build_parser() -> argparse.ArgumentParser:
    """The command line; a flag that is not given is as in the settings."""
    flags = cli.parser(__doc__)
    flags.add_argument("--rows", type=int, required=True, help="how many loans")
    flags.add_argument("--seed", type=int, help="0 or more (RANDOM_SEED)")
    flags.add_argument(
        "--output-path", required=True, help=".csv, or .csv.gz, which takes several times as long"
    )
    flags.add_argument("--truth-path", help="also write id,default_probability to this CSV")
    return flags


def make(flags: argparse.Namespace) -> dict[str, Any]:
    """The job: returns what the JSON line holds."""
    from loan_default.settings import settings
    from loan_default.synthetic import generator

    seed = settings().random_seed if flags.seed is None else flags.seed
    _refuse(flags, seed)
    tally = generator.Tally()
    started = time.perf_counter()
    with contextlib.ExitStack() as outputs:
        loans = outputs.enter_context(_whole_file(flags.output_path))
        truth = outputs.enter_context(_whole_file(flags.truth_path)) if flags.truth_path else None
        _write(generator.generate(flags.rows, seed), flags.rows, tally, loans, truth)
    seconds = time.perf_counter() - started
    log.info("%s loans in %.1f s: %s", flags.rows, seconds, flags.output_path)
    return {
        "rows": flags.rows,
        "output_path": flags.output_path,
        "truth_path": flags.truth_path,
        "default_rate": tally.default_rate(),
        "best_auc": tally.best_auc(),
        "best_auc_newest": tally.best_auc_newest(),
        "rows_per_second": round(flags.rows / seconds),
    }


def _refuse(flags: argparse.Namespace, seed: int) -> None:
    if flags.rows < 1:
        raise InputError(f"--rows {flags.rows}: ask for at least 1 loan")
    if seed < 0:
        raise InputError(f"--seed {seed}: a seed is 0 or more")
    if flags.truth_path and Path(flags.truth_path).resolve() == Path(flags.output_path).resolve():
        raise InputError("--truth-path and --output-path name the same file: give two names")


@contextlib.contextmanager
def _whole_file(path: str) -> Iterator[IO[bytes]]:
    """A stream that becomes the file at `path` if the block ends well, else leaves nothing."""
    from loan_default import storage

    with storage.atomic_file(path) as partial, open(partial, "wb") as plain:
        if not path.endswith(".gz"):
            yield plain
            return
        # Without name and time, for the same bytes every time.
        with gzip.GzipFile("", "wb", 6, plain, mtime=0) as packed:
            yield cast(IO[bytes], packed)


def _write(
    chunks: "Iterator[Chunk]", rows: int, tally: "Tally", loans: IO[bytes], truth: IO[bytes] | None
) -> None:
    from loan_default.synthetic import generator

    loans.write(generator.csv_header())
    if truth:
        truth.write(generator.TRUTH_HEADER)
    with cli.progress("making loans", rows) as advance:
        for chunk in chunks:
            loans.write(generator.csv_lines(chunk.frame))
            if truth:
                truth.write(generator.truth_lines(chunk))
            tally.add(chunk)
            if advance:
                advance(int(tally.made.sum()))
    loans.write(generator.csv_footer(tally.funded))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    return cli.run(build_parser(), make, argv)


if __name__ == "__main__":
    sys.exit(main())
