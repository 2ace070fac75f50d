"""Run the four DAGs once on a throw-away Airflow and MLflow server, and say what came out.

Learns from TRAIN_DATA_PATH when that is set, else from generated loans. Everything is written below
a temporary folder that is kept, so that the reports can be looked at; delete it when you are done.
With --keep the servers stay up too.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loan_default import cli
from loan_default.errors import InputError, LoanDefaultError

if TYPE_CHECKING:
    from loan_default.sandbox.airflow_client import AirflowApi
    from loan_default.sandbox.local_stack import LocalStack

SOURCE = Path(__file__).parent
# Enough that the test months hold some 8,000 loans: the AUC is then known to about 0.007.
LOANS, APPLICATIONS = 300_000, 5_000
MINUTES = 60

Results = dict[str, dict[str, Any]]


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    flags = cli.parser(__doc__)
    flags.add_argument("--rows", type=int, default=LOANS, help=f"generated loans ({LOANS:,})")
    flags.add_argument("--folder", help="where to work (default: a new temporary folder)")
    flags.add_argument("--keep", action="store_true", help="leave the servers up")
    return flags


def demo(flags: argparse.Namespace) -> dict[str, Any]:
    """The job: data, servers, DAG runs, table."""
    from loan_default.sandbox.local_stack import LocalStack

    if "://" in (flags.folder or ""):
        raise InputError(f"--folder {flags.folder}: the demo works in a local folder")
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    folder = Path(flags.folder or tempfile.mkdtemp(prefix="loan-default-demo-")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    results: Results = {}
    data = _data(folder, flags.rows, results)
    stack = LocalStack(folder, data | {"BATCH_INPUT_PATH": str(folder / "applications.parquet")})
    done = False
    try:
        _say("starting Airflow and MLflow")
        stack.start()
        started = time.monotonic()
        runs = _run_dags(stack.api, results)
        seconds = time.monotonic() - started
        done = True
    finally:
        if not (done and flags.keep):
            stack.stop()
    _table(stack, results, data["TRAIN_DATA_PATH"], seconds, flags.keep)
    result = {"folder": str(folder), "seconds": seconds, "runs": runs, "results": results}
    addresses = {
        "airflow": stack.airflow_url,
        "mlflow": stack.mlflow_url,
        "stop": stack.stop_command(),
    }
    return result | addresses if flags.keep else result


def _data(folder: Path, rows: int, results: Results) -> dict[str, str]:
    """The loans to learn from, as a setting, and the newest of them as applications to score."""
    from loan_default.settings import settings

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
    """Run `src/NAME.py`; its JSON result. Its own words on stderr say what went wrong."""
    _say(f"{name} {' '.join(arguments)}")
    command = [sys.executable, str(SOURCE / f"{name}.py"), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    if done.returncode == 2:
        raise InputError(f"{name} refused its input, see above")
    if done.returncode:
        raise LoanDefaultError(f"{name} failed, see above")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _newest_applications(prepared: str, path: Path) -> None:
    """The newest loans as applications: their typed records, without outcome and issue month."""
    import polars as pl

    from loan_default.columns import ID, ISSUE_MONTH, NAMES

    newest = pl.read_parquet(prepared).sort(ISSUE_MONTH, ID).tail(APPLICATIONS)
    newest.select(ID, *NAMES).write_parquet(path)


def _run_dags(api: "AirflowApi", results: Results) -> dict[str, str]:
    """Trigger the training and follow what it triggers; the run id of each DAG that ran."""
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
    api: "AirflowApi", dag_id: str, run_id: str, runs: dict[str, str]
) -> dict[str, dict[str, Any]]:
    """Wait for a run; its tasks. Raises LoanDefaultError with the log of the task that failed."""
    runs[dag_id] = run_id
    _say(f"waiting for {dag_id}")
    state = api.wait(dag_id, run_id, MINUTES * 60)["state"]
    tasks = api.tasks(dag_id, run_id)
    for name, task in tasks.items():
        if task["state"] == "failed":
            print(api.log(dag_id, run_id, name, task["try_number"]), file=sys.stderr)
    if state != "success":
        raise LoanDefaultError(f"{dag_id} failed, see the log above")
    return tasks


def _say(what: str) -> None:
    print(f"\n== {what}", file=sys.stderr, flush=True)


def _table(stack: "LocalStack", results: Results, source: str, seconds: float, kept: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="What happened", show_header=False, title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    rows = [*_outcome(results, source), ("Time", f"{seconds:.0f} s from trigger to the last run")]
    for name, text in [*rows, *_addresses(stack, kept)]:
        table.add_row(name, text)
    Console(stderr=True).print("", table)


def _outcome(results: Results, source: str) -> list[tuple[str, str]]:
    trained, scored, drift = results["train"], results["predict"], results["monitor"]
    metrics = trained["metrics"]
    said = {True: "yes", False: "no", None: "too few rows to say"}
    best = results.get("make_loans", {}).get("best_auc_newest")
    promoted = results.get("promote", {"promoted": False, "reasons": trained["reasons"]})
    return [
        ("Learned from", "generated loans" if "make_loans" in results else source),
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
        ("Drift", f"{said[drift['drift']]}: {drift['reason']}"),
        ("Next", drift["decision"]),
        ("Predictions", scored["predictions_path"]),
        ("Drift report", drift["report_html"]),
    ]


def _addresses(stack: "LocalStack", kept: bool) -> list[tuple[str, str]]:
    if not kept:
        return [("Model, plots, card", " ".join(stack.mlflow_command(5000)))]
    return [
        ("Airflow", f"{stack.airflow_url} (user {stack.user}, password {stack.password})"),
        ("MLflow", stack.mlflow_url),
        ("Stop them", stack.stop_command()),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    return cli.run(build_parser(), demo, argv)


if __name__ == "__main__":
    sys.exit(main())
