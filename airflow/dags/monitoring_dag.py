"""
Compares each scored day with previous days and with the training data.

Detects drift, and evaluates the predictions against known outcomes.

`monitor` writes Evidently's report and decides; if needed, `alert` sends a notification and
`retrain` triggers `train_model_with_mlflow`. It is triggered after each batch with its run date,
and manually.

An alert is sent once for a day, only for the latest scored day, and not again until something
changes. Retraining starts if DRIFT_RETRAIN_DAYS consecutive scored days drift or outcomes show a
quality loss, but at least RETRAIN_COOLDOWN_DAYS after the newest model and the last retraining, and
at most RETRAIN_WEEKLY_CAP times in 7 days. Every decision and its reason is logged in
`reports/decisions.jsonl`.

### When it fails
- No complete run of that day: run `batch_prediction_dag` for it, then clear the task.
- The version that scored the day is no longer registered: score the day again with `rescore`.
- The tracking server or the storage did not respond: clear the task once they are back.
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
    """Return the next tasks, as decided by `monitor`."""
    return [task_id for task_id in ("alert", "retrain") if monitored[task_id]]


with DAG(
    "monitoring_dag",
    schedule=None,
    params={
        "run_date": day("Day to monitor (null: the latest scored day)"),
        "output_path": OUTPUT_PATH,
        "source": text(
            "Predictions to monitor (null: MONITOR_SOURCE)", enum=[None, "batch", "online", "both"]
        ),
        "labels": text("File of new outcomes: id, loan_status (null: none)"),
        "labels_as_of": month(
            "Month through which the outcomes are known (null: read from the file)"
        ),
        "drift_share_threshold": share(
            "Share of drifted columns at which the day drifts (null: DRIFT_SHARE_THRESHOLD)",
            exclusiveMinimum=0,
        ),
        "report_only": switch("Write the report only; send no alert and start no retraining"),
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
