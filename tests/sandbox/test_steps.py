"""The steps of a long job: what a terminal shows of them, and what a log file gets."""

import io
import time

import pytest
from rich.console import Console

from loan_default.sandbox import steps
from loan_default.sandbox.steps import Steps, duration


def console(terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, _environ={})


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_log_gets_a_line_for_each_step_that_begins() -> None:
    log = console(terminal=False)
    with Steps(["Make [red] loans", "Train"], log) as job:
        with job.step("Make [red] loans"):
            job.detail("Make [red] loans", "half of them")
        with job.step("Train"):
            pass
    assert shown(log).splitlines() == ["[ 0:00] Make [red] loans", "[ 0:00] Train"]


def test_a_log_says_now_and_then_that_a_step_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "SECONDS_OF_SILENCE", 0.05)
    log = console(terminal=False)
    with Steps(["Train"], log) as job, job.step("Train"):
        job.detail("Train", "fitting")
        time.sleep(0.5)
    first, second, *_ = shown(log).splitlines()
    assert first == "[ 0:00] Train"
    assert second == "[ 0:00]   still running after 0:00: fitting"


def test_a_terminal_shows_every_step_from_the_beginning_and_the_time_moves() -> None:
    terminal = console(terminal=True)
    with Steps(["Make loans", "Train", "Stop"], terminal) as job:
        began = shown(terminal)
        with job.step("Make loans"):
            time.sleep(1.2)
        with job.step("Train"):
            job.detail("Train", "fitting")
    assert all(title in began for title in ("Make loans", "Train", "Stop"))
    assert "0:00" in shown(terminal) and "0:01" in shown(terminal)
    last = shown(terminal).rpartition("Make loans")[2]
    assert "fitting" in last and last.count("✓") == 1


@pytest.mark.parametrize("terminal", [True, False])
def test_a_failure_passes_on_and_marks_its_step(terminal: bool) -> None:
    at = console(terminal)
    with pytest.raises(KeyboardInterrupt), Steps(["Train"], at) as job, job.step("Train"):
        raise KeyboardInterrupt
    assert ("✗" in shown(at)) is terminal and "✓" not in shown(at)


def test_a_step_that_was_not_planned_is_added() -> None:
    terminal = console(terminal=True)
    with Steps(["Train"], terminal) as job, job.step("Stop the servers"):
        pass
    assert "Stop the servers" in shown(terminal)


@pytest.mark.parametrize(("seconds", "text"), [(0.9, "0:00"), (65, "1:05"), (3_600, "60:00")])
def test_a_duration_is_minutes_and_seconds(seconds: float, text: str) -> None:
    assert duration(seconds) == text
