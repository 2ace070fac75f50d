"""Compare a scoring run's sample with the model's reference through Evidently and say whether it
drifts.

Without --run-date the run that the marker names is monitored. Writes drift_report.html and
drift_report.json under ROOT/reports/run_date=YYYY-MM-DD/. The last line of stdout is a JSON object:
drift (true, false, or null when there are too few rows to say), drift_share, drifted_columns (worst
first), the report's paths, sampled_rows, and ui_error (why Evidently's UI, where one is set, does
not show the run; null where it does); and alert, retrain and decision: whether to tell
people, whether to train anew, and why. It decides; the caller carries it out.
"""

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loan_default import cli
from loan_default.errors import InputError

if TYPE_CHECKING:
    import polars as pl

    from loan_default.alerting import Decision
    from loan_default.drift import Comparison
    from loan_default.drift_verdict import Thresholds
    from loan_default.registry import Registry
    from loan_default.runs import RunFiles
    from loan_default.settings import Settings

log = logging.getLogger("monitor")


def build_parser() -> argparse.ArgumentParser:
    """The command line; a flag that is not given is as in the settings."""
    flags = cli.parser(__doc__)
    flags.add_argument("--output-path", help="root of predictions/ and reports/ (OUTPUT_PATH)")
    flags.add_argument(
        "--run-date", type=cli.day, help="YYYY-MM-DD (default: what the marker names)"
    )
    flags.add_argument(
        "--report-only", action="store_true", help="write the report; call for nothing"
    )
    flags.add_argument(
        "--labels", help="outcomes (id, loan_status), kept and judged by from now on"
    )
    flags.add_argument(
        "--labels-as-of",
        type=cli.month,
        help="YYYY-MM through which the labels hold (default: what the file says, else this month)",
    )
    flags.add_argument("--idempotency-key", help="a repeat with the same key decides the same")
    return flags


def monitor(flags: argparse.Namespace) -> dict[str, Any]:
    """The job: returns what the JSON line holds."""
    import polars as pl

    from loan_default import drift, storage
    from loan_default.quality import quality
    from loan_default.registry import Registry
    from loan_default.runs import SAMPLE
    from loan_default.settings import settings

    config = settings()
    run = _run(flags, config)
    manifest = run.complete_manifest()
    labels = _keep_labels(flags, run, config)
    registry = Registry(config)
    reference = _reference(manifest, registry)
    with storage.open_input(run.path(SAMPLE)) as stream:
        sample = pl.read_parquet(stream)
    comparison = drift.compare(reference, sample, _thresholds(config))
    facts = {
        "run_date": manifest["run_date"],
        "model_version": manifest["model_version"],
        "sampled_rows": sample.height,
        "quality": quality(manifest, reference),
    }
    html, report = _write(run, comparison, facts)
    found = _quality(run, facts, sample, manifest, bool(labels))
    log.info("%s", comparison.verdict.reason)
    ui_error = _show(comparison, run, manifest, config)
    decided = _decide(flags, run, manifest, comparison.verdict.drift, registry, config)
    log.info("%s", decided.decision)
    return {
        "run_date": manifest["run_date"],
        "model_name": manifest["model_name"],
        "model_version": manifest["model_version"],
        "drift": comparison.verdict.drift,
        "reason": comparison.verdict.reason,
        "drift_share": comparison.verdict.drift_share,
        "drifted_columns": comparison.verdict.drifted_columns,
        "report_html": html,
        "report_json": report,
        "sampled_rows": sample.height,
        "ui_error": ui_error,
        "labels": labels,
        **found,
        **asdict(decided),
    }


def _run(flags: argparse.Namespace, config: "Settings") -> "RunFiles":
    from loan_default.runs import RunFiles, marked_date

    root = flags.output_path or config.output_path
    run_date = flags.run_date or marked_date(root)
    if run_date is None:
        raise InputError(f"nothing was scored under {root} yet: run batch_predict.py first")
    return RunFiles(root, run_date)


def _reference(manifest: dict[str, Any], registry: "Registry") -> "pl.DataFrame":
    import polars as pl

    from loan_default import model

    version = registry.version(manifest["model_name"], manifest["model_version"])
    with tempfile.TemporaryDirectory() as folder:
        return pl.read_parquet(registry.download(version, Path(folder)) / model.REFERENCE)


