"""What speaks against a column: known only afterwards, a proxy, an id, a constant. Pure."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loan_default.drafting.sample import tokens
from loan_default.metrics.auc import auc

Place = Literal["known_afterwards", "proxies", "unused"]
# Alone, an interest rate or a credit score reaches 0.65 to 0.69
TOO_GOOD = 0.70
# What the lender set rests on much that the file does not hold
TOO_GOOD_FOR_A_PRICE = 0.78
PRICE = frozenset("rate apr grade installment instalment price yield margin".split())
MAX_LEVELS = 60
_BINS, _FOLDS = 20, 5
_MIN_SHARE, _MODE = 0.05, 0.995
_LONG_TEXT_WORDS = 4
_AFTERWARDS = frozenset(
    "recovered recoveries recovery collected collection collections chargeoff charged written "
    "writeoff paid settled settlement hardship outstanding arrears dpd closed closing last next "
    "final default defaulted loss outcome".split()
)
_PROXIES = frozenset(
    "zip zipcode postcode postal state region county city town province country address street "
    "age birth birthday dob sex gender race ethnicity religion nationality marital married name "
    "surname firstname lastname email phone language latitude longitude".split()
)


@dataclass(frozen=True)
class Suspicion:
    """Where a column is set apart, and why in a few words."""

    place: Place
    why: str


def judge(
    name: str,
    texts: pl.Series,
    values: pl.Series | None,
    months: pl.Series | None,
    issued: pl.Series,
    default: NDArray[np.int8],
) -> Suspicion | None:
    """Return what speaks against a column; None if nothing does.

    Args:
        name: its name.
        texts: (n,) its cells.
        values: (n,) its numbers, None if it does not hold numbers.
        months: (n,) its months, None if it does not hold dates.
        issued: (n,) the issue months.
        default: (n,) 1 defaulted, 0 repaid, -1 open.
    """
    filled = texts.drop_nulls()
    if not len(filled):
        return Suspicion("unused", "empty")
    words = set(tokens(name))
    limit = TOO_GOOD_FOR_A_PRICE if words & PRICE else TOO_GOOD
    if found := _afterwards(texts, values, months, issued, default, limit):
        return found
    if filled.n_unique() == 1:
        return Suspicion("unused", "constant")
    if words & _AFTERWARDS:
        return Suspicion("known_afterwards", f"its name: {min(words & _AFTERWARDS)}")
    if words & _PROXIES:
        return Suspicion("proxies", f"its name: {min(words & _PROXIES)}")
    if months is None and values is not None:
        return _numbers(filled, values, words)
    return _texts(filled) if months is None else None


def _afterwards(
    texts: pl.Series,
    values: pl.Series | None,
    months: pl.Series | None,
    issued: pl.Series,
    default: NDArray[np.int8],
    limit: float,
) -> Suspicion | None:
    if months is not None and (late := int((months > issued).sum()) / months.count()) > 0.01:
        return Suspicion("known_afterwards", f"{late:.0%} of its dates lie after the issue")
    known = default >= 0
    outcome, cells = default[known], texts.filter(pl.Series(known))
    filled = cells.is_not_null().to_numpy()
    shares = [float(filled[outcome == label].mean()) for label in (0, 1)]
    if min(shares) < 0.01 and max(shares) > _MIN_SHARE or abs(shares[0] - shares[1]) > 0.4:
        return Suspicion(
            "known_afterwards",
            f"filled for {shares[1]:.0%} of defaulted, {shares[0]:.0%} of repaid",
        )
    for label in (0, 1):
        if found := _constant_within(cells, outcome == label):
            return Suspicion("known_afterwards", found + ("defaulted" if label else "repaid"))
    codes = _bins(values.filter(pl.Series(known)) if values is not None else None, months, cells)
    reached = _out_of_fold_auc(codes, outcome)
    if reached >= limit:
        return Suspicion("known_afterwards", f"alone it reaches an AUC of {reached:.2f}")
    return None


def _constant_within(cells: pl.Series, inside: NDArray[np.bool_]) -> str | None:
    """Return the beginning of a sentence if nearly all cells inside are one, and outside not."""
    here = cells.filter(pl.Series(inside)).fill_null("")
    there = cells.filter(pl.Series(~inside)).fill_null("")
    mode = here.value_counts(sort=True).row(0)[0]
    share, elsewhere = float((here == mode).mean() or 0), float((there == mode).mean() or 0)
    if share >= _MODE and elsewhere < 1 - 2 * _MIN_SHARE:
        return f"{'empty' if mode == '' else mode[:20]} for {share:.1%} of those "
    return None


def _bins(
    values: pl.Series | None, months: pl.Series | None, cells: pl.Series
) -> NDArray[np.int64]:
    """Return a code for each cell: of its quantile, or of its text; missing ones have their own."""
    if values is None:
        return cells.fill_null("").rank("dense").to_numpy().astype(np.int64)
    numbers = values.to_numpy().astype(float)
    given = numbers[~np.isnan(numbers)]
    if not len(given):
        return np.zeros(len(numbers), dtype=np.int64)
    edges = np.unique(np.quantile(given, np.linspace(0, 1, _BINS + 1)))
    codes = np.searchsorted(edges, numbers, side="right").astype(np.int64)
    codes[np.isnan(numbers)] = len(edges) + 1
    return codes


def _out_of_fold_auc(codes: NDArray[np.int64], outcome: NDArray[np.int8]) -> float:
    """Return the AUC of the default rate of a cell's code, as known from the other folds."""
    score = np.zeros(len(outcome))
    fold = np.random.default_rng(0).integers(0, _FOLDS, len(outcome))
    for number in range(_FOLDS):
        test = fold == number
        size = int(codes.max()) + 1
        bad = np.bincount(codes[~test], outcome[~test], size)
        count = np.bincount(codes[~test], minlength=size)
        rate = float(outcome[~test].mean()) if (~test).any() else 0.0
        score[test] = ((bad + 10 * rate) / (count + 10))[codes[test]]
    distinct, places = np.unique(score, return_inverse=True)
    good = np.bincount(places, outcome == 0, len(distinct))
    return auc(good, np.bincount(places, outcome == 1, len(distinct))) or 0.5


