"""The recent windows: the scored days just before a day, with which alerts compare it.

The model's reference is a sample of matured loans, which are years old. Applicants drift away from
it slowly and permanently. That deserves a report, but not a daily message: an alert is about a
change since last week.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from loan_default.batch.run_files import runs_of, scored_dates
from loan_default.columns import PROBABILITY, VERSION
from loan_default.model.artifact import Vector
from loan_default.monitoring.days import history, scored_day
from loan_default.monitoring.days.scored_day import Source

MAX_ROWS = 100_000
LOOK_BACK_DAYS = 30
# What the drift verdict compares a day with
RECENT, REFERENCE = "recent", "reference"
Score = Callable[[pl.DataFrame], Vector]


@dataclass(frozen=True)
class Window:
    """A scored day with its model version and row count.

    `drift` says whether it drifted from the windows before it; None without a verdict, or if it was
    compared with the reference only.
    """

    run_date: date
    version: str
    drift: bool | None
    rows: int = 0


def select_windows(before: Sequence[Window], version: str, count: int) -> list[Window]:
    """Select the newest `count` windows to compare a day with; none if there are fewer.

    A window that drifted does not count while the same `version` scores: otherwise a lasting change
    would look normal after `count` days although nobody acted on it. Once another version has taken
    over, the changed applicants are normal. Drift from the reference alone does not exclude a
    window, because all days may differ from the reference for years.
    """
    usable = [window for window in before if not window.drift or window.version != version]
    newest = sorted(usable, key=lambda window: window.run_date)[-count:]
    return newest if len(newest) == count else []


def windows_before(root: str, day: date, source: Source, past: pl.DataFrame) -> list[Window]:
    """Return the newest `LOOK_BACK_DAYS` days of `source` before `day`, oldest first.

    `past` is the history. A batch run counts even if it was never monitored. A day of the online
    log would have to be read completely to be described, so only monitored days count there.
    """
    drifted_from_windows = pl.when(pl.col("compared_with") == RECENT).then("drift")
    past = past.with_columns(drifted_from_windows.alias("drift"))
    if source != "batch":
        rows = history.before(past, day).filter(pl.col("source") == source).tail(LOOK_BACK_DAYS)
        names = ("run_date", "model_version", "drift", "rows_in")
        return [Window(*row) for row in rows.select(names).iter_rows()]
    drift, windows = dict(past.select("run_date", "drift").iter_rows()), []
    for run_date in [each for each in scored_dates(root) if each < day][-LOOK_BACK_DAYS:]:
        manifests = [manifest for run in runs_of(root, run_date) if (manifest := run.manifest())]
        if manifests:
            largest = max(manifests, key=lambda manifest: int(manifest["rows_in"]))
            version, rows_in = str(largest["model_version"]), sum(m["rows_in"] for m in manifests)
            windows.append(Window(run_date, version, drift.get(run_date), rows_in))
    return windows


def recent_sample(
    root: str, windows: Sequence[Window], source: Source, version: str, score: Score
) -> pl.DataFrame:
    """Return the samples of the windows as one frame of at most `MAX_ROWS` rows.

    Each window contributes up to the same number of rows, scored by `version` (see
    `scored_by_version`). Without windows there are no rows.
    """
    rows_per_window = MAX_ROWS // max(1, len(windows))
    parts = [pl.DataFrame()]
    for window in windows:
        part = scored_day.sample(root, window.run_date, source)
        part = part.sample(min(rows_per_window, part.height), seed=0)
        parts.append(scored_by_version(version, part, score))
    return pl.concat(parts, how="diagonal_relaxed")


def scored_by_version(version: str, sample: pl.DataFrame, score: Score) -> pl.DataFrame:
    """Rescore the rows that another version scored, with `score`, the model of `version`.

    A comparison of the probability then compares applicants and not models.
    """
    if sample.is_empty() or not (sample[VERSION] != version).any():
        return sample
    own = pl.col(VERSION) == version
    rescored = pl.Series(PROBABILITY, score(sample))
    return sample.with_columns(
        pl.when(own).then(PROBABILITY).otherwise(rescored).alias(PROBABILITY)
    )
