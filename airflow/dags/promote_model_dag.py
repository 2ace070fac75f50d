"""
Re-runs the gate's checks on one model version and makes that version the production model.

It has no schedule: `train_model_with_mlflow` triggers it, or a person with the version's number.
The requester is recorded on the version, on its MLflow run and under `promotions/`.

### When it fails
- No such version: the number is wrong, or the version was deleted. Trigger again with another.
- The tracking server did not respond: clear the task once it is back. Running an interrupted
  promotion again completes it.
- A rejection is not a failure: the result of `promote` lists the checks and the reasons. To
  override it, use `promote_model.py --force --reason TEXT`; `--rollback` restores the previous
  version.
"""

from airflow.sdk import DAG, Param

from dag_parts import (
    GATE,
    GATE_SETTINGS,
    MODEL_NAME,
    OUTPUT_PATH,
    WHO,
    dag_arguments,
    text,
    value,
)
from notifications import Message
from script_operator import ScriptOperator

PROMOTED = Message(
    subject="{% set done = ti.xcom_pull(task_ids='promote') %}"
    "{{ 'Promoted' if done.promoted else 'Rejected' }}: version {{ done.model_version }}",
    text="{% set done = ti.xcom_pull(task_ids='promote') %}"
    "{% for check in done.checks %}"
    "{{ 'met' if check.passed else 'NOT MET' }}: {{ check.reason }}\n{% endfor %}\n"
    "Triggered by: {{ params.triggered_by or " + WHO + " }}\nRun: {{ run_id }}",
)

with DAG(
    "promote_model_dag",
    schedule=None,
    params={
        "version": Param(
            type="string", pattern=r"^[1-9]\d*$", description="Number of the version to promote"
        ),
        "model_name": MODEL_NAME,
        "to_alias": text("Alias to move (null: PRODUCTION_ALIAS)"),
        "output_path": OUTPUT_PATH,
        "triggered_by": text(
            "Person or schedule that requests it (null: the user who triggers the run)"
        ),
        "trigger_source": text("DAG that triggered this run, and its run id (null: none)"),
        **GATE,
    },
    **dag_arguments(__doc__, "promotion"),
) as dag:
    ScriptOperator(
        task_id="promote",
        script="promote_model",
        flags={
            "--version": value("params.version"),
            "--model-name": value("params.model_name"),
            "--to-alias": value("params.to_alias"),
            "--output-path": value("params.output_path"),
            "--triggered-by": value(f"params.triggered_by or {WHO}"),
            "--trigger-source": value(
                "dag.dag_id ~ ' ' ~ run_id"
                " ~ (' of ' ~ params.trigger_source if params.trigger_source else '')"
            ),
        },
        settings=GATE_SETTINGS,
        on_success_callback=[PROMOTED],
    )
