"""Simulate the intervals of a threshold's profit: how often they miss, or beat approving all.

Draws loans whose profits are known, where approving all is best (at a loss of 1, a repaid loan's
profit, the riskiest fifth earns nothing; at 0.2 every loan earns) and where declining some earns
more (a loss of 1.5). Prints how often some threshold is found to beat approving all, and how
often the 95% intervals at a threshold of 0.25 hold the truth. Another --seed repeats it.
"""

import argparse
from collections import Counter

import numpy as np
from rich.console import Console
from rich.table import Table

from loan_default.metrics import money
from loan_default.metrics.money import Outcomes

THRESHOLD, POPULATION = 0.25, 2_000_000


def loans(random: np.random.Generator, count: int, loss: float) -> Outcomes:
    """Draw loans of calibrated scores; a repaid one earns 1 on average, a default loses `loss`."""
    probability = np.minimum(random.uniform(0, 0.625, count), 0.5)
    probability += random.uniform(-1e-6, 0, count)
    default = (random.random(count) < probability).astype(int)
    size = random.lognormal(0, 0.5, count) / np.exp(0.125)
    expected = size * (1 - probability - loss * probability)
    return Outcomes(default, probability, size * np.where(default, -loss, 1), expected)


def truths(loss: float) -> dict[str, float]:
    """Return each measure at the threshold; profits for one loan."""
    population = loans(np.random.default_rng(0), POPULATION, loss)
    approved = population.probability < THRESHOLD
    return {
        "declined_share": 1 - float(approved.mean()),
        "default_rate": float(population.default[approved].mean()),
        "expected_profit": float((population.expected * approved).mean()),
        "realised_profit": float((population.profit * approved).mean()),
        "over_approving_all": -float((population.profit * ~approved).mean()),
    }


def answers(
    sample: Outcomes, true: dict[str, float], loss: float, seed: int, resamples: int
) -> Counter[str]:
    """Return what one sample's intervals say: 1 for each that holds the truth, or beats."""
    actual = money.sums(sample, [THRESHOLD])
    draws = money.resampled(sample, [THRESHOLD], seed, resamples)
    beats = money.beats_approving_all(actual, draws).low
    found = Counter(beats=int(beats is not None and beats > 0))
    measured = money.measures(money.fixed(THRESHOLD), actual, draws)
    for name, truth in true.items():
        metric = measured[name]
        assert metric and metric.low is not None and metric.high is not None
        size = 1 if name in ("declined_share", "default_rate") else len(sample.default)
        found[name] = int(metric.low <= truth * size <= metric.high)
    low, high = np.quantile(draws.cost_ratio, [0.025, 0.975])
    found["ratio"] = int(low <= loss <= high)
    return found


def main() -> None:
    """Simulate and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--resamples", type=int, default=300, help="of each interval")
    flags = parser.parse_args()
    random = np.random.default_rng(flags.seed)
    names = list(truths(1.0))
    table = Table("loss", "loans", "beats approving all", *names, "cost ratio")
    for loss in (0.2, 1.0, 1.5):
        true = truths(loss)
        for count in (500, 2_000, 8_000):
            found: Counter[str] = Counter()
            for _ in range(flags.trials):
                sample, seed = loans(random, count, loss), int(random.integers(1 << 30))
                found += answers(sample, true, loss, seed, flags.resamples)
            shares = (found[name] / flags.trials for name in ("beats", *names, "ratio"))
            table.add_row(f"{loss:g}", f"{count:,}", *(f"{share:.1%}" for share in shares))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
