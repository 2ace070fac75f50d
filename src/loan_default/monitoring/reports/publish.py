"""Where a monitored day's reports go: ROOT/reports/run_date=…, MLflow, and Evidently's own UI."""

import json
import logging
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loan_default import storage
from loan_default.errors import ServiceError
from loan_default.monitoring.days.scored_day import ScoredDay
from loan_default.monitoring.drift import evidently_ui
from loan_default.monitoring.drift.compare import Compared
from loan_default.registry.tracking import Tracking
from loan_default.settings import Settings

log = logging.getLogger("monitor")


def folder(root: str, day: ScoredDay) -> str:
    """Where the day's reports lie."""
    return storage.join(root, "reports", f"run_date={day.run_date}")


def write(
    root: str, day: ScoredDay, compared: Compared, facts: Mapping[str, Any]
) -> dict[str, str]:
    """Write Evidently's page and the figures; returns their paths."""
    names = {"report_html": "drift_report.html", "report_json": "drift_report.json"}
    # They take seconds to write: what a killed run left of them goes with the next.
    with storage.work_folder(storage.join(root, "reports"), f"run_date={day.run_date}") as here:
        compared.judged.save_html(here / names["report_html"])
        compared.judged.save_json(here / names["report_json"], facts)
        paths = {key: storage.join(folder(root, day), name) for key, name in names.items()}
        for key, path in paths.items():
            storage.publish(here / names[key], path)
    return paths


def write_quality(root: str, day: ScoredDay, facts: Mapping[str, Any]) -> str:
    """Write the figures on data and predictions; returns their path."""
    path = storage.join(folder(root, day), "quality_report.json")
    storage.write_text(path, json.dumps(facts, allow_nan=False, indent=1) + "\n")
    return path


def log_to_mlflow(
    tracking: Tracking, root: str, day: ScoredDay, metrics: Mapping[str, float], *paths: str
) -> str:
    """Keep the day's figures and reports in MLflow, one run a day and root; returns its id."""
    tags = {
        "monitoring": "true",
        "run_date": str(day.run_date),
        "model_name": day.model_name,
        "output_path": root,
    }
    with tempfile.TemporaryDirectory() as here:
        for path in paths:
            with (
                storage.open_input(path) as stream,
                open(Path(here, Path(path).name), "wb") as copy,
            ):
                shutil.copyfileobj(stream, copy)
        return tracking.log_report(f"monitoring {day.run_date}", tags, metrics, Path(here))


def send_to_ui(config: Settings, day: ScoredDay, compared: Compared) -> dict[str, str | None]:
    """Show the day in Evidently's UI, once however often it is monitored.

    Returns `url`, the run's address for people, or None with the `error`: a UI that is down fails
    nothing.
    """
    url, secret = config.evidently_ui_url.rstrip("/"), config.evidently_ui_secret
    public = config.evidently_ui_public_url.rstrip("/") or url
    name, snapshot = f"{day.run_date} {day.source}", compared.judged.snapshot
    try:
        address = evidently_ui.show(snapshot, url, secret, day.model_name, name, day.run_date)
    except ServiceError as error:
        log.warning("%s", error)
        return {"url": None, "error": str(error)}
    return {"url": address.replace(url, public, 1), "error": None}
