"""The recent windows: the scored days just before one, which alerts compare it with.

The model's reference is a sample of matured loans, years old. Applicants drift away from it slowly
and for good, which is worth a report and not a message a day; what an alert is about is a
change since last week.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from loan_default.batch.run_files import RunFiles, scored_dates
from loan_default.columns import PROBABILITY, VERSION
from loan_default.model.artifact import Vector
from loan_default.monitoring.days import scored_day
from loan_default.monitoring.days.scored_day import Source

MOST_ROWS = 100_000
LOOK_BACK = 30
# What a day was compared with, as alerts go by it.
RECENT, REFERENCE = "recent", "reference"
Score = Callable[[pl.DataFrame], Vector]


@dataclass(frozen=True)
class Window:
    """A scored day: which version scored it, whether it drifted from the windows before it (None:
    no verdict, or only one against the reference), rows in."""

    run_date: date
    version: str
    drift: bool | None
    rows: int = 0


def chosen(before: Sequence[Window], version: str, count: int) -> list[Window]:
    """The newest `count` of the windows that a day scored by `version` is compared with, else none.

    A window that drifted is no measure for the next, else a lasting change would look normal after
    `count` days without anybody having acted. Once another version has taken over, it is
    normal; and so are days that differ from the reference alone, as all days may for years. With
    fewer than `count` windows there is no recent past yet.
    """
    kept = [window for window in before if not window.drift or window.version != version]
    newest = sorted(kept, key=lambda window: window.run_date)[-count:]
    return newest if len(newest) == count else []


def windows_before(root: str, day: date, source: Source, past: pl.DataFrame) -> list[Window]:
    """The newest `LOOK_BACK` days of `source` before `day`; `past` is the history so far.

    A batch run need not have been monitored to count; the online log tells what a day holds only
    after reading all of it, so there the days in the history are taken.
    """
    against_windows = pl.when(pl.col("compared_with") == RECENT).then("drift")
    past = past.with_columns(against_windows.alias("drift"))
    if source != "batch":
        rows = past.filter(pl.col("run_date") < day, pl.col("source") == source).tail(LOOK_BACK)
        names = ("run_date", "model_version", "drift", "rows_in")
        return [Window(*row) for row in rows.select(names).iter_rows()]
    drift, found = dict(past.select("run_date", "drift").iter_rows()), []
    for run_date in [each for each in scored_dates(root) if each < day][-LOOK_BACK:]:
        if manifest := RunFiles(root, run_date).manifest():
            version, rows_in = str(manifest["model_version"]), manifest["rows_in"]
            found.append(Window(run_date, version, drift.get(run_date), rows_in))
    return found


def baseline(
    root: str, windows: Sequence[Window], source: Source, version: str, score: Score
) -> pl.DataFrame:
    """The windows' samples as one, at most `MOST_ROWS`, each window with the same share of them.

    All as today's version sees them (`seen_by`). No windows give no rows.
    """
    share = MOST_ROWS // max(1, len(windows))
    parts = [pl.DataFrame()]
    for window in windows:
        part = scored_day.sample(root, window.run_date, source)
        parts.append(seen_by(version, part.sample(min(share, part.height), seed=0), score))
    return pl.concat(parts, how="diagonal_relaxed")


def seen_by(version: str, sample: pl.DataFrame, score: Score) -> pl.DataFrame:
    """The sample with what another version scored scored again, so that a comparison of the
    probability is one of applicants and not of models."""
    if sample.is_empty() or not (sample[VERSION] != version).any():
        return sample
    own = pl.col(VERSION) == version
    again = pl.Series(PROBABILITY, score(sample))
    return sample.with_columns(pl.when(own).then(PROBABILITY).otherwise(again).alias(PROBABILITY))
