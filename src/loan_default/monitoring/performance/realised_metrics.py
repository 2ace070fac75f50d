"""How good the predictions turned out: figures on matured cohorts with what chance leaves open.

Pure. A loan counts once its cohort's month + term is at or before the labels' as-of month: of the
younger ones only the early ends are known, defaults and prepayments, which are not like the rest.
"""

from dataclasses import asdict
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from loan_default.columns import DEFAULT, PREDICTION, PROBABILITY, TERM, VERSION
from loan_default.data.maturity import maturity_month
from loan_default.metrics import intervals
from loan_default.metrics.auc import Floats, auc
from loan_default.metrics.intervals import Metric
from loan_default.monitoring.days.labelled_predictions import COHORT, Judged

# The bounds of the score bands: the same ones always, so that months can be compared.
BANDS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
Figures = dict[str, Any]


def realised(judged: Judged, as_of: date) -> Figures:
    """What the outcomes known through `as_of` say.

    Returns:
        `as_of`, `outcomes` (matured loans with a final status), `coverage` (their share of the
        matured approved applications, None without any), `learned_from` (applications left out
        since their model had learned from them), the figures of all of them (`_figures`),
        `by_month`, `by_band`, `by_version` with the same figures each, and `immature`: by cohort
        month the applications that must wait, how many of them have ended early, and until when.
        Matured months without a final status are in `by_month` with `outcomes` 0.
    """
    matured = maturity_month(COHORT) <= as_of
    loans = judged.loans.filter(matured, pl.col(DEFAULT).is_not_null())
    old, young = judged.cohorts.filter(matured), judged.cohorts.filter(
        matured.fill_null(False).not_()
    )
    approved = int(old["approved"].sum())
    covered = loans.filter(pl.col(PREDICTION) == 0).height
    return {
        "kind": "realised",
        "as_of": f"{as_of:%Y-%m}",
        "coverage": covered / approved if approved else None,
        "learned_from": judged.learned,
        **_figures(loans),
        "by_month": _by_month(loans, old),
        "by_band": _by_band(loans),
        "by_version": _by_version(loans),
        "immature": _immature(young, judged.loans),
    }


def estimate(
    probability: Floats, declined: Floats, rows: int, mean_probability: float | None
) -> Figures:
    """What the scores promise if they are calibrated, before any outcome is known.

    `probability` and `declined` (n,) are a sample of the `rows` scored. Each score counts as that
    share of a default: confidence-based performance estimation (Kivimaki et al. 2024,
    Confidence-based estimators for predictive performance in model monitoring).
    """
    if not len(probability):
        return {"kind": "estimate", "rows": rows, "default_rate": None, "AUC": None}
    p = np.asarray(probability, dtype=np.float64)
    caught, flagged = float(p[declined == 1].sum()), int(np.count_nonzero(declined))
    denominator = flagged + float(p.sum())
    return {
        "kind": "estimate",
        "rows": rows,
        "default_rate": float(p.mean()) if mean_probability is None else mean_probability,
        "AUC": _expected_auc(p),
        "F1": 2 * caught / denominator if denominator else None,
        "Brier": float(np.mean(p * (1 - p))),
    }


def _expected_auc(p: Floats) -> float | None:
    """The AUC that calibrated scores imply: pairs weighted by p of one and 1 - p of the other."""
    _, group = np.unique(p, return_inverse=True)
    ones, zeros = np.bincount(group, weights=p), np.bincount(group, weights=1 - p)
    return auc(zeros, ones)


def _figures(loans: pl.DataFrame) -> Figures:
    """Count, defaults, default rate, mean score, AUC, F1, Brier: null without loans."""
    n, defaults = loans.height, int(loans[DEFAULT].sum())
    if not n:
        names = ("default_rate", "mean_probability", "AUC", "F1", "Brier")
        return {"outcomes": 0, "defaults": 0} | dict.fromkeys(names)
    default, p = loans[DEFAULT].to_numpy(), loans[PROBABILITY].to_numpy()
    return {
        "outcomes": n,
        "defaults": defaults,
        "default_rate": _plain(intervals.rate(defaults, n)),
        "mean_probability": float(p.mean()),
        "AUC": _plain(intervals.auc(default, p)),
        "F1": _plain(intervals.f1(default, loans[PREDICTION].to_numpy())),
        "Brier": _plain(intervals.brier(default, p)),
    }


def _plain(figure: Metric | None) -> dict[str, float | None] | None:
    return asdict(figure) if figure else None


def _by_month(loans: pl.DataFrame, old: pl.DataFrame) -> list[Figures]:
    counts = old.group_by(COHORT).agg(pl.col("predictions").sum()).sort(COHORT)
    return [
        {"month": f"{month:%Y-%m}", "predictions": predictions}
        | _figures(loans.filter(pl.col(COHORT) == month))
        for month, predictions in counts.iter_rows()
    ]


def _by_band(loans: pl.DataFrame) -> list[Figures]:
    bounds = (0.0, *BANDS, 1.0)
    bands = np.searchsorted(BANDS, loans[PROBABILITY].to_numpy(), side="right")
    return [
        {"from": low, "to": high} | _figures(loans.filter(bands == number))
        for number, (low, high) in enumerate(zip(bounds, bounds[1:], strict=False))
    ]


def _by_version(loans: pl.DataFrame) -> list[Figures]:
    # Version 10 comes after version 9
    later = (COHORT, pl.col(VERSION).str.len_chars(), VERSION)
    newest = loans.group_by(VERSION).agg(pl.col(COHORT).max()).sort(*later)
    return [
        {"model_version": version, "newest_cohort": f"{month:%Y-%m}"}
        | _figures(loans.filter(pl.col(VERSION) == version))
        for version, month in newest.iter_rows()
    ]


def _immature(young: pl.DataFrame, loans: pl.DataFrame) -> list[Figures]:
    ended = loans.filter(pl.col(DEFAULT).is_not_null()).group_by(COHORT, TERM).len("ended")
    table = young.join(ended, on=[COHORT, TERM], how="left", nulls_equal=True)
    months = (
        table.with_columns(maturity_month(COHORT).alias("matures"))
        .group_by(COHORT)
        .agg(pl.col("predictions").sum(), pl.col("ended").sum(), pl.col("matures").max())
    )
    return [
        {
            "month": f"{row[COHORT]:%Y-%m}",
            "predictions": row["predictions"],
            "ended_early": row["ended"],
            "matures": f"{row['matures']:%Y-%m}" if row["matures"] else None,
        }
        for row in months.sort(COHORT).iter_rows(named=True)
    ]
