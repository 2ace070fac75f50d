"""Simulate the promotion gate: how often it passes a worse model or refuses an equally good one.

Draws test loans and the scores of two models (binormal, so that each AUC is known), asks the gate's
own checks, and prints the shares of their answers. Another --seed repeats it.
"""

import argparse
from collections import Counter

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.special import expit
from scipy.stats import norm

from loan_default.contract.contract import Contract
from loan_default.contract.load import LENDINGCLUB, load
from loan_default.metrics import classification
from loan_default.promotion import gate, rules
from loan_default.promotion.rules import Comparison

AUC, RATE, CORRELATION = 0.70, 0.15, 0.95
MARGIN, TOLERANCE = 0.01, 0.1
Floats = NDArray[np.float64]


def champion_answer(rng: np.random.Generator, loans: int, loss: float, resamples: int) -> str:
    """Return the check's answer to a challenger whose AUC is lower by `loss`."""
    default = (rng.random(loans) < RATE).astype(int)
    shared, *own = rng.normal(size=(3, loans))
    champion, challenger = (
        CORRELATION**0.5 * shared
        + (1 - CORRELATION) ** 0.5 * noise
        + 2**0.5 * norm.ppf(area) * default
        for noise, area in zip(own, (AUC, AUC - loss), strict=True)
    )
    seed = int(rng.integers(1 << 30))
    interval = classification.paired_auc_difference(default, champion, challenger, seed, resamples)
    check = rules.champion_check(Comparison(interval, loans), MARGIN, champion_version=1)
    if check.passed:
        return "passed"
    return "cannot tell" if check.reason.startswith("cannot tell") else "refused"


def calibration_answer(
    rng: np.random.Generator, loans: int, ratio: float, contract: Contract
) -> str:
    """Return the check's answer to probabilities that are `ratio` times the true ones."""
    true: Floats = expit(rng.normal(-1.9, 0.8, loans))
    grade = np.array(list("ABCDE"))[np.searchsorted([0.08, 0.12, 0.18, 0.25], true)]
    term = np.where(rng.random(loans) < 0.25, 60.0, 36.0)
    default = (rng.random(loans) < true).astype(np.int8)
    test = pl.DataFrame({"default": default, "grade": grade, "term": term})
    found = rules.calibration_check(
        gate.calibration_ratios(test, true * ratio, contract), TOLERANCE
    )
    return "passed" if found.passed else "refused"


def main() -> None:
    """Simulate and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--resamples", type=int, default=200, help="of each interval")
    flags = parser.parse_args()
    rng, contract = np.random.default_rng(flags.seed), load(LENDINGCLUB)
    told = ("passed", "cannot tell", "refused")
    champion = Table("AUC lost", "test loans", *told)
    calibration = Table("predicted over observed", "test loans", "passed", "refused")
    for loans in (1_000, 5_000, 20_000):
        for loss in (0.0, 0.01, 0.02):
            found = Counter(
                champion_answer(rng, loans, loss, flags.resamples) for _ in range(flags.trials)
            )
            shares = (f"{found[answer] / flags.trials:.1%}" for answer in told)
            champion.add_row(f"{loss:g}", f"{loans:,}", *shares)
        for ratio in (0.75, 0.9, 1.0, 1.1, 1.25):
            found = Counter(
                calibration_answer(rng, loans, ratio, contract) for _ in range(flags.trials)
            )
            shares = (f"{found[answer] / flags.trials:.1%}" for answer in ("passed", "refused"))
            calibration.add_row(f"{ratio:g}", f"{loans:,}", *shares)
    Console().print(champion, calibration)


if __name__ == "__main__":
    main()
