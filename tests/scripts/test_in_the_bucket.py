"""The platform on Cloud Storage: every script with every path on `gs://`, against a real service
process."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from cloud_storage import BUCKET, IN_THE_BUCKET, RAW
from loan_default import storage
from loan_default.registry import artifacts
from loan_default.sandbox.local_stack import LocalStack
from loan_default.settings import Settings
from scoring_server import NAME, running_server
from workspace import ROOT, Workspace

pytestmark = pytest.mark.slow

APPLICATIONS = f"{BUCKET}/batch/applications.csv"
DAY = "2026-03-01"
RUN = f"{BUCKET}/predictions/run_date={DAY}"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, empty_store: Path, bucket: str) -> Workspace:
    folder = tmp_path_factory.mktemp("cloud")
    (folder / "mlflow.db").write_bytes(empty_store.read_bytes())
    return Workspace(folder, IN_THE_BUCKET)


@pytest.fixture(scope="module")
def results(cloud: Workspace) -> dict[str, dict[str, Any]]:
    """Every script in order; its result."""
    done = {}

    def run(script: str, *arguments: str) -> None:
        done[script] = cloud.run(script, *arguments).result

    run("make_loans", "--rows", "20000", "--seed", "11", "--output-path", RAW)
    run("prepare_data", "--input-path", RAW)
    run("train_with_mlflow", "--data-path", done["prepare_data"]["output_path"])
    run("promote_model", "--force", "--reason", "a test", "--triggered-by", "me")
    storage.publish(ROOT / "data" / "batch_input.csv", APPLICATIONS)
    run("batch_predict", "--input-path", APPLICATIONS, "--run-date", DAY)
    run("monitor_predictions", "--idempotency-key", "one", "--labels", RAW)
    return done


def test_every_path_of_every_script_is_in_the_bucket(
    results: dict[str, dict[str, Any]], cloud: Workspace
) -> None:
    expected = {
        "make_loans": {"output_path": RAW},
        "prepare_data": {
            "output_path": f"{BUCKET}/prepared/loans.parquet",
            "rejected_path": f"{BUCKET}/prepared/rejected.csv",
        },
        "batch_predict": {
            "predictions_path": f"{RUN}/predictions.parquet",
            "manifest_path": f"{RUN}/manifest.json",
            "marker_path": f"{BUCKET}/predictions/latest_prediction.txt",
        },
        "monitor_predictions": {
            "report_html": f"{BUCKET}/reports/run_date={DAY}/drift_report.html",
            "report_json": f"{BUCKET}/reports/run_date={DAY}/drift_report.json",
            "quality_report": f"{BUCKET}/reports/run_date={DAY}/quality_report.json",
        },
    }
    for script, paths in expected.items():
        assert paths.items() <= results[script].items(), script
        assert all(storage.exists(path) for path in paths.values()), script
    assert storage.exists(f"{RUN}/rejected.csv") and storage.exists(f"{RUN}/sample.parquet")
    assert storage.exists(f"{BUCKET}/reports/run_date={DAY}/decision.json")
    assert storage.exists(f"{BUCKET}/reports/history.parquet")
    labels = results["monitor_predictions"]["labels"]["labels_path"]
    assert labels in storage.files_below(f"{BUCKET}/outcomes")
    event = json.loads(storage.read_text(results["promote_model"]["event_path"]))
    assert event["model_version"] == "1"
    assert results["promote_model"]["event_path"].startswith(f"{BUCKET}/promotions/")
    assert storage.read_text(f"{BUCKET}/predictions/latest_prediction.txt") == (
        f"{RUN}/predictions.parquet\n"
    )
    assert [file.name for file in cloud.folder.iterdir()] == ["mlflow.db"]


def test_the_predictions_are_those_of_a_local_run(
    results: dict[str, dict[str, Any]], cloud: Workspace, tmp_path: Path
) -> None:
    local = cloud.run(
        "batch_predict",
        *("--input-path", str(ROOT / "data" / "batch_input.csv"), "--run-date", DAY),
        *("--output-path", str(tmp_path)),
    ).result
    for name in ("predictions.parquet", "sample.parquet", "rejected.csv"):
        beside = Path(local["predictions_path"]).with_name(name)
        assert storage.digest(f"{RUN}/{name}") == storage.digest(str(beside)), name
    manifest = json.loads(storage.read_text(f"{RUN}/manifest.json"))
    assert manifest["input_path"] == APPLICATIONS
    assert manifest["digests"]["input"] == storage.digest(str(ROOT / "data" / "batch_input.csv"))


def test_a_rerun_of_a_day_gives_the_same_files(
    results: dict[str, dict[str, Any]], cloud: Workspace
) -> None:
    names = ("predictions.parquet", "sample.parquet", "rejected.csv", "manifest.json")
    before = [storage.digest(f"{RUN}/{name}") for name in names]
    cloud.run("batch_predict", "--input-path", APPLICATIONS, "--run-date", DAY).result
    assert [storage.digest(f"{RUN}/{name}") for name in names] == before


def test_mlflow_keeps_the_artifacts_in_the_bucket(
    results: dict[str, dict[str, Any]], cloud: Workspace
) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(cloud.settings["MLFLOW_TRACKING_URI"])
    run_id = results["train_with_mlflow"]["run_id"]
    root = client.get_run(run_id).info.artifact_uri
    assert root.startswith(f"{BUCKET}/mlflow/")
    assert {"model_card.md", "plots"} <= {file.path for file in client.list_artifacts(run_id)}
    assert storage.exists(f"{root}/plots/calibration.png")


def fetched_without_mlflow(uri: str, folder: Path) -> bool:
    return artifacts.fetch(Settings(mlflow_tracking_uri=uri), NAME, "1", folder)


def test_the_server_takes_its_model_from_the_bucket_and_is_monitored_there(
    results: dict[str, dict[str, Any]], cloud: Workspace, tmp_path: Path
) -> None:
    assert fetched_without_mlflow(cloud.settings["MLFLOW_TRACKING_URI"], tmp_path)
    with running_server(cloud) as server:
        server.serves("1")
        assert server.post().status_code == 200
        server.stop()
    (log,) = storage.files_below(f"{BUCKET}/online")
    with storage.open_input(log) as stream:
        assert pl.read_parquet(stream)["model_version"].to_list() == ["1"]
    monitored = cloud.run("monitor_predictions", "--source", "online", "--report-only").result
    assert monitored["sampled_rows"] == 1 and monitored["model_version"] == "1"


@pytest.fixture
def tracking_server(tmp_path: Path, workspace: Workspace, bucket: str) -> Iterator[str]:
    """As in the stack: a server that keeps the artifacts in the bucket and answers for them."""
    stack = LocalStack(tmp_path)
    folder, place = str(tmp_path / "mlruns"), f"{BUCKET}/served"
    command = [
        place if part == folder else part for part in stack.mlflow_command(stack.mlflow_port)
    ]
    with (tmp_path / "mlflow.log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=tmp_path, env=stack.environment, stdout=log, stderr=log
        )
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as asking:
            assert asking.get(f"{stack.mlflow_url}/health", timeout=60).is_success
        yield stack.mlflow_url
    finally:
        # Its worker is a child of its own, which ends with it when it is asked to.
        server.terminate()
        server.wait(30)


def test_a_tracking_server_that_keeps_artifacts_in_the_bucket(
    narrow_export: Path, tmp_path: Path, tracking_server: str
) -> None:
    stack = Workspace(tmp_path, IN_THE_BUCKET | {"MLFLOW_TRACKING_URI": tracking_server})
    trained = stack.run("train_with_mlflow", "--data-path", narrow_export).result
    below = f"{BUCKET}/served/"
    assert any(trained["run_id"] in path for path in storage.files_below(below))
    assert fetched_without_mlflow(tracking_server, tmp_path)
    with running_server(stack, SERVE_LOG_SHARE="0") as server:
        server.serves("1")
        assert server.post().status_code == 200
        server.stop()


def test_a_training_into_a_missing_bucket_is_refused_before_it_learns(
    results: dict[str, dict[str, Any]], cloud: Workspace
) -> None:
    from mlflow import MlflowClient

    nowhere = {"GCS_BUCKET": "nowhere", "MLFLOW_EXPERIMENT_NAME": "elsewhere", "RANDOM_SEED": "7"}
    done = cloud.run("train_with_mlflow", "--data-path", RAW, **nowhere)
    assert done.code == 2 and "there is no bucket nowhere: create it" in done.error
    client = MlflowClient(cloud.settings["MLFLOW_TRACKING_URI"])
    assert client.get_experiment_by_name("elsewhere") is None


def test_an_experiment_that_stays_where_it_was_made_is_named(
    trained: Workspace, tmp_path: Path, bucket: str
) -> None:
    (tmp_path / "mlflow.db").write_bytes((trained.folder / "mlflow.db").read_bytes())
    # Other data than the version that is there, so that a run begins.
    again = Workspace(tmp_path, IN_THE_BUCKET | {"RANDOM_SEED": "7"})
    loans = str(tmp_path / "loans.csv")
    again.run("make_loans", "--rows", "20000", "--seed", "12", "--output-path", loans)
    done = again.run("train_with_mlflow", "--data-path", loans)
    assert done.code == 0, done.stderr
    assert "experiment loan_default stores its artifacts in" in done.stderr


# Without a bucket

NO_GOOGLE = """
import os, sys

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("google.cloud", "google.auth", "google.api_core", "google_crc32c")):
            with open(os.environ["ASKED_FOR"], "a") as log:
                print(name, file=log)
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refusing())
"""
# In one process, which imports once what they need
ALL_SCRIPTS = """
import importlib, json, sys

