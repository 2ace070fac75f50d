"""Score a file of applications with a registered model version."""

import logging
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from loan_default import storage
from loan_default.batch import own_root, score
from loan_default.batch.run_files import (
    DATA_FILES,
    MANIFEST,
    PREDICTIONS,
    RunFiles,
    marked_date,
    runs_of,
)
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
    version in its manifest, unless `rescore`, and with the same file, unless that is given anew.
    `batch` names a further run of the date. With `latest`, the newest scored date is rescored with
    its own input; `run_date` is scored only if there is none yet. `accept_findings` is the reason
    to score a file that is not plausible; None rejects it.
    """

    input_path: str | None
    output_path: str | None
    run_date: date | None
    model_name: str | None
    alias: str | None
    reasons: ReasonScope
    rescore: bool
    accept_findings: str | None = None
    batch: str | None = None
    latest: bool = False


def predict(request: Request) -> dict[str, Any]:
    """Score the applications and publish the run's files, its manifest and the marker.

    Returns the script's JSON result. Raises InputError if the file cannot be used, too many of its
    rows break the contract, the date was scored with another file, or there is no model version to
    score with.
    """
    config = settings()
    root = request.output_path or config.output_path
    if request.latest and (not request.rescore or request.input_path or request.batch):
        raise InputError("--latest goes with --rescore, without --input-path and --batch")
    if request.latest and (day := marked_date(root)):
        runs = runs_of(root, day) or [RunFiles(root, day)]
        results = [_again(request, run, config) for run in runs]
        return results[-1]
    run_date = request.run_date or datetime.now(UTC).date()
    return _predict(request, RunFiles(root, run_date, request.batch), config)


def _again(request: Request, run: RunFiles, config: Settings) -> dict[str, Any]:
    """Rescore a run with its own input; leave it as it is if that file is there no more."""
    manifest = run.manifest() or run.complete_manifest()
    path, report = manifest["input_path"], manifest.get("plausibility", {})
    try:
        same = sources.digest(sources.expand(path)) == manifest["digests"]["input"]
    except InputError:
        same = False
    if same:
        accepted = report.get("accepted_because")
        again = replace(request, reasons=manifest["reasons"], accept_findings=accepted)
        return _predict(again, run, config)
    finding = f"{run.name} was not scored again: {path} no longer holds its applications"
    log.warning(finding)
    return _result(run, manifest, {"findings": [finding], "plausibility": report})


def _predict(request: Request, run: RunFiles, config: Settings) -> dict[str, Any]:
    run_date, earlier = run.run_date, run.manifest()
    path = request.input_path or config.batch_input_path
    if earlier and request.rescore and not request.input_path:
        path = earlier["input_path"]
    name, version = _version(request, run, earlier, config)
    own_root.require(run.root, name)
    model, usual = _load(name, version, config)
    with (
        open_loans(path, model.contract, run_date.replace(day=1), False, usual) as reader,
        ThreadPoolExecutor(1) as pool,
    ):
        # Of the very bytes that are scored; in parallel, so that it adds no second at the end
        digest = pool.submit(sources.digest, reader.files)
        if others := _other_files(request, run, path):
            _require_own_file(others, run, path, digest.result())
        job = score.ScoringJob(model, version, request.reasons, run.run_date, run.batch)
        predictions = storage.join(run.root, "predictions")
        with storage.work_folder(predictions, run.name.replace("/", "-")) as folder:
            counts = score.score_blocks(reader, job, folder)
            reader.check(
                config.max_rejected_share, config.max_unknown_share, request.accept_findings
            )
            counts |= reader.report.result()
            manifest = _manifest(name, job, path, digest.result(), counts, folder)
            run.publish(folder, manifest)
    log.info("%s rows scored with version %s", counts["rows_scored"], version)
    return _result(run, manifest, reader.report.result())


def _result(run: RunFiles, manifest: dict[str, Any], report: dict[str, Any]) -> dict[str, Any]:
    rows = ("rows_in", "rows_scored", "rows_rejected", "rows_declined")
    return {
        "run_date": run.run_date.isoformat(),
        "predictions_path": run.path(PREDICTIONS),
        "manifest_path": run.path(MANIFEST),
        "marker_path": run.marker,
        "model_version": manifest["model_version"],
        **report,
        **{key: manifest[key] for key in rows},
        "batch": run.batch,
    }


def _other_files(request: Request, run: RunFiles, path: str) -> dict[str, dict[str, Any]]:
    """Return by name the manifests of the date's runs that the file must be compared with.

    That of the same run is left out if its file is to be replaced.
    """
    replaced = request.rescore and request.input_path is not None
    return {
        other.name: manifest
        for other in runs_of(run.root, run.run_date)
        if (other.batch != run.batch or not replaced) and (manifest := other.manifest())
    }


def _require_own_file(
    others: dict[str, dict[str, Any]], run: RunFiles, path: str, digest: str
) -> None:
    """Raise InputError unless a run has one file, and a file one run of the date."""
    for name, manifest in others.items():
        is_same = manifest["digests"]["input"] == digest
        if name == run.name and not is_same:
            raise InputError(
                f"{path} does not hold the applications with which {run.name} was scored "
                f"({manifest['input_path']}, {manifest['rows_in']:,} rows): score it next to them "
                "with --batch NAME, or replace their decisions with --rescore --input-path"
            )
        if name != run.name and is_same:
            raise InputError(f"{path} was already scored as {name}: its decisions stand there")


def _version(
    request: Request, run: RunFiles, earlier: dict[str, Any] | None, config: Settings
) -> tuple[str, str]:
    """Return name and version of the model to score with."""
    if earlier and not request.rescore:
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
        "batch": job.batch,
        "model_name": name,
        "model_version": job.version,
        "threshold": job.model.facts.threshold,
        "fit_through": job.model.facts.fit_through,
        "reasons": job.reasons,
        "input_path": path,
        "digests": digests | {"input": digest},
        **counts,
    }
