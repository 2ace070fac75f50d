"""The platform's first day: started, confined, trained, looked at, restarted in mid-run."""

import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Page, sync_playwright

from docker_stack import SAMPLE, DockerStack, problems
from loan_default.errors import ServiceError
from waiting import wait_for
from workspace import ROOT

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

TRAIN = "train_model_with_mlflow"
INIT = {"airflow-init", "mlflow-init"}
# Prints the code that a service's process may change
CHANGEABLE_CODE = """
import os
walked = (found for top in ("src", "airflow", "infra", "/opt/venv") for found in os.walk(top))
paths = (f"{folder}/{name}" for folder, _, names in walked for name in (".", *names))
print([path for path in paths if os.access(path, os.W_OK)])
"""


@pytest.fixture
def page() -> Iterator[Callable[..., Page]]:
    """Open pages in a browser without a window."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    assert program, "Chromium is missing: install Debian's package chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser.new_page
        browser.close()


def test_every_part_is_healthy_and_confined(stack: DockerStack) -> None:
    containers = stack.containers()
    assert len(containers) == 10
    for name, found in containers.items():
        if name in INIT:
            assert found["State"]["ExitCode"] == 0, name
            continue
        assert found["State"]["Health"]["Status"] == "healthy", name
        assert found["HostConfig"]["Memory"] > 0, name
        assert found["HostConfig"]["CapDrop"] == ["ALL"], name
        assert found["HostConfig"]["LogConfig"]["Config"]["max-size"] == "10m", name
        bound = [
            port["HostIp"]
            for ports in found["NetworkSettings"]["Ports"].values()
            for port in ports or []
        ]
        assert set(bound) <= {"127.0.0.1"}, name
        if name != "postgres":
            assert stack.python(name, "import os; print(os.getuid())").strip() == "50000", name
            assert stack.python(name, CHANGEABLE_CODE).strip() == "[]", name


def test_secrets_are_generated_and_readable_by_their_owner_alone(stack: DockerStack) -> None:
    path = stack.folder / ".env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    wanted = set(re.findall(r"([A-Z_]+):\?", (ROOT / "docker-compose.yaml").read_text()))
    values = [stack.secret(name) for name in wanted]
    assert len(wanted) > 8 and len(set(values)) == len(values) and all(len(v) > 30 for v in values)
    assert stack.secret("PROMOTION_AUC_THRESHOLD") == "0.5"
    before = path.read_text()
    stack.make("start")
    assert path.read_text() == before


def test_no_service_starts_without_its_secret(stack: DockerStack) -> None:
    said = stack.compose("--env-file", os.devnull, "config", code=None)
    assert "run make start" in said


def test_strangers_are_turned_away(stack: DockerStack) -> None:
    assert httpx.get(f"{stack.url('airflow-apiserver')}/api/v2/dags").status_code == 401
    experiments = f"{stack.url('mlflow')}/api/2.0/mlflow/experiments/search?max_results=1"
    assert httpx.get(experiments).status_code == 401
    for password in ("admin", "password", "password1234"):
        assert httpx.get(experiments, auth=("admin", password)).status_code == 401
        login = {"username": "admin", "password": password}
        answer = httpx.post(f"{stack.url('airflow-apiserver')}/auth/token", json=login)
        assert answer.status_code == 401
    elsewhere = {"Host": "attacker.example"}
    assert httpx.get(experiments, headers=elsewhere).status_code == 403


@pytest.mark.parametrize("service", ["serve", "monitoring"])
def test_only_what_needs_postgres_can_reach_it(stack: DockerStack, service: str) -> None:
    networks = stack.containers()["postgres"]["NetworkSettings"]["Networks"]
    (address,) = (network["IPAddress"] for network in networks.values())
    reach = f"import socket; socket.create_connection(({address!r}, 5432), 3)"
    stack.python("airflow-scheduler", reach)
    stack.python(service, reach, code=1)


def test_the_serving_account_reads_and_does_not_write(stack: DockerStack) -> None:
    login = ("serve", stack.secret("MLFLOW_SERVE_PASSWORD"))
    with httpx.Client(base_url=stack.mlflow.base_url, auth=login) as serve:
        assert serve.get("experiments/search?max_results=1").is_success
        created = stack.mlflow.post("registered-models/create", json={"name": "another"})
        assert created.is_success
        assert serve.get("registered-models/get?name=another").is_success
        refused = serve.request("DELETE", "registered-models/delete", json={"name": "another"})
        assert refused.status_code == 403
    gone = stack.mlflow.request("DELETE", "registered-models/delete", json={"name": "another"})
    assert gone.is_success


def test_before_the_first_model_everything_says_so(stack: DockerStack) -> None:
    answer = stack.post(SAMPLE)
    assert answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
    said = stack.make("troubleshoot", code=2)
    assert problems(said) == ["no model is served: there is none yet"]
    assert "trigger train_model_with_mlflow" in said


def test_one_training_promotes_scores_monitors_and_is_served(stack: DockerStack) -> None:
    stack.train()
    answer = wait_for(lambda: (got := stack.post(SAMPLE)).is_success and got)
    assert answer.json() == {"predictions": [0]}
    assert wait_for(lambda: httpx.get(f"{stack.url('serve')}/ready").json()["passed_gate"]) is True
    assert stack.versions() == ["1"]
    assert stack.params("staging")["git_commit"] == stack.git("rev-parse", "HEAD")
    assert "PROBLEM" not in stack.make("troubleshoot")


def test_the_pages_show_what_happened(stack: DockerStack, page: Callable[..., Page]) -> None:
    airflow = page()
    airflow.goto(stack.url("airflow-apiserver"))
    airflow.fill("input[name=username]", "admin")
    airflow.fill("input[name=password]", stack.secret("AIRFLOW_ADMIN_PASSWORD"))
    airflow.click("input[type=submit]")
    airflow.goto(f"{stack.url('airflow-apiserver')}/dags/{TRAIN}")
    airflow.get_by_text("rescore").first.wait_for()
    login = {"username": "admin", "password": stack.secret("MLFLOW_ADMIN_PASSWORD")}
    mlflow = page(http_credentials=login)
    mlflow.goto(f"{stack.url('mlflow')}/#/models/loan_default_model")
    mlflow.get_by_text("staging").first.wait_for()
    mlflow.get_by_text("production").first.wait_for()
    reports = page()
    reports.goto(stack.url("monitoring"))
    reports.get_by_text("loan_default_model").first.click()
    reports.get_by_text("Share of drifted columns").first.wait_for()


def test_a_run_survives_restarts_of_the_database_and_the_scheduler(stack: DockerStack) -> None:
    run_id = stack.api.trigger(TRAIN, {"data_path": "data/raw/newer.csv"})
    wait_for(lambda: stack.api.tasks(TRAIN, run_id)["train"]["state"] == "running", 120)
    stack.compose("restart", "postgres")
    stack.compose("restart", "--timeout", "1", "airflow-scheduler")
    wait_for(lambda: answering(stack) and stack.finished(2), 900)
    assert stack.versions() == ["2", "1"]


def answering(stack: DockerStack) -> bool:
    """Whether the API answers; PostgreSQL may have been restarted just now."""
    try:
        return stack.api.healthy()
    except (ServiceError, httpx.HTTPError):
        return False