def _thresholds(config: "Settings") -> "Thresholds":
    from loan_default.drift_verdict import Thresholds

    return Thresholds(
        wasserstein=config.drift_wasserstein_threshold,
        psi=config.drift_psi_threshold,
        missing=config.drift_missing_threshold,
        share=config.drift_share_threshold,
        min_rows=config.drift_min_rows,
    )


def _write(run: "RunFiles", comparison: "Comparison", facts: dict[str, Any]) -> tuple[str, str]:
    from loan_default import storage

    folder = storage.join(run.root, "reports", f"run_date={run.run_date}")
    html, report = (storage.join(folder, f"drift_report.{kind}") for kind in ("html", "json"))
    with storage.atomic_file(html) as page, storage.atomic_file(report) as figures:
        comparison.save_html(page)
        comparison.save_json(figures, facts)
    return html, report


def _show(
    comparison: "Comparison", run: "RunFiles", manifest: dict[str, Any], config: "Settings"
) -> str | None:
    """Add the run to Evidently's UI; why that failed, if it did: the report itself is written."""
    from loan_default import drift_ui
    from loan_default.errors import ServiceError

    url, secret = config.evidently_ui_url.rstrip("/"), config.evidently_ui_secret
    if not url:
        return None
    try:
        drift_ui.show(comparison.snapshot, url, secret, manifest["model_name"], run.run_date)
    except ServiceError as error:
        log.warning("%s", error)
        return str(error)
    return None


def _keep_labels(
    flags: argparse.Namespace, run: "RunFiles", config: "Settings"
) -> dict[str, Any] | None:
    from loan_default import outcomes

    if not flags.labels:
        return None
    today = datetime.now(UTC).date()
    as_of, limit = flags.labels_as_of, config.max_rejected_share
    kept = outcomes.keep(run.root, flags.labels, as_of, today, limit)
    log.info("%s labels hold through %s: %s", kept["rows_in"], kept["as_of"], kept["labels_path"])
    return kept


def _quality(
    run: "RunFiles",
    facts: dict[str, Any],
    sample: "pl.DataFrame",
    manifest: dict[str, Any],
    renew: bool,
) -> dict[str, Any]:
    """Write quality_report.json; returns what the JSON line says of it."""
    from loan_default import performance, realised, storage
    from loan_default.columns import PROBABILITY
    from loan_default.scoring import PREDICTION

    estimate = realised.estimate(
        sample[PROBABILITY].to_numpy(),
        sample[PREDICTION].to_numpy(),
        manifest["rows_scored"],
        manifest["mean_probability"],
    )
    figures = performance.evaluate(run.root, renew)
    path = storage.join(run.root, "reports", f"run_date={run.run_date}", "quality_report.json")
    report = {**facts, "estimate": estimate, "realised": figures}
    storage.write_text(path, json.dumps(report, allow_nan=False, indent=1) + "\n")
    return {
        "quality_report": path,
        "estimate": estimate,
        "realised": performance.summary(figures),
    }


def _decide(
    flags: argparse.Namespace,
    run: "RunFiles",
    manifest: dict[str, Any],
    drift: bool | None,
    registry: "Registry",
    config: "Settings",
) -> "Decision":
    from loan_default import alerting
    from loan_default.runs import PREDICTIONS, marked_date

    ledger = alerting.Ledger(run.root)
    trainings = (ledger.retrained(), registry.last_made(manifest["model_name"]))
    situation = alerting.Situation(
        run_date=run.run_date,
        drift=drift,
        latest=marked_date(run.root),
        retrained=max((time for time in trainings if time), default=None),
        now=datetime.now(UTC),
        report_only=flags.report_only,
    )
    cooldown = timedelta(days=config.retrain_cooldown_days)
    digest = manifest["digests"][PREDICTIONS]
    return alerting.settle(ledger, situation, cooldown, flags.idempotency_key, digest)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    return cli.run(build_parser(), monitor, argv)


if __name__ == "__main__":
    sys.exit(main())
