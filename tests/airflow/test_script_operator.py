"""ScriptOperator with real little scripts in a folder of their own."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import timeout
from structlog.testing import capture_logs

import script_operator
from script_operator import ScriptOperator
from waiting import wait_for
from workspace import ROOT

SLEEP = "import time; time.sleep(8)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
# Another process that lives as long as it may, and tells its id.
CHILD = """\
    import pathlib, subprocess, sys
    child = subprocess.Popen([sys.executable, "-c", {code!r}])
    pathlib.Path("child").write_text(str(child.pid))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a project with a src/ of its own."""
    (tmp_path / "src").mkdir()
    monkeypatch.setattr(script_operator, "ROOT", tmp_path)
    monkeypatch.setattr(script_operator, "SECONDS_TO_STOP", 0.5)
    return tmp_path


@pytest.fixture(autouse=True)
def _nothing_left(folder: Path) -> Iterator[None]:
    yield
    for process in processes(folder):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def operator(code: str, **arguments: Any) -> ScriptOperator:
    path = script_operator.ROOT / "src" / "job.py"
    path.write_text(textwrap.dedent(code))
    return ScriptOperator(task_id="task", script="job", **arguments)


def execute(code: str, **arguments: Any) -> dict[str, Any]:
    return operator(code, **arguments).execute({})


def failure(code: str) -> AirflowException:
    with pytest.raises(AirflowException) as raised:
        execute(code)
    return raised.value


def processes(folder: Path) -> list[psutil.Process]:
    """What runs in `folder`."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd() == str(folder) and process.pid != os.getpid():
                found.append(process)
    return found


@contextlib.contextmanager
def running(task: ScriptOperator, ready: Callable[[], object]) -> Iterator[list[BaseException]]:
    """The task at work in a thread once `ready`; what it raised is there after the block."""
    raised: list[BaseException] = []

    def work() -> None:
        try:
            task.execute({})
        except AirflowException as error:
            raised.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert wait_for(ready, 30)
    yield raised
    thread.join(5)
    assert not thread.is_alive()


def test_the_result_is_the_last_line_of_stdout() -> None:
    assert execute("""\
        print('{"answer": 41}')
        print('chatter')
        print('{"answer": 42, "share": 0.5, "missing": null}')
        """) == {"answer": 42, "share": 0.5, "missing": None}


