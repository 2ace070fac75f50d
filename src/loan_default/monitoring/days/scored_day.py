"""A scored day: sample, counts and model version, from the batch run, the online log or both."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

import polars as pl
import pyarrow.parquet

from loan_default import storage
from loan_default.batch import own_root
from loan_default.batch.run_files import PREDICTIONS, SAMPLE, RunFiles, marked_date, runs_of
from loan_default.batch.score import SAMPLE_ROWS, Counts
from loan_default.columns import VERSION
from loan_default.contract.contract import Contract
from loan_default.data.rejections import SCHEMA
from loan_default.errors import InputError
from loan_default.monitoring.days import predictions
from loan_default.monitoring.days.day_counts import DayCounts

Source = Literal["batch", "online", "both"]
# Returns the contract of a model version, given the model's name and the version
ContractOf = Callable[[str, str], Contract]


@dataclass(frozen=True)
class ScoredDay:
    """What was scored on a day.

    `version` is the model version that scored most rows. `sample` holds typed records with score,
    decision and the version that scored them; `counts` are over all rows. `digest` identifies the
    data. `latest` is the newest scored day of the source. `plausibility` is the report in the
    manifest of a batch.
    """

    run_date: date
    source: Source
    model_name: str
    version: str
    sample: pl.DataFrame
    counts: DayCounts
    digest: str
    latest: date | None
    plausibility: Mapping[str, Any] | None = None


def read(
    root: str,
    run_date: date | None,
    source: Source,
    model_name: str,
    contract_of: ContractOf,
) -> ScoredDay:
    """Read a scored day from the output root.

    Args:
        root: output root of the batch runs and the online log.
        run_date: None for the latest day; for `batch`, that is the day that the marker names.
        source: which predictions to read.
        model_name: the model behind the online log, where a file does not record it.
        contract_of: asked for the contract that the rows of the online log follow.

    Raises:
        InputError: nothing was scored on the day, or the batch run is incomplete.
    """
    if source == "batch":
        return _batch(root, run_date)
    if source == "online":
        return _online(root, run_date, model_name, contract_of)
    latest = max((day for day in (marked_date(root), _newest_online(root)) if day), default=None)
    day = run_date or latest
    parts = []
    if day and runs_of(root, day):
        parts.append(_batch(root, day))
    if day in predictions.online_dates(root):
        parts.append(_online(root, day, model_name, contract_of))
    if not parts:
        raise InputError(f"nothing was scored under {root} {_on(day)}, neither batch nor online")
    return replace(_combined(parts, "both"), latest=latest)


def sample(root: str, day: date, source: Source) -> pl.DataFrame:
    """Return the sample of a day; no rows if nothing was scored."""
    parts = [pl.DataFrame()]
    if source != "online":
        parts += [_batch_sample(run) for run in runs_of(root, day)]
    if source != "batch" and day in predictions.online_dates(root):
        parts.append(_online_sample(root, day, None)[0])
    return pl.concat(parts, how="diagonal_relaxed")


def _batch(root: str, run_date: date | None) -> ScoredDay:
    latest = marked_date(root)
    day = run_date or latest
    if day is None:
        raise InputError(f"nothing was scored under {root} yet: run batch_predict.py first")
    runs = runs_of(root, day) or [RunFiles(root, day)]
    return _combined([_batch_run(run, latest) for run in runs], "batch")


def _batch_run(run: RunFiles, latest: date | None) -> ScoredDay:
    manifest = run.complete_manifest()
    return ScoredDay(
        run_date=run.run_date,
        source="batch",
        model_name=manifest["model_name"],
        version=str(manifest["model_version"]),
        sample=_batch_sample(run),
        counts=DayCounts.from_manifest(manifest),
        digest=manifest["digests"][PREDICTIONS],
        latest=latest,
        plausibility=manifest.get("plausibility"),
    )


def _batch_sample(run: RunFiles) -> pl.DataFrame:
    manifest = run.manifest()
    if manifest is None:
        return pl.DataFrame()
    with storage.open_input(run.path(SAMPLE)) as stream:
        frame = pl.read_parquet(stream)
    return frame.with_columns(pl.lit(str(manifest["model_version"])).alias(VERSION))


def _online(
    root: str, run_date: date | None, model_name: str, contract_of: ContractOf
) -> ScoredDay:
    latest = _newest_online(root)
    day = run_date or latest
    if day is None or day not in predictions.online_dates(root):
        raise InputError(
            f"the online prediction log under {root} has nothing {_on(day)}: is serve_model.py "
            "running with that OUTPUT_PATH, and SERVE_LOG_SHARE above 0?"
        )
    files = predictions.online_files(root, day)
    model_name = own_root.recorded(files[-1]) or model_name
    version = _main_version(pl.concat(_online_versions(root, day)))
    frame, counts = _online_sample(root, day, contract_of(model_name, version))
    assert counts
    names = "\n".join(path.rsplit("/", 1)[-1] for path in files)
    return ScoredDay(
        run_date=day,
        source="online",
        model_name=model_name,
        version=_main_version(frame),
        sample=frame,
        counts=counts,
        digest=hashlib.sha256(names.encode()).hexdigest(),
        latest=latest,
    )


def _online_versions(root: str, day: date) -> Iterator[pl.DataFrame]:
    """Yield the versions that scored the rows of each file of the day's log."""
    for path in predictions.online_files(root, day):
        with storage.open_input(path) as stream:
            yield pl.read_parquet(stream, columns=[VERSION])


