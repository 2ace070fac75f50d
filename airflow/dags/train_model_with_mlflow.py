"""
Trains a model, promotes it if it passes the gate, and rescores the newest scored applications.

`prepare_data` → `train` → `decide` → `promote` (triggers `promote_model_dag` and waits for it) or
`skip_promotion` (sends a message with the reasons) → `rescore` (triggers `batch_prediction_dag`).

It runs every Sunday at 02:00 UTC, manually, and when `monitoring_dag` decides to retrain. A run
registers at most one version, even if its tasks are retried. If no loans have matured since the
last version, it registers and promotes nothing, and says so.

### When it fails
- `prepare_data` rejected its input: the error line names the file or the column. Correct
  TRAIN_DATA_PATH or the file, then clear the task.
- `train` failed: the tracking server or the storage did not respond; clear the task once they are
  back. A version registered by an earlier try is reused, not registered twice.
- `promote` failed: open the run of `promote_model_dag`, clear it there, then clear `promote`.
- *Not promoted* is not a failure: `skip_promotion` shows the checks that were not met.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from dag_parts import (
    GATE,
    GATE_SETTINGS,
    MODEL_NAME,
    OUTPUT_PATH,
    WHO,
    at,
    conf,
    dag_arguments,
    month,
    text,
    value,
)
from notifications import NotifyOperator
from script_operator import ScriptOperator
from trigger_once import TriggerOnceOperator

TRAINED = "ti.xcom_pull(task_ids='train')"


@task.branch
def decide(trained: Any) -> str:
    """Return the next task, according to the gate's decision."""
    return "promote" if trained["registered"] and trained["promotable"] else "skip_promotion"


with DAG(
    "train_model_with_mlflow",
    schedule=at("0 2 * * 0"),
    params={
        "data_path": text("Completed loans, raw or prepared (null: TRAIN_DATA_PATH)"),
        "as_of": month("YYYY-MM through which outcomes are known (null: read from the data)"),
        "test_from": month("YYYY-MM of the first test month (null: by TEST_SHARE)"),
        "model_name": MODEL_NAME,
        "alias": text("Alias of the candidate (null: MODEL_ALIAS)"),
        "output_path": OUTPUT_PATH,
        "triggered_by": text(
            "Person or schedule that requests it (null: the user who triggers the run)"
        ),
        **GATE,
    },
    **dag_arguments(__doc__, "training"),
) as dag:
    prepare_data = ScriptOperator(
        task_id="prepare_data",
        script="prepare_data",
        flags={"--input-path": value("params.data_path"), "--as-of": value("params.as_of")},
    )
    train = ScriptOperator(
        task_id="train",
        script="train_with_mlflow",
        flags={
            "--data-path": value("ti.xcom_pull(task_ids='prepare_data')['output_path']"),
            "--as-of": value("params.as_of"),
            "--test-from": value("params.test_from"),
            "--model-name": value("params.model_name"),
            "--alias": value("params.alias"),
            "--idempotency-key": value("run_id"),
        },
        settings=GATE_SETTINGS,
        execution_timeout=timedelta(hours=6),
    )
    promote = TriggerOnceOperator(
        task_id="promote",
        trigger_dag_id="promote_model_dag",
        wait_for_completion=True,
        conf=conf(
            version=f"{TRAINED}['model_version']",
            model_name=f"{TRAINED}['model_name']",
            output_path="params.output_path",
            triggered_by=f"params.triggered_by or {WHO}",
            trigger_source="dag.dag_id ~ ' ' ~ run_id",
            **{name: f"params.{name}" for name in GATE},
        ),
    )
    skip_promotion = NotifyOperator(
        task_id="skip_promotion",
        subject="{% set trained = " + TRAINED + " %}"
        "{% if trained.registered %}Not promoted: {{ trained.model_name }} version "
        "{{ trained.model_version }}{% else %}No new model: nothing has newly matured{% endif %}",
        text="{% set trained = " + TRAINED + " %}"
        "{% if trained.registered %}{{ trained.reasons | join('\\n') }}{% else %}"
        "Version {{ trained.model_version }} stands: {{ trained.existing_because }}.{% endif %}",
    )
    rescore = TriggerOnceOperator(
        task_id="rescore",
        trigger_dag_id="batch_prediction_dag",
        trigger_rule="none_failed_min_one_success",
        conf=conf(
            rescore="true",
            model_name="params.model_name",
            output_path="params.output_path",
        ),
    )
    prepare_data >> train >> decide(train.output) >> [promote, skip_promotion] >> rescore
