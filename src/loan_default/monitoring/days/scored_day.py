"""What was scored on one day, as monitoring looks at it: a sample, counts, the version.

A day has two sources: the batch run of its date, and the online prediction log of its date. `both`
takes them together.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

import polars as pl
import pyarrow.parquet

from loan_default import storage
from loan_default.batch.run_files import PREDICTIONS, SAMPLE, RunFiles, marked_date
from loan_default.batch.score import SAMPLE_ROWS, Counts
from loan_default.columns import VERSION
from loan_default.data.rejections import SCHEMA
from loan_default.errors import InputError
from loan_default.monitoring.days import predictions

Source = Literal["batch", "online", "both"]


@dataclass(frozen=True)
class ScoredDay:
    """A day's `sample`: typed records with their score, decision and the version that scored them.

    `version` is the one that scored most of them; `counts` are those of `score_blocks`, over all
    rows; `digest` names the data; `latest` is the newest day of the source.
    """

    run_date: date
    source: Source
    model_name: str
    version: str
    sample: pl.DataFrame
    counts: Mapping[str, Any]
    digest: str
    latest: date | None


def read(root: str, run_date: date | None, source: Source, model_name: str) -> ScoredDay:
    """What `source` has of the day, or of its latest day: for `batch` the one the marker names.

    The online log does not name its model: `model_name` does. Raises InputError where nothing was
    scored, or the batch run is not complete.
    """
    if source == "batch":
        return _batch(root, run_date)
    if source == "online":
        return _online(root, run_date, model_name)
    latest = max((day for day in (marked_date(root), _newest_online(root)) if day), default=None)
    day = run_date or latest
    parts = []
    if day and RunFiles(root, day).manifest():
        parts.append(_batch(root, day))
    if day in predictions.online_dates(root):
        parts.append(_online(root, day, model_name))
    if not parts:
        raise InputError(f"nothing was scored under {root} {_on(day)}, neither batch nor online")
    return replace(_together(parts), latest=latest)


def sample(root: str, day: date, source: Source) -> pl.DataFrame:
    """The sample of a day alone, for comparisons."""
    parts = []
    if source != "online":
        parts.append(_batch_sample(RunFiles(root, day)))
    if source != "batch" and day in predictions.online_dates(root):
        parts.append(_online_sample(root, day)[0])
    return pl.concat(parts, how="diagonal_relaxed")


def _batch(root: str, run_date: date | None) -> ScoredDay:
    latest = marked_date(root)
    day = run_date or latest
    if day is None:
        raise InputError(f"nothing was scored under {root} yet: run batch_predict.py first")
    run = RunFiles(root, day)
    manifest = run.complete_manifest()
    name, version = manifest["model_name"], str(manifest["model_version"])
    digest = manifest["digests"][PREDICTIONS]
    return ScoredDay(day, "batch", name, version, _batch_sample(run), manifest, digest, latest)


def _batch_sample(run: RunFiles) -> pl.DataFrame:
    manifest = run.manifest()
    if manifest is None:
        return pl.DataFrame()
    with storage.open_input(run.path(SAMPLE)) as stream:
        frame = pl.read_parquet(stream)
    return frame.with_columns(pl.lit(str(manifest["model_version"])).alias(VERSION))


def _online(root: str, run_date: date | None, model_name: str) -> ScoredDay:
    latest = _newest_online(root)
    day = run_date or latest
    if day is None or day not in predictions.online_dates(root):
        raise InputError(
            f"the online prediction log under {root} has nothing {_on(day)}: is serve_model.py "
            "running with that OUTPUT_PATH, and SERVE_LOG_SHARE above 0?"
        )
    frame, counts = _online_sample(root, day)
    names = "\n".join(path.rsplit("/", 1)[-1] for path in predictions.online_files(root, day))
    digest = hashlib.sha256(names.encode()).hexdigest()
    return ScoredDay(day, "online", model_name, _main(frame), frame, counts, digest, latest)


def _online_sample(root: str, day: date) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Up to `SAMPLE_ROWS` rows of the day's log, and the counts over all; one file in memory."""
    files, total = predictions.online_files(root, day), 0
    for path in files:
        with storage.open_input(path) as stream:
            total += pyarrow.parquet.ParquetFile(stream).metadata.num_rows
    counts, parts, none = Counts(), [], pl.DataFrame(schema=SCHEMA)
    for path in files:
        with storage.open_input(path) as stream:
            rows = pl.read_parquet(stream)
        counts.add(rows, none, rows)
        parts.append(rows.sample(fraction=min(1.0, SAMPLE_ROWS / max(1, total)), seed=0))
    rejected = {
        "rows_in": total,
        "rows_rejected": 0,
        "rejected_by_reason": {},
        "rejections": [],
    }
    return pl.concat(parts), counts.summary() | rejected


def _newest_online(root: str) -> date | None:
    return max(predictions.online_dates(root), default=None)


def _together(parts: list[ScoredDay]) -> ScoredDay:
    frame = pl.concat([part.sample for part in parts], how="diagonal_relaxed")
    counts = dict(parts[0].counts)
    for part in parts[1:]:
        counts |= _sum(counts, part.counts)
    digest = hashlib.sha256("".join(part.digest for part in parts).encode()).hexdigest()
    return replace(
        parts[0], source="both", version=_main(frame), sample=frame, counts=counts, digest=digest
    )


def _sum(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The counts of both; the mean score weighted by the rows."""
    rows = one["rows_scored"] + other["rows_scored"]
    means = [(part["mean_probability"] or 0) * part["rows_scored"] for part in (one, other)]
    names = ("rows_in", "rows_scored", "rows_rejected", "rows_declined")
    return {
        **{name: one[name] + other[name] for name in names},
        "mean_probability": sum(means) / rows if rows else None,
        "columns": {
            name: {kind: n + other["columns"][name][kind] for kind, n in cells.items()}
            for name, cells in one["columns"].items()
        },
    }


def _main(frame: pl.DataFrame) -> str:
    """The version that scored most rows; among equals the later one."""
    counted = frame[VERSION].value_counts().rows()
    return str(max(counted, key=lambda row: (row[1], len(row[0]), row[0]))[0])


def _on(day: date | None) -> str:
    return f"on {day}" if day else "yet"
