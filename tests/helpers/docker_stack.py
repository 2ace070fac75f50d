"""The platform in Docker, from a copy of the checkout, under a name and on ports of its own."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from loan_default.sandbox.airflow_client import DAGS, AirflowApi
from loan_default.sandbox.local_stack import free_ports
from waiting import wait_for
from workspace import QUICK, ROOT

PROJECT = "loan-default-test"
PORTS = {
    "airflow-apiserver": "AIRFLOW_PORT",
    "mlflow": "MLFLOW_PORT",
    "serve": "SERVE_PORT",
    "monitoring": "MONITORING_PORT",
}


SAMPLE = (ROOT / "data" / "sample_input.json").read_bytes()


def problems(output: str) -> list[str]:
    """Return the first line of each problem that troubleshooting reports."""
    return re.findall("PROBLEM  (.+)", output)


@dataclass
class DockerStack:
    """A copy of the checkout in `folder`, and what `make` and Compose do with it there."""

    folder: Path
    project: str = PROJECT
    ports: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout
        for name in filter(None, names.decode().split("\0")):
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).exists():
                shutil.copy2(ROOT / name, target)
        self.git("init", "--quiet")
        self.git("add", ".")
        person = ("-c", "user.name=x", "-c", "user.email=x@lender.example")
        self.git(*person, "commit", "--quiet", "--message", "As it is")
        self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))

    def git(self, *arguments: str) -> str:
        """Run git in the copy; what it said."""
        command = ["git", *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def configure(self, **settings: str) -> None:
        """Write `.env` as a person might: settings, no secrets, the last line left open."""
        ports = {PORTS[service]: str(port) for service, port in self.ports.items()}
        lines = {"COMPOSE_PROJECT_NAME": self.project, **ports, **QUICK, **settings}
        (self.folder / ".env").write_text("\n".join(f"{k}={v}" for k, v in lines.items()))

    def make(self, target: str, typed: str = "", code: int = 0, **variables: str) -> str:
        """Run a make target; what it said."""
        done = self.run("make", target, typed=typed, **variables)
        assert done.returncode == code, done.stdout
        return done.stdout

    def compose(self, *arguments: str, code: int | None = 0) -> str:
        """Run docker compose; what it said."""
        done = self.run("docker", "compose", *arguments)
        assert code is None or done.returncode == code, done.stdout
        return done.stdout

    def python(self, service: str, program: str, code: int | None = 0) -> str:
        """Run Python in a service's container; what it printed."""
        return self.compose("exec", "-T", service, "python", "-c", program, code=code)

    def containers(self) -> dict[str, dict[str, Any]]:
        """Docker's own description of each service's container."""
        ids = self.compose("ps", "--all", "--quiet").split()
        found = json.loads(self.run("docker", "inspect", *ids).stdout)
        return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in found}

    def url(self, service: str) -> str:
        return f"http://localhost:{self.ports[service]}"

    def secret(self, name: str) -> str:
        lines = (self.folder / ".env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)[name]

    @property
    def api(self) -> AirflowApi:
        return AirflowApi(
            self.url("airflow-apiserver"), "admin", self.secret("AIRFLOW_ADMIN_PASSWORD")
        )

    @property
    def mlflow(self) -> httpx.Client:
        """MLflow's REST API for its administrator."""
        login = ("admin", self.secret("MLFLOW_ADMIN_PASSWORD"))
        return httpx.Client(base_url=f"{self.url('mlflow')}/api/2.0/mlflow/", auth=login)

    def versions(self) -> list[str]:
        """Return the registered versions, newest first."""
        named = {"filter": "name='loan_default_model'"}
        answer = self.mlflow.get("model-versions/search", params=named).raise_for_status()
        return [version["version"] for version in answer.json()["model_versions"]]

    def params(self, alias: str) -> dict[str, str]:
        """What the training of the version behind the alias was logged with."""
        named = {"name": "loan_default_model", "alias": alias}
        version = self.mlflow.get("registered-models/alias", params=named).json()["model_version"]
        asked = {"run_id": version["run_id"]}
        logged = self.mlflow.get("runs/get", params=asked).json()["run"]["data"]["params"]
        return {param["key"]: param["value"] for param in logged}

    def post(self, body: bytes) -> httpx.Response:
        headers = {"Content-Type": "application/json"}
        return httpx.post(f"{self.url('serve')}/invocations", content=body, headers=headers)

    def train(self, seconds: float = 600) -> None:
        """Unpause every DAG, train, and wait until the four DAGs have had a run, all well."""
        for dag_id in DAGS:
            self.api.unpause(dag_id)
        self.api.trigger(DAGS[0])
        wait_for(lambda: self.finished(1), seconds)

    def states(self) -> dict[str, list[str]]:
        """The states of every DAG's runs."""
        return {dag_id: [run["state"] for run in self.api.runs(dag_id)] for dag_id in DAGS}

    def finished(self, count: int) -> bool:
        """Whether every DAG has had its runs, all well, and no other."""
        found = self.states()
        assert all(set(runs) <= {"success", "running", "queued"} for runs in found.values()), found
        return all(runs == ["success"] * count for runs in found.values())

    def remove(self) -> None:
        """Take everything down with its data; the images stay for the next time."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans")

    def remove_leftovers(self) -> None:
        """Remove what a killed run left under the project's name; Compose would want secrets."""
        ours = ("--filter", f"label=com.docker.compose.project={self.project}", "--quiet")
        for kind, listed, removed in (
            ("container", ("ls", "--all"), ("rm", "--force")),
            ("volume", ("ls",), ("rm",)),
            ("network", ("ls",), ("rm",)),
        ):
            names = self.run("docker", kind, *listed, *ours).stdout.split()
            if names:
                done = self.run("docker", kind, *removed, *names)
                assert done.returncode == 0, done.stdout

    def run(
        self, *command: str, typed: str = "", **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command in the copy; what it said on stdout and stderr together."""
        # A setting of the shell would come before that of .env.
        environment = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "DOCKER_HOST")}
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environment | variables,
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1500,
        )
