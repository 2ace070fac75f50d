"""Airflow's REST API, as far as the platform's own commands and tests need it."""

import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from loan_default.errors import ServiceError

FINISHED = ("success", "failed")
DAGS = ("train_model_with_mlflow", "promote_model_dag", "batch_prediction_dag", "monitoring_dag")


class AirflowApi:
    """A client for the Airflow at `url`, with a user's name and password.

    Every method raises ServiceError where Airflow does not answer or refuses.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        # httpx would log every poll.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._url = url
        self._login = {"username": user, "password": password}
        self._token = ""

    def healthy(self) -> bool:
        """Whether the database, the scheduler and the DAG processor are up and all DAGs are
        there."""
        import httpx

        try:
            health = httpx.get(f"{self._url}/api/v2/monitor/health", timeout=5).json()
            parts = ("metadatabase", "scheduler", "dag_processor")
            if any(health[part]["status"] != "healthy" for part in parts):
                return False
            return {dag["dag_id"] for dag in self._call("GET", "dags")["dags"]} >= set(DAGS)
        except (httpx.TransportError, ValueError, KeyError):
            return False

    def unpause(self, dag_id: str) -> None:
        """Let a DAG's runs start."""
        self._call("PATCH", f"dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Start a run; returns its run id."""
        body = {"conf": conf or {}, "logical_date": None}
        return str(self._call("POST", f"dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The runs of a DAG, oldest first."""
        path = f"dags/{dag_id}/dagRuns?limit=100&order_by=run_after"
        return list(self._call("GET", path)["dag_runs"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """One run."""
        return self._call("GET", _run(dag_id, run_id))

    def wait(
        self, dag_id: str, run_id: str, seconds: float, each: Callable[[], None] | None = None
    ) -> dict[str, Any]:
        """Return the run once it has ended, well or not; `each` is called after every look.

        Raises ServiceError if that takes longer than `seconds`.
        """
        until = time.monotonic() + seconds
        while (found := self.run(dag_id, run_id))["state"] not in FINISHED:
            if time.monotonic() > until:
                raise ServiceError(f"{dag_id} {run_id} is {found['state']} after {seconds:.0f} s")
            if each:
                each()
            time.sleep(1)
        return found

    def tasks(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        """The task instances of a run, by task id."""
        found = self._call("GET", f"{_run(dag_id, run_id)}/taskInstances")["task_instances"]
        return {task["task_id"]: task for task in found}

    def result(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """What a task returned, or left under another XCom key."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{task_id}/xcomEntries/{key}"
        return self._call("GET", f"{path}?deserialize=true")["value"]

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1) -> str:
        """The log of a task's try."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{task_id}/logs/{try_number}"
        return "\n".join(str(line) for line in self._call("GET", path)["content"])

    def clear(self, dag_id: str, run_id: str) -> None:
        """Clear every task of a run, so that it runs again."""
        self._call("POST", f"{_run(dag_id, run_id)}/clear", {"dry_run": False})

    def backfill(self, dag_id: str, first: str, last: str, conf: dict[str, Any]) -> int:
        """Run a DAG for each day from `first` to `last` (YYYY-MM-DD); returns the backfill's id."""
        body = {
            "dag_id": dag_id,
            "dag_run_conf": conf,
            "from_date": f"{first}T00:00:00Z",
            "to_date": f"{last}T23:59:59Z",
            "reprocess_behavior": "completed",
            "max_active_runs": 1,
        }
        return int(self._call("POST", "backfills", body)["id"])

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        import httpx

        if not self._token:
            answer = httpx.post(f"{self._url}/auth/token", json=self._login, timeout=30)
            self._token = str(self._checked(answer)["access_token"])
        answer = httpx.request(
            method,
            f"{self._url}/api/v2/{path}",
            json=body,
            headers={"Authorization": f"Bearer {self._token}", "Accept": "application/json"},
            timeout=30,
        )
        return self._checked(answer)

    @staticmethod
    def _checked(answer: Any) -> dict[str, Any]:
        if answer.is_success:
            return dict(answer.json())
        asked = f"{answer.request.method} {answer.request.url}"
        raise ServiceError(f"{asked} answered {answer.status_code}: {answer.text[:500]}")


def _run(dag_id: str, run_id: str) -> str:
    return f"dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"
