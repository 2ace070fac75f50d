"""Every script in order through its real command line: on generated loans always, on the real ones
where they are; and a batch killed at random moments."""

import json
import random
import signal
import subprocess
import time
from datetime import date
from os import environ
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from loan_default.batch.run_files import RunFiles, marked_date
from workspace import ROOT, Workspace

pytestmark = pytest.mark.slow

APPLICATIONS = ROOT / "data" / "batch_input.csv"
KILLS = 8


def pipeline(workspace: Workspace, export: Path, gate: str) -> dict[str, dict[str, object]]:
    """The scripts in the order of the DAGs; their results by name."""
    folder = workspace.folder
    prepared = folder / "prepared.parquet"
    run = workspace.run
    results = {
        "prepare": run("prepare_data", "--input-path", export, "--output-path", prepared).result,
        "train": run("train_with_mlflow", "--data-path", prepared).result,
        "promote": run(
            "promote_model",
            "--triggered-by",
            "test",
            PROMOTION_AUC_THRESHOLD=gate,
            PROMOTION_PRICE_GAIN="-1",
        ).result,
        "batch": run("batch_predict", "--input-path", prepared, "--run-date", "2026-03-01").result,
        "monitor": run("monitor_predictions").result,
    }
    scored = results["batch"]
    assert scored["rows_in"] == scored["rows_scored"] + scored["rows_rejected"]
    predictions = pl.read_parquet(scored["predictions_path"])
    assert predictions.height == scored["rows_scored"] == results["prepare"]["rows_written"]
    assert marked_date(str(folder / "artifacts")) == date(2026, 3, 1)
    report = json.loads(Path(results["monitor"]["report_json"]).read_text())
    assert report["verdict"]["drift"] == results["monitor"]["drift"]
    assert Path(results["monitor"]["report_html"]).stat().st_size > 100_000
    return results


def test_the_scripts_in_order_on_generated_loans(workspace: Workspace, narrow_export: Path) -> None:
    results = pipeline(workspace, narrow_export, "0.6")
    assert 0.6 < results["train"]["metrics"]["AUC"] < 0.8
    assert results["promote"]["promoted"] is True
    again = workspace.run("train_with_mlflow", "--data-path", narrow_export).result
    assert again["registered"] is False and again["model_version"] == "1"
    assert again["existing_because"] == "same data, settings and training code"
    events = list((workspace.folder / "artifacts" / "promotions").iterdir())
    assert [json.loads(event.read_text())["model_version"] for event in events] == ["1"]


