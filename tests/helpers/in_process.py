"""A script's `main()` in this process, as a process of its own would run it: with its arguments,
working directory and environment. What it changes of this process is changed back."""

import contextlib
import importlib
import io
import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

from loan_default import settings

SCRIPTS = Path(__file__).resolve().parents[2] / "src"


def call(
    script: str, arguments: list[str], folder: Path, environment: Mapping[str, str]
) -> tuple[int, str, str]:
    """Run the script in `folder`; returns its exit code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with (
        _services(),
        _folder_and_environment(folder, environment),
        _arguments([str(SCRIPTS / f"{script}.py"), *arguments]),
        _logging(),
        _signals(),
        warnings.catch_warnings(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = importlib.import_module(script).main(arguments)
        except SystemExit as end:  # argparse's, of --help and of a wrong flag
            code = end.code
    return code, out.getvalue(), err.getvalue()


@contextlib.contextmanager
def _folder_and_environment(folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Working directory, environment variables, and the settings that were read from them."""
    before = dict(os.environ)
    os.environ.update(environment)
    settings.settings.cache_clear()
    try:
        with contextlib.chdir(folder):
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        settings.settings.cache_clear()


@contextlib.contextmanager
def _arguments(argv: list[str]) -> Iterator[None]:
    """`sys.argv`, which names the program, and `sys.path`, to which MLflow adds models' code."""
    before = sys.argv, sys.path[:]
    sys.argv = argv
    try:
        yield
    finally:
        sys.argv, sys.path[:] = before


@contextlib.contextmanager
def _logging() -> Iterator[None]:
    """No handler to begin with, so that the script sets up its own; every level as it was."""
    root = logging.getLogger()
    named = [log for log in root.manager.loggerDict.values() if isinstance(log, logging.Logger)]
    before = [(log, log.level, log.disabled, log.handlers[:]) for log in (root, *named)]
    for log in named:
        log.disabled = False  # as Alembic's logging set-up leaves them
    root.handlers.clear()
    root.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for log, level, disabled, handlers in before:
            log.setLevel(level)
            log.disabled, log.handlers[:] = disabled, handlers


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """What SIGTERM and SIGINT do."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _services() -> Iterator[None]:
    """Which MLflow and which Cloud Storage are talked to."""
    mlflow = sys.modules.get("mlflow")
    before = mlflow.get_tracking_uri() if mlflow and mlflow.is_tracking_uri_set() else None
    if mlflow:
        mlflow.set_tracking_uri(None)
    _forget_cloud_storage()
    try:
        yield
    finally:
        _forget_cloud_storage()
        if mlflow := sys.modules.get("mlflow"):
            mlflow.set_tracking_uri(before)


def _forget_cloud_storage() -> None:
    if "google.cloud.storage" in sys.modules:
        from loan_default.storage import gcs

        gcs.reset_clients()
