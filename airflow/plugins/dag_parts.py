"""Shared parts of the four DAGs: default arguments, Params, and templates of script arguments."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, Param

from notifications import FAILED

OWNER = "ml-platform"
TAGS = ["loan-default"]
# 30 s, 1 min, 2 min: time enough for a service to restart. Invalid input is never retried.
DEFAULT_ARGS: dict[str, Any] = {
    "owner": OWNER,
    "retries": 3,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(hours=1),
    "on_failure_callback": [FAILED],
}
# When a run is due: by its schedule, else when it was triggered; and the day of that
TIME = "(dag_run.logical_date or dag_run.run_after)"
DAY = f"{TIME}.strftime('%Y-%m-%d')"
WHO = (
    "dag_run.triggering_user_name"
    " or ('the schedule' if dag_run.run_type == 'scheduled' else dag_run.run_type.value)"
)


def dag_arguments(docs: str | None, *more_tags: str) -> dict[str, Any]:
    """Return the arguments of DAG() shared by all DAGs; `docs` is the file's docstring."""
    return {
        "doc_md": docs,
        "tags": [*TAGS, *more_tags],
        "default_args": DEFAULT_ARGS,
        "catchup": False,
        "max_active_runs": 1,
    }


def at(cron: str) -> CronTriggerTimetable:
    """Return a schedule in UTC."""
    # Otherwise, unpausing a new DAG would run the most recent past time at once, and a platform
    # without a model would start with a failed scoring.
    return CronTriggerTimetable(cron, timezone="UTC", run_immediately=timedelta(0))


def value(expression: str) -> str:
    """Return the template of an expression; null becomes empty, which means the setting."""
    return "{{ '' if (%s) is none else (%s) }}" % (expression, expression)


def conf(**expressions: str) -> str:
    """Return the template of a triggered run's conf: a JSON object of typed expressions."""
    return (
        "{"
        + ", ".join(f'"{name}": {{{{ ({expr}) | tojson }}}}' for name, expr in expressions.items())
        + "}"
    )


def text(description: str, **schema: Any) -> Param:
    """Return a text field of the form; null means the setting."""
    return Param(None, type=["null", "string"], description=description, **schema)


def day(description: str) -> Param:
    """Return a date field of the form."""
    return text(description, format="date")


def month(description: str) -> Param:
    """Return a month field YYYY-MM of the form; null takes the month from the data."""
    return text(description, pattern=r"^\d{4}-(0[1-9]|1[0-2])$")


def share(description: str, **schema: Any) -> Param:
    """Return a field of the form for a number from 0 to 1; null means the setting."""
    limits = {"minimum": 0, "maximum": 1, **schema}
    return Param(None, type=["null", "number"], description=description, **limits)


def switch(description: str) -> Param:
    """Return a switch of the form, off by default."""
    return Param(False, type="boolean", description=description)


MODEL_NAME = text("Name of the registered model (null: MODEL_NAME)")
OUTPUT_PATH = text("Root folder of predictions/, reports/ and promotions/ (null: OUTPUT_PATH)")
GATE = {
    "auc_threshold": share("Minimum AUC on the test months (null: PROMOTION_AUC_THRESHOLD)"),
    "f1_threshold": share("Minimum F1 on the test months (null: PROMOTION_F1_THRESHOLD)"),
    "calibration_tolerance": share(
        "Maximum expected calibration error (null: PROMOTION_CALIBRATION_TOLERANCE)"
    ),
}
GATE_SETTINGS = {
    "PROMOTION_AUC_THRESHOLD": value("params.auc_threshold"),
    "PROMOTION_F1_THRESHOLD": value("params.f1_threshold"),
    "PROMOTION_CALIBRATION_TOLERANCE": value("params.calibration_tolerance"),
}
