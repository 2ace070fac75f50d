"""A lender who uses the DAGs of a running Airflow: triggers them, waits, reads the mail."""

import json
import threading
from dataclasses import dataclass
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psutil
from mlflow import MlflowClient

from loan_default.sandbox.airflow_client import AirflowApi
from loan_default.sandbox.local_stack import LocalStack
from parsed_dags import BATCH, MONITOR, PROMOTE, TRAIN
from workspace import ROOT

# Which task of which DAG triggers which other.
CHILDREN = {
    (TRAIN, "promote"): PROMOTE,
    (TRAIN, "rescore"): BATCH,
    (BATCH, "monitor"): MONITOR,
    (MONITOR, "retrain"): TRAIN,
}
APPLICATIONS = ROOT / "data" / "batch_input.csv"
MAIL = {
    "from_email": "platform@lender.example",
    "to": "on-call@lender.example",
    "disable_ssl": True,
    "disable_tls": True,
}


class Inbox:
    """What Slack and the mail server were told."""

    def __init__(self) -> None:
        self.slack: list[str] = []
        self.mails: list[str] = []
        self.slack_answers = 200

    def slack_server(self) -> HTTPServer:
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if inbox.slack_answers == 200:
                    inbox.slack.append(json.loads(body)["text"])
                self.send_response(inbox.slack_answers)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, format: str, *args: Any) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        mail = message_from_bytes(envelope.content, policy=policy.default)
        body = mail.get_body()
        assert body is not None
        self.mails.append(f"{mail['Subject']}\n{body.get_content()}")
        return "250 OK"

    def starting(self, words: str) -> list[list[str]]:
        """The texts that start with `words`: Slack's and the mails."""
        both = (self.slack, self.mails)
        return [[text for text in texts if text.startswith(words)] for texts in both]


@dataclass(frozen=True)
class Lender:
    """One model with outputs of its own, so that the scenarios do not see each other."""

    stack: LocalStack
    name: str

    @property
    def root(self) -> Path:
        return self.stack.folder / self.name

    @property
    def api(self) -> AirflowApi:
        return self.stack.api

    @property
    def conf(self) -> dict[str, Any]:
        return {"model_name": self.name, "output_path": str(self.root)}

    def train(self, **conf: Any) -> tuple[str, dict[str, dict[str, Any]]]:
        """Trigger a training and wait for it and what it triggers; its run id and tasks."""
        run_id = self.api.trigger(TRAIN, self.conf | conf)
        return run_id, self.finish(TRAIN, run_id)

    def finish(self, dag_id: str, run_id: str, seconds: float = 240) -> dict[str, dict[str, Any]]:
        """Wait for a run and what it triggers; its tasks."""
        run = self.api.wait(dag_id, run_id, seconds)
        tasks = self.api.tasks(dag_id, run_id)
        for (parent, task_id), child in CHILDREN.items():
            if parent == dag_id and tasks[task_id]["state"] == "success":
                self.finish(child, self.child(dag_id, run_id, task_id))
        assert run["state"] in ("success", "failed")
        return tasks

    def child(self, dag_id: str, run_id: str, task_id: str) -> str:
        """The run that a task has triggered."""
        return str(self.api.result(dag_id, run_id, task_id, "trigger_run_id"))

    def files(self, day: str) -> dict[str, bytes]:
        """What a day's scoring has left."""
        folder = self.root / "predictions" / f"run_date={day}"
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    @property
    def mlflow(self) -> MlflowClient:
        return MlflowClient(self.stack.mlflow_url)

    def versions(self) -> list[Any]:
        """Every registered version of the model, newest first."""
        return list(self.mlflow.search_model_versions(f"name='{self.name}'"))

    def aliases(self) -> dict[str, str]:
        """The model's aliases and their versions."""
        return dict(self.mlflow.get_registered_model(self.name).aliases)

    def ran(self, dag_id: str) -> list[dict[str, Any]]:
        """The runs of a DAG that worked for this lender."""
        runs = self.api.runs(dag_id)
        return [run for run in runs if (run["conf"] or {}).get("output_path") == str(self.root)]


def states(tasks: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: task["state"] for name, task in tasks.items()}


def backfilled(lender: Lender) -> list[dict[str, Any]]:
    return [run for run in lender.ran(BATCH) if run["run_type"] == "backfill"]


def ended(runs: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """The runs once there are `count` and all have ended well, else nothing."""
    assert not any(run["state"] == "failed" for run in runs), runs
    return runs if [run["state"] for run in runs] == ["success"] * count else []


def scripts(name: str, argument: str) -> list[list[str]]:
    """The command lines of running scripts with that name and argument."""
    lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if argument in line and any(name in part for part in line)]
