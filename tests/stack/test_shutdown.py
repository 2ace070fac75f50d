"""The platform stopped, started again and removed: the last of this folder to use it."""

import json
import socket
from pathlib import Path

import pytest

from docker_stack import PROJECT, SAMPLE, DockerStack
from waiting import wait_for

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

# Prints every file below artifacts/ as a JSON list
LISTING = """
import json, pathlib
print(json.dumps([str(path) for path in pathlib.Path("artifacts").rglob("*.*")]))
"""


def test_stopped_and_started_again_everything_is_still_there(stack: DockerStack) -> None:
    before = stack.states(), stack.versions(), stack.secret("AIRFLOW_ADMIN_PASSWORD")
    files = set(json.loads(stack.python("airflow-scheduler", LISTING)))
    assert {"drift_report.html", "predictions.parquet"} <= {Path(file).name for file in files}
    assert "kept" in stack.make("stop")
    assert stack.compose("ps", "--all", "--quiet") == ""
    stack.make("start")
    log = stack.compose("logs", "postgres")
    assert "database system was shut down" in log and "was interrupted" not in log
    assert (stack.states(), stack.versions(), stack.secret("AIRFLOW_ADMIN_PASSWORD")) == before
    # Scoring adds its prediction log while it stops
    assert files <= set(json.loads(stack.python("airflow-scheduler", LISTING)))
    assert wait_for(lambda: stack.post(SAMPLE)).json() == {"predictions": [0]}


def test_a_taken_port_is_named(stack: DockerStack) -> None:
    stack.make("stop")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", stack.ports["monitoring"]))
        taken.listen()
        said = stack.make("start", code=2)
    assert f"port {stack.ports['monitoring']} is in use by another program" in said
    assert "set MONITORING_PORT in .env to a free port" in said


def test_another_env_is_refused_and_nothing_is_removed_without_a_yes(stack: DockerStack) -> None:
    path = stack.folder / ".env"
    kept = path.read_text()
    stack.configure()
    before = path.read_text()
    said = stack.make("start", code=2)
    assert "restore that .env, or delete the data with make clean" in said
    assert path.read_text() == before
    assert "Nothing was deleted" in stack.make("clean", typed="no\n", code=2)
    path.write_text(kept)
    volumes = stack.compose("volumes", "--quiet")
    assert f"{PROJECT}_postgres-data" in volumes
    stack.make("clean", typed="yes\n")
    assert stack.compose("volumes", "--quiet") == ""
