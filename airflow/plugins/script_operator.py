"""Run a script of src/ as one task, through its command line.

The script's stderr goes to the task's log line by line; the JSON object on the last line of its
stdout becomes the task's XCom.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import Context

ROOT = Path(__file__).resolve().parents[2]
BAD_INPUT = 2
SECONDS_TO_STOP = 10.0


class ScriptOperator(BaseOperator):
    """Run `python src/SCRIPT.py` in the project's root and return its JSON result.

    Args:
        script: the script's name, without .py.
        flags: values by flag, templated; an empty one is omitted, so that the setting applies.
        switches: "True" or "False" by flag, templated.
        settings: values by name of the setting, templated; empty means unchanged.

    Raises:
        AirflowFailException: the script rejected its input (exit code 2); not retried.
        AirflowException: any other failure; retried. Both quote the script's error line.
    """

    template_fields: Sequence[str] = ("flags", "switches", "settings")
    template_fields_renderers = {"flags": "json", "switches": "json", "settings": "json"}
    ui_color = "#e8f4ea"

    def __init__(
        self,
        *,
        script: str,
        flags: Mapping[str, str] | None = None,
        switches: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.script = script
        self.flags = dict(flags or {})
        self.switches = dict(switches or {})
        self.settings = dict(settings or {})
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        command = self.command()
        self.log.info("$ %s", shlex.join(command))
        with tempfile.TemporaryFile("w+") as stdout:
            code, error = self._run(command, stdout)
            if code:
                raise _failure(self.script, code, error)
            stdout.seek(0)
            return _result(self.script, stdout.read())

    def command(self) -> list[str]:
        """Return the command line without empty flags."""
        flags = [f"{flag}={value}" for flag, value in self.flags.items() if value]
        switches = [switch for switch, on in self.switches.items() if str(on) == "True"]
        return [sys.executable, str(ROOT / "src" / f"{self.script}.py"), *flags, *switches]

    def on_kill(self) -> None:
        """Terminate the script and its children; kill them if they do not stop in time."""
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(SECONDS_TO_STOP)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def _run(self, command: list[str], stdout: IO[str]) -> tuple[int, str]:
        """Run the command; return its exit code and error line."""
        error = ""
        with subprocess.Popen(
            [*_stop_with_parent(), *command],
            cwd=ROOT,
            env=os.environ | {name: value for name, value in self.settings.items() if value},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
            start_new_session=True,
        ) as self._process:
            try:
                for line in self._process.stderr or ():
                    self.log.info("%s", line.rstrip())
                    error = line.strip() if line.startswith("error: ") else error
            except BaseException:
                # Including timeouts: otherwise, leaving the block would wait for the script to end.
                self.on_kill()
                raise
        code, self._process = self._process.returncode, None
        return code, error


def _stop_with_parent() -> list[str]:
    """Return a prefix that stops the script if its task is killed by SIGKILL (Linux only)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []


def _failure(script: str, code: int, error: str) -> AirflowException:
    if code == BAD_INPUT:
        return AirflowFailException(f"{script}.py rejected its input: {error or 'see the log'}")
    outcome = f"was killed by signal {-code}" if code < 0 else f"failed with exit code {code}"
    return AirflowException(f"{script}.py {outcome}: {error or 'see the log'}")


def _result(script: str, stdout: str) -> dict[str, Any]:
    last = (stdout.splitlines() or [""])[-1]
    with contextlib.suppress(ValueError):
        if isinstance(result := json.loads(last), dict):
            return result
    raise AirflowFailException(f"{script}.py did not end with a JSON object: {last[:200]!r}")
