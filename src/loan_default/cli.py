"""Run a script: parse its arguments, print its result as one JSON line, map failures to exit codes.

Logs and progress go to stderr; stdout carries one line, the result as a JSON object. The exit code
is 0 on success, 2 for invalid input or usage and 1 for any other failure. A user-correctable
failure is reported as one line on stderr, without a traceback.
"""

import argparse
import contextlib
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NoReturn

from loan_default.errors import InputError, LoanDefaultError

Job = Callable[[argparse.Namespace], dict[str, Any]]

log = logging.getLogger(__name__)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Report a usage error in one line, without the usage text."""
        self.exit(2, f"error: {message}; see {self.prog} --help\n")


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return an argument parser; a flag that is not given is None, which means the setting."""
    return _Parser(
        description=(description or "").strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def add_accept_findings(flags: argparse.ArgumentParser) -> None:
    """Add the flag that uses a file although its plausibility report refuses it."""
    flags.add_argument(
        "--accept-findings",
        metavar="REASON",
        help="use the file although it is not plausible; the reason is recorded",
    )


class _Paths(argparse.Action):
    """Store one path as it is, several as a JSON list, which settings may hold too."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        setattr(namespace, self.dest, values[0] if len(values) == 1 else json.dumps(values))


def add_paths(flags: argparse.ArgumentParser, name: str, what: str, **more: Any) -> None:
    """Add a flag for a file, a folder, a pattern or several of them, which are read as one."""
    flags.add_argument(name, nargs="+", action=_Paths, metavar="PATH", help=what, **more)


def month(text: str) -> date:
    """Parse an argument YYYY-MM into the first day of that month."""
    return _date(f"{text}-01", "a month such as 2018-03", text)


def as_of(text: str) -> date:
    """Parse an argument YYYY-MM through which outcomes are known: at most this month.

    With a later one, loans that still run would count as matured.
    """
    parsed = month(text)
    if parsed > datetime.now(UTC).date():
        raise argparse.ArgumentTypeError(f"{text!r} is in the future: no outcome is known then")
    return parsed


def day(text: str) -> date:
    """Parse an argument YYYY-MM-DD."""
    return _date(text, "a day such as 2018-03-31", text)


def run_date(text: str) -> date:
    """Parse an argument YYYY-MM-DD that is not later than tomorrow in UTC.

    A later run date would stay the newest one, and silence every day before it.
    """
    parsed = day(text)
    if parsed > datetime.now(UTC).date() + timedelta(days=1):
        raise argparse.ArgumentTypeError(f"{text!r} is later than tomorrow: correct the year")
    return parsed


def batch(text: str) -> str:
    """Parse the name of a batch: letters, digits, `_`, `-` and `.`, for it becomes a folder."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a name: up to 64 letters, digits, _, - and . as in afternoon-2"
        )
    return text


def port(text: str) -> int:
    """Parse a port from 0 to 65535; 0 means any free port."""
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: 0 to 65535")
    return number


def _date(iso: str, expected: str, text: str) -> date:
    try:
        return date.fromisoformat(iso)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not {expected}") from None


@contextlib.contextmanager
def progress(label: str, total: int | None) -> Iterator[Callable[[int], None] | None]:
    """Show a progress bar on stderr if that is a terminal.

    Yields:
        A function that sets how many of `total` steps are done; None without a terminal.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done)


def run(arguments: argparse.ArgumentParser, job: Job, argv: Sequence[str] | None = None) -> int:
    """Parse `argv`, run `job` and print its result to stdout as one JSON line.

    Args:
        arguments: the script's parser.
        job: called with the parsed arguments; returns the result.
        argv: the arguments, by default those of the process.

    Returns:
        The exit code: 0, 2 (InputError), 130 (interrupted) or 1 (any other failure).
    """
    parsed = arguments.parse_args(argv)
    try:
        _start_logging()
        with contextlib.redirect_stdout(sys.stderr):
            result = job(parsed)
    except InputError as error:
        return _fail(error, 2)
    except (LoanDefaultError, OSError) as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except Exception:
        log.exception("unexpected failure: please report this with the lines below")
        return 1
    print(json.dumps(result, allow_nan=False), flush=True)
    return 0


def _start_logging() -> None:
    from loan_default.settings import settings  # imports pydantic, too slow for --help

    logging.basicConfig(
        stream=sys.stderr,
        level=settings().log_level,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
    )


def _fail(error: object, code: int) -> int:
    print("error:", " ".join(str(error).split()), file=sys.stderr, flush=True)
    return code
