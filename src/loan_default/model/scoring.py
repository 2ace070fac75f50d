"""Typed records through a model: probability, decision, reasons."""

from functools import lru_cache
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loan_default.columns import ID, PREDICTION, PROBABILITY, REASONS, VERSION
from loan_default.model import features
from loan_default.model.artifact import Model

Which = Literal["declined", "all", "none"]
# Regulation B, comment 9(b)(2)-1: disclosing more than four reasons is not likely to be helpful.
MOST_REASONS = 4


def score(records: pl.DataFrame, model: Model, version: str, reasons: Which) -> pl.DataFrame:
    """Scores of n typed records.

    Returns:
        n rows: id, default_probability in [0, 1], prediction (1 declined: the probability reaches
        the model's threshold), reasons (a list of plain phrases, null where none were asked for)
        and model_version.
    """
    matrix = model.matrix(records)
    probability = model.probability_of(matrix)
    declined = probability >= model.facts.threshold
    return pl.DataFrame(
        [
            records[ID],
            pl.Series(PROBABILITY, probability),
            pl.Series(PREDICTION, declined).cast(pl.Int8),
            _reasons(model, matrix, _chosen(declined, reasons)),
            pl.repeat(version, records.height, eager=True).alias(VERSION),
        ]
    )


def explain(model: Model, matrix: features.Matrix) -> list[list[str]]:
    """What counted most against each applicant of a feature matrix (n, k), at most four, worst
    first.

    TreeSHAP (Lundberg et al. 2020, From local explanations to global understanding) of the log-odds
    against the average applicant, added up over the features that share a reason. What the lender
    set (grade, rate, installment) is never a reason.
    """
    contributions = model.booster.predict(model.dmatrix(matrix), pred_contribs=True)[:, :-1]
    phrases, membership = _groups(model.facts.features)
    grouped = contributions @ membership
    order = np.argsort(-grouped, axis=1, kind="stable")[:, :MOST_REASONS]
    against = np.take_along_axis(grouped, order, axis=1) > 0
    return [
        [phrases[group] for group in row[keep]] for row, keep in zip(order, against, strict=True)
    ]


def _chosen(declined: NDArray[np.bool_], which: Which) -> NDArray[np.bool_]:
    if which == "all":
        return np.ones_like(declined)
    return declined if which == "declined" else np.zeros_like(declined)


def _reasons(model: Model, matrix: features.Matrix, rows: NDArray[np.bool_]) -> pl.Series:
    kind = pl.List(pl.String)
    if not rows.any():
        return pl.Series(REASONS, [], kind).extend_constant(None, len(rows))
    out: list[list[str] | None] = [None] * len(rows)
    explained = explain(model, matrix[rows])
    for place, phrases in zip(np.flatnonzero(rows), explained, strict=True):
        out[place] = phrases
    return pl.Series(REASONS, out, kind)


@lru_cache(maxsize=8)
def _groups(names: tuple[str, ...]) -> tuple[list[str], NDArray[np.float32]]:
    """The phrases, and which feature belongs to which: (k, phrases) of 0 and 1."""
    phrases = sorted({r for r in map(features.REASONS.get, names) if r})
    membership = np.zeros((len(names), len(phrases)), dtype=np.float32)
    for place, name in enumerate(names):
        if reason := features.REASONS[name]:
            membership[place, phrases.index(reason)] = 1
    return phrases, membership
