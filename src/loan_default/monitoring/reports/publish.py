"""Publish a monitored day: report files, history, overview, MLflow and Evidently's UI."""

import json
import logging
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

from loan_default import storage
from loan_default.errors import ServiceError
from loan_default.monitoring.days import history
from loan_default.monitoring.days.scored_day import ScoredDay
from loan_default.monitoring.decision.policy import Decision
from loan_default.monitoring.drift import evidently_ui
from loan_default.monitoring.drift.evidently_report import Comparison
from loan_default.monitoring.reports import overview
from loan_default.monitoring.reports.day_report import (
    DayReport,
    drift_facts,
    history_row,
    quality_facts,
)
from loan_default.registry.tracking import Tracking
from loan_default.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReportPaths:
    """The paths of a day's report files, with the field names of the JSON result."""

    report_html: str
    report_json: str
    quality_report: str


@dataclass(frozen=True)
class UiAddress:
    """The run's address in Evidently's UI, or the `error` that kept it from being shown there."""

    url: str | None
    error: str | None


@dataclass(frozen=True)
class Published:
    """Where a day was published beside its report files; `evidently_ui` is None without a UI."""

    overview: str
    mlflow_run_id: str
    evidently_ui: UiAddress | None


def write(root: str, report: DayReport) -> ReportPaths:
    """Write the report files of the day under `root`."""
    run_date, primary = f"run_date={report.day.run_date}", report.comparison.primary
    html, facts, quality = "drift_report.html", "drift_report.json", "quality_report.json"
    target = storage.join(root, "reports", run_date)
    paths = ReportPaths(*(storage.join(target, name) for name in (html, facts, quality)))
    # They take seconds to write; the next run removes what a killed one left in this folder.
    with storage.work_folder(storage.join(root, "reports"), run_date) as folder:
        primary.save_html(folder / html)
        primary.save_json(folder / facts, drift_facts(report))
        storage.publish(folder / html, paths.report_html)
        storage.publish(folder / facts, paths.report_json)
    text = json.dumps(quality_facts(report), allow_nan=False, indent=1)
    storage.write_text(paths.quality_report, text + "\n")
    return paths


def publish(
    root: str,
    report: DayReport,
    decision: Decision,
    paths: ReportPaths,
    tracking: Tracking,
    config: Settings,
) -> Published:
    """Publish the day in the history, Evidently's UI (if there is one), the overview and MLflow."""
    row = history_row(report, decision)
    history.add(root, row)
    ui = None
    if config.evidently_ui_url:
        ui = send_to_ui(config, report.day, report.comparison.primary)
    return Published(
        overview=overview.write(root, report.realised, config.drift_share_threshold),
        mlflow_run_id=log_to_mlflow(tracking, root, report.day, history.metrics(row), paths),
        evidently_ui=ui,
    )


def log_to_mlflow(
    tracking: Tracking, root: str, day: ScoredDay, metrics: Mapping[str, float], paths: ReportPaths
) -> str:
    """Log the day's metrics and report files to MLflow, one run per day and root.

    Returns the id of the run.
    """
    tags = {
        "monitoring": "true",
        "run_date": str(day.run_date),
        "model_name": day.model_name,
        "output_path": root,
    }
    with tempfile.TemporaryDirectory() as folder:
        for path in astuple(paths):
            with (
                storage.open_input(path) as stream,
                open(Path(folder, Path(path).name), "wb") as copy,
            ):
                shutil.copyfileobj(stream, copy)
        return tracking.log_report(f"monitoring {day.run_date}", tags, metrics, Path(folder))


def send_to_ui(config: Settings, day: ScoredDay, comparison: Comparison) -> UiAddress:
    """Show the day in Evidently's UI, in place of an earlier run of the day.

    Returns the address that people reach. A UI that is unavailable fails nothing: the error is
    logged and returned.
    """
    url, secret = config.evidently_ui_url.rstrip("/"), config.evidently_ui_secret
    public = config.evidently_ui_public_url.rstrip("/") or url
    name, snapshot = f"{day.run_date} {day.source}", comparison.snapshot
    try:
        address = evidently_ui.show(snapshot, url, secret, day.model_name, name, day.run_date)
    except ServiceError as error:
        log.warning("%s", error)
        return UiAddress(None, str(error))
    return UiAddress(address.replace(url, public, 1), None)