def _online_sample(
    root: str, day: date, contract: Contract | None
) -> tuple[pl.DataFrame, DayCounts | None]:
    """Return up to about `SAMPLE_ROWS` rows of the day's log and, by `contract`, all rows' counts.

    Memory holds one file at a time.
    """
    files, total = predictions.online_files(root, day), 0
    for path in files:
        with storage.open_input(path) as stream:
            total += pyarrow.parquet.ParquetFile(stream).metadata.num_rows
    counts = Counts(contract) if contract else None
    parts, no_rejections = [], pl.DataFrame(schema=SCHEMA)
    for path in files:
        with storage.open_input(path) as stream:
            rows = pl.read_parquet(stream)
        if counts:
            counts.add(rows, no_rejections, rows)
        parts.append(rows.sample(fraction=min(1.0, SAMPLE_ROWS / max(1, total)), seed=0))
    rejected = {"rows_rejected": 0, "rejected_by_reason": {}, "rejections": []}
    sample = pl.concat(parts, how="diagonal_relaxed")
    if counts is None:
        return sample, None
    manifest = counts.summary() | {"rows_in": total} | rejected
    return sample, DayCounts.from_manifest(manifest)


def _newest_online(root: str) -> date | None:
    return max(predictions.online_dates(root), default=None)


def _combined(parts: list[ScoredDay], source: Source) -> ScoredDay:
    """Combine the batch runs and the online log of a day."""
    if len(parts) == 1:
        return replace(parts[0], source=source)
    frame = pl.concat([part.sample for part in parts], how="diagonal_relaxed")
    counts = parts[0].counts
    for part in parts[1:]:
        counts = counts.plus(part.counts)
    return replace(
        parts[0],
        source=source,
        version=_main_version(frame),
        sample=frame,
        counts=counts,
        digest=hashlib.sha256("".join(part.digest for part in parts).encode()).hexdigest(),
    )


def _main_version(frame: pl.DataFrame) -> str:
    """Return the version that scored most rows; on a tie, the later one."""
    counted = frame[VERSION].value_counts().rows()
    return str(max(counted, key=lambda row: (row[1], len(row[0]), row[0]))[0])


def _on(day: date | None) -> str:
    return f"on {day}" if day else "yet"
