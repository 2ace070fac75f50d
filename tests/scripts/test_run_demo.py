"""The demo as a person runs it: it closes with its table and stops what it started, always."""

import os
import re
import signal
import subprocess
from pathlib import Path

import httpx
import psutil
import pytest

from loan_default.sandbox.airflow_client import DAGS
from workspace import QUICK, ROOT, Workspace

pytestmark = pytest.mark.slow


def processes(folder: Path) -> list[psutil.Process]:
    """What works in the folder."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "cwd"])
        if str(folder) in f"{process.info['cmdline']} {process.info['cwd']}"
    ]


def test_the_demo_runs_the_four_dags_and_its_addresses_answer_until_told_to_stop(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "demo"
    arguments = ("--rows", "20000", "--folder", folder, "--keep")
    done = Workspace(tmp_path).spawn(
        "run_demo", *arguments, PROMOTION_AUC_THRESHOLD="0.5", PROMOTION_PRICE_GAIN="-1"
    )
    result = done.result
    assert set(result["runs"]) == set(DAGS)
    assert "What happened" in done.stderr and "What next" in done.stderr
    shown = re.findall(r"^│ (\w[\w ]*?) +│", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(shown) > 5 and all(f"│ {name} " in done.stderr for name in shown)
    assert Path(result["results"]["monitor"]["report_html"]).exists()
    for address in (f"{result['airflow']}/api/v2/version", f"{result['mlflow']}/health"):
        assert httpx.get(address).is_success
    subprocess.run(result["stop"], shell=True, check=True)
    psutil.wait_procs(processes(folder), timeout=30)
    assert processes(folder) == []


def test_a_refused_file_is_said_and_starts_nothing(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.csv")
    arguments = ("--folder", tmp_path / "demo")
    done = Workspace(tmp_path).spawn("run_demo", *arguments, TRAIN_DATA_PATH=missing)
    assert done.code == 2 and f"cannot read {missing}" in done.stderr
    assert not (tmp_path / "demo" / "airflow").exists()


def test_a_folder_in_a_bucket_is_refused(tmp_path: Path) -> None:
    done = Workspace(tmp_path).spawn("run_demo", "--folder", "gs://loans/demo")
    assert done.code == 2 and "the demo works in a local folder" in done.error
    assert done.stderr.startswith("The demo trains a model")
    assert list(tmp_path.iterdir()) == []


def test_a_failing_task_shows_its_log_and_leaves_no_process(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    arguments = ("--rows", "20000", "--folder", folder)
    done = Workspace(tmp_path).spawn("run_demo", *arguments, TEST_SHARE="0.999")
    assert done.code == 1 and "train_with_mlflow.py rejected its input" in done.stderr, done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: train_model_with_mlflow failed")
    assert processes(folder) == []


def test_a_terminated_demo_leaves_no_process(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    command = Workspace(tmp_path).command("run_demo", "--rows", "20000", "--folder", folder)
    with subprocess.Popen(
        command, env=os.environ | QUICK, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stderr
        for line in demo.stderr:
            if "Train a model" in line:
                break
        assert len(processes(folder)) > 3
        demo.send_signal(signal.SIGTERM)
        _, said = demo.communicate(timeout=120)
    assert (demo.returncode, said.splitlines()[-1]) == (130, "error: interrupted")
    assert processes(folder) == []
