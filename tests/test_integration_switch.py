"""RUN_INTEGRATION_TESTS, as pytest itself does with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

SAMPLE = """
import pytest

def test_quick():
    pass

@pytest.mark.slow
def test_slow():
    pass

@pytest.mark.docker
def test_docker():
    pass
"""


@pytest.mark.parametrize(
    ("switch", "summary"),
    [
        ({}, "2 passed, 1 deselected"),
        ({"RUN_INTEGRATION_TESTS": "1"}, "2 passed, 1 deselected"),
        ({"RUN_INTEGRATION_TESTS": "0"}, "1 passed, 1 skipped, 1 deselected"),
    ],
    ids=["by default", "on", "off"],
)
def test_slow_tests_run_unless_they_are_left_out(
    tmp_path: Path, switch: dict[str, str], summary: str
) -> None:
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    environment = {k: v for k, v in os.environ.items() if k != "RUN_INTEGRATION_TESTS"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider"]
        + ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), str(tmp_path)],
        env=environment | switch | {"PYTHONPATH": f"{ROOT}/tests:{ROOT}/src"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert f" {summary} in " in done.stdout.splitlines()[-1], done.stdout + done.stderr
