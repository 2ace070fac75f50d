"""Monitor a scored day: compare, report, decide whether to alert or retrain."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from functools import cache

from loan_default.batch import own_root
from loan_default.columns import ID, PREDICTION, PROBABILITY
from loan_default.contract.contract import Contract
from loan_default.monitoring.days import plausible, scored_day
from loan_default.monitoring.days.data_quality import quality
from loan_default.monitoring.days.scored_day import ScoredDay, Source
from loan_default.monitoring.decision import message
from loan_default.monitoring.decision.decide import DecidedDay, DecisionFacts, decide_day
from loan_default.monitoring.drift import compare
from loan_default.monitoring.drift.compare import ModelWithReference
from loan_default.monitoring.performance import delivered as about_delivery
from loan_default.monitoring.performance import labels, realised_json
from loan_default.monitoring.performance.delivered import MatchedIds
from loan_default.monitoring.performance.evaluate import evaluate
from loan_default.monitoring.performance.labels import StoredDelivery
from loan_default.monitoring.performance.realised_metrics import (
    Estimate,
    RealisedPerformance,
    estimate,
)
from loan_default.monitoring.reports import publish
from loan_default.monitoring.reports.day_report import DayReport
from loan_default.monitoring.reports.publish import Published, ReportPaths
from loan_default.registry.mlflow_client import MlflowConnection
from loan_default.registry.tracking import Tracking
from loan_default.registry.versions import Registry
from loan_default.settings import Settings, settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What to monitor; a field that is None comes from the settings.

    Without `run_date` the latest day of the `source` is monitored. `labels` is a file of outcomes
    that are known through `labels_as_of`. `report_only` writes the reports but neither alerts nor
    retrains.
    """

    output_path: str | None
    run_date: date | None
    source: Source | None
    report_only: bool
    labels: str | None
    labels_as_of: date | None
    idempotency_key: str | None


@dataclass(frozen=True)
class Alert:
    """The alert to send, with the field names of the JSON result; None if nothing is to be sent."""

    alert_subject: str | None
    alert_text: str | None


@dataclass(frozen=True)
class Delivered:
    """The delivery of outcomes, if any, how many of its ids matched, and what to know about it."""

    labels: StoredDelivery | None
    matched: MatchedIds | None
    few_matched: bool
    findings: list[str]


@dataclass(frozen=True)
class Result:
    """Everything that the JSON result of the script is made of."""

    report: DayReport
    delivered: Delivered
    paths: ReportPaths
    decided: DecidedDay
    published: Published
    alert: Alert


def monitor(request: Request) -> dict[str, object]:
    """Monitor a scored day: compare, report, decide.

    Returns the script's JSON result. Raises InputError if nothing was scored on that day, `root`
    holds the runs of two models, or the labels cannot be used.
    """
    config = settings()
    root = request.output_path or config.output_path
    source = request.source or config.monitor_source
    connection = MlflowConnection(config)
    registry = Registry(connection)
    loaded = _loader(registry, config)
    day = scored_day.read(
        root, request.run_date, source, config.model_name, lambda *key: loaded(*key).model.contract
    )
    own_root.require(root, day.model_name)
    version = loaded(day.model_name, day.version)
    delivery = _store_labels(request, root, version.model.contract, config)
    # Before Evidently, which takes much memory
    evaluation = evaluate(root, delivery.labels_path if delivery else None)
    report = _measure(root, day, version, evaluation.realised, config)
    delivered = _delivered(delivery, evaluation.matched, day, config)
    report = _with_findings(report, delivered.findings)
    paths = publish.write(root, report)
    decided = decide_day(root, _facts(report, delivered, request), registry, config)
    log.info("%s; %s", report.drift.reason, decided.decision.decision)
    published = publish.publish(root, report, decided.decision, paths, Tracking(connection), config)
    alert = _alert(report, decided, paths, published)
    return to_json(Result(report, delivered, paths, decided, published, alert))