for script, *arguments in json.loads(sys.argv[1]):
    assert importlib.import_module(script).main(arguments) == 0, script
"""


def test_without_a_bucket_nothing_imports_or_mentions_google(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(NO_GOOGLE)
    path = os.pathsep.join([str(folder), str(ROOT / "src")])
    local = {"PYTHONPATH": path, "ASKED_FOR": str(folder / "asked")}
    prepared = str(workspace.folder / "prepared.parquet")
    commands = [
        ("make_loans", "--rows", "20000", "--seed", "11", "--output-path", "loans.csv"),
        ("prepare_data", "--input-path", "loans.csv", "--output-path", prepared),
        ("train_with_mlflow", "--data-path", prepared),
        ("promote_model", "--force", "--reason", "a test"),
        ("batch_predict", "--input-path", str(ROOT / "data" / "batch_input.csv")),
        ("monitor_predictions",),
    ]
    done = subprocess.run(
        [sys.executable, "-c", ALL_SCRIPTS, json.dumps(commands)],
        cwd=workspace.folder,
        env=os.environ | workspace.settings | local,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(commands)
    assert "google" not in (done.stdout + done.stderr).lower()
    with running_server(workspace, **local) as server:
        server.serves("1")
        assert server.post().status_code == 200
        server.stop()
    assert not (folder / "asked").exists(), (folder / "asked").read_text()
