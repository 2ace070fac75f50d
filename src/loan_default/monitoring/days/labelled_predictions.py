"""Predictions beside outcomes: what realised performance is computed from."""

from dataclasses import dataclass

import polars as pl

COHORT = "cohort"


@dataclass(frozen=True)
class Judged:
    """Predictions beside outcomes.

    `loans` holds the labelled ids' earliest predictions: cohort (a month), term (months),
    default_probability, prediction, model_version, source, default (null while running). `cohorts`
    counts all applications by cohort and term: `predictions`, and `approved` of them. Neither has
    the `learned` ones: loans issued in months that their model learned from judge no prediction.
    """

    loans: pl.DataFrame
    cohorts: pl.DataFrame
    learned: int = 0
