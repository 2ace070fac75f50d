"""What was scored on one day, as monitoring looks at it: a sample, counts, the version."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from loan_default import storage
from loan_default.errors import InputError
from loan_default.runs import PREDICTIONS, SAMPLE, RunFiles, marked_date


@dataclass(frozen=True)
class ScoredDay:
    """A day's `sample`: typed records with their score and decision.

    `counts` are those of `batch.write`, over all rows; `digest` names the data; `latest` is the
    newest day of this source.
    """

    run_date: date
    model_name: str
    version: str
    sample: pl.DataFrame
    counts: Mapping[str, Any]
    digest: str
    latest: date | None


def read(root: str, run_date: date | None) -> ScoredDay:
    """The batch run of the day, or of the day that the marker names.

    Raises InputError where nothing was scored, or the run is not complete.
    """
    latest = marked_date(root)
    day = run_date or latest
    if day is None:
        raise InputError(f"nothing was scored under {root} yet: run batch_predict.py first")
    run = RunFiles(root, day)
    manifest = run.complete_manifest()
    with storage.open_input(run.path(SAMPLE)) as stream:
        sample = pl.read_parquet(stream)
    name, version = manifest["model_name"], str(manifest["model_version"])
    return ScoredDay(day, name, version, sample, manifest, manifest["digests"][PREDICTIONS], latest)
