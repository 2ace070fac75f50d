"""Compare a scored day with its recent windows, if there are enough, and with the reference sample.

Alerts follow the first of these comparisons; the reports show both.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from loan_default.columns import PROBABILITY
from loan_default.contract.contract import Contract
from loan_default.errors import InputError
from loan_default.model import artifact
from loan_default.model.artifact import Model, Vector
from loan_default.monitoring.days import history
from loan_default.monitoring.days.scored_day import ScoredDay
from loan_default.monitoring.drift import baseline, evidently_report
from loan_default.monitoring.drift.baseline import RECENT, REFERENCE
from loan_default.monitoring.drift.evidently_report import Comparison
from loan_default.monitoring.drift.verdict import Thresholds
from loan_default.registry.versions import Registry
from loan_default.settings import Settings


@dataclass(frozen=True)
class ModelWithReference:
    """A model version and its reference sample: matured loans with out-of-fold scores."""

    model: Model
    reference: pl.DataFrame

    def score(self, records: pl.DataFrame) -> Vector:
        """Score records of any version; a column that they lack counts as missing."""
        lacking = [
            pl.lit(None, pl.String if name in self.model.contract.levels else pl.Float64).alias(
                name
            )
            for name in self.model.contract.names
            if name not in records.columns
        ]
        return self.model.probability(records.with_columns(lacking))


@dataclass(frozen=True)
class DayComparison:
    """The comparisons of a day.

    `primary` is the one that alerts follow: with the recent windows (`compared_with` is RECENT,
    `recent_runs` are their dates), or else with the reference (REFERENCE). `reference` is always
    the comparison with the reference. `past_rows` are the rows that arrived on the days before.
    `mean_before` is the mean probability in what `primary` compares with.
    """

    primary: Comparison
    reference: Comparison
    compared_with: str
    recent_runs: list[str]
    past_rows: list[int]
    mean_before: float | None


@dataclass(frozen=True)
class DriftReport:
    """The drift of a day, with the field names of the JSON result and the report files.

    `drift`, `reason`, `drift_share` and `drifted_columns` (worst first) are of the comparison that
    alerts follow; the fields named `reference_...` are the same against the reference.
    """

    run_date: str
    source: str
    model_name: str
    model_version: str
    drift: bool | None
    reason: str
    drift_share: float
    drifted_columns: list[str]
    compared_with: str
    recent_runs: list[str]
    reference_drift: bool | None
    reference_drift_share: float
    reference_drifted_columns: list[str]
    rows_in: int
    sampled_rows: int


def load_model(registry: Registry, name: str, number: str, threads: int) -> ModelWithReference:
    """Download a model version with its reference sample; the model scores on `threads` threads."""
    version = registry.version(name, number)
    with tempfile.TemporaryDirectory() as temporary:
        folder = registry.download(version, Path(temporary))
        reference = pl.read_parquet(folder / artifact.REFERENCE)
        return ModelWithReference(artifact.load(folder, threads), reference)


def compare(
    root: str, day: ScoredDay, version: ModelWithReference, config: Settings
) -> DayComparison:
    """Compare the day with its recent windows under `root`, if there are enough, and with the
    reference sample of the model version that scored it."""
    contract = version.model.contract
    limits, score = thresholds(config, contract), version.score
    sample = baseline.scored_by_version(day.version, day.sample, score)
    reference = evidently_report.compare(
        version.reference,
        sample,
        contract,
        limits,
        f"the reference sample of version {day.version}",
    )
    before = baseline.windows_before(root, day.run_date, day.source, history.read(root))
    past_rows = [window.rows for window in before]
    windows = baseline.select_windows(before, day.version, config.drift_recent_runs)
    recent = baseline.recent_sample(root, windows, day.source, day.version, score)
    if recent.height < config.drift_min_rows:
        mean = _mean_probability(version.reference)
        return DayComparison(reference, reference, REFERENCE, [], past_rows, mean)
    dates = [window.run_date.isoformat() for window in windows]
    against = f"the {len(dates)} scored days {dates[0]} to {dates[-1]}"
    primary = evidently_report.compare(recent, sample, contract, limits, against, reference)
    mean = _mean_probability(recent)
    return DayComparison(primary, reference, RECENT, dates, past_rows, mean)


def report(day: ScoredDay, comparison: DayComparison) -> DriftReport:
    """Summarise the comparisons of a day."""
    primary, reference = comparison.primary.verdict, comparison.reference.verdict
    return DriftReport(
        run_date=day.run_date.isoformat(),
        source=day.source,
        model_name=day.model_name,
        model_version=day.version,
        drift=primary.drift,
        reason=primary.reason,
        drift_share=primary.drift_share,
        drifted_columns=primary.drifted_columns,
        compared_with=comparison.compared_with,
        recent_runs=comparison.recent_runs,
        reference_drift=reference.drift,
        reference_drift_share=reference.drift_share,
        reference_drifted_columns=reference.drifted_columns,
        rows_in=day.counts.rows_in,
        sampled_rows=day.sample.height,
    )


def thresholds(config: Settings, contract: Contract) -> Thresholds:
    """Return the thresholds in the settings.

    Raises InputError if one is for a column that the contract does not have.
    """
    for name in config.drift_column_thresholds:
        if name.partition(":")[0] not in (PROBABILITY, *contract.names):
            raise InputError(
                f"bad setting: DRIFT_COLUMN_THRESHOLDS[{name}]: not a monitored column of "
                f"{contract.name}, nor COLUMN:missing"
            )
    return Thresholds(
        wasserstein=config.drift_wasserstein_threshold,
        psi=config.drift_psi_threshold,
        missing=config.drift_missing_threshold,
        share=config.drift_share_threshold,
        min_rows=config.drift_min_rows,
        by_column=config.drift_column_thresholds,
    )


def _mean_probability(sample: pl.DataFrame) -> float | None:
    mean = sample[PROBABILITY].mean()
    return mean if isinstance(mean, float) else None
