"""Simulate eight days of a lender for the screenshots, on a temporary Airflow with generated loans.

They have a first model, a batch of applications per day, one batch with bad rows, one with monthly
instead of yearly incomes, outcomes, and a second model that replaces the first.
"""

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from loan_default.data.parsing import month
from loan_default.sandbox.local_stack import ROOT, LocalStack

LOANS, EACH_DAY, DAYS = 300_000, 2_500, 8
REJECTED, MONTHLY_INCOMES = 2, 5
# The applications date from after the training months, and have matured since.
FIRST, SECOND = "2016-06", "2016-12"
APPLICATIONS_FROM = date(2014, 1, 1)
SETTINGS = {
    "XGB_LEARNING_RATE": "0.1",
    "CV_FOLDS": "3",
    "LOG_LEVEL": "WARNING",
    # Credit reports of these years have half the columns
    "PROMOTION_AUC_THRESHOLD": "0.7",
}
MINUTES = 20


def applications(folder: Path) -> list[Path]:
    """Write a file for each day, with loans issued two months after the previous day's."""
    loans = pl.read_csv(folder / "loans.csv", infer_schema=False)
    issued = loans["issue_d"].map_elements(month, return_dtype=pl.Date)
    paths = []
    for day in range(DAYS):
        start, end = (_later(APPLICATIONS_FROM, 2 * (day + more)) for more in (0, 1))
        chosen = loans.filter((issued >= start) & (issued < end)).head(EACH_DAY)
        if day == REJECTED:
            bad = pl.int_range(pl.len()) % 50 == 0
            chosen = chosen.with_columns(dti=pl.when(bad).then(pl.lit("unknown")).otherwise("dti"))
        if day == MONTHLY_INCOMES:
            monthly = (pl.col("annual_inc").cast(pl.Float64) / 12).round(2).cast(pl.String)
            chosen = chosen.with_columns(annual_inc=monthly)
        paths.append(folder / f"day{day}.csv")
        chosen.write_csv(paths[-1])
    return paths


def _later(first: date, months: int) -> date:
    years, index = divmod(first.month - 1 + months, 12)
    return date(first.year + years, index + 1, 1)


def script(stack: LocalStack, name: str, *arguments: str) -> dict[str, Any]:
    """Run `src/NAME.py` on the stack's MLflow and return its result."""
    command = [sys.executable, str(ROOT / "src" / f"{name}.py"), *arguments]
    done = subprocess.run(
        command, cwd=stack.folder, env=stack.environment, stdout=subprocess.PIPE, check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def run(stack: LocalStack, dag_id: str, **conf: str) -> str:
    """Trigger a DAG, wait for its success and return its run id."""
    return _succeeded(stack, dag_id, stack.api.trigger(dag_id, conf))


def followed(stack: LocalStack, dag_id: str, run_id: str, task: str, triggered: str) -> str:
    """Wait for the run that a task has triggered and return its run id."""
    return _succeeded(stack, triggered, stack.api.result(dag_id, run_id, task, "trigger_run_id"))


def _succeeded(stack: LocalStack, dag_id: str, run_id: str) -> str:
    state = stack.api.wait(dag_id, run_id, MINUTES * 60)["state"]
    if state != "success":
        raise SystemExit(f"{dag_id} {run_id} ended as {state}")
    return run_id


def simulate(stack: LocalStack) -> str:
    """Simulate the days and return the run id of the last training."""
    loans = str(stack.folder / "loans.csv")
    days = applications(stack.folder)
    script(stack, "train_with_mlflow", "--data-path", loans, "--as-of", FIRST)
    script(stack, "promote_model", "--triggered-by", "Ana, risk", "--trigger-source", "shell")
    today = datetime.now(UTC).date()
    for place, path in enumerate(days[:-1]):
        scored = str(today - timedelta(days=DAYS - 1 - place))
        batch = run(stack, "batch_prediction_dag", run_date=scored, input_path=str(path))
        followed(stack, "batch_prediction_dag", batch, "monitor", "monitoring_dag")
    script(stack, "monitor_predictions", "--labels", loans)
    trained = run(stack, "train_model_with_mlflow", data_path=loans, as_of=SECOND)
    batch = followed(stack, "train_model_with_mlflow", trained, "rescore", "batch_prediction_dag")
    followed(stack, "batch_prediction_dag", batch, "monitor", "monitoring_dag")
    return trained
