"""Train two models: one to evaluate on the newest months, one to serve.

The evaluation model is not trained on the test months, so its metrics are unbiased. The served
model is trained on all matured months, the newest included, with the number of rounds that the
evaluation model's cross-validation has chosen.
"""

import logging
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from loan_default.columns import DEFAULT, ISSUE_MONTH, PROBABILITY
from loan_default.contract.contract import Contract
from loan_default.metrics import classification
from loan_default.metrics.auc import auc, counts_by_score
from loan_default.model import artifact, features
from loan_default.model.artifact import Model, Vector
from loan_default.settings import Settings
from loan_default.training import fitting, thresholds
from loan_default.training.cohorts import Split
from loan_default.training.thresholds import Measured, Thresholds

REFERENCE_ROWS = 20_000
REFERENCE_MONTHS = 12
SELF_CHECK_ROWS = 100
TEST_ROWS = 50_000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """Both models, and everything that evaluation, scoring and monitoring need later.

    `test_probability` (n,) holds the evaluation model's scores of the split's test loans,
    `reference` the sample that monitoring compares with, `self_check` rows with their scores,
    `thresholds` and `judged` how the thresholds of the served and the evaluation model were chosen,
    `tested` what the latter's do to the test loans.
    """

    split: Split
    served: Model
    evaluated: Model
    validation: fitting.CrossValidation
    test_probability: Vector
    metrics: dict[str, float]
    reference: pl.DataFrame
    self_check: pl.DataFrame
    thresholds: Thresholds
    judged: Thresholds
    tested: Measured

    def save(self, folder: Path) -> None:
        """Write the files of a model version into `folder`."""
        self.served.save(folder)
        self.reference.write_parquet(folder / artifact.REFERENCE)
        self.self_check.write_parquet(folder / artifact.SELF_CHECK)
        self.evaluated.save(folder / artifact.EVALUATION)
        test = self.split.test.select(ISSUE_MONTH, DEFAULT, *self.served.contract.stored)
        test = _sample(test, TEST_ROWS, seed=0)
        test.write_parquet(folder / artifact.EVALUATION / artifact.TEST_ROWS)


def train(
    split: Split,
    contract: Contract,
    settings: Settings,
    progress: fitting.Progress | None = None,
) -> Trained:
    """Fit, calibrate and test; deterministic for the same split, settings and thread count.

    The result's `metrics` are `classification.metrics` of the test months, `AUC_approved` of the
    test loans below the threshold (absent if they are of one class) and `training_time_seconds`.
    """
    started = time.perf_counter()
    thresholds.check(split.earlier, settings, contract)
    evaluated, judged, validation = _evaluated(split, contract, settings, progress)
    test_probability = evaluated.probability(split.test)
    tested = thresholds.evaluate(judged, split.test, test_probability, settings, contract)
    served, chosen, out_of_fold = _served(split, contract, settings, validation.rounds)
    log.info("threshold %.4f (%s)", chosen.chosen, chosen.reason)
    if chosen.strategy == "profit" and not chosen.beats_approving_all:
        log.warning("no threshold is shown to earn more than approving all loans: see the card")
    metrics = _metrics(_outcomes(split.test), test_probability, evaluated.facts.threshold)
    metrics |= {"training_time_seconds": time.perf_counter() - started}
    reference = _reference(split, contract, out_of_fold, settings.random_seed)
    records = split.matured.select(contract.names)
    self_check = _sample(records, SELF_CHECK_ROWS, settings.random_seed)
    return Trained(
        split=split,
        served=served,
        evaluated=evaluated,
        validation=validation,
        test_probability=test_probability,
        metrics=metrics,
        reference=reference,
        self_check=_scored(self_check, served.probability(self_check)),
        thresholds=chosen,
        judged=judged,
        tested=tested,
    )


def _evaluated(
    split: Split, contract: Contract, settings: Settings, progress: fitting.Progress | None
) -> tuple[Model, Thresholds, fitting.CrossValidation]:
    matrix, default = features.matrix(split.earlier, contract), _outcomes(split.earlier)
    validation = fitting.cross_validate(matrix, default, contract, settings, progress=progress)
    log.info("%s rounds chosen by %s-fold early stopping", validation.rounds, settings.cv_folds)
    every_row = np.ones(len(default), dtype=bool)
    model, out_of_fold = fitting.assemble(
        matrix, default, every_row, validation, f"{split.fit_through:%Y-%m}", contract, settings
    )
    chosen = thresholds.choose(split.earlier, out_of_fold, settings, contract)
    return chosen.put_into(model), chosen, validation


def _metrics(default: fitting.Outcomes, probability: Vector, threshold: float) -> dict[str, float]:
    metrics = classification.metrics(default, probability, threshold)
    approved = probability < threshold
    area = auc(*counts_by_score(default[approved], probability[approved]))
    return metrics if area is None else metrics | {"AUC_approved": area}


def _served(
    split: Split, contract: Contract, settings: Settings, rounds: int
) -> tuple[Model, Thresholds, Vector]:
    matrix, default = features.matrix(split.matured, contract), _outcomes(split.matured)
    validation = fitting.cross_validate(matrix, default, contract, settings, rounds=rounds)
    through = split.matured[ISSUE_MONTH].max()
    assert isinstance(through, date)
    complete = split.complete.to_numpy()
    model, out_of_fold = fitting.assemble(
        matrix, default, complete, validation, f"{through:%Y-%m}", contract, settings
    )
    chosen = thresholds.choose(
        split.matured.filter(complete), out_of_fold[complete], settings, contract
    )
    return chosen.put_into(model), chosen, out_of_fold


def _outcomes(loans: pl.DataFrame) -> fitting.Outcomes:
    return loans[DEFAULT].to_numpy()


def _scored(records: pl.DataFrame, probability: Vector) -> pl.DataFrame:
    return records.with_columns(pl.Series(PROBABILITY, probability))


def _sample(frame: pl.DataFrame, rows: int, seed: int) -> pl.DataFrame:
    return frame.sample(min(rows, frame.height), seed=seed) if frame.height > rows else frame


def _reference(split: Split, contract: Contract, out_of_fold: Vector, seed: int) -> pl.DataFrame:
    """Sample the newest complete months, each row scored by a model not trained on it."""
    scored = _scored(split.matured, out_of_fold).filter(split.complete)
    months = scored[ISSUE_MONTH].unique().sort().tail(REFERENCE_MONTHS)
    newest = scored.filter(pl.col(ISSUE_MONTH) >= months[0])
    return _sample(
        newest.select(ISSUE_MONTH, DEFAULT, PROBABILITY, *contract.names), REFERENCE_ROWS, seed
    )
