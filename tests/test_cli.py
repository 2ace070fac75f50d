import argparse
import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from loan_default import cli
from loan_default.errors import InputError, ServiceError
from workspace import ROOT

SCRIPTS = sorted(path.stem for path in (ROOT / "src").glob("*.py"))


NEEDED = {
    "make_loans": ["--rows", "1", "--output-path", "x.csv"],
    "draft_contract": ["--input-path", "x.csv"],
    "fetch_model": ["--model-name", "x", "--version", "1", "--folder", "x"],
}


def run(job: cli.Job, *argv: str) -> int:
    flags = cli.parser("what it does")
    flags.add_argument("--month", type=cli.month)
    return cli.run(flags, job, argv)


def test_the_result_is_the_only_line_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    def job(flags: argparse.Namespace) -> dict[str, Any]:
        print("a library that chats")
        return {"answer": 42, "month": str(flags.month)}

    assert run(job, "--month", "2018-03") == 0
    captured = capsys.readouterr()
    assert [json.loads(line) for line in captured.out.splitlines()] == [
        {"answer": 42, "month": "2018-03-01"}
    ]
    assert "a library that chats" in captured.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("the file\nis empty"), 2),
        (ServiceError("no answer"), 1),
        (PermissionError("no"), 1),
    ],
)
def test_an_explained_failure_is_one_line_and_its_exit_code(
    capsys: pytest.CaptureFixture[str], error: Exception, code: int
) -> None:
    def job(flags: argparse.Namespace) -> dict[str, Any]:
        raise error

    assert run(job) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"error: {' '.join(str(error).split())}\n"


def test_a_bug_shows_its_traceback_and_exits_1(caplog: pytest.LogCaptureFixture) -> None:
    def job(flags: argparse.Namespace) -> dict[str, Any]:
        raise ZeroDivisionError

    assert run(job) == 1
    assert "ZeroDivisionError" in caplog.text


def test_a_bad_setting_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    assert run(lambda flags: {}) == 2
    assert "LOG_LEVEL='LOUD'" in capsys.readouterr().err


def test_a_result_that_is_no_json_number_fails() -> None:
    with pytest.raises(ValueError):
        run(lambda flags: {"share": float("nan")})


@pytest.mark.parametrize("text", ["2018-13", "March", "2018", "2018-03-01"])
def test_a_month_is_written_year_and_month(text: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(lambda flags: {}, "--month", text)
    assert stopped.value.code == 2


def test_a_run_date_is_at_most_tomorrow():
    today = datetime.now(UTC).date()
    for days in (-400, 0, 1):
        assert cli.run_date(str(today + timedelta(days))) == today + timedelta(days)
    for late in (str(today + timedelta(2)), "2062-01-01"):
        with pytest.raises(argparse.ArgumentTypeError, match=f"'{late}' is later than tomorrow"):
            cli.run_date(late)


def test_outcomes_are_known_through_this_month_at_most():
    today = datetime.now(UTC).date()
    assert cli.as_of(f"{today:%Y-%m}") == today.replace(day=1)
    for late in (f"{today + timedelta(31):%Y-%m}", "2062-01"):
        with pytest.raises(argparse.ArgumentTypeError, match=f"'{late}' is in the future"):
            cli.as_of(late)


def test_a_day_is_an_iso_date() -> None:
    assert cli.day("2018-03-31") == date(2018, 3, 31)
    with pytest.raises(argparse.ArgumentTypeError, match="2018-03-32"):
        cli.day("2018-03-32")


@pytest.mark.parametrize("text", ["-1", "65536", "http", ""])
def test_a_port_is_a_number_that_there_is(text: str) -> None:
    assert cli.port("65535") == 65535
    with pytest.raises(argparse.ArgumentTypeError, match="is not a port"):
        cli.port(text)


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_imports_nothing_heavy(script: str) -> None:
    path = ROOT / "src" / f"{script}.py"
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['{script}', '--help']\n"
        f"try: runpy.run_path({str(path)!r}, run_name='__main__')\n"
        "except SystemExit as stop: assert not stop.code\n"
        "heavy = {'polars', 'numpy', 'xgboost', 'mlflow', 'evidently', 'pydantic', 'sklearn'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
    )
    assert "usage:" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1] == "heavy: []"


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_unknown_flag_is_a_usage_error(script: str) -> None:
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / "src" / f"{script}.py")),
            *(*NEEDED.get(script, ()), "--no-such-flag"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr == f"error: unrecognized arguments: --no-such-flag; see {script}.py --help\n"


def test_one_path_stays_as_it_is_and_several_become_a_list() -> None:
    flags = cli.parser("")
    cli.add_paths(flags, "--input-path", "loans")
    assert flags.parse_args([]).input_path is None
    assert flags.parse_args(["--input-path", "a.csv"]).input_path == "a.csv"
    assert flags.parse_args(["--input-path", "a b.csv", "c"]).input_path == '["a b.csv", "c"]'
