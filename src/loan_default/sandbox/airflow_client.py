"""Airflow's REST API for the demo, the tests and the benchmarks, through Airflow's own client.

The client takes a second to import: import this module only where Airflow is called.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import httpx
from airflow_client.client import ApiClient, Configuration
from airflow_client.client.api.backfill_api import BackfillApi
from airflow_client.client.api.dag_api import DAGApi
from airflow_client.client.api.dag_run_api import DagRunApi
from airflow_client.client.api.monitor_api import MonitorApi
from airflow_client.client.api.task_instance_api import TaskInstanceApi
from airflow_client.client.api.x_com_api import XComApi
from airflow_client.client.exceptions import ApiException
from airflow_client.client.models.backfill_post_body import BackfillPostBody
from airflow_client.client.models.dag_patch_body import DAGPatchBody
from airflow_client.client.models.dag_run_clear_body import DAGRunClearBody
from airflow_client.client.models.trigger_dag_run_post_body import TriggerDAGRunPostBody
from urllib3.exceptions import HTTPError

from loan_default.errors import ServiceError

FINISHED = ("success", "failed")
DAGS = ("train_model_with_mlflow", "promote_model_dag", "batch_prediction_dag", "monitoring_dag")
MAX_RUNS = 100
SECONDS = 30.0


class AirflowUnreachable(ServiceError):
    """Airflow does not answer at all."""


class AirflowApi:
    """Airflow's REST API at `url`, for a user with a password.

    Runs and task instances are JSON objects as in the API's description. Every method raises
    ServiceError if Airflow does not answer or refuses the request.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self._login = {"username": user, "password": password}

    def healthy(self) -> bool:
        """Whether database, scheduler and DAG processor are healthy and every DAG is parsed."""
        try:
            with self._calling() as client:
                health = MonitorApi(client).get_health(_request_timeout=5)
                parts = (health.metadatabase, health.scheduler, health.dag_processor)
                if any(part is None or part.status != "healthy" for part in parts):
                    return False
                dags = DAGApi(client).get_dags(_request_timeout=SECONDS)
        except AirflowUnreachable:
            return False
        return {dag.dag_id for dag in dags.dags} >= set(DAGS)

    def unpause(self, dag_id: str) -> None:
        """Let a DAG's runs start."""
        with self._calling() as client:
            DAGApi(client).patch_dag(
                dag_id, DAGPatchBody(is_paused=False), _request_timeout=SECONDS
            )

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Start a run and return its run id."""
        # Set, though None: without a logical date, runs may start at the same time
        body = TriggerDAGRunPostBody(conf=conf or {}, logical_date=None)
        with self._calling() as client:
            return (
                DagRunApi(client).trigger_dag_run(dag_id, body, _request_timeout=SECONDS).dag_run_id
            )

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Return the runs of a DAG, oldest first."""
        with self._calling() as client:
            runs = DagRunApi(client).get_dag_runs(
                dag_id, limit=MAX_RUNS, order_by=["run_after"], _request_timeout=SECONDS
            )
        return [_json(run) for run in runs.dag_runs]

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return a run."""
        with self._calling() as client:
            return _json(DagRunApi(client).get_dag_run(dag_id, run_id, _request_timeout=SECONDS))

    def wait(
        self, dag_id: str, run_id: str, seconds: float, each: Callable[[], None] | None = None
    ) -> dict[str, Any]:
        """Wait until the run has ended, successful or not, and return it.

        Calls `each` after every look. Raises ServiceError if that takes longer than `seconds`.
        """
        deadline = time.monotonic() + seconds
        while (run := self.run(dag_id, run_id))["state"] not in FINISHED:
            if time.monotonic() > deadline:
                raise ServiceError(f"{dag_id} {run_id} is {run['state']} after {seconds:.0f} s")
            if each:
                each()
            time.sleep(1)
        return run

    def tasks(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        """Return the task instances of a run by task id."""
        with self._calling() as client:
            tasks = TaskInstanceApi(client).get_task_instances(
                dag_id, run_id, _request_timeout=SECONDS
            )
        return {task.task_id: _json(task) for task in tasks.task_instances}

    def result(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """Return what a task has returned, or stored under another XCom key."""
        with self._calling() as client:
            entry = XComApi(client).get_xcom_entry(
                dag_id, task_id, run_id, key, deserialize=True, _request_timeout=SECONDS
            )
        return entry.actual_instance.value if entry.actual_instance else None

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1) -> str:
        """Return the log of a task's try."""
        # Parsed by the client, lines would lose the exceptions that belong to them
        with self._calling() as client:
            response = TaskInstanceApi(client).get_log_without_preload_content(
                dag_id,
                run_id,
                task_id,
                try_number,
                accept="application/json",
                _request_timeout=SECONDS,
            )
            body = response.read()
        if response.status >= 300:
            raise ServiceError(f"{self.url} answered {response.status}: {body[:500]!r}")
        return "\n".join(_log_line(line) for line in json.loads(body)["content"])

    def clear(self, dag_id: str, run_id: str) -> None:
        """Clear every task of a run, so that it runs again."""
        with self._calling() as client:
            DagRunApi(client).clear_dag_run(
                dag_id, run_id, DAGRunClearBody(dry_run=False), _request_timeout=SECONDS
            )

    def backfill(self, dag_id: str, first: str, last: str, conf: dict[str, Any]) -> int:
        """Run a DAG for each day from `first` to `last` (YYYY-MM-DD); return the backfill's id."""
        body = BackfillPostBody.model_validate(
            {
                "dag_id": dag_id,
                "dag_run_conf": conf,
                "from_date": f"{first}T00:00:00Z",
                "to_date": f"{last}T23:59:59Z",
                "reprocess_behavior": "completed",
                "max_active_runs": 1,
            }
        )
        with self._calling() as client:
            return BackfillApi(client).create_backfill(body, _request_timeout=SECONDS).id

    @contextlib.contextmanager
    def _calling(self) -> Iterator[ApiClient]:
        """Yield the client and turn its failures into ServiceError."""
        try:
            yield self._client
        except ApiException as error:
            answer = f"{error.status}: {str(error.body)[:500]}"
            raise ServiceError(f"{self.url} answered {answer}") from None
        except HTTPError as error:
            raise AirflowUnreachable(f"{self.url} does not answer: {error}") from None

    @cached_property
    def _client(self) -> ApiClient:
        # The client has no call that returns a token
        try:
            answer = httpx.post(f"{self.url}/auth/token", json=self._login, timeout=SECONDS)
        except httpx.TransportError as error:
            raise AirflowUnreachable(f"{self.url} does not answer: {error}") from None
        if not answer.is_success:
            raise ServiceError(f"{self.url} answered {answer.status_code}: {answer.text[:500]}")
        token = str(answer.json()["access_token"])
        return ApiClient(Configuration(host=self.url, access_token=token))


def _json(model: Any) -> dict[str, Any]:
    """Return a model of the client as the JSON object that Airflow has sent."""
    return dict(model.model_dump(mode="json", by_alias=True))


def _log_line(line: Any) -> str:
    """Return a line of a log, plain or as a JSON object, with the exceptions that belong to it."""
    if not isinstance(line, dict):
        return str(line)
    errors = line.get("error_detail") or ()
    causes = (f"{error.get('exc_type')}: {error.get('exc_value')}" for error in errors)
    return "\n".join((str(line["event"]), *causes))
