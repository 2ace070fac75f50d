"""Measure Airflow's overhead: parsing the DAGs, and a pipeline run against its scripts alone.

Parsing is measured in a fresh process, after importing the Airflow classes that the four DAG files
use. The pipeline is measured from the trigger of a training to the end of the last DAG run that
follows, against the same five scripts run in sequence from the command line. Both run in turns, on
the same data and MLflow server. Prints medians.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from loan_default.sandbox.airflow_client import AirflowApi
from loan_default.sandbox.local_stack import LocalStack, running

ROOT = Path(__file__).resolve().parents[1]
PARSING = """
import json, runpy, sys, time
from pathlib import Path
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, BaseNotifier, BaseOperator, Connection, Param, task
from airflow.sdk.exceptions import AirflowException
task.branch
started = time.perf_counter()
for path in sorted(Path(sys.argv[1]).glob("*.py")):
    runpy.run_path(str(path))
print(time.perf_counter() - started)
"""
QUICK = {"XGB_MAX_ROUNDS": "100", "CV_FOLDS": "3", "XGB_LEARNING_RATE": "0.1"}
MINUTES = 15


def parsing(home: Path) -> float:
    """Return the seconds to parse all four DAGs in a new process."""
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": str(ROOT / "airflow" / "plugins"),
    }
    command = [sys.executable, "-c", PARSING, str(ROOT / "airflow" / "dags")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def by_airflow(stack: LocalStack, name: str) -> float:
    """Return the seconds from the trigger to the end of the last of the four DAG runs."""
    api, started = stack.api, datetime.now(UTC)
    conf = {"model_name": name, "output_path": str(stack.folder / name)}
    train, dag_id = api.trigger("train_model_with_mlflow", conf), "train_model_with_mlflow"
    _ended(api, dag_id, train)
    batch = api.result(dag_id, train, "rescore", "trigger_run_id")
    _ended(api, "batch_prediction_dag", batch)
    monitoring = api.result("batch_prediction_dag", batch, "monitor", "trigger_run_id")
    return (_ended(api, "monitoring_dag", monitoring) - started).total_seconds()


def _ended(api: AirflowApi, dag_id: str, run_id: str) -> datetime:
    run = api.wait(dag_id, run_id, MINUTES * 60)
    if run["state"] != "success":
        raise SystemExit(f"{dag_id} {run_id} failed")
    return datetime.fromisoformat(run["end_date"])


def by_hand(stack: LocalStack, name: str) -> float:
    """Return the seconds that the same scripts take in sequence."""
    out = ("--output-path", str(stack.folder / name))
    model = ("--model-name", name)
    prepared = stack.environment["PREPARED_DATA_PATH"]
    return sum(
        _timed(stack, script, *arguments)
        for script, *arguments in (
            ("prepare_data",),
            ("train_with_mlflow", "--data-path", prepared, *model),
            ("promote_model", *model, *out),
            ("batch_predict", *model, *out),
            ("monitor_predictions", *out),
        )
    )


def _timed(stack: LocalStack, script: str, *arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, str(ROOT / "src" / f"{script}.py"), *arguments],
        cwd=ROOT,
        env=stack.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - started


def main() -> None:
    """Run both and print the table."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--rows", type=int, default=60_000, help="generated loans")
    flags.add_argument("--repeats", type=int, default=3)
    given = flags.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        parsed = [parsing(folder / "parsing") for _ in range(given.repeats)]
        loans = str(folder / "loans.csv")
        make = [sys.executable, str(ROOT / "src" / "make_loans.py"), "--output-path", loans]
        subprocess.run([*make, "--rows", str(given.rows)], check=True, stdout=subprocess.DEVNULL)
        settings = {"TRAIN_DATA_PATH": loans, "PROMOTION_AUC_THRESHOLD": "0.5", **QUICK}
        with running(LocalStack(folder / "stack", settings)) as stack:
            turns: dict[str, list[float]] = {"airflow": [], "hand": []}
            ways: dict[str, Callable[[LocalStack, str], float]]
            ways = {"airflow": by_airflow, "hand": by_hand}
            for turn in range(given.repeats):
                for way, run in ways.items():
                    turns[way].append(run(stack, f"{way}_{turn}"))
    airflow, hand = (statistics.median(turns[way]) for way in ("airflow", "hand"))
    table = Table(
        "", "seconds (median)", "aim", title=f"{given.repeats} runs, {given.rows:,} loans"
    )
    table.add_row(
        "parsing four DAGs, without imports", f"{statistics.median(parsed):.2f}", "<= 0.5"
    )
    table.add_row("pipeline, trigger to last end", f"{airflow:.1f}", "")
    table.add_row("the scripts alone", f"{hand:.1f}", "")
    table.add_row("Airflow's overhead", f"{airflow - hand:.1f}", "<= 30")
    Console().print(table)
    print(json.dumps({"parsing": parsed, **turns}))


if __name__ == "__main__":
    main()
