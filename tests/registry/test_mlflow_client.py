"""The connection to MLflow: when it is made, and what it leaves behind in the process."""

import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from loan_default.errors import ServiceError
from loan_default.registry.mlflow_client import MlflowConnection
from loan_default.registry.tracking import Tracking
from loan_default.registry.versions import Registry
from loan_default.sandbox.local_stack import free_ports
from loan_default.settings import Settings
from workspace import Workspace


def nobody() -> MlflowConnection:
    return MlflowConnection(Settings(mlflow_tracking_uri=f"http://127.0.0.1:{free_ports(1)[0]}"))


def state() -> tuple[object, ...]:
    """What MLflow keeps for the whole process."""
    import mlflow

    levels = [logging.getLogger(name).level for name in ("mlflow", "alembic")]
    named = {name: value for name, value in os.environ.items() if name.startswith("MLFLOW_")}
    uri = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    return levels, named, uri, mlflow.active_run(), warnings.filters[:]


def test_a_connection_imports_nothing_and_asks_nothing_until_it_is_used() -> None:
    code = (
        "import sys\n"
        "from loan_default.registry.mlflow_client import MlflowConnection\n"
        "from loan_default.registry.tracking import Tracking\n"
        "from loan_default.registry.versions import Registry\n"
        "from loan_default.settings import Settings\n"
        "connection = MlflowConnection(Settings(mlflow_tracking_uri='http://127.0.0.1:9'))\n"
        "Registry(connection), Tracking(connection)\n"
        "assert 'mlflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_server_that_does_not_answer_is_named_at_the_first_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    connection = nobody()
    for ask in (
        connection.check,
        lambda: Registry(connection).version("m", "1"),
        lambda: Registry(connection).find_by_alias("m", "production"),
        lambda: Tracking(connection).run("train", {}).__enter__(),
    ):
        with pytest.raises(ServiceError, match="the tracking server .* does not answer: start it"):
            ask()


def test_an_address_of_no_store_is_no_missing_version() -> None:
    connection = MlflowConnection(Settings(mlflow_tracking_uri="ftp://nowhere"))
    with pytest.raises(ServiceError, match="MLflow at ftp://nowhere failed"):
        Registry(connection).version("m", "1")


@pytest.mark.parametrize("before", [None, "sqlite:////nowhere/else.db"])
def test_calls_leave_the_process_as_it_was(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    import mlflow

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    mlflow.set_tracking_uri(before)
    connection = MlflowConnection(
        Settings(
            mlflow_tracking_uri=workspace.settings["MLFLOW_TRACKING_URI"],
            mlflow_artifact_root=workspace.settings["MLFLOW_ARTIFACT_ROOT"],
        )
    )
    untouched = state()
    try:
        Registry(connection).find_by_alias("m", "production")
        assert state() == untouched
        with Tracking(connection).run("train", {"kind": "test"}) as run:
            (tmp_path / "report").mkdir()
            run.log({"rounds": 3}, {"AUC": 0.7}, tmp_path / "report")
            run.log_curve("loss", [0.5, 0.25])
        assert state() == untouched
        with pytest.raises(ZeroDivisionError), Tracking(connection).run("train", {}) as failed:
            1 / 0
        assert state() == untouched
    finally:
        mlflow.set_tracking_uri(None)
    runs = [connection.client.get_run(one.run_id) for one in (run, failed)]
    assert [one.info.status for one in runs] == ["FINISHED", "FAILED"]
    assert runs[0].data.params == {"rounds": "3"} and runs[0].data.tags["kind"] == "test"
    curve = connection.client.get_metric_history(run.run_id, "loss")
    assert [(point.step, point.value) for point in curve] == [(1, 0.5), (2, 0.25)]
