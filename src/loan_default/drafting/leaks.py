"""What shows that a column was filled or changed after the loan was granted. Pure.

Each test asks what cannot be so of something that was known at the start. The limits are measured
on the columns of LendingClub and Prosper, `MAX_...` being beyond the largest honest one.
"""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loan_default.drafting.columns import Column
from loan_default.drafting.names import is_price, named
from loan_default.metrics.auc import auc

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

# Alone, an interest rate or a credit score reaches 0.65 to 0.70
TOO_GOOD, TOO_GOOD_FOR_A_PRICE = 0.70, 0.78
# Where no price tells what the lender knew, no column but the credit bureau's is as good as this
TOO_GOOD_WITHOUT_A_PRICE = 0.65
_BUREAU = frozenset("bureau credit fico rating risk".split())
# The lender charges for what predicts as well as this, if its price predicts at all
PRICED_FROM, PRICE_FROM, MIN_PRICED = 0.60, 0.57, 0.10
# Of honest columns, the shares that are filled differ by 0.05, and the correlations reach 0.11
MAX_FILLED_BY_OUTCOME, MAX_FILLED_BY_END, MAX_FOLLOWED = 0.25, 0.10, 0.15
# A chance that no column of a file meets
_NEVER_BY_CHANCE = 1e-9
_MIN_CELLS, _FEW_VALUES = 20, 60
_BINS, _FOLDS = 20, 5
_MIN_SHARE, _MODE = 0.05, 0.995


@dataclass(frozen=True)
class Loans:
    """What is known of n loans whatever the column.

    Attributes:
        issued: (n,) the issue month, counted in months; NaN if unreadable.
        default: (n,) 1 defaulted, 0 repaid, -1 still open or unknown.
        term: (n,) months; 0 if all are alike.
        end: the column of dates that tells best when a loan ended; None if there is none.
        life: (n,) the months from the issue to it; NaN if empty.
        price: (n,) what the lender charged; None if it is not known or predicts nothing.
    """

    issued: Floats
    default: NDArray[np.int8]
    term: Floats
    end: str | None = None
    life: Floats | None = None
    price: Floats | None = None

    @property
    def ended(self) -> Mask:
        """The loans with an outcome."""
        return np.asarray(self.default >= 0)


def month_numbers(months: pl.Series) -> Floats:
    """Return months (n,) as counted from year 0; NaN where there is none."""
    counted = months.dt.year().cast(pl.Float64) * 12 + months.dt.month()
    return np.asarray(counted.fill_null(math.nan).to_numpy(), dtype=np.float64)


def life(column: Column, loans: Loans) -> Floats | None:
    """Return the months from issue to a column's dates, if they lie after it; otherwise None."""
    if column.months is None:
        return None
    months = month_numbers(column.months) - loans.issued
    given = months[~np.isnan(months)]
    return months if len(given) and (given > 0).mean() > 0.01 else None


def known_afterwards(column: Column, loans: Loans) -> str | None:
    """Return why a column cannot have been known at the start; None if nothing says so."""
    if (months := life(column, loans)) is not None:
        late = float((months[~np.isnan(months)] > 0).mean())
        return f"{late:.0%} of its dates lie after the issue"
    return (
        _filled(column, loans)
        or _pure_value(column, loans)
        or _constant_within(column, loans)
        or _follows_life(column, loans)
        or _predicts(column, loans)
    )


def alone(column: Column, loans: Loans) -> float:
    """Return the AUC that a column reaches alone, with rates from other loans than those ranked."""
    return _out_of_fold_auc(codes(column)[loans.ended], loans.default[loans.ended])


def price(columns: list[Column], loans: Loans) -> Floats | None:
    """Return the numbers of the price that predicts best; None if none predicts."""
    reached = {
        column.name: alone(column, loans)
        for column in columns
        if is_price(column.name) and column.values is not None
    }
    best = max(reached, key=lambda name: reached[name], default=None)
    if best is None or not PRICE_FROM <= reached[best] < TOO_GOOD_FOR_A_PRICE:
        return None
    return next(c.numbers for c in columns if c.name == best)


