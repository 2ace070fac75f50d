"""What every script shares: parse, run, print one JSON line, and turn failures into exit codes.

Logs and progress go to stderr; stdout carries one line, the result as a JSON object. Exit 0 done, 2
bad input or usage, 1 anything else; a failure that the user can mend is one line on stderr, without
traceback.
"""

import argparse
import contextlib
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any, NoReturn

from loan_default.errors import InputError, LoanDefaultError

Job = Callable[[argparse.Namespace], dict[str, Any]]

log = logging.getLogger("loan_default")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line instead of the whole usage."""
        self.exit(2, f"error: {message}; see {self.prog} --help\n")


def parser(description: str | None) -> argparse.ArgumentParser:
    """An argument parser whose flags default to None, which means "as in the settings"."""
    return _Parser(
        description=(description or "").strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def month(text: str) -> date:
    """An argument YYYY-MM as the first day of that month."""
    return _date(f"{text}-01", "a month such as 2018-03", text)


def day(text: str) -> date:
    """An argument YYYY-MM-DD."""
    return _date(text, "a day such as 2018-03-31", text)


def port(text: str) -> int:
    """An argument 0 to 65535; 0 takes any free port."""
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: 0 to 65535")
    return number


def _date(iso: str, wanted: str, text: str) -> date:
    try:
        return date.fromisoformat(iso)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}") from None


@contextlib.contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None] | None]:
    """A progress bar on stderr where that is a terminal: yields what sets how much is done, else
    None."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def run(arguments: argparse.ArgumentParser, job: Job, argv: Sequence[str] | None = None) -> int:
    """Parse `argv`, run `job`, print its result to stdout; returns the exit code."""
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
    from loan_default.settings import settings  # pydantic: --help does not wait for it

    logging.basicConfig(
        stream=sys.stderr,
        level=settings().log_level,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
    )


def _fail(error: object, code: int) -> int:
    print("error:", " ".join(str(error).split()), file=sys.stderr, flush=True)
    return code
