"""Compare a scored day with the days before and with what the model learned from, through
Evidently, and say whether it drifts and how good its predictions are.

Without --run-date the latest day of the --source is monitored: the batch run that the marker names,
or the online prediction log's newest day. Writes drift_report.html, drift_report.json and
quality_report.json under ROOT/reports/run_date=YYYY-MM-DD/ and the day's row of
ROOT/reports/history.parquet. The last line of stdout is a JSON object: drift (true, false, or null
when there are too few rows to say), drift_share, drifted_columns (worst first), what they were
compared_with, the same against the model's reference (reference_drift, ...), the reports' paths and
sampled_rows; realised (quality on outcomes, null before there are any) and estimate; ui_error, why
Evidently's UI does not show the day (null where it does, or none is set); and alert, retrain and
decision: whether to tell people, whether to train anew, and why. It decides; the caller carries it
out.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from loan_default import cli

if TYPE_CHECKING:
    from loan_default.alerting import Decision
    from loan_default.comparison import Compared
    from loan_default.registry import Registry
    from loan_default.scored_day import ScoredDay
    from loan_default.settings import Settings

log = logging.getLogger("monitor")


def build_parser() -> argparse.ArgumentParser:
    """The command line; a flag that is not given is as in the settings."""
    flags = cli.parser(__doc__)
    flags.add_argument("--output-path", help="root of predictions/ and reports/ (OUTPUT_PATH)")
    flags.add_argument("--run-date", type=cli.day, help="YYYY-MM-DD (default: the latest)")
    flags.add_argument(
        "--source", choices=("batch", "online", "both"), help="what to look at (MONITOR_SOURCE)"
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
    from loan_default import comparison, history, scored_day
    from loan_default.quality import quality
    from loan_default.registry import Registry
    from loan_default.settings import settings

    config = settings()
    root = flags.output_path or config.output_path
    day = scored_day.read(
        root, flags.run_date, flags.source or config.monitor_source, config.model_name
    )
    labels = _keep_labels(flags, root, config)
    registry = Registry(config)
    learned = comparison.learned(registry, day.model_name, day.version, config.threads)
    compared = comparison.compare(root, day, learned, config)
    found = {
        "run_date": day.run_date.isoformat(),
        "source": day.source,
        "model_name": day.model_name,
        "model_version": day.version,
        **_verdicts(compared),
        "rows_in": day.counts["rows_in"],
        "sampled_rows": day.sample.height,
    }
    checked = quality(day.counts, learned.reference, day.sample, compared.past_rows)
    facts = found | {"quality": checked}
    found |= _reports(root, day, compared, facts)
    found |= {"findings": checked["findings"], "labels": labels}
    found |= {"ui_error": _show(compared, day, config)}
    found |= _quality(root, day, facts, bool(labels))
    log.info("%s", found["reason"])
    decided = _decide(flags, root, day, compared, registry, config)
    log.info("%s", decided.decision)
    found |= asdict(decided)
    history.keep(root, found)
    return found


def _keep_labels(flags: argparse.Namespace, root: str, config: "Settings") -> dict[str, Any] | None:
    from loan_default import outcomes

    if not flags.labels:
        return None
    today = datetime.now(UTC).date()
    as_of, limit = flags.labels_as_of, config.max_rejected_share
    kept = outcomes.keep(root, flags.labels, as_of, today, limit)
    log.info("%s labels hold through %s: %s", kept["rows_in"], kept["as_of"], kept["labels_path"])
    return kept


def _verdicts(compared: "Compared") -> dict[str, Any]:
    judged, reference = compared.judged.verdict, compared.reference.verdict
    return {
        "drift": judged.drift,
        "reason": judged.reason,
        "drift_share": judged.drift_share,
        "drifted_columns": judged.drifted_columns,
        "compared_with": compared.compared_with,
        "recent_runs": compared.recent,
        "reference_drift": reference.drift,
        "reference_drift_share": reference.drift_share,
        "reference_drifted_columns": reference.drifted_columns,
    }


def _reports(
    root: str, day: "ScoredDay", compared: "Compared", facts: dict[str, Any]
) -> dict[str, str]:
    """Write Evidently's page and the figures; returns their paths."""
    from loan_default import storage

    folder = storage.join(root, "reports", f"run_date={day.run_date}")
    html, report = (storage.join(folder, f"drift_report.{kind}") for kind in ("html", "json"))
    with storage.atomic_file(html) as page, storage.atomic_file(report) as figures:
        compared.judged.save_html(page)
        compared.judged.save_json(figures, facts)
    return {"report_html": html, "report_json": report}


def _show(compared: "Compared", day: "ScoredDay", config: "Settings") -> str | None:
    """Add the day to Evidently's UI; why that failed, if it did: the report itself is written."""
    from loan_default import drift_ui
    from loan_default.errors import ServiceError

    url, secret = config.evidently_ui_url.rstrip("/"), config.evidently_ui_secret
    if not url:
        return None
    snapshot = compared.judged.snapshot
    try:
        drift_ui.show(snapshot, url, secret, day.model_name, day.run_date)
    except ServiceError as error:
        log.warning("%s", error)
        return str(error)
    return None


def _quality(root: str, day: "ScoredDay", facts: dict[str, Any], renew: bool) -> dict[str, Any]:
    """Write quality_report.json; returns what the JSON line says of it."""
    from loan_default import performance, realised, storage
    from loan_default.columns import PROBABILITY
    from loan_default.scoring import PREDICTION

    estimate = realised.estimate(
        day.sample[PROBABILITY].to_numpy(),
        day.sample[PREDICTION].to_numpy(),
        day.counts["rows_scored"],
        day.counts["mean_probability"],
    )
    figures = performance.evaluate(root, renew)
    path = storage.join(root, "reports", f"run_date={day.run_date}", "quality_report.json")
    report = {**facts, "estimate": estimate, "realised": figures}
    storage.write_text(path, json.dumps(report, allow_nan=False, indent=1) + "\n")
    return {
        "quality_report": path,
        "estimate": estimate,
        "realised": performance.summary(figures),
    }


def _decide(
    flags: argparse.Namespace,
    root: str,
    day: "ScoredDay",
    compared: "Compared",
    registry: "Registry",
    config: "Settings",
) -> "Decision":
    from loan_default import alerting

    ledger = alerting.Ledger(root)
    trainings = (ledger.retrained(), registry.last_made(day.model_name))
    situation = alerting.Situation(
        run_date=day.run_date,
        drift=compared.judged.verdict.drift,
        latest=day.latest,
        retrained=max((time for time in trainings if time), default=None),
        now=datetime.now(UTC),
        report_only=flags.report_only,
    )
    cooldown = timedelta(days=config.retrain_cooldown_days)
    return alerting.settle(ledger, situation, cooldown, flags.idempotency_key, day.digest)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    return cli.run(build_parser(), monitor, argv)


if __name__ == "__main__":
    sys.exit(main())
