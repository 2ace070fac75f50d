"""Score a file of applications block by block, so that memory does not grow with the rows."""

import hashlib
import logging
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from loan_default import columns
from loan_default.batch.run_files import PREDICTIONS, SAMPLE, RunFiles
from loan_default.columns import ID, ISSUE_MONTH, PROBABILITY, TERM
from loan_default.contract.contract import Contract
from loan_default.data import ids
from loan_default.data.ingest import LoanReader
from loan_default.data.prefetch import prefetch
from loan_default.data.rejections import REJECTED_FILE, SCHEMA
from loan_default.data.writers import CsvSink, ParquetSink
from loan_default.model import scoring
from loan_default.model.artifact import Model

SAMPLE_ROWS = 100_000
SCORES = pl.Schema(
    [
        (ID, pl.String()),
        (PROBABILITY, pl.Float64()),
        (columns.PREDICTION, pl.Int8()),
        (columns.REASONS, pl.List(pl.String)),
        (columns.VERSION, pl.String()),
        (columns.EXPECTED_LOSS, pl.Float64()),
        (columns.EXPECTED_RETURN, pl.Float64()),
        # Monitoring needs both, years later, to know whether the loan has matured
        (ISSUE_MONTH, pl.Date()),
        (TERM, pl.Float64()),
    ]
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoringJob:
    """What to score with: the model, its version, which rows get reasons; and the run of a date."""

    model: Model
    version: str
    reasons: scoring.ReasonScope
    run_date: date
    batch: str | None = None

    @property
    def run(self) -> str:
        """The run's name in the ids of rows that came without one."""
        return RunFiles("", self.run_date, self.batch).name


def score_blocks(reader: LoanReader, job: ScoringJob, folder: Path) -> dict[str, Any]:
    """Score every block of `reader` into the data files of a run in `folder`.

    Returns the manifest's counts: rows, decisions, mean score and, by column, the missing, unknown
    and rejected cells of all rows.
    """
    contract = job.model.contract
    sample = _Sample(job.run_date, SAMPLE_ROWS, contract)
    counts = Counts(contract)
    with (
        ParquetSink(folder / PREDICTIONS, SCORES, distinct=(ID, PROBABILITY)) as predictions,
        CsvSink(folder / REJECTED_FILE, pl.Schema(SCHEMA)) as rejected,
        prefetch(iter(reader)) as blocks,
    ):
        for block in blocks:
            loans = ids.of_rows_without(block.records[ID], block.records["row"], job.run)
            records = block.records.with_columns(loans)
            scored = scoring.score(records, job.model, job.version, job.reasons)
            predictions.write(scored.with_columns(records[ISSUE_MONTH], records[TERM]))
            rejected.write(block.rejected)
            sample.add(records, scored)
            counts.add(records, block.rejected, scored)
            log.info("%s rows scored", counts.rows)
    sample.frame().write_parquet(folder / SAMPLE)
    rows = {"rows_in": reader.rows_in, "rows_rejected": reader.rows_rejected}
    return counts.summary() | rows | reader.rejections


class _Sample:
    """A uniform sample of a stream of rows, reproducible for the same run date and rows.

    Every row draws a random number, and the rows with the smallest are the sample (bottom-k
    sampling).
    """

    def __init__(self, run_date: date, rows: int, contract: Contract) -> None:
        seed = hashlib.sha256(run_date.isoformat().encode()).digest()
        self._generator = np.random.default_rng(int.from_bytes(seed[:8], "big"))
        self._rows, self._limit, self._names = rows, 1.0, contract.names
        self._pool: list[pl.DataFrame] = []

    def add(self, records: pl.DataFrame, scored: pl.DataFrame) -> None:
        draws = pl.Series("draw", self._generator.random(records.height))
        typed = records.select("row", ID, *self._names).with_columns(
            scored[PROBABILITY], scored[columns.PREDICTION], draws
        )
        self._pool.append(typed.filter(draws <= self._limit))
        if sum(frame.height for frame in self._pool) > 2 * self._rows:
            self._prune()

    def frame(self) -> pl.DataFrame:
        self._prune()
        return self._pool[0].sort("row").drop("row", "draw")

    def _prune(self) -> None:
        sample = pl.concat(self._pool).bottom_k(self._rows, by="draw")
        self._pool = [sample]
        if sample.height == self._rows:
            self._limit = float(sample["draw"].to_numpy().max())


class Counts:
    """Counts over all rows, for monitoring: the sample does not hold every row."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._missing, self._unknown = Counter[str](), Counter[str]()
        self._rejected = Counter[str]()
        self.rows = self._declined = 0
        self._probability = 0.0

    def add(self, records: pl.DataFrame, rejected: pl.DataFrame, scored: pl.DataFrame) -> None:
        """Count a block: its typed records, its rejected rows and the scores of its records."""
        self.rows += records.height
        self._declined += int(scored[columns.PREDICTION].sum())
        self._probability += float(scored[PROBABILITY].sum())
        self._rejected.update(rejected["column"].drop_nulls())
        self._missing[ID] += int(ids.is_none(records[ID]).sum())
        for column in self._contract.record:
            # A version of another contract may have scored some rows of the online log
            if column.name not in records.columns:
                self._missing[column.name] += records.height
                continue
            cells = records[column.name]
            self._missing[column.name] += cells.null_count()
            if column.kind == "category":
                unknown = ~cells.is_in(column.levels) & cells.is_not_null()
                self._unknown[column.name] += int(unknown.sum())

    def summary(self) -> dict[str, Any]:
        """Return the counts as the manifest stores them."""
        return {
            "rows_scored": self.rows,
            "rows_declined": self._declined,
            "mean_probability": self._probability / self.rows if self.rows else None,
            "columns": {
                name: {
                    "missing": self._missing[name],
                    "unknown": self._unknown[name],
                    "rejected": self._rejected[name],
                }
                for name in (*self._contract.names, ID)
            },
        }
