"""What troubleshooting says of a platform with a fault."""

import re
from pathlib import Path

import pytest

from docker_stack import PROJECT, SAMPLE, DockerStack, problems
from waiting import wait_for

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]


def test_a_missing_alias_is_named(stack: DockerStack) -> None:
    alias = {"name": "loan_default_model", "alias": "staging"}
    registered = "registered-models/alias"
    assert stack.mlflow.request("DELETE", registered, json=alias).is_success
    # What it has served it would go on serving, also over a restart.
    stack.compose("rm", "--stop", "--force", "serve")
    stack.run("docker", "volume", "rm", f"{PROJECT}_serve-cache")
    stack.compose("up", "--detach", "--wait", "serve")
    said = wait_for(lambda: problems(stack.run("bash", "airflow/troubleshoot.sh").stdout))
    assert said == ["no model is served: no version has the alias staging, the newest is 2"]
    assert stack.mlflow.post(registered, json=alias | {"version": "2"}).is_success
    wait_for(lambda: stack.post(SAMPLE).is_success)


def test_faults_are_named_with_what_to_do(stack: DockerStack) -> None:
    said = stack.make("troubleshoot", code=2, DOCKER_HOST="unix:///nowhere")
    assert problems(said) == ["Docker is not running, or you have no permission to use it"]
    said = stack.make("troubleshoot", code=2, MIN_FREE_MB="999999999")
    (problem,) = problems(said)
    assert "Docker's disk is nearly full" in problem

    environment = stack.folder / ".env"
    kept = environment.read_text()
    environment.write_text(re.sub("MLFLOW_SECRET_KEY=.*\n", "", kept))
    assert ".env lacks MLFLOW_SECRET_KEY" in problems(stack.make("troubleshoot", code=2))
    environment.write_text(kept + "MLFLOW_ARTIFACTS_DESTINATION=gs://no-such-bucket/mlflow\n")
    (problem,) = problems(stack.make("troubleshoot", code=2))
    assert problem.startswith("the bucket gs://no-such-bucket/mlflow cannot be reached")
    environment.write_text(kept)

    stack.compose("kill", "monitoring")
    said = stack.make("troubleshoot", code=2)
    assert [problem.split(";")[0] for problem in problems(said)] == [
        "monitoring is exited, health unhealthy"
    ]
    assert "its last lines:\n           " in said
    stack.compose("up", "--detach", "--wait", "monitoring")


def test_a_broken_dag_and_pending_migrations_are_named(stack: DockerStack, tmp_path: Path) -> None:
    service, place = "airflow-dag-processor", "/opt/airflow/airflow/dags/broken.py"
    (tmp_path / "broken.py").write_text("from airflow.sdk import DAG\nimport nothing_here\n")
    (tmp_path / "broken.py").chmod(0o644)
    stack.compose("cp", str(tmp_path / "broken.py"), f"{service}:{place}")
    stack.compose("exec", "-T", service, "airflow", "dags", "reserialize", code=None)
    (problem,) = problems(stack.make("troubleshoot", code=2))
    assert problem == (
        "a DAG cannot be imported: broken.py: ModuleNotFoundError: No module named 'nothing_here'"
    )
    stack.compose("exec", "-T", "--user", "root", service, "rm", place)
    stack.compose("restart", service)

    sql = ["exec", "-T", "postgres", "psql", "-U", "postgres", "-d", "airflow", "-tAc"]
    (known,) = stack.compose(*sql, "select version_num from alembic_version").split()
    older = "e79fc784f145"  # pragma: allowlist secret
    stack.compose(*sql, f"update alembic_version set version_num = '{older}'")
    said = stack.make("troubleshoot", code=2)
    stack.compose(*sql, f"update alembic_version set version_num = '{known}'")
    assert "Airflow's database needs migrations" in problems(said)
    wait_for(lambda: in_order(stack))


def in_order(stack: DockerStack) -> bool:
    """Whether troubleshooting finds nothing."""
    return stack.run("bash", "airflow/troubleshoot.sh").returncode == 0
