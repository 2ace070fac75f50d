"""Compare a scored day with the days before and with what the model learned from, through
Evidently, and say whether it drifts and how good its predictions are.

Without --run-date the latest day of the --source is monitored: the batch run that the marker names,
or the online prediction log's newest day. Writes drift_report.html, drift_report.json and
quality_report.json under ROOT/reports/run_date=YYYY-MM-DD/, the day's row of
ROOT/reports/history.parquet and the overview, ROOT/reports/index.html; MLflow gets them too, and
Evidently's own UI where EVIDENTLY_UI_URL is set. The last line of stdout is a JSON object: drift
(true, false, or null when there are too few rows to say), drift_share, drifted_columns (worst
first), what they were compared_with, the same against the model's reference (reference_drift, ...),
the reports' paths and sampled_rows; realised (quality on outcomes, null before there are any) and
estimate; and alert, retrain and decision: whether to tell people, whether to train anew, and why,
with severity, alert_subject and alert_text. It decides; the caller carries it out.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from loan_default import cli

if TYPE_CHECKING:
    from loan_default.monitoring.days.scored_day import ScoredDay
    from loan_default.monitoring.decision.decide import Triaged
    from loan_default.monitoring.drift.compare import Compared
    from loan_default.registry.mlflow_client import Registry
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
    from loan_default.monitoring.days import scored_day
    from loan_default.monitoring.days.data_quality import quality
    from loan_default.monitoring.decision import decide
    from loan_default.monitoring.drift import compare
    from loan_default.monitoring.performance import evaluate
    from loan_default.monitoring.reports import publish
    from loan_default.registry.mlflow_client import Registry
    from loan_default.settings import settings

    config = settings()
    root = flags.output_path or config.output_path
    source = flags.source or config.monitor_source
    day = scored_day.read(root, flags.run_date, source, config.model_name)
    labels = _keep_labels(flags, root, config)
    realised = evaluate.evaluate(root, bool(labels))  # before Evidently takes its memory
    registry = Registry(config)
    learned = compare.learned(registry, day.model_name, day.version, config.threads)
    compared = compare.compare(root, day, learned, config)
    found = _verdicts(day, compared)
    checked = quality(day.counts, learned.reference, day.sample, compared.past_rows)
    facts = found | {"quality": checked}
    found |= publish.write(root, day, compared, facts)
    found |= {"findings": checked["findings"], "labels": labels}
    found["estimate"] = _estimate(day)
    judged = facts | {"estimate": found["estimate"], "realised": realised}
    found["quality_report"] = publish.write_quality(root, day, judged)
    found["realised"] = evaluate.summary(realised)
    verdict, odd = compared.judged.verdict, bool(checked["row_count"]["odd"])
    asked = (flags.report_only, flags.idempotency_key)
    triaged = decide.triage(root, day, verdict, odd, realised, registry, config, *asked)
    log.info("%s; %s", found["reason"], triaged.decision.decision)
    found |= asdict(triaged.decision)
    found |= _publish(root, day, compared, found, realised, registry, config)
    return found | _message(triaged, compared, found)


def _keep_labels(flags: argparse.Namespace, root: str, config: "Settings") -> dict[str, Any] | None:
    from loan_default.monitoring.performance import labels as outcomes

    if not flags.labels:
        return None
    today = datetime.now(UTC).date()
    as_of, limit = flags.labels_as_of, config.max_rejected_share
    kept = outcomes.keep(root, flags.labels, as_of, today, limit)
    log.info("%s labels hold through %s: %s", kept["rows_in"], kept["as_of"], kept["labels_path"])
    return kept


def _verdicts(day: "ScoredDay", compared: "Compared") -> dict[str, Any]:
    judged, reference = compared.judged.verdict, compared.reference.verdict
    return {
        "run_date": day.run_date.isoformat(),
        "source": day.source,
        "model_name": day.model_name,
        "model_version": day.version,
        "drift": judged.drift,
        "reason": judged.reason,
        "drift_share": judged.drift_share,
        "drifted_columns": judged.drifted_columns,
        "compared_with": compared.compared_with,
        "recent_runs": compared.recent,
        "reference_drift": reference.drift,
        "reference_drift_share": reference.drift_share,
        "reference_drifted_columns": reference.drifted_columns,
        "rows_in": day.counts["rows_in"],
        "sampled_rows": day.sample.height,
    }


def _estimate(day: "ScoredDay") -> dict[str, Any]:
    from loan_default.columns import PREDICTION, PROBABILITY
    from loan_default.monitoring.performance import realised_metrics as realised

    return realised.estimate(
        day.sample[PROBABILITY].to_numpy(),
        day.sample[PREDICTION].to_numpy(),
        day.counts["rows_scored"],
        day.counts["mean_probability"],
    )


def _publish(
    root: str,
    day: "ScoredDay",
    compared: "Compared",
    found: dict[str, Any],
    realised: dict[str, Any] | None,
    registry: "Registry",
    config: "Settings",
) -> dict[str, Any]:
    """The day into the history, the overview, MLflow and Evidently's UI; returns where it went."""
    from loan_default.columns import PROBABILITY
    from loan_default.monitoring.days import history
    from loan_default.monitoring.reports import overview, publish

    row = history.figures(found, day.counts, day.sample[PROBABILITY])
    history.keep(root, row)
    paths = [found[name] for name in ("report_html", "report_json", "quality_report")]
    numbers = history.metrics(row)
    ui = config.evidently_ui_url and publish.send_to_ui(config, day, compared)
    return {
        "overview": overview.write(root, realised, config.drift_share_threshold),
        "mlflow_run_id": publish.log_to_mlflow(registry, root, day, numbers, *paths),
        "evidently_ui": ui or None,
    }


def _message(
    triaged: "Triaged", compared: "Compared", found: dict[str, Any]
) -> dict[str, str | None]:
    """What to tell people, null where there is nothing to tell."""
    from loan_default.monitoring.decision import message

    decision, situation = triaged.decision, triaged.situation
    judged = compared.judged
    if not decision.alert:
        return {"alert_subject": None, "alert_text": None}
    return {
        "alert_subject": message.subject(decision, situation),
        "alert_text": message.text(
            decision, situation, judged.columns, judged.against, compared.mean_before, found
        ),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    return cli.run(build_parser(), monitor, argv)


if __name__ == "__main__":
    sys.exit(main())
