"""
Scores a day's applications with the production model, or with the candidate until one is promoted.

`predict` writes the predictions and then the marker of the latest run; `monitor` triggers
`monitoring_dag` for the same day. It runs daily at 06:00 UTC, after each training with `rescore`,
and when triggered manually.

After a training, it repeats the newest scored day with that day's own file, never a day that the
daily run has yet to score. A second, different file for a scored day needs a name, `batch`.

A run is idempotent by run date: clearing, rerunning or backfilling a day uses the version of its
first run, gives the same files and keeps a newer marker; monitoring then writes its report but
sends no alert.

### When it fails
- No model with the alias: train one first (`train_model_with_mlflow`).
- The input was rejected: the error line names the file, the column or the share of rejected rows.
  Correct the file, then clear the task. No partial output is left behind.
- The tracking server or the storage did not respond: clear the task once they are back.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param

from dag_parts import (
    DAY,
    MODEL_NAME,
    OUTPUT_PATH,
    TIME,
    at,
    conf,
    dag_arguments,
    day,
    switch,
    text,
    value,
)
from script_operator import ScriptOperator
from trigger_once import TriggerOnceOperator

HOUR = 6
# The day of the last daily run that was due: while nothing has been scored, a rescoring must not
# take the day of a run that is still to come. The difference is a template's only way to six hours.
LAST_DUE = f"({TIME} - ({TIME}.replace(hour={HOUR}) - {TIME}.replace(hour=0))).strftime('%Y-%m-%d')"

with DAG(
    "batch_prediction_dag",
    schedule=at(f"0 {HOUR} * * *"),
    params={
        "run_date": day("Day to score (null: the day of the run)"),
        "input_path": text("Applications, raw or typed (null: BATCH_INPUT_PATH)"),
        "output_path": OUTPUT_PATH,
        "model_name": MODEL_NAME,
        "alias": text("Aliases A[,B]; the first that exists is used (null: BATCH_ALIAS)"),
        "reasons": Param(
            "declined", enum=["declined", "all", "none"], description="Rows that get reasons"
        ),
        "rescore": switch(
            "Use the alias's current version even if the day was scored before; without a day, for "
            "the newest scored one and its own file"
        ),
        "batch": text(
            "Name of a further file of a scored day (null: the day's first)",
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
        ),
    },
    **dag_arguments(__doc__, "prediction"),
) as dag:
    predict = ScriptOperator(
        task_id="predict",
        script="batch_predict",
        flags={
            "--run-date": value(f"params.run_date or ({LAST_DUE} if params.rescore else {DAY})"),
            "--batch": value("params.batch"),
            "--input-path": value("params.input_path"),
            "--output-path": value("params.output_path"),
            "--model-name": value("params.model_name"),
            "--alias": value("params.alias"),
            "--reasons": value("params.reasons"),
        },
        switches={
            "--rescore": value("params.rescore"),
            "--latest": value("params.rescore and not (params.run_date or params.input_path)"),
        },
        execution_timeout=timedelta(hours=2),
    )
    monitor = TriggerOnceOperator(
        task_id="monitor",
        trigger_dag_id="monitoring_dag",
        conf=conf(
            run_date="ti.xcom_pull(task_ids='predict')['run_date']",
            output_path="params.output_path",
            report_only="dag_run.run_type == 'backfill'",
        ),
    )
    predict >> monitor
