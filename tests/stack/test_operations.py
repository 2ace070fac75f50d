"""The operations guide on a running platform: its commands as they stand in the guide."""

import re
from pathlib import Path

import httpx
import pytest

from docker_stack import SAMPLE, DockerStack
from waiting import wait_for
from workspace import ROOT

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

GUIDE = (ROOT / "docs" / "operations.md").read_text()
SECRETS = set(re.findall(r"([A-Z_]+):\?", (ROOT / "docker-compose.yaml").read_text()))
# A password that Airflow keeps in its database, encrypted with its Fernet key.
KEPT = ("exec", "-T", "airflow-scheduler", "airflow", "connections")


@pytest.fixture(scope="module", autouse=True)
def _a_connection(stack: DockerStack) -> None:
    stack.compose(*KEPT, "add", "kept", "--conn-type", "http", "--conn-password", "as-it-was")


def commands(heading: str) -> str:
    """The commands under a heading of the guide."""
    (part,) = re.findall(rf"^#+ {heading}\n(.*?)(?=^#+ |\Z)", GUIDE, re.MULTILINE | re.DOTALL)
    (found,) = re.findall(r"```bash\n(.*?)```", part, re.DOTALL)
    return str(found)


def follow(stack: DockerStack, heading: str, **variables: str) -> None:
    """Run the commands under a heading, with a yes to what they ask."""
    shell = ("bash", "-euo", "pipefail", "-c", commands(heading))
    done = stack.run(*shell, typed="yes\n", **variables)
    assert done.returncode == 0, done.stdout


def remembered(stack: DockerStack) -> dict[str, object]:
    """What the databases and volumes hold, asked for with today's secrets."""
    # Not online/, to which every answer adds.
    files = "import glob; print(sorted(glob.glob('artifacts/[pr]*/**/*.*', recursive=True)))"
    wait_for(lambda: stack.post(SAMPLE).is_success)
    with stack.mlflow as mlflow:
        runs = mlflow.post("runs/search", json={"experiment_ids": ["1", "2"]}).raise_for_status()
    return {
        "DAG runs": stack.states(),
        "MLflow's runs": sorted(run["info"]["run_id"] for run in runs.json()["runs"]),
        "served": httpx.get(f"{stack.url('serve')}/ready").json()["model_version"],
        "connection": "as-it-was" in stack.compose(*KEPT, "get", "kept", "--output", "json"),
        "files": stack.python("airflow-scheduler", files),
        "Evidently": httpx.get(f"{stack.url('monitoring')}/api/projects").json()[0]["name"],
    }


def test_a_backup_brings_everything_back(stack: DockerStack, tmp_path: Path) -> None:
    before = remembered(stack)
    assert before["connection"] and "predictions.parquet" in str(before["files"])
    follow(stack, "Back up", BACKUP=str(tmp_path / "backup"))
    follow(stack, "Restore", BACKUP=str(tmp_path / "backup"))
    assert remembered(stack) == before


@pytest.mark.parametrize(
    "heading",
    [
        "Kept in `.env` alone",
        "Kept in a database too",
        "MLflow's administrator",
        "Airflow's Fernet key",
    ],
)
def test_a_secret_changes_and_nothing_is_lost(stack: DockerStack, heading: str) -> None:
    names = SECRETS & set(re.findall(r"[A-Z_]+", commands(heading)))
    secrets, before = {name: stack.secret(name) for name in names}, remembered(stack)
    follow(stack, heading)
    assert names and all(stack.secret(name) != secrets[name] for name in names)
    assert remembered(stack) == before
    assert (stack.folder / ".env").stat().st_mode & 0o777 == 0o600
