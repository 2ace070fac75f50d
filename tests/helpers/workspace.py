"""A folder in which the scripts work, and what they say."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import in_process

ROOT = Path(__file__).resolve().parents[2]
# Small and quick; what a model is worth is not the matter of most tests.
QUICK = {"XGB_MAX_ROUNDS": "40", "CV_FOLDS": "3", "XGB_LEARNING_RATE": "0.1", "N_THREADS": "1"}
# What makes coverage measure a process: set for those of the scripts and the scoring server, but
# not for Airflow's and MLflow's, which a tracer slows down and which run little of ours.
COVERED = {
    name: os.environ.pop(name) for name in ("COVERAGE_PROCESS_CONFIG",) if name in os.environ
}
# The columns of a small file of loans: the core, a few more features, and what tells the outcome.
NARROW = (
    "id loan_amnt term int_rate annual_inc grade purpose dti revol_bal issue_d loan_status "
    "last_pymnt_d"
).split()


@dataclass(frozen=True)
class Done:
    """A finished script: exit code, stderr and the JSON object on the last line of stdout."""

    code: int
    stdout: str
    stderr: str

    @property
    def result(self) -> dict[str, Any]:
        assert self.code == 0, self.stderr
        return dict(json.loads(self.stdout.splitlines()[-1]))

    @property
    def error(self) -> str:
        """The one line that tells the user what to do."""
        lines = [line for line in self.stderr.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1 and "Traceback" not in self.stderr, self.stderr
        return lines[0]


@dataclass(frozen=True)
class Workspace:
    """A folder with a tracking store and outputs of its own; runs scripts by their command line."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, str]:
        return {
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder}/mlflow.db",
            "MLFLOW_ARTIFACT_ROOT": str(self.folder / "mlruns"),
            "OUTPUT_PATH": str(self.folder / "artifacts"),
            **QUICK,
            **self.environment,
        }

    def command(self, script: str, *arguments: str | Path) -> list[str]:
        return [sys.executable, str(ROOT / "src" / f"{script}.py"), *map(str, arguments)]

    def run(self, script: str, *arguments: str | Path, **more: str) -> Done:
        """Run a script's `main()` in this process: a hundredth of the time of a start."""
        return Done(
            *in_process.call(
                script, [str(part) for part in arguments], self.folder, self.settings | more
            )
        )

    def spawn(self, script: str, *arguments: str | Path, **more: str) -> Done:
        """Run a script in a process of its own, as a user does."""
        done = subprocess.run(
            self.command(script, *arguments),
            cwd=self.folder,
            env=os.environ | COVERED | self.settings | more,
            capture_output=True,
            text=True,
            timeout=300,
        )
        return Done(done.returncode, done.stdout, done.stderr)
