"""One row of figures for every monitored day, in ROOT/reports/history.parquet.

Monitoring a day again replaces its row; a figure that an older row lacks is null.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl

from loan_default import storage
from loan_default.errors import InputError

_KINDS = {
    "run_date": pl.Date(),
    "source model_name model_version compared_with as_of severity reason decision": pl.String(),
    "rows_in rows_rejected rows_scored outcomes": pl.Int64(),
    "drift reference_drift alert retrain": pl.Boolean(),
    "drifted_columns findings": pl.List(pl.String),
    # Shares, scores and rates in [0, 1]; the score's quantiles are those of the day's sample.
    "drift_share reference_drift_share rejected_share declined_share": pl.Float64(),
    "mean_probability": pl.Float64(),
    "score_p05 score_p25 score_p50 score_p75 score_p95": pl.Float64(),
    "estimated_AUC estimated_default_rate": pl.Float64(),
    "AUC AUC_low AUC_high Brier default_rate default_rate_low default_rate_high": pl.Float64(),
    "realised_mean_probability": pl.Float64(),
}
SCHEMA = pl.Schema({name: kind for names, kind in _KINDS.items() for name in names.split()})
QUANTILES = {"score_p05": 0.05, "score_p25": 0.25, "score_p50": 0.5, "score_p75": 0.75} | {
    "score_p95": 0.95
}


def path(root: str) -> str:
    """Where the history of an output root lies."""
    return storage.join(root, "reports", "history.parquet")


def read(root: str) -> pl.DataFrame:
    """The rows so far, oldest first, with the columns of `SCHEMA`.

    Raises InputError where the file is damaged.
    """
    if not storage.exists(path(root)):
        return pl.DataFrame(schema=SCHEMA)
    with storage.open_input(path(root)) as stream:
        try:
            return _shaped(pl.read_parquet(stream))
        except pl.exceptions.PolarsError:
            raise InputError(
                f"{path(root)} is damaged: remove it, and monitor the days anew that it shall hold"
            ) from None


def keep(root: str, row: Mapping[str, Any]) -> pl.DataFrame:
    """Put the day's `row` into the history and return it; keys outside `SCHEMA` are left out."""
    own = {name: row.get(name) for name in SCHEMA}
    new = pl.DataFrame([own | {"run_date": _day(own["run_date"])}], schema=SCHEMA)
    others = read(root).filter(pl.col("run_date") != new["run_date"][0])
    rows = pl.concat([others, new]).sort("run_date")
    with storage.atomic_file(path(root)) as partial:
        rows.write_parquet(partial)
    return rows


def figures(
    found: Mapping[str, Any], counts: Mapping[str, Any], score: pl.Series
) -> dict[str, Any]:
    """The row of a day: what monitoring `found`, the day's `counts` and a sample of its scores."""
    rows, scored = counts["rows_in"], counts["rows_scored"]
    realised, estimate = found["realised"] or {}, found["estimate"]
    row = {
        **found,
        "rows_rejected": counts["rows_rejected"],
        "rows_scored": scored,
        "rejected_share": counts["rows_rejected"] / rows if rows else None,
        "declined_share": counts["rows_declined"] / scored if scored else None,
        "mean_probability": counts["mean_probability"],
        "estimated_AUC": estimate["AUC"],
        "estimated_default_rate": estimate["default_rate"],
        "as_of": realised.get("as_of"),
        "outcomes": realised.get("outcomes"),
        "realised_mean_probability": realised.get("mean_probability"),
        "Brier": (realised.get("Brier") or {}).get("value"),
        **{name: score.quantile(share, "linear") for name, share in QUANTILES.items()},
    }
    for name in ("AUC", "default_rate"):
        figure = realised.get(name) or {}
        ends = {f"{name}_{end}": figure.get(end) for end in ("low", "high")}
        row |= {name: figure.get("value"), **ends}
    return row


def metrics(row: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a row that are known, as MLflow logs them."""
    numbers = [name for name, kind in SCHEMA.items() if kind.is_numeric() or kind == pl.Boolean]
    return {name: float(row[name]) for name in numbers if row.get(name) is not None}


def _shaped(rows: pl.DataFrame) -> pl.DataFrame:
    lacking = [pl.lit(None, kind).alias(n) for n, kind in SCHEMA.items() if n not in rows.columns]
    return rows.with_columns(lacking).select(pl.col(n).cast(k) for n, k in SCHEMA.items())


def _day(given: date | str | None) -> date | None:
    return date.fromisoformat(given) if isinstance(given, str) else given
