"""What the four DAGs share: their defaults, their Params and how a value reaches a script."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, Param

from notifications import FAILED

OWNER = "ml-platform"
TAGS = ["loan-default"]
# 30 s, 1 min, 2 min: a service that restarts is back by then. Bad input is never retried.
DEFAULT_ARGS: dict[str, Any] = {
    "owner": OWNER,
    "retries": 3,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(hours=1),
    "on_failure_callback": [FAILED],
}
# The day that a run is for: its form's, else its schedule's, else the day it was triggered.
RUN_DATE = "params.run_date or (dag_run.logical_date or dag_run.run_after).strftime('%Y-%m-%d')"
WHO = (
    "dag_run.triggering_user_name"
    " or ('the schedule' if dag_run.run_type == 'scheduled' else dag_run.run_type.value)"
)


def dag_arguments(docs: str | None, *more_tags: str) -> dict[str, Any]:
    """The arguments of DAG() that are the same for all; `docs` is the file's docstring."""
    return {
        "doc_md": docs,
        "tags": [*TAGS, *more_tags],
        "default_args": DEFAULT_ARGS,
        "catchup": False,
        "max_active_runs": 1,
    }


def at(cron: str) -> CronTriggerTimetable:
    """A schedule in UTC."""
    # Airflow would start a time that has just passed as soon as somebody unpauses a new DAG, and a
    # platform without a model would begin with a failed scoring.
    return CronTriggerTimetable(cron, timezone="UTC", run_immediately=timedelta(0))


def value(expression: str) -> str:
    """The template of an expression, empty where it is null: "as in the settings"."""
    return "{{ '' if (%s) is none else (%s) }}" % (expression, expression)


def conf(**expressions: str) -> str:
    """The template of a triggered run's conf: a JSON object of expressions, their types kept."""
    return (
        "{"
        + ", ".join(f'"{name}": {{{{ ({expr}) | tojson }}}}' for name, expr in expressions.items())
        + "}"
    )


def text(description: str, **schema: Any) -> Param:
    """A text in the form; null means as in the settings."""
    return Param(None, type=["null", "string"], description=description, **schema)


def day(description: str) -> Param:
    """A date in the form."""
    return text(description, format="date")


def month(description: str) -> Param:
    """A month YYYY-MM in the form; null leaves it to the data."""
    return text(description, pattern=r"^\d{4}-(0[1-9]|1[0-2])$")


def share(description: str, **schema: Any) -> Param:
    """A number from 0 to 1 in the form; null means as in the settings."""
    limits = {"minimum": 0, "maximum": 1, **schema}
    return Param(None, type=["null", "number"], description=description, **limits)


def switch(description: str) -> Param:
    """A switch in the form, off."""
    return Param(False, type="boolean", description=description)


MODEL_NAME = text("Registered model (null: MODEL_NAME)")
OUTPUT_PATH = text("Root of predictions/, reports/ and promotions/ (null: OUTPUT_PATH)")
GATE = {
    "auc_threshold": share("Least AUC on the test months (null: PROMOTION_AUC_THRESHOLD)"),
    "f1_threshold": share("Least F1 on the test months (null: PROMOTION_F1_THRESHOLD)"),
    "calibration_tolerance": share(
        "Largest expected calibration error (null: PROMOTION_CALIBRATION_TOLERANCE)"
    ),
}
GATE_SETTINGS = {
    "PROMOTION_AUC_THRESHOLD": value("params.auc_threshold"),
    "PROMOTION_F1_THRESHOLD": value("params.f1_threshold"),
    "PROMOTION_CALIBRATION_TOLERANCE": value("params.calibration_tolerance"),
}
