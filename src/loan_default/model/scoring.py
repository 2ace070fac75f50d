"""Score typed records with a model: probability, decision and reasons."""

from functools import lru_cache
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loan_default.columns import (
    EXPECTED_LOSS,
    EXPECTED_RETURN,
    ID,
    PREDICTION,
    PROBABILITY,
    REASONS,
    VERSION,
)
from loan_default.contract.contract import Contract
from loan_default.model import economics, features
from loan_default.model.artifact import Model, Vector

ReasonScope = Literal["declined", "all", "none"]
# Regulation B, comment 9(b)(2)-1: disclosing more than four reasons is not likely to be helpful.
MAX_REASONS = 4


def score(records: pl.DataFrame, model: Model, version: str, reasons: ReasonScope) -> pl.DataFrame:
    """Score n typed records.

    Args:
        version: the registered version of the model, stored with every score.
        reasons: the rows that get reasons: the declined ones, all or none.

    Returns:
        n rows: id, default_probability in [0, 1], prediction (1 declined: the probability is at or
        above the model's threshold), reasons (a list of plain phrases, null unless requested),
        model_version, expected_loss and expected_return (both null where they are not known).
    """
    matrix = model.matrix(records)
    probability = model.probability_of(matrix)
    declined = probability >= model.facts.threshold
    return pl.DataFrame(
        [
            records[ID],
            pl.Series(PROBABILITY, probability),
            pl.Series(PREDICTION, declined).cast(pl.Int8),
            _reasons(model, matrix, _rows_with_reasons(declined, reasons)),
            pl.repeat(version, records.height, eager=True).alias(VERSION),
            *_amounts(model, matrix, probability),
        ]
    )


def expected(
    model: Model, matrix: features.Matrix, probability: Vector
) -> tuple[Vector | None, Vector | None]:
    """Return the expected loss and return (n,) of a feature matrix (n, k) with its probabilities.

    As of `economics.expected`.
    """
    facts = model.facts
    return economics.expected(facts.economics, model.contract, facts.features, matrix, probability)


def _amounts(model: Model, matrix: features.Matrix, probability: Vector) -> list[pl.Series]:
    nothing = pl.repeat(None, len(matrix), dtype=pl.Float64, eager=True)
    names = (EXPECTED_LOSS, EXPECTED_RETURN)
    return [
        nothing.alias(name) if amounts is None else pl.Series(name, amounts).fill_nan(None)
        for name, amounts in zip(names, expected(model, matrix, probability), strict=True)
    ]


def explain(model: Model, matrix: features.Matrix) -> list[list[str]]:
    """Return the main reasons against each applicant of a feature matrix (n, k).

    TreeSHAP (Lundberg et al. 2020, From local explanations to global understanding) attributes the
    log-odds, relative to the average applicant, to the features; those that share a reason are
    added up. Terms that the lender sets (grade, rate, installment) are never a reason.

    Returns:
        n lists of at most `MAX_REASONS` phrases, the strongest first.
    """
    contributions = _contributions(model, matrix)
    phrases, membership = _groups(model.contract, model.facts.features)
    grouped = contributions @ membership
    order = np.argsort(-grouped, axis=1, kind="stable")[:, :MAX_REASONS]
    against = np.take_along_axis(grouped, order, axis=1) > 0
    return [
        [phrases[group] for group in row[keep]] for row, keep in zip(order, against, strict=True)
    ]


def untold_share(model: Model, matrix: features.Matrix) -> float:
    """Return the share of n > 0 rows whose strongest cause is the lender's own and no reason."""
    contributions = _contributions(model, matrix)
    phrases, membership = _groups(model.contract, model.facts.features)
    lenders = (membership.sum(axis=1) == 0).astype(np.float32)
    strongest = (contributions @ membership).max(axis=1, initial=-np.inf)
    return float(np.mean(contributions @ lenders > strongest))


def _contributions(model: Model, matrix: features.Matrix) -> NDArray[np.floating]:
    """Return what each feature adds to the score of each row, (n, k), by TreeSHAP."""
    found = model.booster.predict(model.dmatrix(matrix), pred_contribs=True)[:, :-1]
    calibration, term = model.facts.calibration, model.contract.loan.term
    if calibration.hazard and term:
        # The baseline hazard of a longer term counts against the applicant, too
        found = found * calibration.slope
        whole = calibration.hazard.log_cumulative(model.terms(matrix))
        found[:, model.facts.features.index(term)] += whole
    return np.asarray(found)


def _rows_with_reasons(declined: NDArray[np.bool_], scope: ReasonScope) -> NDArray[np.bool_]:
    if scope == "all":
        return np.ones_like(declined)
    return declined if scope == "declined" else np.zeros_like(declined)


def _reasons(model: Model, matrix: features.Matrix, rows: NDArray[np.bool_]) -> pl.Series:
    dtype = pl.List(pl.String)
    if not rows.any():
        return pl.Series(REASONS, [], dtype).extend_constant(None, len(rows))
    out: list[list[str] | None] = [None] * len(rows)
    explained = explain(model, matrix[rows])
    for place, phrases in zip(np.flatnonzero(rows), explained, strict=True):
        out[place] = phrases
    return pl.Series(REASONS, out, dtype)


@lru_cache(maxsize=8)
def _groups(contract: Contract, names: tuple[str, ...]) -> tuple[list[str], NDArray[np.float32]]:
    """Return the phrases and each feature's membership: (k, phrases), 1 if it has the phrase."""
    phrases = sorted({r for r in map(contract.reasons.get, names) if r})
    membership = np.zeros((len(names), len(phrases)), dtype=np.float32)
    for place, name in enumerate(names):
        if reason := contract.reasons[name]:
            membership[place, phrases.index(reason)] = 1
    return phrases, membership
