"""All predictions by day, oldest first: those of batch runs, then those of the online log.

Outcomes are joined with an application's earliest prediction, the one that was decided on.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import groupby

import polars as pl

from loan_default import storage
from loan_default.batch.run_files import PREDICTIONS, RunFiles, runs
from loan_default.columns import ID, ISSUE_MONTH, PREDICTION, PROBABILITY, TERM, VERSION
from loan_default.data import ids
from loan_default.data.dates import month
from loan_default.monitoring.days.labelled_predictions import (
    COHORT,
    HASH,
    LabelledPredictions,
    hashed,
)
from loan_default.serving.prediction_log import TIME

SOURCE = "source"
TRAINED_ON = "trained_on"
_SCHEMA = {
    ID: pl.String,
    PROBABILITY: pl.Float64,
    PREDICTION: pl.Int8,
    VERSION: pl.String,
    TERM: pl.Float64,
}
_BATCH_SCHEMA = _SCHEMA | {ISSUE_MONTH: pl.Date}
_ONLINE_SCHEMA = _SCHEMA | {TIME: pl.Datetime("us", "UTC")}


def join_labels(root: str, labels: pl.DataFrame) -> LabelledPredictions:
    """Join the earliest prediction of each application under `root` with its outcome.

    An application's cohort is its issue month, or the month it was scored in if it has none.
    Memory holds one day at a time, the labels, and 8 bytes per id.

    Args:
        root: output root of the batch runs and the online log.
        labels: id, and default (1, 0, null while the loan is running); ids are unique.
    """
    seen, trained_on = pl.Series(HASH, [], pl.UInt64), 0
    loans, cohorts = [_no_loans(labels)], [_counts(_with_cohort(_no_predictions(), date.min))]
    for day, source, frame in days(root):
        first = _first_predictions(_with_cohort(frame, day), seen)
        seen = pl.concat([seen, first[HASH]])
        trained_on += int(first[TRAINED_ON].sum())
        first = first.filter(~pl.col(TRAINED_ON)).drop(TRAINED_ON, HASH)
        cohorts.append(_counts(first))
        labelled = first.lazy().join(labels.lazy(), on=ID, maintain_order="left")
        loans.append(labelled.with_columns(pl.lit(source).alias(SOURCE)).collect())
    by_cohort = pl.concat(cohorts).group_by(COHORT, TERM).sum().sort(COHORT, TERM)
    return LabelledPredictions(pl.concat(loans), by_cohort, trained_on, seen)


def days(root: str) -> Iterator[tuple[date, str, pl.DataFrame]]:
    """Yield each day's predictions with their source, `batch` before `online` on the same day.

    The column `trained_on` marks loans issued in the training months of the model that scored them.
    """
    online = _online_files(root)
    batch = {day: list(group) for day, group in groupby(runs(root), lambda run: run.run_date)}
    for day in sorted({*batch, *online}):
        for run in batch.get(day, []):
            yield day, "batch", _batch_predictions(run)
        if day in online:
            yield day, "online", _online_predictions(online[day])


def online_dates(root: str) -> list[date]:
    """Return the days in the online prediction log under `root`, oldest first."""
    return sorted(_online_files(root))


def online_files(root: str, day: date) -> list[str]:
    """Return the paths of the online log's files for a day."""
    return _online_files(root).get(day, [])


def _batch_predictions(run: RunFiles) -> pl.DataFrame:
    last_training_month = month(str((run.manifest() or {}).get("fit_through", "")))
    trained_on = pl.lit(False)
    if last_training_month:
        trained_on = (pl.col(ISSUE_MONTH) <= last_training_month).fill_null(False)
    return _read(run.path(PREDICTIONS), _BATCH_SCHEMA).with_columns(trained_on.alias(TRAINED_ON))


def _online_predictions(paths: list[str]) -> pl.DataFrame:
    rows = pl.concat([_read(path, _ONLINE_SCHEMA) for path in paths])
    in_order = rows.sort(TIME, maintain_order=True).drop(TIME)
    no_issue_month = pl.lit(None, pl.Date).alias(ISSUE_MONTH)
    return in_order.with_columns(no_issue_month, pl.lit(False).alias(TRAINED_ON))


def _online_files(root: str) -> dict[date, list[str]]:
    by_day: dict[date, list[str]] = {}
    for path in storage.files_below(storage.join(root, "online")):
        if match := re.search(r"/date=(\d{4}-\d{2}-\d{2})/[^/]+\.parquet$", path):
            by_day.setdefault(date.fromisoformat(match[1]), []).append(path)
    return by_day


def _read(path: str, schema: Mapping[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
    """Read the columns of `schema`; those that a file of an earlier release lacks are null."""
    with storage.open_input(path) as stream:
        stored = pl.read_parquet_schema(stream)
        stream.seek(0)
        frame = pl.read_parquet(stream, columns=[name for name in schema if name in stored])
    missing = [
        pl.lit(None, kind).alias(name) for name, kind in schema.items() if name not in stored
    ]
    typed = frame.with_columns(missing).select(
        pl.col(name).cast(kind) for name, kind in schema.items()
    )
    return typed.with_columns(ids.for_joins(typed[ID]))


def _with_cohort(frame: pl.DataFrame, day: date) -> pl.DataFrame:
    cohort = pl.col(ISSUE_MONTH).fill_null(day.replace(day=1)).alias(COHORT)
    return frame.with_columns(cohort).drop(ISSUE_MONTH)


def _first_predictions(frame: pl.DataFrame, seen: pl.Series) -> pl.DataFrame:
    """Return the first row of each id whose hash is not among those `seen`, with that hash."""
    # Lazily: streamed, which takes half the memory.
    with_hash = frame.lazy().with_columns(hashed().alias(HASH))
    once = with_hash.unique(HASH, keep="first", maintain_order=True)
    return once.join(seen.to_frame().lazy(), on=HASH, how="anti", maintain_order="left").collect()


def _counts(first: pl.DataFrame) -> pl.DataFrame:
    return first.group_by(COHORT, TERM).agg(
        pl.len().cast(pl.Int64).alias("predictions"),
        (pl.col(PREDICTION) == 0).sum().cast(pl.Int64).alias("approved"),
    )


def _no_predictions() -> pl.DataFrame:
    return pl.DataFrame(schema=_BATCH_SCHEMA)


def _no_loans(labels: pl.DataFrame) -> pl.DataFrame:
    typed = _with_cohort(_no_predictions(), date.min).join(labels.clear(), on=ID)
    return typed.with_columns(pl.lit("", pl.String).alias(SOURCE))