def codes(column: Column) -> Integers:
    """Return a code for each cell: of its quantile, or of its text; missing ones have their own."""
    numbers = column.numbers
    if column.values is None and column.months is None:
        ranks = column.texts.fill_null("").rank("dense")
        return np.asarray(ranks.to_numpy(), dtype=np.int64)
    given = numbers[~np.isnan(numbers)]
    if not len(given):
        return np.zeros(len(numbers), dtype=np.int64)
    edges = np.unique(np.quantile(given, np.linspace(0, 1, _BINS + 1)))
    found = np.searchsorted(edges, numbers, side="right").astype(np.int64)
    found[np.isnan(numbers)] = len(edges) + 1
    return found


def _filled(column: Column, loans: Loans) -> str | None:
    """Compare the shares that are filled, among loans of the same issue year or quarter."""
    filled = column.texts.is_not_null().to_numpy().astype(float)
    ended, years = loans.ended, loans.issued // 12
    by_outcome = [float(filled[loans.default == label].mean()) for label in (0, 1)]
    apart = abs(_difference(filled[ended], loans.default[ended] == 1, years[ended]))
    only_one = min(by_outcome) < 0.01 and max(by_outcome) > _MIN_SHARE
    if only_one or apart > MAX_FILLED_BY_OUTCOME:
        return f"filled for {by_outcome[1]:.0%} of defaulted, {by_outcome[0]:.0%} of repaid"
    by_end = _difference(filled, ended, loans.issued // 3)
    if abs(by_end) > MAX_FILLED_BY_END:
        more = "ended" if by_end > 0 else "running"
        return f"filled more often for {more} loans of the same months, by {abs(by_end):.0%}"
    return None


def _pure_value(column: Column, loans: Loans) -> str | None:
    """Find a value of the rarer outcome alone, more often than chance allows."""
    ended = loans.ended
    texts, bad = column.texts.filter(pl.Series(ended)), loans.default[ended]
    rare = int(bad.mean() < 0.5)
    share = float((bad == rare).mean())
    counted = (
        pl.DataFrame({"text": texts, "rare": bad == rare})
        .drop_nulls()
        .group_by("text")
        .agg(pl.len().alias("rows"), pl.col("rare").sum())
    )
    pure = counted.filter(pl.col("rows") == pl.col("rare")).sort("rows", "text").tail(1)
    if not len(pure) or share ** int(pure["rows"][0]) > _NEVER_BY_CHANCE:
        return None
    outcome = "defaulted" if rare else "repaid"
    return f"{pure['text'][0][:20]}: all {pure['rows'][0]} of them {outcome}"


def _constant_within(column: Column, loans: Loans) -> str | None:
    """Find an outcome within which nearly all cells are one, while others are not."""
    for label, outcome in enumerate(("repaid", "defaulted")):
        here = column.texts.filter(pl.Series(loans.default == label)).fill_null("")
        there = column.texts.filter(pl.Series(loans.default == 1 - label)).fill_null("")
        mode = here.value_counts(sort=True).row(0)[0]
        share, elsewhere = float((here == mode).mean() or 0), float((there == mode).mean() or 0)
        if share >= _MODE and elsewhere < 1 - 2 * _MIN_SHARE:
            return f"{'empty' if mode == '' else mode[:20]} for {share:.1%} of those {outcome}"
    return None


def _follows_life(column: Column, loans: Loans) -> str | None:
    """Find numbers that grow or shrink with the time until the loan ended.

    Spearman's correlation within loans of one term and one outcome, what the issue month explains
    taken out: nobody knows at the start when a loan will end.
    """
    if column.values is None or loans.life is None:
        return None
    given = ~np.isnan(column.numbers + loans.life + loans.issued)
    by_outcome = [
        _partial(column.numbers, loans.life, given & (loans.default == label), loans)
        for label in (0, 1)
    ]
    for correlation, rows in (*by_outcome, _pooled(by_outcome)):
        if rows and abs(correlation) > max(MAX_FOLLOWED, 4 / math.sqrt(rows)):
            return f"follows the time from issue to {loans.end} (correlation {correlation:.2f})"
    return None


def _partial(numbers: Floats, months: Floats, given: Mask, loans: Loans) -> tuple[float, int]:
    """Return the correlation within terms, pooled, and the rows that it rests on."""
    found = []
    for term in np.unique(loans.term[given]):
        here = given & (loans.term == term)
        if here.sum() < 5 * _MIN_CELLS:
            continue
        issued = _ranks(loans.issued[here])
        first, second = (_residual(_ranks(part[here]), issued) for part in (numbers, months))
        found.append((_correlation(first, second), int(here.sum())))
    return _pooled(found)


def _pooled(parts: list[tuple[float, int]]) -> tuple[float, int]:
    rows = sum(rows for _, rows in parts)
    return (sum(part * n for part, n in parts) / rows if rows else 0.0), rows


def _predicts(column: Column, loans: Loans) -> str | None:
    reached = alone(column, loans)
    told = f"alone it reaches an AUC of {reached:.2f}"
    if is_price(column.name):
        return told if reached >= TOO_GOOD_FOR_A_PRICE else None
    if reached >= TOO_GOOD:
        return told
    if loans.price is None:
        suspect = reached >= TOO_GOOD_WITHOUT_A_PRICE and not named(column.name, _BUREAU)
        return told if suspect else None
    if reached >= PRICED_FROM and (followed := _priced(column, loans)) < MIN_PRICED:
        return f"{told}, yet the price does not follow it (correlation {followed:.2f})"
    return None


def _priced(column: Column, loans: Loans) -> float:
    """Return how well the price follows the column's risk, among repaid loans, in [-1, 1]."""
    assert loans.price is not None
    ended = loans.ended
    code = codes(column)
    risk = _rates(code[ended], loans.default[ended], int(code.max()) + 1)[code]
    here = (loans.default == 0) & ~np.isnan(loans.price)
    return _correlation(_centred(_ranks(risk[here])), _centred(_ranks(loans.price[here])))


def _difference(values: Floats, inside: Mask, strata: Floats) -> float:
    """Return by how much the mean inside is above that outside, within strata; 0 if unknown.

    The strata are weighted as by Cochran (1954), Biometrics 10:417.
    """
    usable = ~np.isnan(strata)
    _, place = np.unique(strata[usable], return_inverse=True)
    values, inside = values[usable], inside[usable]
    rows = [
        np.bincount(place[inside == side], minlength=place.max(initial=-1) + 1) for side in (0, 1)
    ]
    sums = [
        np.bincount(place[inside == side], values[inside == side], len(rows[0])) for side in (0, 1)
    ]
    enough = (rows[0] >= _MIN_CELLS) & (rows[1] >= _MIN_CELLS)
    if not enough.any():
        return 0.0
    outside, within = (part[enough].astype(float) for part in rows)
    gap = sums[1][enough] / within - sums[0][enough] / outside
    return float(np.average(gap, weights=within * outside / (within + outside)))


def _out_of_fold_auc(code: Integers, outcome: NDArray[np.int8]) -> float:
    """Return the AUC of the default rate of a cell's code, as known from the other folds."""
    score = np.zeros(len(outcome))
    fold = np.random.default_rng(0).integers(0, _FOLDS, len(outcome))
    for number in range(_FOLDS):
        test = fold == number
        rates = _rates(code[~test], outcome[~test], int(code.max(initial=0)) + 1)
        score[test] = rates[code[test]]
    distinct, places = np.unique(score, return_inverse=True)
    good = np.bincount(places, outcome == 0, len(distinct))
    return auc(good, np.bincount(places, outcome == 1, len(distinct))) or 0.5


def _rates(code: Integers, outcome: NDArray[np.int8], size: int) -> Floats:
    """Return by code (size,) the default rate, drawn to the mean where there are few loans."""
    bad, count = np.bincount(code, outcome, size), np.bincount(code, minlength=size)
    mean = float(outcome.mean()) if len(outcome) else 0.0
    return np.asarray((bad + 10 * mean) / (count + 10), dtype=np.float64)


def _ranks(values: Floats) -> Floats:
    return np.asarray(pl.Series(values).rank().to_numpy(), dtype=np.float64)


def _correlation(first: Floats, second: Floats) -> float:
    """Return Pearson's correlation of two samples (n,) of mean 0; 0 if one is constant."""
    scale = math.sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / scale if scale else 0.0


def _centred(values: Floats) -> Floats:
    return np.asarray(values - values.mean(), dtype=np.float64)


def _residual(values: Floats, other: Floats) -> Floats:
    """Return what a straight line through `other` does not explain."""
    values, other = _centred(values), _centred(other)
    square = float(other @ other)
    return values - float(values @ other) / square * other if square else values
