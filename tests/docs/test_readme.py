"""The README's commands, run as they stand there in a copy of the checkout."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from loan_default.sandbox.local_stack import free_ports
from workspace import ROOT

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
# Where the blocks that are not run here are run: the targets by tests of their own, the platform in
# Docker by make test-stack, the rest of the cloud's by test_gcs_integration.py on an emulator.
ELSEWHERE = ("make demo", "make start", "gcloud auth login", "cat >> .env")
HERE = ("python src/make_loans.py", "export AIRFLOW_CONN", "python src/monitor", "python src/serve")


def block(start: str) -> str:
    """The one block that starts so."""
    (found,) = [text for text in BLOCKS if text.startswith(start)]
    return str(found)


def test_every_block_of_commands_is_run_by_a_test() -> None:
    assert sorted(BLOCKS) == sorted(block(start) for start in (*ELSEWHERE, *HERE))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `src` and `data` are the checkout's, and all that is written is its own."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "src").symlink_to(ROOT / "src")
    (folder / "data" / "raw").mkdir(parents=True)
    for name in ("batch_input.csv", "sample_input.json"):
        (folder / "data" / name).write_bytes((ROOT / "data" / name).read_bytes())
    return folder


def environment() -> dict[str, str]:
    """As after `source .venv/bin/activate`, without this machine's settings."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    return kept | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def shell(commands: str, folder: Path) -> str:
    """What the commands print; each must succeed."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@contextmanager
def server(command: str, folder: Path, ready: str) -> Iterator[None]:
    """A server's command while it answers on `ready`."""
    with subprocess.Popen(command.split(), cwd=folder, env=environment()) as process:
        try:
            for _ in range(600):
                assert process.poll() is None, f"{command} ended"
                try:
                    if httpx.get(ready).is_success:
                        break
                except httpx.TransportError:
                    pass
                time.sleep(0.2)
            yield
        finally:
            process.terminate()


@pytest.mark.slow
def test_the_pipeline_runs_step_by_step(checkout: Path) -> None:
    *steps, ui = block("python src/make_loans.py").strip().splitlines()
    results = [json.loads(line) for line in shell("\n".join(steps), checkout).splitlines()]
    made, prepared, trained, promoted, scored, monitored = results
    assert made["rows"] == prepared["rows_written"] == 150_000
    assert trained["promotable"] and promoted["promoted"]
    assert scored["rows_in"] == scored["rows_scored"] + scored["rows_rejected"] > 0
    assert monitored["run_date"] == scored["run_date"]
    (port,) = free_ports(1)
    with server(f"{ui} --port {port}", checkout, f"http://127.0.0.1:{port}/health"):
        assert "MLflow" in httpx.get(f"http://127.0.0.1:{port}/").text


@pytest.mark.slow
def test_a_day_is_monitored_with_and_without_outcomes(checkout: Path) -> None:
    shell(
        "head -5000 data/raw/loans.csv > some.csv; cut -d, -f1,17 some.csv > outcomes.csv", checkout
    )
    assert (checkout / "outcomes.csv").read_text().startswith("id,loan_status\n")
    _, labelled = map(json.loads, shell(block("python src/monitor"), checkout).splitlines())
    assert labelled["labels"]["rows_in"] == 4_999


@pytest.mark.slow
def test_the_request_gets_the_answer_that_stands_below_it(checkout: Path) -> None:
    start, request, answer = block("python src/serve").strip().splitlines()
    (port,) = free_ports(1)
    url = f"http://localhost:{port}"
    with server(f"{start.split('#')[0]} --port {port}", checkout, f"{url}/ready"):
        said = shell(request.replace("http://localhost:5001", url), checkout)
    assert f"# {said.strip()}" == answer


def test_the_connections_are_connections(checkout: Path) -> None:
    names = ("AIRFLOW_CONN_SLACK_WEBHOOK", "AIRFLOW_CONN_SMTP_DEFAULT")
    show = "\n".join(f"echo ${name}" for name in names)
    slack, smtp = map(json.loads, shell(block("export AIRFLOW_CONN") + show, checkout).splitlines())
    assert slack["conn_type"] == "slackwebhook" and slack["password"].startswith("https://")
    assert smtp["conn_type"] == "smtp" and {"from_email", "to"} <= set(smtp["extra"])
