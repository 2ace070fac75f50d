"""Score a file of applications with a registered model.

Writes predictions.parquet, sample.parquet, rejected.csv and manifest.json under
ROOT/predictions/run_date=YYYY-MM-DD/ and then moves the marker latest_prediction.txt. A rerun of a
date uses the version in its manifest and gives the same files, unless --rescore. The last line of
stdout is a JSON object: run_date, the paths, model_version and the row counts.
"""

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loan_default import cli
from loan_default.errors import InputError

if TYPE_CHECKING:
    from loan_default.batch.run_files import RunFiles
    from loan_default.batch.score import Job
    from loan_default.model.artifact import Model
    from loan_default.settings import Settings

log = logging.getLogger("batch")


def build_parser() -> argparse.ArgumentParser:
    """The command line; a flag that is not given is as in the settings."""
    flags = cli.parser(__doc__)
    flags.add_argument("--input-path", help="applications, raw or typed (BATCH_INPUT_PATH)")
    flags.add_argument("--output-path", help="root of predictions/ (OUTPUT_PATH)")
    flags.add_argument("--run-date", type=cli.day, help="YYYY-MM-DD (default: today in UTC)")
    flags.add_argument("--model-name", help="registered model (MODEL_NAME)")
    flags.add_argument("--alias", help="aliases A[,B], the first that exists (BATCH_ALIAS)")
    flags.add_argument("--reasons", choices=("declined", "all", "none"), default="declined")
    flags.add_argument("--rescore", action="store_true", help="take the alias's version anew")
    return flags


def predict(flags: argparse.Namespace) -> dict[str, Any]:
    """The job: returns what the JSON line holds."""
    from loan_default import storage
    from loan_default.batch import score
    from loan_default.batch.run_files import MANIFEST, PREDICTIONS, RunFiles
    from loan_default.data.ingest import open_loans
    from loan_default.settings import settings

    config = settings()
    run_date: date = flags.run_date or datetime.now(UTC).date()
    run = RunFiles(flags.output_path or config.output_path, run_date)
    path = flags.input_path or config.batch_input_path
    with (
        open_loans(path, run_date.replace(day=1)) as reader,
        ThreadPoolExecutor(1) as beside,
    ):
        # Of the very bytes that are scored, and not a second at the end
        digest = beside.submit(storage.digest, reader.local)
        name, number = _version(flags, run, config)
        model = _load(config, name, number)
        job = score.Job(model, number, flags.reasons, run_date)
        with storage.work_folder(
            storage.join(run.root, "predictions"), f"run_date={run_date}"
        ) as here:
            counts = score.write(reader, job, here)
            reader.check_rejected_share(config.max_rejected_share)
            run.publish(here, _manifest(name, job, path, digest.result(), counts, here))
    log.info("%s rows scored with version %s", counts["rows_scored"], number)
    return {
        "run_date": run_date.isoformat(),
        "predictions_path": run.path(PREDICTIONS),
        "manifest_path": run.path(MANIFEST),
        "marker_path": run.marker,
        "model_version": number,
        **{
            key: counts[key] for key in ("rows_in", "rows_scored", "rows_rejected", "rows_declined")
        },
    }


def _version(flags: argparse.Namespace, run: "RunFiles", config: "Settings") -> tuple[str, str]:
    """Name and number of the version to score with."""
    from loan_default.registry import resolve
    from loan_default.settings import alias_list

    earlier = None if flags.rescore else run.manifest()
    if earlier:
        log.info("%s was scored before: version %s again", run.run_date, earlier["model_version"])
        return earlier["model_name"], str(earlier["model_version"])
    name = flags.model_name or config.model_name
    aliases = alias_list(flags.alias or config.batch_alias)
    if not aliases:
        raise InputError("--alias names no alias")
    return name, resolve.choose(config, name, aliases)


def _load(config: "Settings", name: str, number: str) -> "Model":
    import polars as pl

    from loan_default.model import artifact as model
    from loan_default.model import xgboost_import
    from loan_default.registry import resolve

    xgboost_import.import_xgboost()
    with tempfile.TemporaryDirectory() as temporary:
        folder = resolve.files(config, name, number, Path(temporary))
        loaded = model.load(folder, config.threads)
        loaded.verify(pl.read_parquet(folder / model.SELF_CHECK))
    return loaded


def _manifest(
    name: str, job: "Job", path: str, digest: str, counts: dict[str, Any], folder: Path
) -> dict[str, Any]:
    from loan_default import storage
    from loan_default.batch.run_files import DATA_FILES

    digests = {name: storage.digest(str(folder / name)) for name in DATA_FILES}
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    return cli.run(build_parser(), predict, argv)


if __name__ == "__main__":
    sys.exit(main())
