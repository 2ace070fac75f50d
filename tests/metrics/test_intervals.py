import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score, roc_auc_score

from loan_default.metrics import intervals

Z = stats.norm.isf(0.025)


def loans(seed: int, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Scores that are their own default probability, and outcomes drawn from them."""
    random = np.random.default_rng(seed)
    probability = random.beta(2, 8, n).round(2)
    return (random.random(n) < probability).astype(int), probability


@pytest.mark.parametrize("events, count", [(0, 1), (1, 1), (0, 50), (7, 50), (499, 500)])
def test_a_rate_has_wilsons_interval(events: int, count: int) -> None:
    metric = intervals.rate(events, count)
    assert metric.value == events / count
    # Both ends are the p at which the score test just rejects the observed share.
    for p in (metric.low, metric.high):
        assert (metric.value - p) ** 2 == pytest.approx(Z**2 * p * (1 - p) / count, abs=1e-12)
    assert 0 <= metric.low <= metric.value <= metric.high <= 1 and metric.low < metric.high


def test_a_rate_never_leaves_its_range() -> None:
    for count in range(1, 200):
        assert intervals.rate(0, count).low >= 0 and intervals.rate(count, count).high <= 1


@pytest.mark.parametrize("level", [0.95, 0.997])
def test_predicted_over_observed_has_the_interval_of_the_observed_rate(level: float) -> None:
    default, probability = loans(4)
    found = intervals.predicted_over_observed(default, probability, level)
    mean, z = probability.mean(), stats.norm.isf((1 - level) / 2)
    assert found.value == pytest.approx(mean / default.mean())
    for end in (found.low, found.high):
        p = mean / end  # the score test just rejects it
        assert (default.mean() - p) ** 2 == pytest.approx(z**2 * p * (1 - p) / len(default))
    assert found.low < found.value < found.high


def test_without_a_default_the_ratio_has_no_upper_end_but_a_lower_one() -> None:
    found = intervals.predicted_over_observed(np.zeros(100, dtype=int), np.full(100, 0.5))
    assert (found.value, found.high) == (np.inf, np.inf)
    assert found.low == pytest.approx(0.5 * (100 + Z**2) / Z**2)


def test_the_loans_for_a_margin_pass_in_four_of_five_cases() -> None:
    spread, margin = 0.8, 0.05  # of one loan's share of the difference
    width = 2 * Z * spread / 100**0.5
    needed = intervals.loans_for_margin(width, 0.95, 100, margin)
    assert needed is not None
    random = np.random.default_rng(0)
    found = random.normal(0, spread / needed**0.5, 20_000)
    passed = found - Z * spread / needed**0.5 > -margin
    assert passed.mean() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("width, margin", [(0.1, 0.0), (float("nan"), 0.01)])
def test_no_number_of_loans_serves_no_margin_and_no_width(width: float, margin: float) -> None:
    assert intervals.loans_for_margin(width, 0.95, 100, margin) is None


def test_an_auc_is_sklearns_and_its_interval_delongs_by_definition() -> None:
    default, probability = loans(1)
    ones, zeros = probability[default == 1], probability[default == 0]
    wins = (ones[:, None] > zeros) + 0.5 * (ones[:, None] == zeros)
    deviation = (
        wins.mean(1).var(ddof=1) / len(ones) + wins.mean(0).var(ddof=1) / len(zeros)
    ) ** 0.5
    found = intervals.auc(default, probability)
    assert found and found.low and found.high
    assert found.value == pytest.approx(roc_auc_score(default, probability))
    ends = np.log([found.low / (1 - found.low), found.high / (1 - found.high)])
    wide = 2 * 1.959964 * deviation / (found.value * (1 - found.value))
    assert ends[1] - ends[0] == pytest.approx(wide)
    assert ends.mean() == pytest.approx(np.log(found.value / (1 - found.value)))


def test_a_brier_score_has_the_interval_of_a_mean() -> None:
    default, probability = np.array([0, 1, 0, 1]), np.array([0.1, 0.8, 0.3, 0.6])
    errors = np.array([0.01, 0.04, 0.09, 0.16])
    found = intervals.brier(default, probability)
    half = 1.959964 * errors.std(ddof=1) / 2
    assert (found.value, found.low, found.high) == pytest.approx(
        (0.075, 0.075 - half, 0.075 + half)
    )


@pytest.mark.parametrize("errors, ends", [([0.0, 1.0], (0.0, 1.0)), ([0.2, 0.2], (0.04, 0.04))])
def test_the_ends_of_a_brier_score_stay_in_its_range(
    errors: list[float], ends: tuple[float, float]
) -> None:
    found = intervals.brier(np.zeros(2, int), np.array(errors))
    assert (found.low, found.high) == pytest.approx(ends)


def test_a_single_loans_brier_score_has_no_ends() -> None:
    assert intervals.brier(np.array([1]), np.array([0.5])) == intervals.Metric(0.25)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Over 400 draws each holds it about 95 times in 100; 92.5 is 2.3 standard deviations below."""
    big, scores = loans(99, 400_000)
    truth = {
        "auc": roc_auc_score(big, scores),
        "f1": f1_score(big, scores >= 0.3),
        "brier": float(np.mean((scores - big) ** 2)),
        "rate": float(big.mean()),
    }
    held = dict.fromkeys(truth, 0)
    for seed in range(400):
        default, probability = loans(seed)
        found = {
            "auc": intervals.auc(default, probability),
            "f1": intervals.f1(default, (probability >= 0.3).astype(int)),
            "brier": intervals.brier(default, probability),
            "rate": intervals.rate(int(default.sum()), len(default)),
        }
        for name, figure in found.items():
            held[name] += figure.low <= truth[name] <= figure.high
    assert all(0.925 * 400 <= count <= 0.98 * 400 for count in held.values()), held


def test_f1_is_sklearns_and_the_same_each_time() -> None:
    default, probability = loans(3)
    declined = (probability >= 0.25).astype(int)
    found = intervals.f1(default, declined)
    assert found == intervals.f1(default, declined)
    assert found and found.value == pytest.approx(f1_score(default, declined))
    assert found == intervals.f1(default, declined, seed=0)
    assert found.low != intervals.f1(default, declined, seed=1).low


def test_the_ends_of_f1_hold_95_of_100_resamples() -> None:
    default, probability = loans(3)
    declined = (probability >= 0.25).astype(int)
    random = np.random.default_rng(8)
    rows = random.integers(len(default), size=(1_000, len(default)))
    actual, said = default[rows].sum(axis=1), declined[rows].sum(axis=1)
    scores = 2 * (default[rows] * declined[rows]).sum(axis=1) / (actual + said)
    found = intervals.f1(default, declined)
    assert (found.low, found.high) == pytest.approx(np.quantile(scores, [0.025, 0.975]), abs=0.02)


@pytest.mark.parametrize(
    "default, declined, value", [([1, 0], [0, 0], 0), ([0, 0], [1, 0], 0), ([1, 1], [1, 1], 1)]
)
def test_f1_of_few_loans(default: list[int], declined: list[int], value: float) -> None:
    """Draws in which nobody defaults nor is declined have no F1 and are left out."""
    found = intervals.f1(np.array(default), np.array(declined))
    assert found == intervals.Metric(value, value, value)


@pytest.mark.parametrize("default", [[0, 0, 0], [1, 1, 1]])
def test_one_class_has_no_auc(default: list[int]) -> None:
    assert intervals.auc(np.array(default), np.array([0.1, 0.2, 0.3])) is None


@pytest.mark.parametrize(
    "default, probability",
    [
        ([1, 0, 0], [0.2, 0.1, 0.3]),
        ([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1]),
        ([0, 0, 1, 1], [0.9, 0.8, 0.2, 0.1]),
    ],
)
def test_what_a_single_loan_or_no_overlap_leaves_open_has_no_ends(
    default: list[int], probability: list[float]
) -> None:
    found = intervals.auc(np.array(default), np.array(probability))
    assert found and found.low is None and found.high is None
    assert found.value == roc_auc_score(default, probability)


def test_two_loans_of_each_class_are_enough_for_ends() -> None:
    default, probability = np.array([1, 1, 0, 0]), np.array([0.9, 0.3, 0.5, 0.1])
    found = intervals.auc(default, probability)
    assert found.value == 0.75 and 0 < found.low < 0.75 < found.high < 1


def test_where_nobody_defaults_nor_is_declined_there_is_no_f1() -> None:
    assert intervals.f1(np.zeros(5, int), np.zeros(5, int)) is None
