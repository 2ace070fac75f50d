"""
Learns from finished loans, lets the gate decide, and scores anew with what came out.

`prepare_data` → `train` → `decide` → `promote` (triggers `promote_model_dag` and waits for it) or
`skip_promotion` (its message says why) → `rescore` (triggers `batch_prediction_dag`).

Runs every Sunday at 02:00 UTC, by hand, and when `monitoring_dag` finds drift. A run registers one
version at most, however often its tasks are tried. When nothing has newly matured it registers
none, says so and promotes nothing.

### When it fails
- `prepare_data` refused its input: the error line names the file or the column. Correct
  TRAIN_DATA_PATH or the file, then clear the task.
- `train` failed: the tracking server or the storage did not answer; clear the task once they do. A
  version that its first try registered is found again, not made twice.
- `promote` failed: look at the run of `promote_model_dag`, clear it there, then clear `promote`.
- Not promoted is no failure: `skip_promotion` shows the checks that were not met.
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
    """The gate's word, as the name of the next task."""
    return "promote" if trained["registered"] and trained["promotable"] else "skip_promotion"


with DAG(
    "train_model_with_mlflow",
    schedule=at("0 2 * * 0"),
    params={
        "data_path": text("Finished loans, raw or prepared (null: TRAIN_DATA_PATH)"),
        "as_of": month("YYYY-MM through which outcomes are known (null: as the data tells)"),
        "test_from": month("YYYY-MM of the first test month (null: by TEST_SHARE)"),
        "model_name": MODEL_NAME,
        "alias": text("Alias of the candidate (null: MODEL_ALIAS)"),
        "output_path": OUTPUT_PATH,
        "triggered_by": text("Who or what wants this training (null: who pressed Trigger)"),
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
            run_date="(dag_run.logical_date or dag_run.run_after).strftime('%Y-%m-%d')",
            rescore="true",
            model_name="params.model_name",
            output_path="params.output_path",
        ),
    )
    prepare_data >> train >> decide(train.output) >> [promote, skip_promotion] >> rescore
