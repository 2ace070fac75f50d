"""Every prediction that was made, oldest day first: the batch runs', then the online log's.

An application is judged by its earliest prediction, the one that was decided on.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date

import polars as pl

from loan_default import storage
from loan_default.batch.run_files import PREDICTIONS, RunFiles, scored_dates
from loan_default.columns import ID, ISSUE_MONTH, PREDICTION, PROBABILITY, TERM, VERSION
from loan_default.data.parsing import month
from loan_default.monitoring.days.labelled_predictions import COHORT, Judged
from loan_default.serving.prediction_log import TIME

SOURCE = "source"
LEARNED = "learned"
_SCHEMA = {
    ID: pl.String,
    PROBABILITY: pl.Float64,
    PREDICTION: pl.Int8,
    VERSION: pl.String,
    TERM: pl.Float64,
}
_DATED = _SCHEMA | {ISSUE_MONTH: pl.Date}


def judge(root: str, labels: pl.DataFrame) -> Judged:
    """The earliest prediction of each id in `labels` (id, default), and counts of all others.

    A cohort is the issue month where the application named one, else the month it was scored in.
    One day is in memory at a time, beside 8 bytes an id and the labels.
    """
    seen, learned = pl.Series("hash", [], pl.UInt64), 0
    loans, cohorts = [_nothing(labels)], [_counts(_cohorts(_empty(), date.min))]
    for day, source, frame in days(root):
        first = _first(_cohorts(frame, day), seen)
        seen = pl.concat([seen, first["hash"]])
        taught = first[LEARNED]
        learned, first = learned + int(taught.sum()), first.filter(~taught).drop(LEARNED, "hash")
        cohorts.append(_counts(first))
        labelled = first.lazy().join(labels.lazy(), on=ID, maintain_order="left")
        loans.append(labelled.with_columns(pl.lit(source).alias(SOURCE)).collect())
    counted = pl.concat(cohorts).group_by(COHORT, TERM).sum().sort(COHORT, TERM)
    return Judged(pl.concat(loans), counted, learned)


def days(root: str) -> Iterator[tuple[date, str, pl.DataFrame]]:
    """The predictions by day, with their source: `batch` before `online` of the same day.

    `learned` marks loans of issue months that the model which scored them had learned from.
    """
    online = _online_files(root)
    batch = set(scored_dates(root))
    for day in sorted(batch | set(online)):
        if day in batch:
            run = RunFiles(root, day)
            through = month(str((run.manifest() or {}).get("fit_through", "")))
            taught = pl.col(ISSUE_MONTH) <= through if through else pl.lit(False)
            rows = _read(run.path(PREDICTIONS), _DATED)
            yield day, "batch", rows.with_columns(taught.fill_null(False).alias(LEARNED))
        if day in online:
            parts = [
                _read(path, _SCHEMA | {TIME: pl.Datetime("us", "UTC")}) for path in online[day]
            ]
            timed = pl.concat(parts).sort(TIME, maintain_order=True).drop(TIME)
            undated = pl.lit(None, pl.Date).alias(ISSUE_MONTH)
            yield day, "online", timed.with_columns(undated, pl.lit(False).alias(LEARNED))


def online_dates(root: str) -> list[date]:
    """The days under `root` that the online prediction log has files of, oldest first."""
    return sorted(_online_files(root))


def online_files(root: str, day: date) -> list[str]:
    """The files that the online log holds of a day."""
    return _online_files(root).get(day, [])


def _online_files(root: str) -> dict[date, list[str]]:
    found: dict[date, list[str]] = {}
    for path in storage.files_below(storage.join(root, "online")):
        if match := re.search(r"/date=(\d{4}-\d{2}-\d{2})/[^/]+\.parquet$", path):
            found.setdefault(date.fromisoformat(match[1]), []).append(path)
    return found


def _read(path: str, schema: Mapping[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
    """The columns of `schema`; what an older version of the file lacks comes as null."""
    with storage.open_input(path) as stream:
        held = pl.read_parquet_schema(stream)
        stream.seek(0)
        frame = pl.read_parquet(stream, columns=[name for name in schema if name in held])
    missing = [pl.lit(None, kind).alias(n) for n, kind in schema.items() if n not in held]
    return frame.with_columns(missing).select(pl.col(n).cast(k) for n, k in schema.items())


def _cohorts(frame: pl.DataFrame, day: date) -> pl.DataFrame:
    issued = pl.col(ISSUE_MONTH).fill_null(day.replace(day=1)).alias(COHORT)
    return frame.with_columns(issued).drop(ISSUE_MONTH)


def _first(frame: pl.DataFrame, seen: pl.Series) -> pl.DataFrame:
    """The rows of ids, told by their `hash`, that are neither among the `seen` nor above them."""
    # Lazily: streamed, which takes half the memory.
    hashed = frame.lazy().with_columns(pl.col(ID).hash(seed=0).alias("hash"))
    once = hashed.unique("hash", keep="first", maintain_order=True)
    return once.join(seen.to_frame().lazy(), on="hash", how="anti", maintain_order="left").collect()


def _counts(first: pl.DataFrame) -> pl.DataFrame:
    return first.group_by(COHORT, TERM).agg(
        pl.len().cast(pl.Int64).alias("predictions"),
        (pl.col(PREDICTION) == 0).sum().cast(pl.Int64).alias("approved"),
    )


def _empty() -> pl.DataFrame:
    return pl.DataFrame(schema=_DATED)


def _nothing(labels: pl.DataFrame) -> pl.DataFrame:
    typed = _cohorts(_empty(), date.min).join(labels.clear(), on=ID)
    return typed.with_columns(pl.lit("", pl.String).alias(SOURCE))
