"""What simple scores reach on the loans that a model is tested on: the price, a linear model.

A model that is not clearly better than the price alone adds nothing to what the lender knows.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from loan_default.columns import TERM
from loan_default.contract.contract import Contract
from loan_default.metrics import classification, intervals
from loan_default.metrics.auc import Integers
from loan_default.metrics.classification import Interval
from loan_default.metrics.intervals import Metric
from loan_default.model import features
from loan_default.model.artifact import Hazard, Vector
from loan_default.training.training_set import TrainingSet

LINEAR_ROWS = 20_000
# Resamples of all loans together; a large test set needs fewer resamples for the same digits
DRAWS, LEAST_RESAMPLES, MOST_RESAMPLES = 5_000_000, 200, 500


@dataclass(frozen=True)
class Benchmark:
    """The AUC of a simple score on the test loans, and what the model has above it."""

    auc: Metric
    gain: Interval


def price(contract: Contract) -> str | None:
    """Return the column of the price: the first number that the lender set; None without one."""
    numbers = (name for name in contract.price if contract.by_name[name].kind == "number")
    return next(numbers, None)


def price_score(test: pl.DataFrame, contract: Contract) -> Vector | None:
    """Return the price of n loans as a score, missing as the lowest; None if there is no price."""
    name = price(contract)
    if name is None or test[name].null_count() == test.height:
        return None
    return test[name].cast(pl.Float64).fill_null(-np.inf).to_numpy()


def linear_score(
    data: TrainingSet,
    test: pl.DataFrame,
    contract: Contract,
    hazard: Hazard | None,
    seed: int,
) -> Vector:
    """Return the log-odds, or log hazards, of a plain linear model of the same training loans.

    A logistic regression, or a Poisson regression where loans teach by exposure, of numbers by rank
    and of categories, on at most `LINEAR_ROWS` loans.

    Args:
        data: what the model learned from.
        test: n loans to score.
        contract: what the columns mean.
        hazard: the baseline hazard, which adds the term; None without exposure.
        seed: seed of the sample.
    """
    from sklearn.linear_model import LogisticRegression, PoissonRegressor

    rows = np.arange(len(data.label))
    if len(rows) > LINEAR_ROWS:
        rows = np.random.default_rng(seed).choice(rows, LINEAR_ROWS, replace=False)
    prepared = _preparation(data.names, contract)
    training = prepared.fit_transform(data.matrix[rows])
    columns = prepared.transform(features.matrix(test, contract, data.names))
    if data.offset is None or hazard is None:
        logistic = LogisticRegression(C=1.0, max_iter=500).fit(training, data.label[rows])
        return np.asarray(logistic.decision_function(columns), dtype=np.float64)
    through = np.exp(data.offset[rows])
    counts = PoissonRegressor(alpha=1e-3, solver="newton-cholesky", max_iter=100)
    counts.fit(training, data.label[rows] / through, sample_weight=through)
    term = test[TERM].cast(pl.Float64).to_numpy()
    margin: Vector = columns @ counts.coef_ + hazard.log_cumulative(term)
    return margin


def _preparation(names: tuple[str, ...], contract: Contract) -> Any:
    """Return a transformer of the feature matrix: numbers by normal ranks, categories one-hot."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, QuantileTransformer

    kinds = features.types(names, contract)
    numbers = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        QuantileTransformer(n_quantiles=100, output_distribution="normal"),
    )
    categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return ColumnTransformer(
        [
            ("numbers", numbers, [i for i, kind in enumerate(kinds) if kind == "q"]),
            ("categories", categories, [i for i, kind in enumerate(kinds) if kind == "c"]),
        ]
    )


def compare(default: Integers, probability: Vector, score: Vector, seed: int) -> Benchmark:
    """Return the AUC of `score` (n,) and the paired gain of `probability` (n,) over it."""
    resamples = int(np.clip(DRAWS // len(default), LEAST_RESAMPLES, MOST_RESAMPLES))
    gain = classification.paired_auc_difference(
        default, score, probability, seed=seed, resamples=resamples
    )
    area = intervals.auc(default, score)
    assert area is not None, "the test loans hold both classes"
    return Benchmark(area, gain)
