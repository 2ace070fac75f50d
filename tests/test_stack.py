"""The whole platform in Docker as a person uses it: `make test-stack`. The tests go on from each
other, in the order of the file."""

import os
import re
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, sync_playwright

from conftest import ROOT, Workspace
from docker_stack import PROJECT, DockerStack, wait_for
from loan_default.errors import ServiceError

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

TRAIN = "train_model_with_mlflow"
SAMPLE = (ROOT / "data" / "sample_input.json").read_bytes()
INIT = {"airflow-init", "mlflow-init"}
# Prints the code that a service's process may change
CHANGEABLE_CODE = """
import os
walked = (found for top in ("src", "airflow", "infra", "/opt/venv") for found in os.walk(top))
paths = (f"{folder}/{name}" for folder, _, names in walked for name in (".", *names))
print([path for path in paths if os.access(path, os.W_OK)])
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerStack]:
    """A stack just started, with generated loans to learn from; gone afterwards."""
    made = DockerStack(tmp_path_factory.mktemp("stack"))
    loans = made.folder / "data" / "raw"
    loans.mkdir()
    for name, seed in (("loans.csv", "11"), ("newer.csv", "12")):
        arguments = ("--rows", "20000", "--seed", seed, "--output-path", loans / name)
        assert Workspace(loans).run("make_loans", *arguments).code == 0
    made.configure(TRAIN_DATA_PATH="data/raw/loans.csv", PROMOTION_AUC_THRESHOLD="0.5")
    made.make("start")
    yield made
    made.remove()


@pytest.fixture
def page() -> Iterator[Callable[..., Page]]:
    """Opens pages of a browser without a window."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    assert program, "Chromium is missing: install Debian's package chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser.new_page
        browser.close()


def versions(stack: DockerStack) -> list[str]:
    """The registered versions, newest first."""
    found = stack.mlflow.get(
        "model-versions/search", params={"filter": "name='loan_default_model'"}
    )
    return [version["version"] for version in found.raise_for_status().json()["model_versions"]]


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
    assert versions(stack) == ["1"]
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
    assert versions(stack) == ["2", "1"]


def answering(stack: DockerStack) -> bool:
    """Whether the API answers; PostgreSQL may have been restarted just now."""
    try:
        return stack.api.healthy()
    except (ServiceError, httpx.HTTPError):
        return False


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
    assert problems(said) == ["Docker is not running, or you may not use it"]
    said = stack.make("troubleshoot", code=2, LEAST_FREE_MB="999999999")
    (problem,) = problems(said)
    assert "disk of Docker is nearly full" in problem

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
    assert "Airflow's database waits for migrations" in problems(said)
    wait_for(lambda: in_order(stack))


def in_order(stack: DockerStack) -> bool:
    """Whether troubleshooting finds nothing."""
    return stack.run("bash", "airflow/troubleshoot.sh").returncode == 0


def problems(said: str) -> list[str]:
    """What troubleshooting has found wrong, each its first line."""
    return re.findall("PROBLEM  (.+)", said)


def test_stopped_and_started_again_everything_is_still_there(stack: DockerStack) -> None:
    before = stack.states(), versions(stack), stack.secret("AIRFLOW_ADMIN_PASSWORD")
    reports = "import pathlib; print(sorted(map(str, pathlib.Path('artifacts').rglob('*.*'))))"
    files = stack.python("airflow-scheduler", reports)
    assert "drift_report.html" in files and "predictions.parquet" in files
    assert "kept" in stack.make("stop")
    assert stack.compose("ps", "--all", "--quiet") == ""
    stack.make("start")
    assert (stack.states(), versions(stack), stack.secret("AIRFLOW_ADMIN_PASSWORD")) == before
    assert stack.python("airflow-scheduler", reports) == files
    assert wait_for(lambda: stack.post(SAMPLE)).json() == {"predictions": [0]}


def test_a_taken_port_is_named(stack: DockerStack) -> None:
    stack.make("stop")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", stack.ports["monitoring"]))
        taken.listen()
        said = stack.make("start", code=2)
    assert f"port {stack.ports['monitoring']} is taken by another program" in said
    assert "set MONITORING_PORT in .env to a free port" in said


def test_another_env_is_refused_and_nothing_is_removed_without_a_yes(stack: DockerStack) -> None:
    path = stack.folder / ".env"
    kept = path.read_text()
    stack.configure()
    before = path.read_text()
    said = stack.make("start", code=2)
    assert "put that .env back, or remove the data with make clean" in said
    assert path.read_text() == before
    assert "Nothing was removed" in stack.make("clean", typed="no\n", code=2)
    path.write_text(kept)
    volumes = stack.compose("volumes", "--quiet")
    assert f"{PROJECT}_postgres-data" in volumes
    stack.make("clean", typed="yes\n")
    assert stack.compose("volumes", "--quiet") == ""
