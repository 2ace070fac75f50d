"""Score a file of applications with a registered model version."""

import logging
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from loan_default import storage
from loan_default.batch import own_root, score
from loan_default.batch.run_files import DATA_FILES, MANIFEST, PREDICTIONS, RunFiles
from loan_default.data import sources
from loan_default.data.ingest import open_loans
from loan_default.errors import InputError
from loan_default.model import artifact, xgboost_import
from loan_default.model.artifact import Model
from loan_default.model.scoring import ReasonScope
from loan_default.plausibility.expected import Expectations, of_reference
from loan_default.registry import resolve
from loan_default.settings import Settings, alias_list, settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What to score; a field that is None comes from the settings.

    `run_date` is today in UTC unless given. A date that was scored before is scored with the
    version in its manifest, unless `rescore`. `accept_findings` is the reason to score a file that
    is not plausible; None rejects it.
    """

    input_path: str | None
    output_path: str | None
    run_date: date | None
    model_name: str | None
    alias: str | None
    reasons: ReasonScope
    rescore: bool
    accept_findings: str | None = None


def predict(request: Request) -> dict[str, Any]:
    """Score the applications and publish the run's files, its manifest and the marker.

    Returns the script's JSON result. Raises InputError if the file cannot be used, too many of its
    rows break the contract, or there is no model version to score with.
    """
    config = settings()
    run_date = request.run_date or datetime.now(UTC).date()
    run = RunFiles(request.output_path or config.output_path, run_date)
    path = request.input_path or config.batch_input_path
    name, version = _version(request, run, config)
    own_root.require(run.root, name)
    model, usual = _load(name, version, config)
    with (
        open_loans(path, model.contract, run_date.replace(day=1), False, usual) as reader,
        ThreadPoolExecutor(1) as pool,
    ):
        # Of the very bytes that are scored; in parallel, so that it adds no second at the end
        digest = pool.submit(sources.digest, reader.files)
        job = score.ScoringJob(model, version, request.reasons, run_date)
        predictions = storage.join(run.root, "predictions")
        with storage.work_folder(predictions, f"run_date={run_date}") as folder:
            counts = score.score_blocks(reader, job, folder)
            reader.check(
                config.max_rejected_share, config.max_unknown_share, request.accept_findings
            )
            counts |= reader.report.result()
            run.publish(folder, _manifest(name, job, path, digest.result(), counts, folder))
    log.info("%s rows scored with version %s", counts["rows_scored"], version)
    rows = ("rows_in", "rows_scored", "rows_rejected", "rows_declined")
    return {
        "run_date": run_date.isoformat(),
        "predictions_path": run.path(PREDICTIONS),
        "manifest_path": run.path(MANIFEST),
        "marker_path": run.marker,
        "model_version": version,
        **reader.report.result(),
        **{key: counts[key] for key in rows},
    }


def _version(request: Request, run: RunFiles, config: Settings) -> tuple[str, str]:
    """Return name and version of the model to score with."""
    earlier = None if request.rescore else run.manifest()
    if earlier:
        log.info("%s was scored before: version %s again", run.run_date, earlier["model_version"])
        return earlier["model_name"], str(earlier["model_version"])
    name = request.model_name or config.model_name
    aliases = alias_list(request.alias) if request.alias else config.batch_alias
    if not aliases:
        raise InputError("--alias names no alias")
    return name, resolve.choose(config, name, aliases)


def _load(name: str, version: str, config: Settings) -> tuple[Model, Expectations]:
    """Return the model, and what its reference sample shows of each column."""
    xgboost_import.import_xgboost()
    with tempfile.TemporaryDirectory() as temporary:
        folder = resolve.files(config, name, version, Path(temporary))
        model = artifact.load(folder, config.threads)
        model.verify(pl.read_parquet(folder / artifact.SELF_CHECK))
        path = folder / artifact.REFERENCE
        reference = pl.read_parquet(path) if path.exists() else pl.DataFrame()
    return model, of_reference(reference, model.contract)


def _manifest(
    name: str, job: score.ScoringJob, path: str, digest: str, counts: dict[str, Any], folder: Path
) -> dict[str, Any]:
    digests = {file: storage.digest(str(folder / file)) for file in DATA_FILES}
    return {
        "run_date": job.run_date.isoformat(),
        "model_name": name,
        "model_version": job.version,
        "threshold": job.model.facts.threshold,
        "fit_through": job.model.facts.fit_through,
        "reasons": job.reasons,
        "input_path": path,
        "digests": digests | {"input": digest},
        **counts,
    }