def _numbers(filled: pl.Series, values: pl.Series, words: set[str]) -> Suspicion | None:
    given = values.drop_nulls()
    whole = given.filter(given % 1 == 0)
    is_whole = len(whole) == len(given)
    in_order = given.is_sorted() or given.is_sorted(descending=True)
    if is_whole and given.n_unique() == len(given) and (words & {"id", "nr", "key"} or in_order):
        return Suspicion("unused", "an id: every value is another")
    mode, count = given.value_counts(sort=True).row(0)
    others = given.filter(given != mode)
    if mode % 1 and count > 0.5 * len(given) and len(others) and (others % 1 == 0).mean() == 1:
        return Suspicion("unused", f"filled in: {count / len(given):.0%} hold {mode:.4f}")
    return None


def _texts(filled: pl.Series) -> Suspicion | None:
    distinct = filled.unique()
    words = distinct.str.count_matches(r"\S+").to_numpy()
    if words.mean() > _LONG_TEXT_WORDS:
        return Suspicion("proxies", "free text")
    if len(distinct) > max(MAX_LEVELS, 0.9 * len(filled)):
        return Suspicion("unused", "an id or free text: nearly every value is another")
    if len(distinct) >= 20 and distinct.str.contains(r"^[A-Z]{2}$").all():
        return Suspicion("proxies", "codes of states or countries")
    if len(distinct) > MAX_LEVELS:
        return Suspicion("unused", f"{len(distinct)} levels")
    return None


def missing_by_year(texts: pl.Series, issued: pl.Series) -> dict[int, float]:
    """Return the share of missing cells in [0, 1] by issue year."""
    years = pl.DataFrame({"year": issued.dt.year(), "missing": texts.is_null()}).drop_nulls("year")
    return dict(years.group_by("year").agg(pl.col("missing").mean()).sort("year").rows())
