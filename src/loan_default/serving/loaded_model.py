"""A loaded model version: scores the rows of a request."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loan_default.columns import PROBABILITY
from loan_default.contract.contract import Contract
from loan_default.model import artifact, scoring, xgboost_import
from loan_default.serving.request_features import FeatureReader, RequestTable
from loan_default.serving.schemas import Full, Prediction

Amounts = NDArray[np.float64] | None


@dataclass(frozen=True)
class Scores:
    """Default probabilities (n,), decisions (n,) of 0 and 1, and n lists of reasons or None.

    `unknown` are the categories of each row that hold none of their levels; `amounts` the expected
    loss and return (n,), NaN or None where they are not known.
    """

    probability: NDArray[np.float64]
    decision: NDArray[np.int64]
    reasons: list[list[str]] | None
    unknown: list[list[str]] | None = None
    amounts: tuple[Amounts, Amounts] = (None, None)


@dataclass(frozen=True)
class LoadedModel:
    """One version of the registered model `name`, ready to score."""

    name: str
    version: str
    model: artifact.Model
    reader: FeatureReader = field(repr=False)

    @property
    def threshold(self) -> float:
        """Return the lowest default probability that is declined."""
        return self.model.facts.threshold

    @property
    def contract(self) -> Contract:
        """Return the contract that requests are read by."""
        return self.model.contract

    def score(self, table: RequestTable, full: bool, today: date) -> Scores:
        """Score n rows, with their reasons if `full`.

        Raises InputError that names the row, the column and the reason.
        """
        matrix = self.reader.read(table, today)
        probability = self.model.probability_of(matrix)
        decision = (probability >= self.threshold).astype(np.int64)
        reasons = scoring.explain(self.model, matrix) if full and len(matrix) else None
        unknown = self.reader.unknown(table) if full and len(matrix) else None
        amounts = scoring.expected(self.model, matrix, probability) if full else (None, None)
        return Scores(probability, decision, reasons, unknown, amounts)

    def predictions(self, scores: Scores, full: bool) -> Sequence[Prediction | Full]:
        """Return the n predictions of a response: decisions, or if `full` a record per row."""
        if not full:
            return list(scores.decision.tolist())
        rows = len(scores.decision)
        loss, earned = (_plain(amounts, rows) for amounts in scores.amounts)
        return [
            Full(
                float(scores.probability[row]),
                1 if scores.decision[row] else 0,
                self.threshold,
                reasons,
                self.version,
                odd,
                loss[row],
                earned[row],
            )
            for row, (reasons, odd) in enumerate(
                zip(scores.reasons or (), scores.unknown or (), strict=True)
            )
        ]


def load(folder: Path, name: str, version: str, threads: int) -> LoadedModel:
    """Load a version's files, check that it reproduces its stored scores, and warm it up.

    `threads` is the number of threads that XGBoost scores with.

    Raises InputError if the files are missing or incompatible, or the scores differ.
    """
    xgboost_import.import_xgboost()
    model = artifact.load(folder, threads)
    stored = pl.read_parquet(folder / artifact.SELF_CHECK)
    model.verify(stored)
    reader = FeatureReader(model.contract, model.facts.features, model.facts.levels)
    loaded = LoadedModel(name, version, model, reader)
    _warm_up(loaded, stored.drop(PROBABILITY))
    return loaded


def _plain(amounts: Amounts, rows: int) -> list[float | None]:
    """Return the amounts as JSON holds them: None where one is not known."""
    if amounts is None:
        return [None] * rows
    return [None if amount != amount else amount for amount in amounts.tolist()]


def _warm_up(loaded: LoadedModel, records: pl.DataFrame) -> None:
    """Score many rows and one: the first prediction builds caches inside the booster."""
    many = RequestTable(tuple(records.columns), records.rows())
    for full in (False, True):
        loaded.score(many, full, date.today())
        loaded.score(RequestTable(many.columns, many.rows[:1]), full, date.today())
