"""A model version in service: rows in, decisions out, the version's number with them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loan_default.columns import PROBABILITY
from loan_default.model import artifact as model
from loan_default.model import scoring, xgboost_import
from loan_default.model.artifact import Model
from loan_default.serving.request_features import Reader, Table


@dataclass(frozen=True)
class Scores:
    """Default probabilities (n,), decisions (n,) of 0 and 1, and reasons where they were asked
    for."""

    probability: NDArray[np.float64]
    decision: NDArray[np.int64]
    reasons: Sequence[Sequence[str]] | None


@dataclass(frozen=True)
class Served:
    """One loaded version."""

    name: str
    number: str
    model: Model
    reader: Reader = field(repr=False)

    @property
    def threshold(self) -> float:
        """The least default probability that is declined."""
        return self.model.facts.threshold

    def score(self, table: Table, full: bool, today: date) -> Scores:
        """Score n rows. Raises InputError that names the row, the column and the reason."""
        matrix = self.reader.read(table, today)
        probability = self.model.probability_of(matrix)
        decision = (probability >= self.threshold).astype(np.int64)
        reasons = scoring.explain(self.model, matrix) if full and len(matrix) else None
        return Scores(probability, decision, reasons)

    def answer(self, scores: Scores, full: bool) -> Sequence[Any]:
        """The predictions as the protocol returns them: decisions, or a record for each row."""
        if not full:
            return list(scores.decision.tolist())
        return [
            {
                "default_probability": float(probability),
                "prediction": int(decision),
                "threshold": self.threshold,
                "reasons": reasons,
                "model_version": self.number,
            }
            for probability, decision, reasons in zip(
                scores.probability, scores.decision, scores.reasons or (), strict=True
            )
        ]


def load(folder: Path, name: str, number: str, threads: int) -> Served:
    """Load a version's files, check that it reproduces its stored scores, and warm it up.

    Raises InputError where its files do not serve or its scores differ.
    """
    xgboost_import.import_xgboost()
    loaded = model.load(folder, threads)
    stored = pl.read_parquet(folder / model.SELF_CHECK)
    loaded.verify(stored)
    served = Served(name, number, loaded, Reader(loaded.facts.features, loaded.facts.levels))
    _warm(served, stored.drop(PROBABILITY))
    return served


def _warm(served: Served, rows: pl.DataFrame) -> None:
    """The first prediction builds caches inside the booster; no client waits for that."""
    table = Table(tuple(rows.columns), rows.rows())
    for full in (False, True):
        served.score(table, full, date.today())
        served.score(Table(table.columns, table.rows[:1]), full, date.today())
