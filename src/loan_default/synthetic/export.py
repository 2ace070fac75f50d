"""Write generated loans to files in the layout of the LendingClub export."""

import contextlib
import gzip
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from loan_default import cli, storage
from loan_default.errors import InputError
from loan_default.settings import settings
from loan_default.synthetic import generator
from loan_default.synthetic.generator import Chunk, Tally

Result = dict[str, Any]

log = logging.getLogger(__name__)


def export(*, rows: int, seed: int | None, output_path: str, truth_path: str | None) -> Result:
    """Write `rows` generated loans as a LendingClub export, and their true probabilities.

    Args:
        rows: the number of loans, at least 1.
        seed: 0 or more; None uses RANDOM_SEED.
        output_path: a CSV, gzipped if it ends in .gz.
        truth_path: a CSV of id and default_probability; None writes none.

    Returns:
        The script's JSON result.

    Raises:
        InputError: an argument cannot be used.
    """
    seed = settings().random_seed if seed is None else seed
    _check(rows, seed, output_path, truth_path)
    tally = generator.Tally()
    started = time.perf_counter()
    with contextlib.ExitStack() as outputs:
        loans = outputs.enter_context(_whole_file(output_path))
        truth = outputs.enter_context(_whole_file(truth_path)) if truth_path else None
        _write(generator.generate(rows, seed), rows, tally, loans, truth)
    seconds = time.perf_counter() - started
    log.info("%s loans in %.1f s: %s", rows, seconds, output_path)
    return {
        "rows": rows,
        "output_path": output_path,
        "truth_path": truth_path,
        "default_rate": tally.default_rate(),
        "best_auc": tally.best_auc(),
        "best_auc_newest": tally.best_auc_newest(),
        "rows_per_second": round(rows / seconds),
    }


def _check(rows: int, seed: int, output_path: str, truth_path: str | None) -> None:
    if rows < 1:
        raise InputError(f"--rows {rows}: ask for at least 1 loan")
    if seed < 0:
        raise InputError(f"--seed {seed}: a seed must be 0 or more")
    if truth_path and Path(truth_path).resolve() == Path(output_path).resolve():
        raise InputError("--truth-path and --output-path name the same file: give two names")


@contextlib.contextmanager
def _whole_file(path: str) -> Iterator[IO[bytes]]:
    """Yield a stream that becomes the file at `path` on success and is discarded on failure."""
    with storage.atomic_file(path) as partial, open(partial, "wb") as plain:
        if not path.endswith(".gz"):
            yield plain
            return
        # No name and no time, so that equal loans give equal bytes.
        with gzip.GzipFile("", "wb", 6, plain, mtime=0) as packed:
            yield cast(IO[bytes], packed)


def _write(
    chunks: Iterator[Chunk], rows: int, tally: Tally, loans: IO[bytes], truth: IO[bytes] | None
) -> None:
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
