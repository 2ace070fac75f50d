"""A scored day beside its past: the recent windows once there are enough, and always the reference.

The verdict that alerts go by is the first one's; the other stands beside it in the reports.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from loan_default.columns import PROBABILITY
from loan_default.model import artifact as model
from loan_default.monitoring.days import history
from loan_default.monitoring.days.scored_day import ScoredDay
from loan_default.monitoring.drift import baseline, evidently_report
from loan_default.monitoring.drift.baseline import RECENT, REFERENCE
from loan_default.monitoring.drift.evidently_report import Comparison
from loan_default.monitoring.drift.verdict import Thresholds
from loan_default.registry.versions import Registry
from loan_default.settings import Settings


@dataclass(frozen=True)
class Learned:
    """A model version, and the sample of what it learned from with out-of-fold scores."""

    model: model.Model
    reference: pl.DataFrame


@dataclass(frozen=True)
class Compared:
    """`judged` is what alerts go by, `reference` the comparison with what the model learned from.

    `compared_with` is RECENT or REFERENCE (then both are the same), `recent` the windows' dates.
    `past_rows` are the rows that came in on the days before, `mean_before` is the mean probability
    of what alerts compare with.
    """

    judged: Comparison
    reference: Comparison
    compared_with: str
    recent: list[str]
    past_rows: list[int]
    mean_before: float | None


def learned(registry: Registry, name: str, number: str, threads: int) -> Learned:
    """Fetch a model version and its reference sample."""
    version = registry.version(name, number)
    with tempfile.TemporaryDirectory() as temporary:
        folder = registry.download(version, Path(temporary))
        return Learned(model.load(folder, threads), pl.read_parquet(folder / model.REFERENCE))


def compare(root: str, day: ScoredDay, known: Learned, config: Settings) -> Compared:
    """Compare the day with its recent windows under `root`, if there are enough, and with the
    model's reference."""
    limits = thresholds(config)
    said = f"what version {day.version} learned from"
    sample = baseline.seen_by(day.version, day.sample, known.model.probability)
    reference = evidently_report.compare(known.reference, sample, limits, said)
    before = baseline.windows_before(root, day.run_date, day.source, history.read(root))
    past = [window.rows for window in before]
    chosen = baseline.chosen(before, day.version, config.drift_recent_runs)
    recent = baseline.baseline(root, chosen, day.source, day.version, known.model.probability)
    if recent.height < config.drift_min_rows:
        mean = _mean(known.reference)
        return Compared(reference, reference, REFERENCE, [], past, mean)
    dates = [window.run_date.isoformat() for window in chosen]
    said = f"the {len(dates)} scored days {dates[0]} to {dates[-1]}"
    judged = evidently_report.compare(recent, sample, limits, said, reference)
    return Compared(judged, reference, RECENT, dates, past, _mean(recent))


def _mean(sample: pl.DataFrame) -> float | None:
    mean = sample[PROBABILITY].mean()
    return mean if isinstance(mean, float) else None


def thresholds(config: Settings) -> Thresholds:
    """The settings' thresholds."""
    return Thresholds(
        wasserstein=config.drift_wasserstein_threshold,
        psi=config.drift_psi_threshold,
        missing=config.drift_missing_threshold,
        share=config.drift_share_threshold,
        min_rows=config.drift_min_rows,
        by_column=config.drift_column_thresholds,
    )
