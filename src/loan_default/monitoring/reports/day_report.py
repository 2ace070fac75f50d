"""The measurements of a monitored day, and what the report files and the history say of them."""

from dataclasses import asdict, dataclass, field
from functools import cached_property

from loan_default.columns import PROBABILITY
from loan_default.metrics.intervals import Metric
from loan_default.monitoring.days import history
from loan_default.monitoring.days.data_quality import DataQuality
from loan_default.monitoring.days.scored_day import ScoredDay
from loan_default.monitoring.decision.policy import Decision
from loan_default.monitoring.drift import compare
from loan_default.monitoring.drift.compare import DayComparison, DriftReport
from loan_default.monitoring.performance import realised_json
from loan_default.monitoring.performance.realised_metrics import Estimate, RealisedPerformance
from loan_default.plausibility.finding import Report


@dataclass(frozen=True)
class DayReport:
    """What was measured on a day; `realised` is None before there are outcomes.

    `plausibility` holds what was noticed about its rows.
    """

    day: ScoredDay
    comparison: DayComparison
    quality: DataQuality
    estimate: Estimate
    realised: RealisedPerformance | None
    plausibility: Report = field(default_factory=Report)

    @cached_property
    def drift(self) -> DriftReport:
        """The drift verdicts of the day."""
        return compare.report(self.day, self.comparison)


def drift_facts(report: DayReport) -> dict[str, object]:
    """Return the facts that drift_report.json holds beside Evidently's metrics."""
    return {**asdict(report.drift), "quality": asdict(report.quality)}


def quality_facts(report: DayReport) -> dict[str, object]:
    """Return the content of quality_report.json."""
    realised = report.realised
    return {
        **drift_facts(report),
        "plausibility": report.plausibility.as_json(),
        "estimate": asdict(report.estimate),
        "realised": realised_json.to_json(realised) if realised else None,
    }


def history_row(report: DayReport, decision: Decision) -> history.Row:
    """Return the day's row of the history."""
    counts, realised, estimate = report.day.counts, report.realised, report.estimate
    metrics = realised.metrics if realised else None
    facts = {**asdict(report.drift), **asdict(decision)}
    scores = report.day.sample[PROBABILITY]
    return {
        **{name: facts[name] for name in history.SCHEMA if name in facts},
        "run_date": report.day.run_date,
        "findings": report.quality.findings,
        "rows_rejected": counts.rows_rejected,
        "rows_scored": counts.rows_scored,
        "rejected_share": counts.rejected_share,
        "declined_share": counts.declined_share,
        "mean_probability": counts.mean_probability,
        "estimated_AUC": estimate.AUC,
        "estimated_default_rate": estimate.default_rate,
        "as_of": realised.as_of if realised else None,
        "outcomes": metrics.outcomes if metrics else None,
        "realised_mean_probability": metrics.mean_probability if metrics else None,
        "Brier": metrics.Brier.value if metrics and metrics.Brier else None,
        **{name: scores.quantile(share, "linear") for name, share in history.QUANTILES.items()},
        **_with_interval("AUC", metrics.AUC if metrics else None),
        **_with_interval("default_rate", metrics.default_rate if metrics else None),
    }


def _with_interval(name: str, metric: Metric | None) -> dict[str, float | None]:
    return {
        name: metric.value if metric else None,
        f"{name}_low": metric.low if metric else None,
        f"{name}_high": metric.high if metric else None,
    }
