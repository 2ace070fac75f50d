import math
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import f1_score

from loan_default.metrics import classification, money
from loan_default.metrics.money import Outcomes, Rule


def loans(seed: int, n: int = 3000, loss: float = 3.0) -> Outcomes:
    """Calibrated scores; a repaid loan earns about 1, a defaulted one loses about `loss`."""
    random = np.random.default_rng(seed)
    probability = random.beta(2, 8, n).round(3)
    default = (random.random(n) < probability).astype(int)
    size = random.lognormal(0, 0.5, n) / math.exp(0.125)
    expected = size * (1 - probability - loss * probability)
    return Outcomes(default, probability, size * np.where(default, -loss, 1), expected)


def naive(found: Outcomes, threshold: float) -> dict[str, float]:
    approved = found.probability < threshold
    return {
        "threshold": threshold,
        "declined_share": 1 - approved.mean(),
        "default_rate": found.default[approved].mean(),
        "expected_profit": found.expected[approved].sum(),
        "realised_profit": found.profit[approved].sum(),
        "over_approving_all": -found.profit[~approved].sum(),
    }


def ratio(found: Outcomes) -> float:
    defaulted = found.default == 1
    return float(-found.profit[defaulted].mean() / found.profit[~defaulted].mean())


def of_cost(found: Outcomes) -> float:
    return 1 / (1 + ratio(found))


def of_f1(found: Outcomes) -> float:
    return classification.best_f1_threshold(found.default, found.probability)


def of_profit(found: Outcomes) -> float:
    candidates = [*np.unique(found.probability), 1.0]
    earned = [found.profit[found.probability < threshold].sum() for threshold in candidates]
    return float(candidates[int(np.argmax(earned))])


def of_share(found: Outcomes) -> float:
    candidates = [*np.unique(found.probability), 1.0]
    return next(t for t in candidates if np.mean(found.probability >= t) <= 0.1)


# The rule, and what it does in plain words
RULES: list[tuple[Rule, Callable[[Outcomes], float]]] = [
    (money.fixed(0.2), lambda _: 0.2),
    (money.by_cost, of_cost),
    (money.by_f1, of_f1),
    (money.by_profit, of_profit),
    (money.by_share(0.1), of_share),
]


@pytest.mark.parametrize("rule, threshold", RULES)
def test_a_rule_does_what_counting_loans_says(
    rule: Rule, threshold: Callable[[Outcomes], float]
) -> None:
    found = loans(1)
    exact = money.sums(found, [0.2, of_cost(found)], max_bands=None)
    measured = money.measures(rule, exact, money.resampled(found, [], 0, 10))
    values = {name: metric.value for name, metric in measured.items() if metric}
    assert values == pytest.approx(naive(found, threshold(found)))


@pytest.mark.parametrize("rule, threshold", RULES)
def test_the_intervals_are_those_of_drawing_loans_with_replacement(
    rule: Rule, threshold: Callable[[Outcomes], float]
) -> None:
    found, random = loans(2, 1500), np.random.default_rng(3)
    draws = money.resampled(found, [0.2], 4, 2000)
    measured = money.measures(rule, money.sums(found, [0.2]), draws)
    drawn = []
    for _ in range(400):
        rows = random.integers(len(found.default), size=len(found.default))
        sample = Outcomes(
            found.default[rows], found.probability[rows], found.profit[rows], found.expected[rows]
        )
        drawn.append(list(naive(sample, threshold(sample)).values()))
    ends = np.quantile(drawn, [0.025, 0.975], axis=0).T
    for (name, metric), (low, high) in zip(measured.items(), ends, strict=True):
        assert metric
        # The ends of 400 resamples are themselves uncertain by a tenth of the width
        allowed = 0.2 * (high - low) + 1e-9
        if name == "declined_share":
            allowed += 1 / money.MAX_BANDS  # the step between two thresholds
        assert metric.low == pytest.approx(low, abs=allowed), name
        assert metric.high == pytest.approx(high, abs=allowed), name


