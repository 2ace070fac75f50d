"""The words in columns' names, and what they say of a column. Pure."""

import re
import unicodedata
from collections.abc import Set

# Of what the lender charges
_PRICES = frozenset("apr coupon grade installment instalment interest price pricing".split())
_PRICES_UNLESS = frozenset("rate yield margin spread fee".split())
_OF_A_BUSINESS = frozenset(
    "profit gross net operating growth turnover revenue unemployment exchange utilization "
    "utilisation vacancy occupancy churn tax sales".split()
)
_PAYMENTS, _REGULAR = frozenset("payment pmt".split()), frozenset("monthly weekly regular".split())
# Not a person's age
_AGED_THINGS = frozenset(
    "account asset business company credit equipment file firm loan property relationship trading "
    "vehicle".split()
)
# Months since the last enquiry and enquiries of the last 6 months are known at the start
_PERIODS = frozenset("since months mths month days years yrs".split())


def tokens(name: str) -> list[str]:
    """Return the words of a column's name in lower case: AnnualInc_2 is annual, inc and 2."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", plain)
    return [word for word in re.split(r"[^a-z0-9]+", spaced.lower()) if word]


def record_name(source: str) -> str:
    """Return a name for the record: the source's words in lower case."""
    return "_".join(tokens(source)) or "column"


def is_price(name: str) -> bool:
    """Return whether the name is that of something that the lender sets."""
    words = set(tokens(name))
    if words & _PAYMENTS and words & _REGULAR:
        return True
    return bool(words & _PRICES or (words & _PRICES_UNLESS and not words & _OF_A_BUSINESS))


def named(name: str, words: Set[str]) -> str | None:
    """Return the first of `words` in the name; None if there is none."""
    given = {word.lstrip("0123456789") or word for word in tokens(name)}
    found = given & words
    if given & _AGED_THINGS:
        found -= {"age", "aged"}
    if given & _PERIODS:
        found -= {"last"}
    return min(found, default=None)
