"""Predictions joined with outcomes, from which realised performance is computed."""

from dataclasses import dataclass, field

import polars as pl

from loan_default.columns import ID

COHORT = "cohort"
HASH = "hash"


@dataclass(frozen=True)
class LabelledPredictions:
    """Predictions joined with outcomes.

    `loans` holds the earliest prediction for each labelled id: cohort (a month), term (months),
    default_probability, prediction, model_version, source, default (null while the loan is
    running). `cohorts` counts all applications by cohort and term: `predictions`, and `approved`
    of them. Neither includes the `trained_on` applications, which their model was trained on: loans
    issued in its training months cannot evaluate it. `scored` holds the hashed ids of all
    predictions.
    """

    loans: pl.DataFrame
    cohorts: pl.DataFrame
    trained_on: int = 0
    scored: pl.Series = field(default_factory=lambda: pl.Series(HASH, [], pl.UInt64))


def hashed() -> pl.Expr:
    """Return the expression that hashes ids: in 8 bytes each, those of all days fit in memory."""
    return pl.col(ID).hash(seed=0)