def test_the_cost_ratio_is_that_of_the_means_and_moves_as_a_ratio_of_means_does() -> None:
    found = loans(5)
    assert float(money.sums(found).cost_ratio) == pytest.approx(ratio(found))
    draws = money.resampled(found, [], 6, 4000).cost_ratio
    lost = -found.profit[found.default == 1]
    earned = found.profit[found.default == 0]
    # Delta method: the squared relative errors of two independent means add up
    error = ratio(found) * math.hypot(
        *(values.std() / values.mean() / math.sqrt(len(values)) for values in (lost, earned))
    )
    assert draws.std() == pytest.approx(error, rel=0.05)


def test_ties_approve_more() -> None:
    found = Outcomes(np.zeros(3), np.array([0.1, 0.2, 0.2]), np.zeros(3), np.zeros(3))
    assert money.by_profit(money.sums(found))[0] == 1.0


def test_at_most_the_share_is_declined_even_if_scores_are_tied() -> None:
    found = Outcomes(np.array([0, 0, 1, 1]), np.array([0.1, 0.3, 0.3, 0.3]), *np.zeros((2, 4)))
    assert money.by_share(0.5)(money.sums(found))[0] == 1.0
    assert money.by_share(0.75)(money.sums(found))[0] == 0.3


def test_no_default_rate_is_told_where_nothing_is_approved() -> None:
    found = loans(7)
    measured = money.measures(
        money.fixed(0.0), money.sums(found, [0.0]), money.resampled(found, [0.0], 0)
    )
    assert measured["default_rate"] is None
    assert measured["declined_share"] and measured["declined_share"].value == 1


def test_shares_of_few_loans_stay_in_their_range() -> None:
    found = loans(12, 40)
    draws = money.resampled(found, [0.05], 0)
    for rule in (money.fixed(0.05), money.by_share(0.02)):
        measured = money.measures(rule, money.sums(found, [0.05]), draws)
        for name in ("declined_share", "default_rate"):
            metric = measured[name]
            assert metric and metric.low is not None and metric.high is not None
            assert 0 <= metric.low <= metric.high <= 1


def test_f1_is_scikit_learns() -> None:
    found = loans(8)
    exact = money.sums(found, max_bands=None)
    for place in (0, 50, 200):
        declined = found.probability >= exact.thresholds[place]
        assert exact.f1[place] == pytest.approx(f1_score(found.default, declined))


def test_the_same_seed_gives_the_same_draws() -> None:
    first, again, other = (money.resampled(loans(9), [], seed, 20).below for seed in (1, 1, 2))
    assert (first == again).all() and (first != other).any()


@pytest.mark.parametrize("loss", [1.0, 0.2])
def test_approving_all_is_rarely_beaten_where_nothing_does_better(loss: float) -> None:
    """At a loss of 1 the riskiest fifth, whose probability is one half, earns nothing."""
    beaten = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        probability = np.minimum(random.uniform(0, 0.625, 2000), 0.5)
        probability += random.uniform(-1e-6, 0, 2000)
        default = (random.random(2000) < probability).astype(int)
        profit = np.where(default, -loss, 1) * random.lognormal(0, 0.5, 2000)
        found = Outcomes(default, probability, profit, profit)
        gained = money.beats_approving_all(money.sums(found), money.resampled(found, [], seed, 300))
        beaten += gained.low > 0
    # 2.5% at most, and 2.5 of 100 by chance up to 7 (binomial, 99.5%)
    assert beaten <= 7


def test_a_threshold_that_earns_more_is_found() -> None:
    found = loans(10, loss=6.0)
    gained = money.beats_approving_all(money.sums(found), money.resampled(found, [], 0))
    best = money.measures(money.by_profit, money.sums(found), money.resampled(found, [], 0))
    assert 0 < gained.low < gained.value < gained.high
    assert best["over_approving_all"] and gained.value == best["over_approving_all"].value


def test_without_money_nothing_beats_approving_all() -> None:
    found = loans(11)
    none = Outcomes(found.default, found.probability, *np.zeros((2, len(found.default))))
    gained = money.beats_approving_all(money.sums(none), money.resampled(none, [], 0, 50))
    assert (gained.value, gained.low, gained.high) == (0, 0, 0)
