"""
Compares each scored day with the days before it and with what the model learned from.

Says when applicants moved, and judges the predictions by the outcomes that are known.

`monitor` writes Evidently's report and decides; where that calls for it, `alert` tells people and
`retrain` triggers `train_model_with_mlflow`. Triggered after each batch with its run date, and by
hand.

An alert goes out once for a day, only for the latest scored day, and not again while nothing
changed. A retraining starts when DRIFT_RETRAIN_DAYS scored days in a row drift or outcomes show a
quality loss, RETRAIN_COOLDOWN_DAYS after the newest model and the last retraining, at most
RETRAIN_WEEKLY_CAP times in 7 days. Every decision, with its reason: `reports/decisions.jsonl`.

### When it fails
- No complete run of that day: run `batch_prediction_dag` for it, then clear the task.
- The version that scored is gone from the registry: score the day again with `rescore`.
- The tracking server or the storage did not answer: clear the task once they do.
"""

from typing import Any

from airflow.sdk import DAG, task

from dag_parts import OUTPUT_PATH, conf, dag_arguments, day, month, share, switch, text, value
from notifications import NotifyOperator
from script_operator import ScriptOperator
from trigger_once import TriggerOnceOperator

MONITORED = "ti.xcom_pull(task_ids='monitor')"


@task.branch
def decide(monitored: Any) -> list[str]:
    """What the monitoring decided, as the names of the next tasks."""
    return [task_id for task_id in ("alert", "retrain") if monitored[task_id]]


with DAG(
    "monitoring_dag",
    schedule=None,
    params={
        "run_date": day("Day to look at (null: the latest that was scored)"),
        "output_path": OUTPUT_PATH,
        "source": text(
            "Predictions to look at (null: MONITOR_SOURCE)", enum=[None, "batch", "online", "both"]
        ),
        "labels": text("New outcomes to judge by: id, loan_status (null: none)"),
        "labels_as_of": month("Month through which they hold (null: what the file says)"),
        "drift_share_threshold": share(
            "Share of drifted columns that makes the day drift (null: DRIFT_SHARE_THRESHOLD)",
            exclusiveMinimum=0,
        ),
        "report_only": switch("Write the report; send no alert and retrain nothing"),
    },
    **dag_arguments(__doc__, "monitoring"),
) as dag:
    monitor = ScriptOperator(
        task_id="monitor",
        script="monitor_predictions",
        flags={
            "--run-date": value("params.run_date"),
            "--output-path": value("params.output_path"),
            "--source": value("params.source"),
            "--labels": value("params.labels"),
            "--labels-as-of": value("params.labels_as_of"),
            "--idempotency-key": value("run_id"),
        },
        switches={"--report-only": value("params.report_only")},
        settings={"DRIFT_SHARE_THRESHOLD": value("params.drift_share_threshold")},
    )
    alert = NotifyOperator(
        task_id="alert",
        subject="{{ " + MONITORED + ".alert_subject }}",
        text="{{ " + MONITORED + ".alert_text }}",
    )
    retrain = TriggerOnceOperator(
        task_id="retrain",
        trigger_dag_id="train_model_with_mlflow",
        conf=conf(
            model_name=f"{MONITORED}['model_name']",
            output_path="params.output_path",
            triggered_by=f"{MONITORED}['because'] ~ ' on ' ~ {MONITORED}['run_date']",
        ),
    )
    monitor >> decide(monitor.output) >> [alert, retrain]
