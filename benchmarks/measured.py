"""Run a command in a process and measure its time and memory."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Cost:
    """The cost of a process: wall seconds, CPU seconds, peak memory in MiB, last line of stdout."""

    seconds: float
    processor: float
    memory: float
    last_line: str = ""

    @property
    def result(self) -> Any:
        """Return the last line of stdout, parsed as JSON."""
        return json.loads(self.last_line)


class Workplace:
    """A folder with its own registry, in which scripts run.

    On Linux a child's peak memory is never below what this process has taken so far: import little.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.environment = os.environ | {
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
            "MLFLOW_ARTIFACT_ROOT": str(folder / "mlruns"),
            "LOG_LEVEL": "ERROR",
            **settings,
        }

    def script(self, name: str, *arguments: str) -> Cost:
        """Run `src/NAME.py`."""
        return self.python(ROOT / "src" / f"{name}.py", *arguments)

    def peer(self, name: str, *arguments: str) -> Cost:
        """Run `benchmarks/NAME.py`."""
        return self.python(ROOT / "benchmarks" / f"{name}.py", *arguments)

    def python(self, path: Path, *arguments: str) -> Cost:
        """Run a Python file. Raises SystemExit if it fails."""
        return self.run(sys.executable, str(path), *arguments)

    def run(self, *command: str) -> Cost:
        """Run a command. Raises SystemExit if it fails."""
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout
        lines = process.stdout.read().splitlines()
        # wait4 returns the usage of this child, which Popen.wait would discard.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} failed with exit code {process.returncode}")
        # Linux counts in KiB, macOS in bytes.
        unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
        processor = usage.ru_utime + usage.ru_stime
        return Cost(seconds, processor, usage.ru_maxrss / unit, lines[-1] if lines else "")


def median(costs: Sequence[Cost]) -> Cost:
    """Return the median seconds and CPU seconds, and the maximum memory."""
    return Cost(
        statistics.median(c.seconds for c in costs),
        statistics.median(c.processor for c in costs),
        max(c.memory for c in costs),
    )
