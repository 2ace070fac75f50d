"""Realised performance on matured cohorts, with confidence intervals, and its estimate before.

Pure. A loan counts once its cohort's month + term is at or before the labels' as-of month. Of
younger loans only the early ends are known, defaults and prepayments, which are not representative.
Field names that are not lower case are those of the metrics in the reports and in MLflow.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from loan_default.columns import DEFAULT, PREDICTION, PROBABILITY, TERM, VERSION
from loan_default.data.maturity import maturity_month
from loan_default.metrics import intervals
from loan_default.metrics.auc import Floats, auc
from loan_default.metrics.intervals import Metric
from loan_default.monitoring.days.labelled_predictions import COHORT, LabelledPredictions

# Bounds of the score bands; constant, so that months can be compared.
BANDS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5)


@dataclass(frozen=True)
class GroupMetrics:
    """The metrics of a group of loans with an outcome: values and 95% intervals, in [0, 1].

    `outcomes` and `defaults` are counts; without outcomes all others are None. AUC and F1 can also
    be undefined.
    """

    outcomes: int
    defaults: int
    default_rate: Metric | None = None
    mean_probability: float | None = None
    AUC: Metric | None = None
    F1: Metric | None = None
    Brier: Metric | None = None


@dataclass(frozen=True)
class MonthMetrics:
    """The metrics of a cohort `month` (YYYY-MM), which has `predictions` matured applications."""

    month: str
    predictions: int
    metrics: GroupMetrics


@dataclass(frozen=True)
class BandMetrics:
    """The metrics of the loans with a score from `low` up to, but not including, `high`."""

    low: float
    high: float
    metrics: GroupMetrics


@dataclass(frozen=True)
class VersionMetrics:
    """The metrics of the loans that a model version scored; `newest_cohort` is YYYY-MM.

    `approved_AUC` is over those that it approved: None if undefined.
    """

    model_version: str
    newest_cohort: str
    metrics: GroupMetrics
    approved_AUC: Metric | None


@dataclass(frozen=True)
class ImmatureMonth:
    """A cohort `month` (YYYY-MM) that has not matured.

    `ended_early` of its `predictions` already have an outcome. It matures in the month `matures`;
    None if no term is known.
    """

    month: str
    predictions: int
    ended_early: int
    matures: str | None


@dataclass(frozen=True)
class RealisedPerformance:
    """The performance on outcomes known through the month `as_of` (YYYY-MM).

    `coverage` is the share of the matured approved applications that have an outcome, None if there
    are none. `learned_from` counts applications that were left out because their model was trained
    on them. `metrics` are over all loans. `by_month` includes matured months without outcomes;
    `by_version` ends with the version of the newest cohort.
    """

    as_of: str
    coverage: float | None
    learned_from: int
    metrics: GroupMetrics
    by_month: list[MonthMetrics]
    by_band: list[BandMetrics]
    by_version: list[VersionMetrics]
    immature: list[ImmatureMonth]


@dataclass(frozen=True)
class Estimate:
    """The performance that the scores of `rows` applications imply if they are calibrated."""

    kind: str
    rows: int
    default_rate: float | None
    AUC: float | None
    F1: float | None
    Brier: float | None


def realised_performance(labelled: LabelledPredictions, as_of: date) -> RealisedPerformance:
    """Compute the performance on the outcomes known through the month `as_of`."""
    matured = maturity_month(COHORT) <= as_of
    loans = labelled.loans.filter(matured, pl.col(DEFAULT).is_not_null())
    old = labelled.cohorts.filter(matured)
    young = labelled.cohorts.filter(matured.fill_null(False).not_())
    approved = int(old["approved"].sum())
    covered = loans.filter(pl.col(PREDICTION) == 0).height
    return RealisedPerformance(
        as_of=f"{as_of:%Y-%m}",
        coverage=covered / approved if approved else None,
        learned_from=labelled.trained_on,
        metrics=_metrics(loans),
        by_month=_by_month(loans, old),
        by_band=_by_band(loans),
        by_version=_by_version(loans),
        immature=_immature(young, labelled.loans),
    )


def estimate(
    probability: Floats, declined: Floats, rows: int, mean_probability: float | None
) -> Estimate:
    """Estimate the performance from the scores, before any outcome is known.

    Each score counts as that share of a default: confidence-based performance estimation (Kivimaki
    et al. 2024, Confidence-based estimators for predictive performance in model monitoring).

    Args:
        probability: (n,) default probabilities of a sample of the scored rows.
        declined: (n,) decisions on them, 1 for declined.
        rows: number of all scored rows.
        mean_probability: mean over all scored rows; None for that of the sample.
    """
    if not len(probability):
        return Estimate("estimate", rows, None, None, None, None)
    p = np.asarray(probability, dtype=np.float64)
    caught, flagged = float(p[declined == 1].sum()), int(np.count_nonzero(declined))
    denominator = flagged + float(p.sum())
    return Estimate(
        kind="estimate",
        rows=rows,
        default_rate=float(p.mean()) if mean_probability is None else mean_probability,
        AUC=_expected_auc(p),
        F1=2 * caught / denominator if denominator else None,
        Brier=float(np.mean(p * (1 - p))),
    )


def _expected_auc(p: Floats) -> float | None:
    """Return the AUC that calibrated scores imply: each pair weighted by p * (1 - p)."""
    _, group = np.unique(p, return_inverse=True)
    ones, zeros = np.bincount(group, weights=p), np.bincount(group, weights=1 - p)
    return auc(zeros, ones)


def _metrics(loans: pl.DataFrame) -> GroupMetrics:
    n, defaults = loans.height, int(loans[DEFAULT].sum())
    if not n:
        return GroupMetrics(0, 0)
    default, p = loans[DEFAULT].to_numpy(), loans[PROBABILITY].to_numpy()
    return GroupMetrics(
        outcomes=n,
        defaults=defaults,
        default_rate=intervals.rate(defaults, n),
        mean_probability=float(p.mean()),
        AUC=intervals.auc(default, p),
        F1=intervals.f1(default, loans[PREDICTION].to_numpy()),
        Brier=intervals.brier(default, p),
    )


def _by_month(loans: pl.DataFrame, old: pl.DataFrame) -> list[MonthMetrics]:
    counts = old.group_by(COHORT).agg(pl.col("predictions").sum()).sort(COHORT)
    return [
        MonthMetrics(f"{month:%Y-%m}", predictions, _metrics(loans.filter(pl.col(COHORT) == month)))
        for month, predictions in counts.iter_rows()
    ]


def _by_band(loans: pl.DataFrame) -> list[BandMetrics]:
    bounds = (0.0, *BANDS, 1.0)
    bands = np.searchsorted(BANDS, loans[PROBABILITY].to_numpy(), side="right")
    return [
        BandMetrics(low, high, _metrics(loans.filter(bands == number)))
        for number, (low, high) in enumerate(zip(bounds, bounds[1:], strict=False))
    ]


def _by_version(loans: pl.DataFrame) -> list[VersionMetrics]:
    # By length first, so that version 10 comes after version 9
    order = (COHORT, pl.col(VERSION).str.len_chars(), VERSION)
    newest = loans.group_by(VERSION).agg(pl.col(COHORT).max()).sort(*order)
    return [
        _version(version, month, loans.filter(pl.col(VERSION) == version))
        for version, month in newest.iter_rows()
    ]


def _version(version: str, newest: date, loans: pl.DataFrame) -> VersionMetrics:
    approved = loans.filter(pl.col(PREDICTION) == 0)
    default, p = approved[DEFAULT].to_numpy(), approved[PROBABILITY].to_numpy()
    approved_auc = intervals.auc(default, p) if approved.height else None
    return VersionMetrics(version, f"{newest:%Y-%m}", _metrics(loans), approved_auc)


def _immature(young: pl.DataFrame, loans: pl.DataFrame) -> list[ImmatureMonth]:
    ended = loans.filter(pl.col(DEFAULT).is_not_null()).group_by(COHORT, TERM).len("ended")
    table = young.join(ended, on=[COHORT, TERM], how="left", nulls_equal=True)
    months = (
        table.with_columns(maturity_month(COHORT).alias("matures"))
        .group_by(COHORT)
        .agg(pl.col("predictions").sum(), pl.col("ended").sum(), pl.col("matures").max())
    )
    return [
        ImmatureMonth(
            month=f"{row[COHORT]:%Y-%m}",
            predictions=row["predictions"],
            ended_early=row["ended"],
            matures=f"{row['matures']:%Y-%m}" if row["matures"] else None,
        )
        for row in months.sort(COHORT).iter_rows(named=True)
    ]
