"""Guess from what was set apart which columns tell the money and the month of default."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loan_default.drafting.columns import Column
from loan_default.drafting.leaks import Loans, life
from loan_default.drafting.names import is_price, named

_LENT = frozenset("amount principal lent funded advanced disbursed amnt".split())
_RECOVERED = frozenset("recovered recovery recoveries".split())
_FEE = frozenset("fee cost costs".split())
_SURE_RATES = frozenset("interest int rate".split())
_RATES = _SURE_RATES | frozenset("apr coupon margin price pricing yield".split())
_PAYMENT = frozenset("paid payment pymnt pmt repayment instalment installment".split())
_PLANNED = frozenset(
    "next due maturity matures expiry expected scheduled planned target review".split()
)
# Basel's definition: 90 days past due, counted from the last payment
MONTHS_AFTER_LAST_PAYMENT = 3
_MOST = 0.9


@dataclass(frozen=True)
class Money:
    """The source columns of [money]; None if no column looks like it."""

    lent: str
    returned: str
    recovered: str | None
    recovery_fee: str | None


def yearly_rate(features: list[Column], loans: Loans) -> str | None:
    """Return the feature that looks most like a yearly interest rate; None if none does."""
    found = []
    for place, column in enumerate(features):
        if column.values is None or not is_price(column.name) or not named(column.name, _RATES):
            continue
        middle = _median(column.numbers[loans.ended])
        # As a fraction or in percent
        if 0.005 <= middle <= 0.6 or 1 <= middle <= 60:
            found.append((not named(column.name, _SURE_RATES), place, column.name))
    return min(found)[2] if found else None


def known_through(columns: list[Column], loans: Loans) -> list[str]:
    """Return the columns of dates that tell through which month outcomes are known.

    A date that was planned at the start, such as the end of the term, lies in the future of a loan
    that runs.
    """
    events = [c for c in columns if life(c, loans) is not None and not _planned(c, loans)]
    often = [c for c in events if (~np.isnan(c.numbers[loans.ended])).mean() > 0.5]
    return [column.name for column in often or events]


def default_month(columns: list[Column], loans: Loans) -> tuple[str, int] | None:
    """Return the column of dates that is nearest to the month of default, and months to add."""
    bad = loans.default == 1
    found: list[tuple[int, float, str, int]] = []
    for column in columns:
        months = life(column, loans)
        if months is None or _planned(column, loans):
            continue
        given = ~np.isnan(months)
        if given[bad].mean() < _MOST:
            continue
        only_bad = given[loans.default == 0].mean() < 0.01
        middle = float(np.median(months[bad & given]))
        payment = named(column.name, _PAYMENT) is not None
        rank = 0 if only_bad else 1 if payment else 2
        plus = MONTHS_AFTER_LAST_PAYMENT if payment and not only_bad else 0
        found.append((rank, middle, column.name, plus))
    if not found:
        return None
    _, _, name, plus = min(found)
    return name, plus


def money(features: list[Column], apart: list[Column], loans: Loans) -> Money | None:
    """Return the columns of what was lent and what came back; None if they are not both there.

    A repaid loan brings back what was lent and interest, a defaulted one less than was lent.
    """
    lent = _lent([*features, *apart], loans)
    if lent is None:
        return None
    good, bad = loans.default == 0, loans.default == 1
    returned: list[tuple[float, str]] = []
    for column in apart:
        if column.values is None or column.name == lent.name:
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            share = column.numbers / lent.numbers
        repaid, lost = _median(share[good]), _median(share[bad])
        if 1 < repaid < 3 and lost < 1:
            returned.append((repaid, column.name))
    if not returned:
        return None
    recovered = [c for c in apart if c.values is not None and named(c.name, _RECOVERED)]
    fees = [c.name for c in recovered if named(c.name, _FEE)]
    amounts = [c.name for c in recovered if c.name not in fees]
    return Money(
        lent.name,
        max(returned)[1],
        amounts[0] if amounts else None,
        fees[0] if fees and amounts else None,
    )


def _lent(columns: list[Column], loans: Loans) -> Column | None:
    """Return what was paid out: of several amounts, the one that was set apart last."""
    found = [
        column
        for column in columns
        if column.values is not None
        and named(column.name, _LENT)
        and not named(column.name, _PAYMENT | _RECOVERED | _FEE)
        and np.isfinite(column.numbers).mean() >= _MOST
        and _median(column.numbers) > 0
    ]
    funded = [c for c in found if named(c.name, frozenset(("funded", "disbursed", "advanced")))]
    return next(iter([*funded, *found]), None)


def _planned(column: Column, loans: Loans) -> bool:
    """Return whether the dates were known at the start: by name, or the issue plus the term."""
    if named(column.name, _PLANNED):
        return True
    months = life(column, loans)
    assert months is not None
    given = ~np.isnan(months)
    apart = months[given] - loans.term[given]
    return bool(np.quantile(apart, _MOST) - np.quantile(apart, 1 - _MOST) <= 1)


def _median(values: NDArray[np.float64]) -> float:
    given = values[np.isfinite(values)]
    return float(np.median(given)) if len(given) else math.nan
