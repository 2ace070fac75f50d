"""What every script shares: parse, run, print one JSON line, and turn failures into exit codes.

Logs and progress go to stderr; stdout carries one line, the result as a JSON object. Exit 0 done, 2 bad
input or usage, 1 anything else; a failure that the user can mend is one line on stderr, without traceback.
"""

import argparse
import contextlib
import json
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

from loan_default.errors import InputError, LoanDefaultError

Job = Callable[[argparse.Namespace], dict[str, Any]]

log = logging.getLogger("loan_default")


def parser(description: str | None) -> argparse.ArgumentParser:
    """An argument parser whose flags default to None, which means "as in the settings"."""
    return argparse.ArgumentParser(
        description=(description or "").strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def run(arguments: argparse.ArgumentParser, job: Job, argv: Sequence[str] | None = None) -> int:
    """Parse `argv`, run `job`, print its result as the last line of stdout and return the exit code."""
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
