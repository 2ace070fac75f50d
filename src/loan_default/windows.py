"""The recent windows: the scored days just before one, which alerts compare it with.

The model's reference is a sample of matured loans, years old. Applicants drift away from it slowly
and for good, which is worth a report and not a message a day; what an alert is about is a
change since last week.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from loan_default import storage
from loan_default.columns import PROBABILITY
from loan_default.model import Vector
from loan_default.runs import SAMPLE, RunFiles, scored_dates

MOST_ROWS = 100_000
LOOK_BACK = 30
Score = Callable[[pl.DataFrame], Vector]


@dataclass(frozen=True)
class Window:
    """A scored day: which version scored it, whether it drifted (None: no verdict), rows in."""

    run_date: date
    version: str
    drift: bool | None
    rows: int = 0


def chosen(before: Sequence[Window], version: str, count: int) -> list[Window]:
    """The newest `count` of the windows that a day scored by `version` is compared with, else none.

    A window that drifted is no measure for the next, else a lasting change would look normal after
    `count` days without anybody having acted. Once another version has taken over, it is
    normal. With fewer than `count` windows there is no recent past yet.
    """
    kept = [window for window in before if not window.drift or window.version != version]
    newest = sorted(kept, key=lambda window: window.run_date)[-count:]
    return newest if len(newest) == count else []


def windows_before(root: str, day: date, drift: dict[date, bool | None]) -> list[Window]:
    """The newest `LOOK_BACK` batch runs under `root` before `day`; `drift` are verdicts so far."""
    found = []
    for run_date in [each for each in scored_dates(root) if each < day][-LOOK_BACK:]:
        if manifest := RunFiles(root, run_date).manifest():
            version, rows = str(manifest["model_version"]), manifest["rows_in"]
            found.append(Window(run_date, version, drift.get(run_date), rows))
    return found


def baseline(root: str, windows: Sequence[Window], version: str, score: Score) -> pl.DataFrame:
    """The windows' samples as one, at most `MOST_ROWS`, each window with the same share of them.

    What another version scored is scored again, so that the probability is compared as today's
    version sees both. No windows give no rows.
    """
    share = MOST_ROWS // max(1, len(windows))
    parts = [pl.DataFrame()]
    for window in windows:
        with storage.open_input(RunFiles(root, window.run_date).path(SAMPLE)) as stream:
            part = pl.read_parquet(stream)
        part = part.sample(min(share, part.height), seed=0)
        if window.version != version and part.height:
            part = part.with_columns(pl.Series(PROBABILITY, score(part)))
        parts.append(part)
    return pl.concat(parts, how="diagonal_relaxed")
