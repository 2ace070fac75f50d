"""Setting up: what the first `make` says while packages are installed."""

import os
import pty
import subprocess
from pathlib import Path

import pytest

from workspace import ROOT


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with a uv that takes a second and a python that makes an empty environment."""
    for name, does in (
        ("uv", 'sleep 1; echo "$@" >> "${0%/*}/asked"; exit "${UV_EXIT:-0}"'),
        ("python", 'mkdir -p "$3/bin"; ln -s /bin/true "$3/bin/python"'),
    ):
        (tmp_path / name).write_text(f"#!/bin/bash\n{does}\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def install(programs: Path, stderr: int, **settings: str) -> subprocess.Popen[bytes]:
    path = {"PATH": f"{programs}:{os.environ['PATH']}"}
    command = ["bash", str(ROOT / "tools" / "install.sh"), str(programs / "venv"), "python", "0"]
    return subprocess.Popen(command, stderr=stderr, env=os.environ | path | settings)


def test_without_a_terminal_it_says_now_and_then_that_it_goes_on(programs: Path) -> None:
    process = install(programs, subprocess.PIPE, SECONDS_OF_SILENCE="1")
    _, said = process.communicate(timeout=60)
    first, second, *_ = said.decode().splitlines()
    assert process.returncode == 0
    assert first == "Installing the locked packages (once, 1 to 5 minutes)"
    assert second.startswith("  still installing after ")
    asked = (programs / "asked").read_text()
    assert "--require-hashes -r requirements-dev.txt" in asked and "--editable ." in asked


def test_on_a_terminal_the_time_moves_on_one_line(programs: Path) -> None:
    terminal, stderr = pty.openpty()
    assert install(programs, stderr).wait(60) == 0
    os.close(stderr)
    said = os.read(terminal, 10_000).decode()
    os.close(terminal)
    assert said.count("\r\n") == 1 and said.endswith("\r\n")
    assert "(once, 1 to 5 minutes) 0:00\r" in said and " 0:01\r" in said


def test_a_failure_is_the_failure_of_make(programs: Path) -> None:
    assert install(programs, subprocess.DEVNULL, UV_EXIT="3").wait(60) == 3
