"""Run the whole pipeline once, in a throw-away folder, and say what came out.

Learns from TRAIN_DATA_PATH when that is set, else from generated loans. Everything is written below
a temporary folder that is kept, so that the reports can be looked at; delete it when you are done.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loan_default import cli
from loan_default.errors import InputError, LoanDefaultError

SOURCE = Path(__file__).parent
# Enough that the test months hold some 8,000 loans: the AUC is then known to about 0.007.
LOANS, APPLICATIONS = 300_000, 5_000


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    flags = cli.parser(__doc__)
    flags.add_argument("--rows", type=int, default=LOANS, help=f"generated loans ({LOANS:,})")
    flags.add_argument("--folder", help="where to work (default: a new temporary folder)")
    return flags


@dataclass
class Pipeline:
    """Runs scripts by their command line, all of them with the same throw-away settings."""

    folder: Path
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def step(self, script: str, *arguments: str) -> dict[str, Any]:
        """Run `src/SCRIPT.py`; its JSON result. Its own words on stderr say what went wrong."""
        print(f"\n== {script} {' '.join(arguments)}", file=sys.stderr, flush=True)
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, str(SOURCE / f"{script}.py"), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | self._settings(),
        )
        if done.returncode == 2:
            raise InputError(f"{script} refused its input, see above")
        if done.returncode:
            raise LoanDefaultError(f"{script} failed, see above")
        self.seconds[script] = time.perf_counter() - started
        self.results[script] = json.loads(done.stdout.splitlines()[-1])
        return self.results[script]

    def _settings(self) -> dict[str, str]:
        return {
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder}/mlflow.db",
            "MLFLOW_ARTIFACT_ROOT": str(self.folder / "mlruns"),
            "OUTPUT_PATH": str(self.folder / "artifacts"),
            "PREPARED_DATA_PATH": str(self.folder / "prepared.parquet"),
        }


def demo(flags: argparse.Namespace) -> dict[str, Any]:
    """The job: every script in order."""
    from loan_default.settings import settings

    folder = Path(flags.folder or tempfile.mkdtemp(prefix="loan-default-demo-")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    pipeline = Pipeline(folder)
    generated = "train_data_path" not in settings().model_fields_set
    if generated:
        export = str(folder / "loans.csv")
        pipeline.step(
            "make_loans", "--rows", str(flags.rows), "--seed", "7", "--output-path", export
        )
    else:
        export = settings().train_data_path
    prepared = pipeline.step("prepare_data", "--input-path", export)["output_path"]
    pipeline.step("train_with_mlflow", "--data-path", prepared)
    pipeline.step("promote_model", "--trigger-source", "demo")
    applications = _newest_applications(prepared, folder / "applications.parquet")
    pipeline.step("batch_predict", "--input-path", applications)
    pipeline.step("monitor_predictions")
    _table(pipeline, "generated loans" if generated else export)
    return {"folder": str(folder), "seconds": pipeline.seconds, "results": pipeline.results}


def _newest_applications(prepared: str, path: Path) -> str:
    """The newest loans as applications: their typed records, without outcome and issue month."""
    import polars as pl

    from loan_default.columns import ID, ISSUE_MONTH, NAMES

    newest = pl.read_parquet(prepared).sort(ISSUE_MONTH, ID).tail(APPLICATIONS)
    newest.select(ID, *NAMES).write_parquet(path)
    return str(path)


def _table(pipeline: Pipeline, source: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="What happened", show_header=False, title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _rows(pipeline, source):
        table.add_row(name, text)
    Console(stderr=True).print("", table)


def _rows(pipeline: Pipeline, source: str) -> list[tuple[str, str]]:
    results, folder = pipeline.results, pipeline.folder
    trained, promoted = results["train_with_mlflow"], results["promote_model"]
    scored, drift = results["batch_predict"], results["monitor_predictions"]
    metrics = trained["metrics"]
    said = {True: "yes", False: "no", None: "too few rows to say"}
    steps = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in pipeline.seconds.items())
    best = results.get("make_loans", {}).get("best_auc_newest")
    return [
        ("Learned from", source),
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
        ("Predictions", scored["predictions_path"]),
        ("Drift report", drift["report_html"]),
        (
            "Model, plots, card",
            f"{sys.executable} -m mlflow ui --backend-store-uri sqlite:///{folder}/mlflow.db",
        ),
        ("Time", steps),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit code."""
    return cli.run(build_parser(), demo, argv)


if __name__ == "__main__":
    sys.exit(main())
