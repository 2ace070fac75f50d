from typing import Any

import pytest

from loan_default.metrics.intervals import Metric
from loan_default.monitoring.performance.degradation import Limits, degradation, newest_version
from loan_default.monitoring.performance.realised_metrics import (
    GroupMetrics,
    RealisedPerformance,
    VersionMetrics,
)

LIMITS = Limits(auc=0.02, calibration=0.03, min_outcomes=500, min_coverage=0.5)


def metric(value: float, half: float = 0.01) -> Metric:
    return Metric(value, value - half, value + half)


def version(number: str = "1", **more: Any) -> VersionMetrics:
    given = {"outcomes": 900, "defaults": 135, "mean_probability": 0.15}
    given |= {"AUC": metric(0.75), "default_rate": metric(0.15)}
    approved = more.pop("AUC", metric(0.70))
    return VersionMetrics(number, "2023-01", GroupMetrics(**given | more), approved)


def test_outcomes_as_promised_are_no_degradation() -> None:
    assert degradation(version(), 0.70, LIMITS) is None


@pytest.mark.parametrize("auc, lost", [(0.671, False), (0.669, True), (0.9, False)])
def test_an_auc_below_the_tested_one_is(auc: float, lost: bool) -> None:
    """With the interval's upper end 0.01 above it, 0.02 is tolerated: 0.67 is the limit."""
    found = degradation(version(AUC=metric(auc)), 0.70, LIMITS)
    assert (found is not None) is lost
    said = "realised AUC 0.669 on approved loans, tested 0.700 (900 outcomes of version 1)"
    assert found == said or not lost
    assert (found is None) is not lost


@pytest.mark.parametrize(
    "rate, lost", [(0.189, False), (0.191, True), (0.111, False), (0.109, True)]
)
def test_a_default_rate_far_from_the_predicted_one_is(rate: float, lost: bool) -> None:
    found = degradation(version(default_rate=metric(rate)), 0.70, LIMITS)
    assert (found is not None) is lost
    assert not lost or found.startswith(f"realised default rate {rate:.1%}, predicted 15.0%")


def test_what_only_just_reaches_a_limit_is_accepted() -> None:
    """Halves and quarters, which floats hold exactly."""
    wide = Limits(auc=0.25, calibration=0.25, min_outcomes=900, min_coverage=1.0)
    fine = {"mean_probability": 0.5, "default_rate": Metric(0.5, 0.25, 0.75)}
    assert degradation(version(AUC=metric(0.25, 0.25), **fine), 0.75, wide) is None
    for low, high in [(0.75, 1.0), (0.0, 0.25)]:
        edge = Metric((low + high) / 2, low, high)
        assert degradation(version(mean_probability=0.5, default_rate=edge), 0.75, wide) is None
    assert newest_version(realised(version()), wide) == version()


@pytest.mark.parametrize("tested", [None, 0.9])
def test_what_is_not_known_is_no_degradation(tested: float | None) -> None:
    open_ended = Metric(0.1)
    assert degradation(version(AUC=open_ended), tested, LIMITS) is None
    assert degradation(version(AUC=None), tested, LIMITS) is None
    assert degradation(version(AUC=metric(0.1)), None, LIMITS) is None


def realised(*versions: VersionMetrics, coverage: float | None = 1.0) -> RealisedPerformance:
    return RealisedPerformance(
        "2026-01", coverage, 0, GroupMetrics(0, 0), [], [], list(versions), []
    )


def test_the_newest_version_with_enough_outcomes_is_evaluated() -> None:
    found = realised(version("1"), version("2"), version("3", outcomes=499))
    assert newest_version(found, LIMITS) == version("2")
    assert newest_version(realised(version("3", outcomes=499)), LIMITS) is None


@pytest.mark.parametrize("coverage", [0.49, 0.0, None])
def test_a_part_of_the_outcomes_shows_nothing(coverage: float | None) -> None:
    assert newest_version(realised(version(), coverage=coverage), LIMITS) is None
    assert newest_version(realised(version(), coverage=0.5), LIMITS) == version()


def test_without_outcomes_there_is_no_version() -> None:
    assert newest_version(None, LIMITS) is None and newest_version(realised(), LIMITS) is None