def test_a_real_script_runs_in_the_root_of_the_project(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(script_operator, "ROOT", ROOT)
    flags = {"--rows": "100", "--output-path": str(tmp_path / "loans.csv")}
    result = ScriptOperator(task_id="task", script="make_loans", flags=flags).execute({})
    assert result["rows"] == 100 and (tmp_path / "loans.csv").exists()


def test_stderr_goes_to_the_log_line_by_line() -> None:
    with capture_logs() as logs:
        execute("import sys; print('one\\ntwo', file=sys.stderr); print('{}')")
    command, *lines = [entry["event"] for entry in logs if entry["log_level"] == "info"]
    assert command.startswith("$ ") and command.endswith("src/job.py")
    assert lines == ["one", "two"]


def test_refused_input_fails_at_once_with_the_scripts_own_line() -> None:
    error = failure("""\
        import sys
        print("reading", "error: no column loan_amnt", "bye", sep="\\n", file=sys.stderr)
        sys.exit(2)
        """)
    assert isinstance(error, AirflowFailException)
    assert str(error) == "job.py rejected its input: error: no column loan_amnt"


@pytest.mark.parametrize("code", [1, 3, 130])
def test_any_other_exit_code_is_tried_again(code: int) -> None:
    error = failure(f"import sys; print('error: no answer', file=sys.stderr); sys.exit({code})")
    assert not isinstance(error, AirflowFailException)
    assert str(error) == f"job.py failed with exit code {code}: error: no answer"


def test_a_traceback_points_to_the_log() -> None:
    assert str(failure("1 / 0")) == "job.py failed with exit code 1: see the log"


def test_a_killed_script_is_tried_again_and_its_signal_is_named() -> None:
    error = failure("import os; os.kill(os.getpid(), 9)")
    assert not isinstance(error, AirflowFailException)
    assert str(error).startswith("job.py was killed by signal 9: ")


@pytest.mark.parametrize("line", ["done", "[1, 2]", "42", "null", '"text"', ""])
def test_a_script_that_ends_with_no_json_object_fails_at_once(line: str) -> None:
    error = failure(f"print('{{}}'); print({line!r})")
    assert isinstance(error, AirflowFailException)
    assert str(error) == f"job.py did not end with a JSON object: {line!r}"


@pytest.mark.parametrize("line", ["[]", '""', '["ab"]', '[["a", 1]]'])
def test_what_could_pass_for_an_object_is_none(line: str) -> None:
    error = failure(f"print({line!r})")
    assert str(error) == f"job.py did not end with a JSON object: {line!r}"


def test_a_script_that_prints_nothing_fails_at_once() -> None:
    error = failure("pass")
    assert isinstance(error, AirflowFailException)
    assert str(error) == "job.py did not end with a JSON object: ''"


def test_empty_flags_and_switches_that_are_off_are_left_out() -> None:
    result = execute(
        "import json, sys; print(json.dumps({'argv': sys.argv[1:]}))",
        flags={"--none": "", "--zero": "0.0", "--text": "two words; $HOME"},
        switches={"--on": "True", "--off": "False", "--unset": ""},
    )
    assert result == {"argv": ["--zero=0.0", "--text=two words; $HOME", "--on"]}


def test_a_value_may_begin_with_a_dash() -> None:
    result = execute(
        """\
        import argparse, json
        flags = argparse.ArgumentParser()
        flags.add_argument("--key")
        print(json.dumps(vars(flags.parse_args())))
        """,
        flags={"--key": "-1st"},
    )
    assert result == {"key": "-1st"}


def test_settings_become_environment_variables_and_empty_ones_stay_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KEPT", "from the deployment")
    monkeypatch.setenv("CHANGED", "from the deployment")
    result = execute(
        "import json, os; print(json.dumps(dict(os.environ)))",
        settings={"KEPT": "", "CHANGED": "0.0", "UNSET": ""},
    )
    assert (result["KEPT"], result["CHANGED"]) == ("from the deployment", "0.0")
    assert "UNSET" not in result
    assert os.environ["CHANGED"] == "from the deployment"


def test_a_megabyte_on_each_stream_does_not_block() -> None:
    with capture_logs() as logs:
        result = execute("""\
            import sys
            for _ in range(1024):
                print("x" * 1023)
                print("y" * 1023, file=sys.stderr)
            print('{"done": true}')
            """)
    assert result == {"done": True}
    assert sum(entry["event"] == "y" * 1023 for entry in logs) == 1024


def test_stderr_that_is_no_text_does_not_fail_the_task() -> None:
    with capture_logs() as logs:
        execute(r"import sys; sys.stderr.buffer.write(b'\xff\xfe\n'); print('{}')")
    assert logs[-1]["event"] == r"\xff\xfe"


def test_kill_ends_the_script_and_what_it_started(folder: Path) -> None:
    task = operator(CHILD.format(code=SLEEP) + "    child.wait()")
    with running(task, (folder / "child").exists) as raised:
        assert len(processes(folder)) == 2
        task.on_kill()
        assert wait_for(lambda: not processes(folder), 5)
    assert str(raised[0]).startswith("job.py was killed by signal 15")


def test_a_script_that_ignores_the_kind_word_is_killed_by_force(folder: Path) -> None:
    task = operator(f"{STUBBORN}\nopen('ready', 'w')\n{SLEEP}")
    with running(task, (folder / "ready").exists) as raised:
        task.on_kill()
        assert wait_for(lambda: not processes(folder), 5)
    assert str(raised[0]).startswith("job.py was killed by signal 9")


def test_a_child_that_ignores_the_kind_word_is_killed_by_force(folder: Path) -> None:
    code = f"{STUBBORN}; open('ready', 'w'); {SLEEP}"
    task = operator(CHILD.format(code=code) + "    child.wait()")
    with running(task, (folder / "ready").exists):
        task.on_kill()
        assert wait_for(lambda: not processes(folder), 5)


def test_a_kill_before_or_after_the_script_is_harmless() -> None:
    task = operator("print('{}')")
    task.on_kill()
    task.execute({})
    task.on_kill()


@pytest.mark.parametrize("code", [SLEEP, f"{STUBBORN}\n{SLEEP}"])
def test_a_task_that_takes_too_long_ends_and_leaves_nothing(code: str, folder: Path) -> None:
    """As Airflow does it: an exception in the middle of execute(), then on_kill()."""
    task = operator(code)
    started = time.monotonic()
    with pytest.raises(AirflowTaskTimeout):
        try:
            with timeout(1.0):
                task.execute({})
        except AirflowTaskTimeout:
            task.on_kill()
            raise
    assert time.monotonic() - started < 4
    assert wait_for(lambda: not processes(folder), 5)


@pytest.mark.skipif(not script_operator.shutil.which("setpriv"), reason="setpriv is not installed")
def test_a_script_does_not_outlive_a_task_that_was_killed(folder: Path) -> None:
    operator(f"open('ready', 'w'); {SLEEP}")
    code = f"""if True:
        import pathlib, script_operator
        script_operator.ROOT = pathlib.Path({str(folder)!r})
        script_operator.ScriptOperator(task_id="task", script="job").execute({{}})"""
    path = os.pathsep.join([str(ROOT / "airflow" / "plugins"), os.environ.get("PYTHONPATH", "")])
    task = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=folder / "src",
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert wait_for((folder / "ready").exists, 30)
    assert len(processes(folder)) == 1
    task.send_signal(signal.SIGKILL)
    task.wait(10)
    assert wait_for(lambda: not processes(folder), 5)
