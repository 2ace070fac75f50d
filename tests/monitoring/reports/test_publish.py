"""Where a day's reports go: files, MLflow, and a UI that is not there."""

import json
from pathlib import Path

import monitored_day
from loan_default.monitoring.reports.publish import (
    ReportPaths,
    log_to_mlflow,
    send_to_ui,
    write,
)
from loan_default.registry.mlflow_client import MlflowConnection
from loan_default.registry.tracking import Tracking
from loan_default.settings import Settings
from workspace import Workspace


def test_the_report_files_lie_in_the_days_folder(tmp_path: Path) -> None:
    paths = write(str(tmp_path), monitored_day.report())
    folder = tmp_path / "reports" / "run_date=2026-03-01"
    assert paths == ReportPaths(
        report_html=str(folder / "drift_report.html"),
        report_json=str(folder / "drift_report.json"),
        quality_report=str(folder / "quality_report.json"),
    )
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {
        "drift_report.html",
        "drift_report.json",
        "quality_report.json",
    }
    drift = json.loads(Path(paths.report_json).read_text())
    assert list(drift)[-6:] == ["quality", "against", "verdict", "columns", "beside", "evidently"]
    assert list(drift["verdict"]) == [
        "drift",
        "drift_share",
        "drifted_columns",
        "compared",
        "rows",
        "reason",
    ]
    assert list(drift["columns"][0]) == [
        "column",
        "method",
        "score",
        "threshold",
        "drifted",
        "missing_reference",
        "missing_current",
        "severity",
    ]


def test_the_error_of_a_ui_that_is_down_is_returned() -> None:
    config = Settings(evidently_ui_url="http://127.0.0.1:9")
    down = send_to_ui(config, monitored_day.DAY, monitored_day.comparison().primary)
    assert down.url is None
    assert down.error and "http://127.0.0.1:9 did not accept the report" in down.error


def test_mlflow_has_one_run_for_a_day_of_a_root(workspace: Workspace, tmp_path: Path) -> None:
    config = Settings(
        mlflow_tracking_uri=workspace.settings["MLFLOW_TRACKING_URI"],
        mlflow_artifact_root=workspace.settings["MLFLOW_ARTIFACT_ROOT"],
    )
    connection, page = MlflowConnection(config), tmp_path / "drift_report.html"
    paths = ReportPaths(str(page), str(page), str(page))
    tracking, client = Tracking(connection), connection.client
    runs = []
    for text, share in (("first", 0.1), ("second", 0.2)):
        page.write_text(text)
        runs.append(
            log_to_mlflow(tracking, "root", monitored_day.DAY, {"drift_share": share}, paths)
        )
    other = log_to_mlflow(tracking, "another", monitored_day.DAY, {}, paths)
    assert runs[0] == runs[1] != other
    run = client.get_run(runs[0])
    assert run.info.status == "FINISHED" and run.data.metrics == {"drift_share": 0.2}
    kept = client.download_artifacts(runs[0], page.name, str(tmp_path))
    assert Path(kept).read_text() == "second"
    experiment = client.get_experiment(run.info.experiment_id)
    assert experiment.name == "loan_default_monitoring"