def to_json(result: Result) -> dict[str, object]:
    """Return the JSON result of the script."""
    report, realised = result.report, result.report.realised
    return {
        **asdict(report.drift),
        "report_html": result.paths.report_html,
        "report_json": result.paths.report_json,
        "findings": report.quality.findings,
        "plausibility": report.plausibility.as_json(),
        "labels": _labels_json(result.delivered),
        "estimate": asdict(report.estimate),
        "quality_report": result.paths.quality_report,
        "realised": realised_json.summary(realised) if realised else None,
        **asdict(result.decided.decision),
        **asdict(result.published),
        **asdict(result.alert),
    }


def _loader(registry: Registry, config: Settings) -> Callable[[str, str], ModelWithReference]:
    """Return what loads a model version by name and number, each once."""

    @cache
    def loaded(name: str, number: str) -> ModelWithReference:
        return compare.load_model(registry, name, number, config.threads)

    return loaded


def _store_labels(
    request: Request, root: str, contract: Contract, config: Settings
) -> StoredDelivery | None:
    if not request.labels:
        return None
    today, limit = datetime.now(UTC).date(), config.max_rejected_share
    stored = labels.store(root, request.labels, request.labels_as_of, today, limit, contract)
    log.info("%s labels through %s: %s", stored.rows_in, stored.as_of, stored.labels_path)
    return stored


def _delivered(
    delivery: StoredDelivery | None, matched: MatchedIds | None, day: ScoredDay, config: Settings
) -> Delivered:
    if delivery is None:
        return Delivered(None, None, False, [])
    min_share = config.quality_min_matched
    findings = about_delivery.findings(
        delivery.contradictions,
        delivery.corrections,
        matched,
        min_share,
        day.sample[ID].head(1).to_list(),
    )
    if matched:
        log.info("%s of %s delivered ids are scored applications", matched.matched, matched.ids)
    for finding in findings:
        log.warning("%s: %s", delivery.labels_path, finding)
    return Delivered(delivery, matched, about_delivery.is_low(matched, min_share), findings)


def _labels_json(delivered: Delivered) -> dict[str, object] | None:
    if delivered.labels is None:
        return None
    matched = delivered.matched
    return asdict(delivered.labels) | {
        "ids": matched.ids if matched else None,
        "ids_matched": matched.matched if matched else None,
        "matched_share": matched.share if matched else None,
    }


def _with_findings(report: DayReport, findings: list[str]) -> DayReport:
    quality = report.quality
    return replace(report, quality=replace(quality, findings=[*findings, *quality.findings]))


def _measure(
    root: str,
    day: ScoredDay,
    version: ModelWithReference,
    realised: RealisedPerformance | None,
    config: Settings,
) -> DayReport:
    contract = version.model.contract
    comparison = compare.compare(root, day, version, config)
    measured = quality(day.counts, version.reference, day.sample, comparison.past_rows, contract)
    found = plausible.report(day.counts, day.sample, version.reference, contract, day.plausibility)
    report = DayReport(day, comparison, measured, _estimate(day), realised, found)
    return _with_findings(report, plausible.sentences(found))


def _estimate(day: ScoredDay) -> Estimate:
    return estimate(
        day.sample[PROBABILITY].to_numpy(),
        day.sample[PREDICTION].to_numpy(),
        day.counts.rows_scored,
        day.counts.mean_probability,
    )


def _facts(report: DayReport, delivered: Delivered, request: Request) -> DecisionFacts:
    return DecisionFacts(
        day=report.day,
        verdict=report.comparison.primary.verdict,
        unusual_rows=bool(report.quality.row_count.odd),
        few_matched=delivered.few_matched,
        realised=report.realised,
        report_only=request.report_only,
        key=request.idempotency_key,
        failed_columns=plausible.failed_columns(report.plausibility),
    )


def _alert(
    report: DayReport, decided: DecidedDay, paths: ReportPaths, published: Published
) -> Alert:
    if not decided.decision.alert:
        return Alert(None, None)
    primary, ui = report.comparison.primary, published.evidently_ui
    findings = message.Findings(
        reason=primary.verdict.reason,
        against=primary.against,
        columns=primary.columns,
        mean_before=report.comparison.mean_before,
        estimate=report.estimate,
        realised=report.realised,
        data_quality=report.quality.findings,
        report=(ui.url if ui else None) or paths.report_html,
        overview=published.overview,
    )
    return Alert(
        alert_subject=message.subject(decided.decision, decided.situation),
        alert_text=message.text(decided.decision, decided.situation, findings),
    )
