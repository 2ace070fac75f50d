"""Predictions joined with outcomes, from which realised performance is computed."""

from dataclasses import dataclass

import polars as pl

COHORT = "cohort"


@dataclass(frozen=True)
class LabelledPredictions:
    """Predictions joined with outcomes.

    `loans` holds the earliest prediction for each labelled id: cohort (a month), term (months),
    default_probability, prediction, model_version, source, default (null while the loan is
    running). `cohorts` counts all applications by cohort and term: `predictions`, and `approved`
    of them. Neither includes the `trained_on` applications, which their model was trained on: loans
    issued in its training months cannot evaluate it.
    """

    loans: pl.DataFrame
    cohorts: pl.DataFrame
    trained_on: int = 0