def test_the_scripts_in_order_on_real_loans(
    workspace: Workspace, real_loans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {"OUTCOME_WINDOW_MONTHS": "0", "XGB_MAX_ROUNDS": "300", "XGB_LEARNING_RATE": "0.05"}
    real = Workspace(workspace.folder, whole)
    results = pipeline(real, real_loans, "0.75")
    metrics = results["train"]["metrics"]
    assert results["prepare"]["rows_in"] == 20_816
    assert results["prepare"]["rejected_by_reason"] == {
        "annual_inc is empty": 4,
        "not a loan: only the id cell is filled": 2,
    }
    assert 0.70 < metrics["AUC"] < 0.75
    assert metrics["mean_probability"] == pytest.approx(metrics["default_rate"], rel=0.15)
    assert metrics["calibration_error"] < 0.03
    assert results["promote"]["promoted"] is False
    assert results["promote"]["reasons"] == [
        f"AUC {metrics['AUC']:.4f} is below the threshold 0.7500"
    ]


def test_the_same_key_registers_once(workspace: Workspace, narrow_export: Path) -> None:
    first, second = (
        workspace.run(
            "train_with_mlflow",
            "--data-path",
            narrow_export,
            "--idempotency-key",
            "run-1",
            RANDOM_SEED=seed,
        ).result
        for seed in ("1", "2")
    )
    assert first["registered"] and second["registered"]
    assert (first["existing_because"], second["existing_because"]) == (
        None,
        "this idempotency key has registered it before",
    )
    assert (second["run_id"], second["model_version"]) == (first["run_id"], "1")


def test_a_rerun_gives_the_same_files_and_keeps_its_model(
    workspace: Workspace, narrow_export: Path
) -> None:
    run = workspace.run
    run("train_with_mlflow", "--data-path", narrow_export)
    arguments = ("--input-path", APPLICATIONS, "--run-date", "2026-03-01")
    first = run("batch_predict", *arguments).result
    folder = Path(first["manifest_path"]).parent
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(files) == 4
    assert run("train_with_mlflow", "--data-path", narrow_export, RANDOM_SEED="9").result[
        "registered"
    ]
    assert run("batch_predict", *arguments).result["model_version"] == "1"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    assert run("batch_predict", *arguments, "--rescore").result["model_version"] == "2"
    older = run("batch_predict", "--input-path", APPLICATIONS, "--run-date", "2026-02-28").result
    assert marked_date(str(workspace.folder / "artifacts")) == date(2026, 3, 1)
    assert Path(older["manifest_path"]).exists()


def ids(result: dict[str, object]) -> list[str]:
    return pl.read_parquet(result["predictions_path"])["id"].to_list()


@pytest.fixture
def days(workspace: Workspace, narrow_export: Path) -> list[Path]:
    """Three files of a trained workspace, each of other applications than the others."""
    workspace.run("train_with_mlflow", "--data-path", narrow_export)
    rows = pl.read_csv(APPLICATIONS, infer_schema=False)
    paths = [workspace.folder / f"day-{n}.csv" for n in range(3)]
    for n, path in enumerate(paths):
        rows[30 * n : 30 * (n + 1)].write_csv(path)
    return paths


def test_a_second_file_of_a_day_has_a_name_and_is_monitored_with_the_first(
    workspace: Workspace, days: list[Path]
) -> None:
    def score(path: Path, *more: str) -> Any:
        given = ("--input-path", path, "--run-date", "2026-03-01", "--reasons", "none")
        return workspace.run("batch_predict", *given, *more)

    first = score(days[0]).result
    refused = score(days[1])
    assert refused.code == 2 and "with --batch NAME" in refused.error
    assert score(days[0]).result == first
    second = score(days[1], "--batch", "noon").result
    assert second["batch"] == "noon" and "/batch=noon/" in second["predictions_path"]
    assert score(days[1], "--batch", "noon").result == second
    assert not set(ids(first)) & set(ids(second)) and len(ids(first)) == len(ids(second)) == 30
    twice = score(days[0], "--batch", "evening")
    assert twice.code == 2 and "already scored as 2026-03-01:" in twice.error
    assert score(days[2], "--batch", "noon").code == 2
    assert score(days[2], "--batch", "a/b").code == 2
    monitored = workspace.run("monitor_predictions", "--run-date", "2026-03-01").result
    assert monitored["rows_in"] == 60
    before = ids(first)
    assert not set(ids(score(days[2], "--rescore").result)) & {*ids(second), *before}


def test_a_rescoring_repeats_the_newest_day_and_leaves_the_next_to_the_daily_run(
    workspace: Workspace, days: list[Path]
) -> None:
    """A training on Sunday at 02:00, a new file, and the daily run at 06:00."""
    daily = workspace.folder / "applications.csv"

    def run(day: str, *more: str) -> Any:
        given = ("--run-date", day, *more)
        return workspace.run("batch_predict", *given, BATCH_INPUT_PATH=str(daily))

    first = workspace.run(
        "batch_predict",
        "--run-date",
        "2026-03-06",
        "--rescore",
        "--latest",
        BATCH_INPUT_PATH=str(days[2]),
    ).result
    assert first["run_date"] == "2026-03-06", "nothing was scored yet"
    daily.write_bytes(days[0].read_bytes())
    saturday = run("2026-03-07", "--reasons", "all").result
    again = run("2026-03-08", "--rescore", "--latest").result
    assert again["run_date"] == "2026-03-07" and ids(again) == ids(saturday)
    assert pl.read_parquet(again["predictions_path"])["reasons"].null_count() == 0
    daily.write_bytes(days[1].read_bytes())
    late = run("2026-03-08", "--rescore", "--latest").result
    assert late["run_date"] == "2026-03-07" and "not scored again" in late["findings"][0]
    assert run("2026-03-07", "--rescore").code == 2
    sunday = run("2026-03-08").result
    assert sunday["run_date"] == "2026-03-08" and not set(ids(sunday)) & set(ids(saturday))
    assert run("2026-03-08", "--latest").code == 2


def test_production_is_preferred_and_staging_serves_until_then(
    workspace: Workspace, narrow_export: Path
) -> None:
    run = workspace.run
    run("train_with_mlflow", "--data-path", narrow_export)
    run("promote_model", "--force", "--reason", "first")
    run("train_with_mlflow", "--data-path", narrow_export, RANDOM_SEED="9")
    arguments = ("--input-path", APPLICATIONS, "--run-date")
    assert run("batch_predict", *arguments, "2026-03-01").result["model_version"] == "1"
    staged = run("batch_predict", *arguments, "2026-03-02", "--alias", "canary,staging").result
    assert staged["model_version"] == "2"


def assert_marker_names_a_complete_run(root: Path) -> None:
    marked = marked_date(str(root))
    if marked is not None:
        RunFiles(str(root), marked).complete_manifest()


def test_a_batch_killed_at_any_moment_never_leaves_a_wrong_marker(
    trained: Workspace, export: Path, tmp_path: Path
) -> None:
    moments = random.Random(20)
    root = tmp_path / "out"
    arguments = ("--input-path", export, "--output-path", root, "--reasons", "none")
    started = time.monotonic()
    trained.spawn("batch_predict", *arguments, "--run-date", "2026-01-01")
    whole = time.monotonic() - started
    for number in range(KILLS):
        # Most of a run is imports and the fetching of the model; two thirds of the kills hit what
        # follows.
        moment = moments.uniform(0, whole) if number % 3 == 0 else moments.uniform(0.6, 1) * whole
        day = f"2026-01-{2 + number // 2:02d}"
        killed = subprocess.Popen(
            trained.command("batch_predict", *arguments, "--run-date", day),
            cwd=trained.folder,
            env=environ | trained.settings,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            killed.wait(moment)
        except subprocess.TimeoutExpired:
            killed.send_signal(signal.SIGKILL)
            killed.wait()
        assert_marker_names_a_complete_run(root)
    done = trained.run("batch_predict", *arguments, "--run-date", "2026-01-30").result
    assert marked_date(str(root)) == date(2026, 1, 30)
    assert done["rows_scored"] > 0
    last = trained.run("batch_predict", *arguments, "--run-date", day)
    assert last.code == 0
    left = [path for path in root.rglob("*") if ".partial" in str(path)]
    assert len([path for path in left if day in str(path)]) == 0
