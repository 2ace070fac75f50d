"""Monitor a scored day: compare, report, decide whether to alert or retrain."""

import logging
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

from loan_default.columns import PREDICTION, PROBABILITY
from loan_default.monitoring.days import history, scored_day
from loan_default.monitoring.days.data_quality import quality
from loan_default.monitoring.days.scored_day import ScoredDay, Source
from loan_default.monitoring.decision import decide, message
from loan_default.monitoring.decision.decide import Triaged
from loan_default.monitoring.drift import compare
from loan_default.monitoring.drift.compare import Compared
from loan_default.monitoring.performance import evaluate
from loan_default.monitoring.performance import labels as outcomes
from loan_default.monitoring.performance import realised_metrics
from loan_default.monitoring.reports import overview, publish
from loan_default.registry.mlflow_client import MlflowConnection
from loan_default.registry.tracking import Tracking
from loan_default.registry.versions import Registry
from loan_default.settings import Settings, settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What to monitor; a field that is None comes from the settings.

    Without `run_date` the latest day of the `source` is monitored. `labels` is a file of outcomes
    that hold through `labels_as_of`. `report_only` writes the reports and calls for nothing.
    """

    output_path: str | None
    run_date: date | None
    source: Source | None
    report_only: bool
    labels: str | None
    labels_as_of: date | None
    idempotency_key: str | None


def monitor(request: Request) -> dict[str, Any]:
    """Monitor a scored day: compare, report, decide.

    Returns the script's JSON result. Raises InputError if nothing was scored on that day or the
    labels cannot be used.
    """
    config = settings()
    root = request.output_path or config.output_path
    source = request.source or config.monitor_source
    day = scored_day.read(root, request.run_date, source, config.model_name)
    labels = _keep_labels(request, root, config)
    realised = evaluate.evaluate(root, bool(labels))  # before Evidently takes its memory
    connection = MlflowConnection(config)
    registry = Registry(connection)
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
    asked = (request.report_only, request.idempotency_key)
    triaged = decide.triage(root, day, verdict, odd, realised, registry, config, *asked)
    log.info("%s; %s", found["reason"], triaged.decision.decision)
    found |= asdict(triaged.decision)
    found |= _publish(root, day, compared, found, realised, connection, config)
    return found | _message(triaged, compared, found)


def _keep_labels(request: Request, root: str, config: Settings) -> dict[str, Any] | None:
    if not request.labels:
        return None
    today = datetime.now(UTC).date()
    as_of, limit = request.labels_as_of, config.max_rejected_share
    kept = outcomes.keep(root, request.labels, as_of, today, limit)
    log.info("%s labels hold through %s: %s", kept["rows_in"], kept["as_of"], kept["labels_path"])
    return kept


def _verdicts(day: ScoredDay, compared: Compared) -> dict[str, Any]:
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


def _estimate(day: ScoredDay) -> dict[str, Any]:
    return realised_metrics.estimate(
        day.sample[PROBABILITY].to_numpy(),
        day.sample[PREDICTION].to_numpy(),
        day.counts["rows_scored"],
        day.counts["mean_probability"],
    )


def _publish(
    root: str,
    day: ScoredDay,
    compared: Compared,
    found: dict[str, Any],
    realised: dict[str, Any] | None,
    connection: MlflowConnection,
    config: Settings,
) -> dict[str, Any]:
    """The day into the history, the overview, MLflow and Evidently's UI; returns where it went."""
    row = history.figures(found, day.counts, day.sample[PROBABILITY])
    history.keep(root, row)
    paths = [found[name] for name in ("report_html", "report_json", "quality_report")]
    numbers = history.metrics(row)
    ui = config.evidently_ui_url and publish.send_to_ui(config, day, compared)
    return {
        "overview": overview.write(root, realised, config.drift_share_threshold),
        "mlflow_run_id": publish.log_to_mlflow(Tracking(connection), root, day, numbers, *paths),
        "evidently_ui": ui or None,
    }


def _message(triaged: Triaged, compared: Compared, found: dict[str, Any]) -> dict[str, str | None]:
    """What to tell people, null where there is nothing to tell."""
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
