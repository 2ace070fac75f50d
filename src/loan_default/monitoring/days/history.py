"""The history of monitored days: one row of metrics per day in ROOT/reports/history.parquet.

Monitoring a day again replaces its row. A column that an older row lacks is null.
"""

from collections.abc import Mapping
from datetime import date

import polars as pl

from loan_default import storage
from loan_default.errors import InputError

SCHEMA = pl.Schema(
    {
        "run_date": pl.Date(),
        "source": pl.String(),
        "model_name": pl.String(),
        "model_version": pl.String(),
        "compared_with": pl.String(),
        "as_of": pl.String(),
        "severity": pl.String(),
        "reason": pl.String(),
        "decision": pl.String(),
        "rows_in": pl.Int64(),
        "rows_rejected": pl.Int64(),
        "rows_scored": pl.Int64(),
        "outcomes": pl.Int64(),
        "drift": pl.Boolean(),
        "reference_drift": pl.Boolean(),
        "alert": pl.Boolean(),
        "retrain": pl.Boolean(),
        "drifted_columns": pl.List(pl.String),
        "findings": pl.List(pl.String),
        # Shares, scores and rates in [0, 1]
        "drift_share": pl.Float64(),
        "reference_drift_share": pl.Float64(),
        "rejected_share": pl.Float64(),
        "declined_share": pl.Float64(),
        "mean_probability": pl.Float64(),
        # Quantiles of the scores in the day's sample
        "score_p05": pl.Float64(),
        "score_p25": pl.Float64(),
        "score_p50": pl.Float64(),
        "score_p75": pl.Float64(),
        "score_p95": pl.Float64(),
        "estimated_AUC": pl.Float64(),
        "estimated_default_rate": pl.Float64(),
        "AUC": pl.Float64(),
        "AUC_low": pl.Float64(),
        "AUC_high": pl.Float64(),
        "Brier": pl.Float64(),
        "default_rate": pl.Float64(),
        "default_rate_low": pl.Float64(),
        "default_rate_high": pl.Float64(),
        "realised_mean_probability": pl.Float64(),
    }
)
QUANTILES = {
    "score_p05": 0.05,
    "score_p25": 0.25,
    "score_p50": 0.5,
    "score_p75": 0.75,
    "score_p95": 0.95,
}
Row = Mapping[str, object]


def path(root: str) -> str:
    """Return the path of the history under an output root."""
    return storage.join(root, "reports", "history.parquet")


def read(root: str) -> pl.DataFrame:
    """Return the rows, oldest day first, with the columns of `SCHEMA`.

    Raises InputError if the file is damaged.
    """
    if not storage.exists(path(root)):
        return pl.DataFrame(schema=SCHEMA)
    with storage.open_input(path(root)) as stream:
        try:
            return _with_schema(pl.read_parquet(stream))
        except pl.exceptions.PolarsError:
            raise InputError(
                f"{path(root)} is damaged: remove it, then monitor the days again that it should "
                "hold"
            ) from None


def add(root: str, row: Row) -> None:
    """Write the day's `row` into the history, in place of an earlier row of that day.

    `row` has a value for every column of `SCHEMA`.
    """
    new = pl.DataFrame([{name: row[name] for name in SCHEMA}], schema=SCHEMA)
    others = read(root).filter(pl.col("run_date") != new["run_date"][0])
    rows = pl.concat([others, new]).sort("run_date")
    with storage.atomic_file(path(root)) as partial:
        rows.write_parquet(partial)


def metrics(row: Row) -> dict[str, float]:
    """Return the numbers of a row that are not null, by the name under which MLflow logs them."""
    numbers = [name for name, kind in SCHEMA.items() if kind.is_numeric() or kind == pl.Boolean]
    values = {name: row[name] for name in numbers}
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}


def before(rows: pl.DataFrame, day: date) -> pl.DataFrame:
    """Return the rows of the days before `day`."""
    return rows.filter(pl.col("run_date") < day)


def _with_schema(rows: pl.DataFrame) -> pl.DataFrame:
    missing = [
        pl.lit(None, kind).alias(name) for name, kind in SCHEMA.items() if name not in rows.columns
    ]
    typed = [pl.col(name).cast(kind) for name, kind in SCHEMA.items()]
    return rows.with_columns(missing).select(typed)
