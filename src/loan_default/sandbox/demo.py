"""The demo: run the four DAGs once on a local stack and summarise what they did."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from loan_default.columns import ID, ISSUE_MONTH
from loan_default.contract import load as contracts
from loan_default.errors import InputError, LoanDefaultError
from loan_default.sandbox.demo_summary import Results, print_summary
from loan_default.sandbox.local_stack import ROOT, LocalStack
from loan_default.sandbox.steps import Steps
from loan_default.settings import settings

if TYPE_CHECKING:
    from loan_default.sandbox.airflow_client import AirflowApi

SCRIPTS = ROOT / "src"
APPLICATIONS = 5_000
MINUTES = 60

# The steps as they are shown
PREPARE = "Check and prepare the loans"
START = "Start MLflow and Airflow"
TRAIN = "Train a model, promote it if it passes the gate"
SCORE = f"Score the newest {APPLICATIONS:,} applications"
MONITOR = "Monitor the scored day: drift, data quality"
STOP = "Stop MLflow and Airflow"


def demo(rows: int, folder: str | None, keep: bool) -> dict[str, Any]:
    """Prepare the data, start the servers, run the DAGs and print a summary.

    Args:
        rows: the number of loans to generate, unless TRAIN_DATA_PATH is set.
        folder: everything is written below it; by default a new temporary folder.
        keep: leave the servers running.

    Returns the script's JSON result. Raises InputError if the folder is remote or the loans cannot
    be used, LoanDefaultError if a script or a DAG fails.
    """
    if "://" in (folder or ""):
        raise InputError(f"--folder {folder}: the demo works in a local folder")
    # A terminated demo stops its servers, as an interrupted one does
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    root = Path(folder or tempfile.mkdtemp(prefix="loan-default-demo-")).resolve()
    root.mkdir(parents=True, exist_ok=True)
    print(f"It writes below {root}; Ctrl-C stops everything.\n", file=sys.stderr, flush=True)
    make = f"Generate {rows:,} loans" if _generates() else None
    titles = [make, PREPARE, START, TRAIN, SCORE, MONITOR, None if keep else STOP]
    results: Results = {}
    with Steps([title for title in titles if title]) as steps:
        began = time.monotonic()
        data = _data(steps, root, rows, make, results)
        stack = LocalStack(root, data | {"BATCH_INPUT_PATH": str(root / "applications.parquet")})
        runs = _run(steps, stack, keep, results)
        seconds = time.monotonic() - began
    print_summary(stack, results, data["TRAIN_DATA_PATH"], seconds, keep)
    result = {"folder": str(root), "seconds": seconds, "runs": runs, "results": results}
    addresses = {
        "airflow": stack.airflow_url,
        "mlflow": stack.mlflow_url,
        "stop": stack.stop_command(),
    }
    return result | addresses if keep else result


def _generates() -> bool:
    return "train_data_path" not in settings().model_fields_set


def _data(
    steps: Steps, folder: Path, rows: int, make: str | None, results: Results
) -> dict[str, str]:
    """Prepare loans and applications; return the setting that names the loans to train on.

    The newest loans are the applications to score.
    """
    export = settings().train_data_path
    if make:
        export = str(folder / "loans.csv")
        with steps.step(make):
            numbers = ("--rows", str(rows), "--seed", "7")
            results["make_loans"] = _script(folder, "make_loans", *numbers, "--output-path", export)
    export = str(Path(export).resolve()) if "://" not in export else export
    prepared = str(folder / "prepared.parquet")
    with steps.step(PREPARE):
        results["prepare_data"] = _script(
            folder, "prepare_data", "--input-path", export, "--output-path", prepared
        )
        _newest_applications(prepared, folder / "applications.parquet")
    return {"TRAIN_DATA_PATH": export}


def _script(folder: Path, name: str, *arguments: str) -> dict[str, Any]:
    """Run `src/NAME.py` and return its JSON result; its log is in `folder`/logs.

    Raises InputError or LoanDefaultError with the script's own line.
    """
    log = folder / "logs" / f"{name}.log"
    log.parent.mkdir(exist_ok=True)
    command = [sys.executable, str(SCRIPTS / f"{name}.py"), *arguments]
    with log.open("w") as stderr:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=os.environ
        )
    if not done.returncode:
        return dict(json.loads(done.stdout.splitlines()[-1]))
    lines = log.read_text(errors="replace").splitlines() or [f"exit code {done.returncode}"]
    error = f"{name}: {lines[-1].removeprefix('error: ')}"
    raise InputError(error) if done.returncode == 2 else LoanDefaultError(f"{error} (see {log})")


def _newest_applications(prepared: str, path: Path) -> None:
    """Write the newest loans as applications: typed records without outcome and issue month."""
    newest = pl.read_parquet(prepared).sort(ISSUE_MONTH, ID).tail(APPLICATIONS)
    newest.select(ID, *contracts.load(settings().contract).names).write_parquet(path)


def _run(steps: Steps, stack: LocalStack, keep: bool, results: Results) -> dict[str, str]:
    """Start the servers, run the DAGs, and stop the servers unless all went well and `keep`."""
    finished = False
    try:
        with steps.step(START):
            stack.start(lambda what: steps.detail(START, what))
        runs = _run_dags(steps, stack.api, results)
        finished = True
    finally:
        if not (finished and keep):
            with steps.step(STOP):
                stack.stop()
    return runs


def _run_dags(steps: Steps, api: "AirflowApi", results: Results) -> dict[str, str]:
    """Trigger the training and follow the runs that it triggers; return each DAG's run id."""
    runs: dict[str, str] = {}
    dag_id, run_id = "train_model_with_mlflow", api.trigger("train_model_with_mlflow")
    with steps.step(TRAIN):
        trained = _follow(steps, TRAIN, api, (dag_id, run_id), runs)
        results["train"] = api.result(dag_id, run_id, "train")
        if trained["promote"]["state"] == "success":
            promotion = api.result(dag_id, run_id, "promote", "trigger_run_id")
            _follow(steps, TRAIN, api, ("promote_model_dag", promotion), runs)
            results["promote"] = api.result("promote_model_dag", promotion, "promote")
    batch = api.result(dag_id, run_id, "rescore", "trigger_run_id")
    with steps.step(SCORE):
        _follow(steps, SCORE, api, ("batch_prediction_dag", batch), runs)
        results["predict"] = api.result("batch_prediction_dag", batch, "predict")
    monitoring = api.result("batch_prediction_dag", batch, "monitor", "trigger_run_id")
    with steps.step(MONITOR):
        _follow(steps, MONITOR, api, ("monitoring_dag", monitoring), runs)
        results["monitor"] = api.result("monitoring_dag", monitoring, "monitor")
    return runs


def _follow(
    steps: Steps, title: str, api: "AirflowApi", run: tuple[str, str], runs: dict[str, str]
) -> dict[str, dict[str, Any]]:
    """Wait for a run, a pair of DAG id and run id, and return its tasks.

    Prints the log of a failed task. Raises LoanDefaultError if the run fails.
    """
    dag_id, run_id = run
    runs[dag_id] = run_id

    def show() -> None:
        running = [name for name, task in api.tasks(*run).items() if task["state"] == "running"]
        steps.detail(title, ": ".join([dag_id, *running]))

    state = api.wait(dag_id, run_id, MINUTES * 60, show)["state"]
    steps.detail(title, dag_id)
    tasks = api.tasks(dag_id, run_id)
    for name, task in tasks.items():
        if task["state"] == "failed":
            print(api.log(dag_id, run_id, name, task["try_number"]), file=sys.stderr)
    if state != "success":
        raise LoanDefaultError(f"{dag_id} failed, see the log above")
    return tasks
