"""What speaks against a column: known only afterwards, a proxy, an id, a constant. Pure."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from loan_default.contract.texts import fold
from loan_default.drafting import leaks
from loan_default.drafting.columns import Column
from loan_default.drafting.leaks import Loans
from loan_default.drafting.names import named, tokens

Place = Literal["known_afterwards", "proxies", "unused"]
MAX_LEVELS = 60
_LONG_TEXT_WORDS = 4
_AFTERWARDS = frozenset(
    "recovered recoveries recovery collected collection collections chargeoff charged written "
    "writeoff paid settled settlement hardship outstanding arrears dpd closed closing last next "
    "final default defaulted loss outcome".split()
)
_PROXIES = frozenset(
    "zip zipcode postcode postal plz state region county city town province country address street "
    "age birth birthday born dob sex gender race ethnicity religion nationality citizenship "
    "marital married name surname firstname lastname email phone language latitude "
    "longitude".split()
)
_KEYS = frozenset("id nr key".split())
# Levels that tell what a harmless name does not
_PROTECTED = {
    "sex": frozenset("m f male female man woman men women".split()),
    "marital status": frozenset("single married divorced widowed separated unmarried".split()),
    "regions": frozenset("north south east west central northern southern eastern western".split()),
}
_NEUTRAL = frozenset(("other", "unknown", "d", "not stated"))
_POSTCODES = (
    r"(?i)^[A-Z]{1,2}\d[A-Z\d]?( ?\d[A-Z]{2})?$|^\d{4} ?[A-Z]{2}$|^\d{3}xx$|^\d{5}(-\d{4})?$"
)
# What tells them from codes of products and from amounts
_SURELY = r"(?i)^[A-Z]{2}\d| |xx$|^0\d{4}|-"
_DECIMAL_COMMA = r"^[^\d,]*\d{1,3}([. ']?\d{3})*,\d{1,2}[^\d,]*$"
# Months before the loan
_BORN = (16 * 12, 100 * 12)


@dataclass(frozen=True)
class Suspicion:
    """Where a column is set apart, and why in a few words."""

    place: Place
    why: str


def judge(column: Column, loans: Loans) -> Suspicion | None:
    """Return what speaks against a column; None if nothing does."""
    filled = column.texts.drop_nulls()
    if not len(filled):
        return Suspicion("unused", "empty")
    if filled.n_unique() == 1 and not column.texts.has_nulls():
        return Suspicion("unused", "constant")
    if why := leaks.known_afterwards(column, loans):
        return Suspicion("known_afterwards", why)
    if filled.n_unique() == 1:
        return Suspicion("unused", "constant")
    if word := named(column.name, _AFTERWARDS):
        return Suspicion("known_afterwards", f"its name: {word}")
    if word := named(column.name, _PROXIES):
        return Suspicion("proxies", f"its name: {word}")
    if column.months is not None:
        return _dates(column, loans)
    return _numbers(column, filled) if column.values is not None else _texts(filled)


def _dates(column: Column, loans: Loans) -> Suspicion | None:
    before = loans.issued - column.numbers
    before = before[~np.isnan(before)]
    if len(before) and _BORN[0] <= np.quantile(before, 0.01) and before.max() <= _BORN[1]:
        return Suspicion("proxies", "dates 16 to 100 years before the loan, as of birth")
    return None


def _numbers(column: Column, filled: pl.Series) -> Suspicion | None:
    assert column.values is not None
    given = column.values.drop_nulls()
    whole = given.filter(given % 1 == 0)
    in_order = given.is_sorted() or given.is_sorted(descending=True)
    an_id = in_order or set(tokens(column.name)) & _KEYS
    if len(whole) == len(given) and given.n_unique() == len(given) and an_id:
        return Suspicion("unused", "an id: every value is another")
    mode, count = given.value_counts(sort=True).row(0)
    others = given.filter(given != mode)
    if mode % 1 and count > 0.5 * len(given) and len(others) and (others % 1 == 0).mean() == 1:
        return Suspicion("unused", f"filled in: {count / len(given):.0%} hold {mode:.4f}")
    return Suspicion("proxies", "postcodes") if _are_postcodes(filled.unique()) else None


def _texts(filled: pl.Series) -> Suspicion | None:
    distinct = filled.unique()
    if len(distinct) > 1 and distinct.str.contains(_DECIMAL_COMMA).all():
        return Suspicion("unused", "numbers with a decimal comma: write 1234.50 for 1.234,50")
    words = distinct.str.count_matches(r"\S+").to_numpy()
    if words.mean() > _LONG_TEXT_WORDS:
        return Suspicion("proxies", "free text")
    if _are_postcodes(distinct):
        return Suspicion("proxies", "postcodes")
    if len(distinct) >= 20 and distinct.str.contains(r"^[A-Z]{2}$").all():
        return Suspicion("proxies", "codes of states or countries")
    if len(distinct) > max(MAX_LEVELS, 0.9 * len(filled)):
        return Suspicion("unused", "an id or free text: nearly every value is another")
    if len(distinct) > MAX_LEVELS:
        return Suspicion("unused", f"{len(distinct)} levels")
    levels = {fold(text) for text in distinct} - _NEUTRAL
    for what, known in _PROTECTED.items():
        if len(levels) > 1 and levels <= known:
            return Suspicion("proxies", f"its values: {what}")
    return None


def _are_postcodes(distinct: pl.Series) -> bool:
    shaped = len(distinct) >= 20 and bool(distinct.str.contains(_POSTCODES).all())
    return shaped and bool(distinct.str.contains(_SURELY).any())


def missing_by_year(texts: pl.Series, issued: pl.Series) -> dict[int, float]:
    """Return the share of missing cells in [0, 1] by issue year."""
    years = pl.DataFrame({"year": issued.dt.year(), "missing": texts.is_null()}).drop_nulls("year")
    return dict(years.group_by("year").agg(pl.col("missing").mean()).sort("year").rows())
