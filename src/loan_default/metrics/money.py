"""What a decision threshold earns: profit, approvals and defaults, by threshold. Pure.

Loans are weighed against each other by their sums below each threshold, so that a resample needs
no loan again. Profit is what came back less what was lent, in the currency of the loans.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loan_default.metrics.auc import Floats, Integers
from loan_default.metrics.intervals import LEVEL, Metric

Vector = NDArray[np.float64]
Places = NDArray[np.intp]
# More loans than this share bands of equal count; each declines two in a thousand
MAX_BANDS = 500
RESAMPLES = 1000
_COUNT, _DEFAULTS, _GAIN, _LOSS, _EXPECTED = range(5)


@dataclass(frozen=True)
class Outcomes:
    """What became of n loans; arrays (n,).

    Attributes:
        default: 0 repaid, 1 defaulted.
        probability: the default probability, in [0, 1].
        profit: what came back less what was lent; zeros where no money is known.
        expected: the profit that was expected at that probability.
    """

    default: Integers
    probability: Floats
    profit: Floats
    expected: Floats


@dataclass(frozen=True)
class Sums:
    """Sums over the loans that each threshold approves.

    Attributes:
        thresholds: (k,) rising; the last is 1 and approves every loan.
        below: (..., k, 5) sums of the loans below each threshold: count, defaults, profit of the
            repaid, loss of the defaulted, expected profit. Leading axes are resamples.
    """

    thresholds: Vector
    below: Vector

    @property
    def declined_share(self) -> Vector:
        """Return the share of the loans at or above each threshold, (..., k)."""
        share = 1 - self.below[..., _COUNT] / self.below[..., -1:, _COUNT]
        return np.clip(share, 0, 1)

    @property
    def default_rate(self) -> Vector:
        """Return the default rate of the approved, (..., k); NaN where none is."""
        count = self.below[..., _COUNT]
        rate = np.full_like(count, np.nan)
        rate = np.divide(self.below[..., _DEFAULTS], count, out=rate, where=count > 0)
        # The normal weights of a resample may leave a share of few loans out of its range
        return np.clip(rate, 0, 1)

    @property
    def profit(self) -> Vector:
        """Return the profit of the approved, (..., k)."""
        return np.asarray(self.below[..., _GAIN] - self.below[..., _LOSS])

    @property
    def expected(self) -> Vector:
        """Return the expected profit of the approved, (..., k)."""
        return self.below[..., _EXPECTED]

    @property
    def f1(self) -> Vector:
        """Return F1 of declining at each threshold, (..., k)."""
        count, defaults = self.below[..., _COUNT], self.below[..., _DEFAULTS]
        total = self.below[..., -1:, :]
        declined = total[..., _COUNT] - count
        return 2 * (total[..., _DEFAULTS] - defaults) / (declined + total[..., _DEFAULTS])

    @property
    def cost_ratio(self) -> Vector:
        """Return mean loss of a defaulted over mean profit of a repaid loan, (...)."""
        total = self.below[..., -1, :]
        repaid = total[..., _COUNT] - total[..., _DEFAULTS]
        mean_loss = total[..., _LOSS] / total[..., _DEFAULTS]
        return np.asarray(mean_loss * repaid / total[..., _GAIN])


# The threshold of each resample, and its place in `thresholds`
Chosen = tuple[Vector, Places]
Rule = Callable[[Sums], Chosen]


def fixed(threshold: float) -> Rule:
    """Return the rule of one threshold, whatever the sample."""
    return lambda of: _nearest(of, np.full(of.below.shape[:-2], threshold))


def by_cost(of: Sums) -> Chosen:
    """Choose the threshold of least cost at the sample's own cost ratio: 1 / (1 + ratio).

    Elkan (2001), The foundations of cost-sensitive learning, equation 2.
    """
    return _nearest(of, 1 / (1 + of.cost_ratio))


def by_f1(of: Sums) -> Chosen:
    """Choose the threshold of the best F1; the highest of ties."""
    return _last_best(of, of.f1)


def by_profit(of: Sums) -> Chosen:
    """Choose the threshold of the most profit; the highest of ties."""
    return _last_best(of, of.profit)


def by_share(share: float) -> Rule:
    """Return the rule that declines at most `share` of the loans, and as many as that allows."""

    def choose(of: Sums) -> Chosen:
        place = np.argmax(of.declined_share <= share + 1e-12, axis=-1)
        return of.thresholds[place], place

    return choose


def sums(
    loans: Outcomes, thresholds: Sequence[float] = (), max_bands: int | None = MAX_BANDS
) -> Sums:
    """Add up what each threshold approves.

    Args:
        thresholds: thresholds to include as they are.
        max_bands: thresholds at quantiles of the probability; None takes every probability.
    """
    steps, bands, values = _banded(loans, thresholds, max_bands)
    added = np.stack([np.bincount(bands, column, len(steps)) for column in values.T], axis=-1)
    return Sums(steps, np.cumsum(added, axis=0))


def resampled(
    loans: Outcomes, thresholds: Sequence[float], seed: int, resamples: int = RESAMPLES
) -> Sums:
    """Draw the sums of `resamples` weighted bootstrap samples of the loans.

    Each weighs the loans by independent draws of mean 1 and variance 1 (Barbe and Bertail 1995,
    The weighted bootstrap, Lecture Notes in Statistics 98). They are normal here: a band's sums are
    then normal too and are drawn at once, so that a million loans take as long as a thousand. The
    count of every sample is scaled to that of the loans.
    """
    steps, bands, values = _banded(loans, thresholds, MAX_BANDS)
    # Columns of one size, since amounts of money are far larger than counts
    size = np.sqrt(np.mean(values**2, axis=0))
    size[size == 0] = 1
    scaled, width = values / size, values.shape[1]
    mean = np.stack([np.bincount(bands, column, len(steps)) for column in scaled.T], axis=-1)
    squares = np.empty((len(steps), width, width))
    for i, j in np.ndindex(width, width):
        squares[:, i, j] = np.bincount(bands, scaled[:, i] * scaled[:, j], len(steps))
    levels, vectors = np.linalg.eigh(squares)
    root = vectors * np.sqrt(levels.clip(min=0))[:, None, :]
    noise = np.random.default_rng(seed).standard_normal((resamples, len(steps), width))
    below = np.cumsum(mean + np.einsum("kij,rkj->rki", root, noise), axis=1) * size
    return Sums(steps, below * len(values) / below[:, -1:, _COUNT, None])


def measures(rule: Rule, actual: Sums, draws: Sums) -> dict[str, Metric | None]:
    """Return what a rule does, each with the percentile interval over the resamples.

    The rule is applied to each resample anew, so that the interval of the threshold says how far
    it moves with the sample, and the others include that.

    Args:
        actual: the sums of the loans.
        draws: those of the resamples, (r, k, 5).

    Returns:
        `threshold`, `declined_share`, `default_rate` of the approved (None if there are none),
        `expected_profit` and `realised_profit` of the approved, and `over_approving_all`, the
        realised profit less that of approving all loans.
    """
    found = _at(rule, actual)
    moved = _at(rule, draws)
    return {name: _metric(float(found[name]), moved[name]) for name in found}


def beats_approving_all(actual: Sums, draws: Sums) -> Metric:
    """Return the profit that some threshold earns over approving all loans, with its interval.

    The lower end holds for the best of all thresholds at once: it is the highest lower end of a
    band over all of them, whose width is a quantile of the largest standardised deviation (Montiel
    Olea and Plagborg-Moeller 2019, Simultaneous confidence bands, J. Appl. Econometrics 34:1). An
    interval of the best one alone would find a profit where there is none.
    """
    gained = actual.profit - actual.profit[-1]
    drawn = draws.profit - draws.profit[:, -1:]
    error = drawn.std(axis=0)
    moves = error > 1e-9 * max(1.0, float(np.abs(gained).max()))
    if not moves.any():
        return Metric(0.0, 0.0, 0.0)
    gained, drawn, error = gained[moves], drawn[:, moves], error[moves]
    largest = ((drawn - gained) / error).max(axis=1)
    width = float(np.quantile(largest, (1 + LEVEL) / 2)) * error
    best = int(np.argmax(gained))
    low, high = float(np.max(gained - width)), float(np.max(gained + width))
    return Metric(max(0.0, float(gained[best])), low, high)


def _at(rule: Rule, of: Sums) -> dict[str, Vector]:
    threshold, place = rule(of)

    def pick(values: Vector) -> Vector:
        return np.take_along_axis(values, np.asarray(place)[..., None], axis=-1)[..., 0]

    return {
        "threshold": threshold,
        "declined_share": pick(of.declined_share),
        "default_rate": pick(of.default_rate),
        "expected_profit": pick(of.expected),
        "realised_profit": pick(of.profit),
        "over_approving_all": pick(of.profit) - of.profit[..., -1],
    }


def _metric(value: float, draws: Vector) -> Metric | None:
    if np.isnan(value):
        return None
    low, high = np.nanquantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Metric(value, float(low), float(high))


def _nearest(of: Sums, threshold: Vector) -> Chosen:
    place = np.searchsorted(of.thresholds, threshold).clip(max=len(of.thresholds) - 1)
    return threshold, np.asarray(place, dtype=np.intp)


def _last_best(of: Sums, values: Vector) -> Chosen:
    place = values.shape[-1] - 1 - np.argmax(values[..., ::-1], axis=-1)
    return of.thresholds[place], np.asarray(place, dtype=np.intp)


def _banded(
    loans: Outcomes, thresholds: Sequence[float], max_bands: int | None
) -> tuple[Vector, Places, Vector]:
    """Return the thresholds (k,), the band (n,) below which each loan lies, and its values (n, 5).

    A loan of band j is approved by the thresholds from j on.
    """
    probability = np.asarray(loans.probability, dtype=np.float64)
    steps = np.unique(probability)
    if max_bands and len(steps) > max_bands:
        ranks = np.linspace(0, 1, max_bands)
        steps = np.unique(np.quantile(probability, ranks, method="lower"))
    steps = np.unique([*steps[steps < 1], *thresholds, 1.0])
    bands = np.searchsorted(steps, probability, side="right").clip(max=len(steps) - 1)
    defaulted = np.asarray(loans.default) == 1
    columns = (
        np.ones(len(bands)),
        defaulted,
        np.where(defaulted, 0, loans.profit),
        np.where(defaulted, -loans.profit, 0),
        loans.expected,
    )
    return steps, bands, np.column_stack(columns).astype(np.float64)
