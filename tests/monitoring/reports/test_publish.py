"""The ways of a day's reports, to MLflow and to a UI that is not there."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from loan_default.monitoring.days.scored_day import ScoredDay
from loan_default.monitoring.drift import compare, evidently_report
from loan_default.monitoring.drift.compare import Compared
from loan_default.monitoring.drift.verdict import Thresholds
from loan_default.monitoring.reports.publish import log_to_mlflow, send_to_ui
from loan_default.registry.mlflow_client import MlflowConnection
from loan_default.registry.tracking import Tracking
from loan_default.settings import Settings
from workspace import Workspace

LIMITS = Thresholds(wasserstein=0.1, psi=0.2, missing=0.1, share=0.3, min_rows=10)
SAMPLE = pl.DataFrame({"dti": [float(n % 30) for n in range(60)], "grade": ["A", "B"] * 30})
DAY = ScoredDay(date(2026, 3, 1), "batch", "loans of a test", "1", SAMPLE, {}, "digest", None)


@pytest.fixture(scope="module")
def compared() -> Compared:
    found = evidently_report.compare(SAMPLE, SAMPLE, LIMITS)
    return Compared(found, found, compare.REFERENCE, [], [], None)


def test_what_a_ui_did_not_take_is_said(compared: Compared) -> None:
    down = send_to_ui(Settings(evidently_ui_url="http://127.0.0.1:9"), DAY, compared)
    assert down["url"] is None and "http://127.0.0.1:9 did not take the report" in down["error"]


def test_mlflow_has_one_run_for_a_day_of_a_root(workspace: Workspace, tmp_path: Path) -> None:
    config = Settings(
        mlflow_tracking_uri=workspace.settings["MLFLOW_TRACKING_URI"],
        mlflow_artifact_root=workspace.settings["MLFLOW_ARTIFACT_ROOT"],
    )
    connection, page = MlflowConnection(config), tmp_path / "drift_report.html"
    tracking, client = Tracking(connection), connection.client
    runs = []
    for text, share in (("first", 0.1), ("second", 0.2)):
        page.write_text(text)
        runs.append(log_to_mlflow(tracking, "root", DAY, {"drift_share": share}, str(page)))
    other = log_to_mlflow(tracking, "another", DAY, {}, str(page))
    assert runs[0] == runs[1] != other
    run = client.get_run(runs[0])
    assert run.info.status == "FINISHED" and run.data.metrics == {"drift_share": 0.2}
    kept = client.download_artifacts(runs[0], page.name, str(tmp_path))
    assert Path(kept).read_text() == "second"
    experiment = client.get_experiment(run.info.experiment_id)
    assert experiment.name == "loan_default_monitoring"
