"""Train two models: one to evaluate on the newest months, one to serve.

The evaluation model is not trained on the test months, so its metrics are unbiased. The served
model is trained on all matured months, the newest included, with the number of rounds that the
evaluation model's cross-validation has chosen.
"""

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from loan_default.columns import DEFAULT, ISSUE_MONTH, PROBABILITY
from loan_default.contract.contract import Contract
from loan_default.metrics import classification
from loan_default.metrics.auc import auc, counts_by_score
from loan_default.model import artifact
from loan_default.model.artifact import Model, Vector
from loan_default.settings import Settings
from loan_default.training import benchmarks, fitting, lenders_share, thresholds
from loan_default.training.benchmarks import Benchmark
from loan_default.training.cohorts import Split
from loan_default.training.thresholds import Measured, Thresholds
from loan_default.training.training_set import TrainingSet, TrainingSets, training_sets

REFERENCE_ROWS = 20_000
REFERENCE_MONTHS = 12
SELF_CHECK_ROWS = 100
TEST_ROWS = 50_000
ENOUGH_FOR_ROUNDS = 20_000
ENOUGH_FOR_THRESHOLD = 500

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
    sets: TrainingSets
    served: Model
    evaluated: Model
    validation: fitting.CrossValidation
    test_probability: Vector
    metrics: dict[str, float]
    benchmarks: dict[str, Benchmark]
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

    `metrics` of the result are `classification.metrics` of the test months, `AUC_approved` of the
    test loans below the threshold (absent if of one class), and the AUC of the `benchmarks`.
    """
    started = time.perf_counter()
    thresholds.check(split.matured, settings, contract, split.recoveries)
    sets = training_sets(split, contract, settings)
    validation = fitting.cross_validate(sets.evaluation, contract, settings, progress=progress)
    log.info("%s rounds chosen by %s-fold early stopping", validation.rounds, settings.cv_folds)
    served, chosen, out_of_fold = _served(sets, split, validation.rounds, settings)
    evaluated, judged = _evaluated(sets, validation, chosen, contract, settings)
    probability = evaluated.probability(split.test)
    compared = _benchmarks(sets, evaluated, split.test, probability, settings)
    metrics = _metrics(_outcomes(split.test), probability, evaluated.facts.threshold)
    metrics |= {f"AUC_{name}": found.auc.value for name, found in compared.items()}
    metrics |= _other_models(sets, served, evaluated, split.test, settings)
    metrics["training_time_seconds"] = time.perf_counter() - started
    checked = _sample(split.matured, SELF_CHECK_ROWS, settings.random_seed).select(contract.names)
    return Trained(
        split=split,
        sets=sets,
        served=served,
        evaluated=evaluated,
        validation=validation,
        test_probability=probability,
        metrics=metrics,
        benchmarks=compared,
        reference=_reference(sets.served, contract, out_of_fold, settings.random_seed),
        self_check=_scored(checked, served.probability(checked)),
        thresholds=chosen,
        judged=judged,
        tested=_tested(judged, split, probability, settings, contract),
    )


def _served(
    sets: TrainingSets, split: Split, rounds: int, settings: Settings
) -> tuple[Model, Thresholds, Vector]:
    """Fit the served model with the evaluation model's `rounds`, unless few loans chose them."""
    data = sets.served
    enough = min(len(data.label) // 3, ENOUGH_FOR_ROUNDS)
    given = rounds if len(sets.evaluation.label) >= enough else None
    contract = data.contract
    validation = fitting.cross_validate(data, contract, settings, rounds=given)
    model, out_of_fold = fitting.assemble(data, validation, contract, settings)
    chosen = _choose(data, out_of_fold, settings, split.recoveries)
    log.info("threshold %.4f (%s)", chosen.chosen, chosen.reason)
    if chosen.strategy == "profit" and not chosen.beats_approving_all:
        log.warning("no threshold is shown to earn more than approving all loans: see the card")
    return chosen.put_into(model), chosen, out_of_fold


def _evaluated(
    sets: TrainingSets,
    validation: fitting.CrossValidation,
    served: Thresholds,
    contract: Contract,
    settings: Settings,
) -> tuple[Model, Thresholds]:
    """Fit the evaluation model; with few outcomes to choose a threshold it takes `served`."""
    data = sets.evaluation
    model, out_of_fold = fitting.assemble(data, validation, contract, settings)
    judged = served
    if sets.lagged is None or data.complete.sum() >= ENOUGH_FOR_THRESHOLD:
        # What was recovered, and when, is not dated: it counts only where nothing is hidden
        judged = _choose(data, out_of_fold, settings, recoveries=sets.lagged is None)
    return judged.put_into(model), judged


def _tested(
    judged: Thresholds, split: Split, probability: Vector, settings: Settings, contract: Contract
) -> Measured:
    return thresholds.evaluate(
        judged, split.test, probability, settings, contract, split.recoveries
    )


def _choose(
    data: TrainingSet, out_of_fold: Vector, settings: Settings, recoveries: bool
) -> Thresholds:
    loans = data.loans.filter(pl.Series(data.complete))
    return thresholds.choose(loans, out_of_fold[data.complete], settings, data.contract, recoveries)


def _metrics(default: fitting.Outcomes, probability: Vector, threshold: float) -> dict[str, float]:
    metrics = classification.metrics(default, probability, threshold)
    approved = probability < threshold
    area = auc(*counts_by_score(default[approved], probability[approved]))
    return metrics if area is None else metrics | {"AUC_approved": area}


def _benchmarks(
    sets: TrainingSets, evaluated: Model, test: pl.DataFrame, probability: Vector, config: Settings
) -> dict[str, Benchmark]:
    """Return what the price alone (absent without one) and a linear model reach."""
    contract, seed = evaluated.contract, config.random_seed
    hazard = evaluated.facts.calibration.hazard
    scores = {
        "price": benchmarks.price_score(test, contract),
        "linear": benchmarks.linear_score(sets.evaluation, test, contract, hazard, seed),
    }
    return {
        name: benchmarks.compare(_outcomes(test), probability, score, seed)
        for name, score in scores.items()
        if score is not None
    }


def _other_models(
    sets: TrainingSets, served: Model, evaluated: Model, test: pl.DataFrame, settings: Settings
) -> dict[str, float]:
    """Return what models with more knowledge, and with or without the lender's price, reach."""
    gapless = _gapless(sets, served, test, settings)
    return gapless | lenders_share.measure(sets.evaluation, evaluated, test, settings)


def _gapless(
    sets: TrainingSets, served: Model, test: pl.DataFrame, config: Settings
) -> dict[str, float]:
    """Return the AUC that knowing the later outcomes of the same earlier loans would give.

    Empty if the evaluation model knows them anyway.
    """
    if sets.lagged is None:
        return {}
    booster = fitting.fit(sets.gapless, served.contract, config, served.facts.rounds)
    model = replace(served, booster_bytes=bytes(booster.save_raw("ubj")))
    area = auc(*counts_by_score(_outcomes(test), model.probability(test)))
    assert area is not None, "the test months hold both classes"
    return {"AUC_gapless": area}


def _outcomes(loans: pl.DataFrame) -> fitting.Outcomes:
    return loans[DEFAULT].to_numpy()


def _scored(records: pl.DataFrame, probability: Vector) -> pl.DataFrame:
    return records.with_columns(pl.Series(PROBABILITY, probability))


def _sample(frame: pl.DataFrame, rows: int, seed: int) -> pl.DataFrame:
    return frame.sample(min(rows, frame.height), seed=seed) if frame.height > rows else frame


def _reference(
    data: TrainingSet, contract: Contract, out_of_fold: Vector, seed: int
) -> pl.DataFrame:
    """Sample the newest complete months, each row scored by a model not trained on it."""
    scored = _scored(data.loans, out_of_fold).filter(pl.Series(data.complete))
    months = scored[ISSUE_MONTH].unique().sort().tail(REFERENCE_MONTHS)
    newest = scored.filter(pl.col(ISSUE_MONTH) >= months[0])
    return _sample(
        newest.select(ISSUE_MONTH, DEFAULT, PROBABILITY, *contract.names), REFERENCE_ROWS, seed
    )
