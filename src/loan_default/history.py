"""One row of figures for every monitored day, in ROOT/reports/history.parquet.

Monitoring a day again replaces its row; a figure that an older row lacks is null.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl

from loan_default import storage

SCHEMA = pl.Schema(
    {
        "run_date": pl.Date(),
        "source": pl.String(),
        "model_name": pl.String(),
        "model_version": pl.String(),
        "rows_in": pl.Int64(),
        "drift": pl.Boolean(),
        "drift_share": pl.Float64(),
        "drifted_columns": pl.List(pl.String),
        "compared_with": pl.String(),
        "reference_drift": pl.Boolean(),
        "reference_drift_share": pl.Float64(),
    }
)


def path(root: str) -> str:
    """Where the history of an output root lies."""
    return storage.join(root, "reports", "history.parquet")


def read(root: str) -> pl.DataFrame:
    """The rows so far, oldest first, with the columns of `SCHEMA`."""
    if not storage.exists(path(root)):
        return pl.DataFrame(schema=SCHEMA)
    with storage.open_input(path(root)) as stream:
        return _shaped(pl.read_parquet(stream))


def keep(root: str, row: Mapping[str, Any]) -> pl.DataFrame:
    """Put the day's `row` into the history and return it; keys outside `SCHEMA` are left out."""
    own = {name: row.get(name) for name in SCHEMA}
    new = pl.DataFrame([own | {"run_date": _day(own["run_date"])}], schema=SCHEMA)
    others = read(root).filter(pl.col("run_date") != new["run_date"][0])
    rows = pl.concat([others, new]).sort("run_date")
    with storage.atomic_file(path(root)) as partial:
        rows.write_parquet(partial)
    return rows


def _shaped(rows: pl.DataFrame) -> pl.DataFrame:
    lacking = [pl.lit(None, kind).alias(n) for n, kind in SCHEMA.items() if n not in rows.columns]
    return rows.with_columns(lacking).select(pl.col(n).cast(k) for n, k in SCHEMA.items())


def _day(given: date | str | None) -> date | None:
    return date.fromisoformat(given) if isinstance(given, str) else given
