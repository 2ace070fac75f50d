"""The demo: run the four DAGs once on a local stack and summarise what they did."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

from loan_default.columns import ID, ISSUE_MONTH, NAMES
from loan_default.errors import InputError, LoanDefaultError
from loan_default.sandbox.airflow_client import AirflowApi
from loan_default.sandbox.local_stack import ROOT, LocalStack
from loan_default.settings import settings

SCRIPTS = ROOT / "src"
APPLICATIONS = 5_000
MINUTES = 60

Results = dict[str, dict[str, Any]]


def demo(rows: int, folder: str | None, keep: bool) -> dict[str, Any]:
    """Prepare the data, start the servers, run the DAGs and print a table of the results.

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
    results: Results = {}
    data = _data(root, rows, results)
    stack = LocalStack(root, data | {"BATCH_INPUT_PATH": str(root / "applications.parquet")})
    finished = False
    try:
        _print_step("starting Airflow and MLflow")
        stack.start()
        started = time.monotonic()
        runs = _run_dags(stack.api, results)
        seconds = time.monotonic() - started
        finished = True
    finally:
        if not (finished and keep):
            stack.stop()
    _print_table(stack, results, data["TRAIN_DATA_PATH"], seconds, keep)
    result = {"folder": str(root), "seconds": seconds, "runs": runs, "results": results}
    addresses = {
        "airflow": stack.airflow_url,
        "mlflow": stack.mlflow_url,
        "stop": stack.stop_command(),
    }
    return result | addresses if keep else result


def _data(folder: Path, rows: int, results: Results) -> dict[str, str]:
    """Prepare loans and applications; return the setting that names the loans to train on.

    The newest loans are the applications to score.
    """
    export = settings().train_data_path
    if "train_data_path" not in settings().model_fields_set:
        export = str(folder / "loans.csv")
        arguments = ("--rows", str(rows), "--seed", "7", "--output-path", export)
        results["make_loans"] = _script("make_loans", *arguments)
    export = str(Path(export).resolve()) if "://" not in export else export
    prepared = str(folder / "prepared.parquet")
    _script("prepare_data", "--input-path", export, "--output-path", prepared)
    _newest_applications(prepared, folder / "applications.parquet")
    return {"TRAIN_DATA_PATH": export}


def _script(name: str, *arguments: str) -> dict[str, Any]:
    """Run `src/NAME.py` and return its JSON result; its errors appear on stderr."""
    _print_step(f"{name} {' '.join(arguments)}")
    command = [sys.executable, str(SCRIPTS / f"{name}.py"), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    if done.returncode == 2:
        raise InputError(f"{name} rejected its input, see above")
    if done.returncode:
        raise LoanDefaultError(f"{name} failed, see above")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _newest_applications(prepared: str, path: Path) -> None:
    """Write the newest loans as applications: typed records without outcome and issue month."""
    newest = pl.read_parquet(prepared).sort(ISSUE_MONTH, ID).tail(APPLICATIONS)
    newest.select(ID, *NAMES).write_parquet(path)


def _run_dags(api: AirflowApi, results: Results) -> dict[str, str]:
    """Trigger the training and follow the runs that it triggers; return each DAG's run id."""
    runs: dict[str, str] = {}
    dag_id, run_id = "train_model_with_mlflow", api.trigger("train_model_with_mlflow")
    trained = _follow(api, dag_id, run_id, runs)
    results["train"] = api.result(dag_id, run_id, "train")
    if trained["promote"]["state"] == "success":
        promotion = api.result(dag_id, run_id, "promote", "trigger_run_id")
        _follow(api, "promote_model_dag", promotion, runs)
        results["promote"] = api.result("promote_model_dag", promotion, "promote")
    batch = api.result(dag_id, run_id, "rescore", "trigger_run_id")
    _follow(api, "batch_prediction_dag", batch, runs)
    results["predict"] = api.result("batch_prediction_dag", batch, "predict")
    monitoring = api.result("batch_prediction_dag", batch, "monitor", "trigger_run_id")
    _follow(api, "monitoring_dag", monitoring, runs)
    results["monitor"] = api.result("monitoring_dag", monitoring, "monitor")
    return runs


def _follow(
    api: AirflowApi, dag_id: str, run_id: str, runs: dict[str, str]
) -> dict[str, dict[str, Any]]:
    """Wait for a run and return its tasks.

    Prints the log of a failed task. Raises LoanDefaultError if the run fails.
    """
    runs[dag_id] = run_id
    _print_step(f"waiting for {dag_id}")
    state = api.wait(dag_id, run_id, MINUTES * 60)["state"]
    tasks = api.tasks(dag_id, run_id)
    for name, task in tasks.items():
        if task["state"] == "failed":
            print(api.log(dag_id, run_id, name, task["try_number"]), file=sys.stderr)
    if state != "success":
        raise LoanDefaultError(f"{dag_id} failed, see the log above")
    return tasks


def _print_step(text: str) -> None:
    print(f"\n== {text}", file=sys.stderr, flush=True)


def _print_table(
    stack: LocalStack, results: Results, source: str, seconds: float, keep: bool
) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="What happened", show_header=False, title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    rows = [*_outcome(results, source), ("Time", f"{seconds:.0f} s from trigger to the last run")]
    for name, text in [*rows, *_addresses(stack, keep)]:
        table.add_row(name, text)
    Console(stderr=True).print("", table)


def _outcome(results: Results, source: str) -> list[tuple[str, str]]:
    trained, scored, drift = results["train"], results["predict"], results["monitor"]
    metrics = trained["metrics"]
    verdict = {True: "yes", False: "no", None: "too few rows to tell"}
    best = results.get("make_loans", {}).get("best_auc_newest")
    promoted = results.get("promote", {"promoted": False, "reasons": trained["reasons"]})
    return [
        ("Trained on", "generated loans" if "make_loans" in results else source),
        ("Trained", f"{trained['model_name']} version {trained['model_version']}"),
        (
            "On its test months",
            f"AUC {metrics['AUC']:.3f}"
            + (f" (best reachable {best:.3f})" if best else "")
            + f", F1 {metrics['F1']:.3f}, Brier {metrics['Brier']:.3f}, "
            f"calibration error {metrics['calibration_error']:.3f}",
        ),
        ("Promoted", "yes" if promoted["promoted"] else "no: " + "; ".join(promoted["reasons"])),
        ("Scored", f"{scored['rows_scored']} rows, {scored['rows_rejected']} rejected"),
        ("Drift", f"{verdict[drift['drift']]}: {drift['reason']}"),
        ("Next", drift["decision"]),
        ("Predictions", scored["predictions_path"]),
        ("Drift report", drift["report_html"]),
    ]


def _addresses(stack: LocalStack, keep: bool) -> list[tuple[str, str]]:
    if not keep:
        return [("Model, plots, card", " ".join(stack.mlflow_command(5000)))]
    return [
        ("Airflow", f"{stack.airflow_url} (user {stack.user}, password {stack.password})"),
        ("MLflow", stack.mlflow_url),
        ("Stop them", stack.stop_command()),
    ]
