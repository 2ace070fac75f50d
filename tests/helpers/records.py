"""Typed loans with a known default probability, made in memory for tests that need no file."""

from datetime import date

import numpy as np
import polars as pl

import lendingclub
from lendingclub import CONTRACT
from loan_default.model.artifact import Model
from loan_default.settings import Settings
from loan_default.training import fitting, training_set

QUICK = Settings(cv_folds=3, n_threads=1)


def fitted_model(loans: pl.DataFrame, rounds: int) -> Model:
    """A model of `rounds` trees fitted and calibrated on the loans."""
    data = training_set.full_term(loans, np.ones(loans.height, dtype=bool), CONTRACT, None)
    validation = fitting.cross_validate(data, CONTRACT, QUICK, rounds=rounds)
    return fitting.assemble(data, validation, CONTRACT, QUICK)[0]


def typed_loans(rows: int, seed: int = 0, months: int = 36) -> pl.DataFrame:
    """`rows` finished 36-month loans issued over `months` months from 2012-01 on; `truth` is the
    default probability that their outcome was drawn from."""
    draw = np.random.default_rng(seed)
    frame = {
        "id": [f"loan-{seed}-{row}" for row in range(rows)],
        "issue_month": [
            date(2012 + m // 12, m % 12 + 1, 1) for m in draw.integers(0, months, rows).tolist()
        ],
    }
    for column in lendingclub.RECORD:
        if column.kind == "category":
            frame[column.name] = draw.choice(column.levels, rows).tolist()
        else:
            frame[column.name] = (
                draw.integers(
                    int(np.ceil(column.low)), int(min(column.high, column.low + 100)), rows
                )
                .astype(float)
                .tolist()
            )
    loans = pl.DataFrame(frame).with_columns(
        term=pl.lit(36.0),
        annual_inc=pl.Series(draw.lognormal(11, 0.5, rows)),
        loan_amnt=pl.Series(draw.integers(20, 1400, rows) * 25.0),
        dti=pl.Series(draw.uniform(0, 40, rows)),
        int_rate=pl.Series(draw.uniform(5, 30, rows).round(2)),
        emp_length=pl.Series(np.where(draw.random(rows) < 0.1, np.nan, 5.0)).fill_nan(None),
    )
    log_odds = -4.4 + 0.1 * loans["int_rate"] + 0.05 * loans["dti"]
    truth = 1 / (1 + (-log_odds).exp())
    default = (pl.Series(draw.random(rows)) < truth).cast(pl.Int8)
    return loans.with_columns(truth.alias("truth"), default.alias("default"))
