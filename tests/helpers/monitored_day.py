"""A small monitored day, measured for real: 60 rows against 60 others, without a model."""

from datetime import date

import polars as pl

from lendingclub import CONTRACT
from loan_default.columns import PROBABILITY
from loan_default.metrics.intervals import Metric
from loan_default.monitoring.days.data_quality import quality
from loan_default.monitoring.days.day_counts import DayCounts
from loan_default.monitoring.days.scored_day import ScoredDay
from loan_default.monitoring.drift import evidently_report
from loan_default.monitoring.drift.baseline import REFERENCE
from loan_default.monitoring.drift.compare import DayComparison
from loan_default.monitoring.drift.verdict import Thresholds
from loan_default.monitoring.performance.realised_metrics import (
    BandMetrics,
    Estimate,
    GroupMetrics,
    ImmatureMonth,
    MonthMetrics,
    RealisedPerformance,
    VersionMetrics,
)
from loan_default.monitoring.reports.day_report import DayReport

RUN_DATE = date(2026, 3, 1)
LIMITS = Thresholds(wasserstein=0.1, psi=0.2, missing=0.1, share=0.3, min_rows=10)
SAMPLE = pl.DataFrame(
    {
        "dti": [float(n % 30) for n in range(60)],
        "grade": ["A", "B"] * 30,
        "purpose": ["car"] * 50 + ["moon"] * 10,
        PROBABILITY: [n / 100 for n in range(60)],
    }
)
CELLS = {"missing": 0, "unknown": 0, "rejected": 0}
COUNTS = DayCounts.from_manifest(
    {
        "rows_in": 80,
        "rows_scored": 60,
        "rows_rejected": 20,
        "rows_declined": 6,
        "mean_probability": 0.295,
        "rejected_by_reason": {"dti is not a number": 20},
        "rejections": [{"code": "not_a_number", "column": "dti", "rows": 20}],
        "columns": {
            "dti": CELLS | {"rejected": 20},
            "grade": CELLS,
            "purpose": CELLS | {"unknown": 10},
        },
    }
)
DAY = ScoredDay(RUN_DATE, "batch", "loans of a test", "1", SAMPLE, COUNTS, "digest", RUN_DATE)
GROUP = GroupMetrics(
    outcomes=900,
    defaults=126,
    default_rate=Metric(0.14, 0.12, 0.16),
    mean_probability=0.2,
    AUC=Metric(0.7, 0.6, 0.8),
    F1=Metric(0.4, 0.3, 0.5),
    Brier=Metric(0.1, 0.09, 0.11),
)
REALISED = RealisedPerformance(
    as_of="2026-02",
    coverage=0.9,
    learned_from=7,
    metrics=GROUP,
    by_month=[MonthMetrics("2022-12", 1_000, GROUP)],
    by_band=[BandMetrics(0.0, 0.05, GROUP)],
    by_version=[VersionMetrics("1", "2022-12", GROUP, GROUP.AUC)],
    immature=[ImmatureMonth("2024-05", 80, 6, "2027-05")],
)
ESTIMATE = Estimate("estimate", 60, 0.295, 0.71, 0.4, 0.1)


def comparison(current: pl.DataFrame = SAMPLE) -> DayComparison:
    """Compare rows with the sample itself."""
    found = evidently_report.compare(SAMPLE, current, CONTRACT, LIMITS)
    return DayComparison(found, found, REFERENCE, [], [70, 80, 90, 85], 0.2)


def report(realised: RealisedPerformance | None = REALISED) -> DayReport:
    """Measure the day."""
    compared = comparison()
    checked = quality(COUNTS, SAMPLE, SAMPLE, compared.past_rows, CONTRACT)
    return DayReport(DAY, compared, checked, ESTIMATE, realised)
