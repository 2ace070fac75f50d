"""The DAG files as Airflow parses them, and their tasks as it fills them in."""

import copy
import runpy
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from airflow.sdk import DAG, BaseOperator
from airflow.sdk.api.datamodels._generated import DagRun
from airflow.sdk.definitions.param import process_params

from loan_default.settings import Settings
from workspace import ROOT

TRAIN, PROMOTE = "train_model_with_mlflow", "promote_model_dag"
BATCH, MONITOR = "batch_prediction_dag", "monitoring_dag"
SCHEDULES = {TRAIN: "0 2 * * 0", PROMOTE: None, BATCH: "0 6 * * *", MONITOR: None}
FILES = sorted((ROOT / "airflow" / "dags").glob("*.py"))
SETTINGS = {name.upper() for name in Settings.model_fields}
# What the scripts print, as far as the DAGs read it.
RESULTS: dict[str, dict[str, Any]] = {
    "prepare_data": {"output_path": "/data/clean.parquet"},
    "train": {
        "model_name": "a 'model' & more",
        "model_version": "7",
        "registered": True,
        "promotable": True,
        "reasons": ["AUC is low"],
    },
    "predict": {"run_date": "2026-05-10"},
    "monitor": {
        "run_date": "2026-05-10",
        "model_name": "loans",
        "alert_subject": "Drift on 2026-05-10 (warning)",
        "alert_text": "4 of 9 columns drifted\nNext: retraining triggered",
        "because": "drift",
        "alert": True,
        "retrain": True,
    },
}
NEEDED: dict[str, dict[str, Any]] = {PROMOTE: {"version": "7"}}


def parsed(dag_id: str) -> DAG:
    dag = runpy.run_path(str(ROOT / "airflow" / "dags" / f"{dag_id}.py"))["dag"]
    assert isinstance(dag, DAG)
    return dag


def tasks(dag: DAG, kind: type[BaseOperator]) -> list[Any]:
    return [task for task in dag.tasks if isinstance(task, kind)]


def context(dag: DAG, task: BaseOperator, run: dict[str, Any], **params: Any) -> dict[str, Any]:
    """What a task's templates see; `run` changes the DAG run, `params` its conf."""
    given = NEEDED.get(dag.dag_id, {}) | params
    dag_run = DagRun(
        **{
            **dict.fromkeys(DagRun.model_fields),
            "dag_id": dag.dag_id,
            "run_id": "scheduled__2026-05-09T06:00:00+00:00",
            "logical_date": datetime(2026, 5, 9, 6, tzinfo=UTC),
            "run_after": datetime(2026, 5, 11, 6, tzinfo=UTC),
            "run_type": "scheduled",
            "state": "running",
            "consumed_asset_events": [],
            "conf": given,
            **run,
        }
    )
    return {
        "dag": dag,
        "dag_run": dag_run,
        "run_id": dag_run.run_id,
        "params": process_params(dag, task, given, suppress_exception=False),
        "ti": SimpleNamespace(xcom_pull=lambda task_ids: RESULTS[task_ids]),
    }


def rendered(dag: DAG, task_id: str, run: dict[str, Any] | None = None, **params: Any) -> Any:
    """The task with its templates filled in as Airflow does it."""
    task = dag.get_task(task_id)
    task.render_template_fields(context(dag, task, run or {}, **params))
    return task


def templates(dag: DAG) -> str:
    """Every template of a DAG's tasks and messages."""
    texts = []
    for task in dag.tasks:
        holders = [task, *task.on_failure_callback, *task.on_success_callback]
        for holder in holders:
            texts += [str(getattr(holder, name)) for name in holder.template_fields]
    return "\n".join(texts)


def resolve(dag: DAG, name: str, given: Any) -> Any:
    return copy.copy(dag.params.get_param(name)).resolve(given)
