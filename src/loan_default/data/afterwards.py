"""Read what became known of a loan after it was granted: the outcome's month and the money.

Training and evaluation alone may use it; it never becomes a feature.
"""

import polars as pl

from loan_default.columns import LENT, OUTCOME_MONTH, RECOVERED, RETURNED
from loan_default.contract.contract import Column, Contract
from loan_default.data import cells as reading
from loan_default.data.dates import months

OUTCOME_TEXT = "outcome month text"
# An amount has no name in the record; the unit lets "$1,234.50" be read
_AMOUNT = Column(name="amount", kind="number", unit="dollars", low=float("-inf"), high=float("inf"))


def sources(contract: Contract) -> frozenset[str]:
    """Return the columns to read, under their own names and those of a prepared file."""
    rule = contract.outcome.default_month
    return amounts(contract) | ({OUTCOME_MONTH, rule.column} if rule else set())


def amounts(contract: Contract) -> frozenset[str]:
    """Return those that hold amounts of money, which files mostly fill with plain numbers."""
    if not (money := contract.money):
        return frozenset()
    raw = (money.lent, money.returned, money.recovered, money.recovery_fee)
    return frozenset({LENT, RETURNED, RECOVERED, *(name for name in raw if name)})


def stored(contract: Contract) -> dict[str, pl.DataType]:
    """Return the columns of a prepared file with their types; those that the contract knows of."""
    found: dict[str, pl.DataType] = {}
    if contract.outcome.default_month:
        found[OUTCOME_MONTH] = pl.Date()
    if contract.money:
        found |= {LENT: pl.Float64(), RETURNED: pl.Float64(), RECOVERED: pl.Float64()}
    return found


def read(
    cells: pl.DataFrame, contract: Contract, issued: pl.Series, outcome: pl.Series
) -> list[pl.Series]:
    """Return the columns of `stored`, and the text of the outcome's month where there is one.

    Args:
        cells: a file's cells, with any of `sources`.
        contract: how the month of default is known, and which columns hold money.
        issued: the issue months, (n,) dates.
        outcome: 1 defaulted, 0 repaid, null still open, (n,).
    """
    found = []
    if contract.outcome.default_month:
        found += _outcome_month(cells, contract, issued, outcome)
    if contract.money:
        found += _money(cells, contract)
    return found


def _outcome_month(
    cells: pl.DataFrame, contract: Contract, issued: pl.Series, outcome: pl.Series
) -> list[pl.Series]:
    """Return the month in which the outcome became known; null for open loans, or without dates.

    A loan that defaulted without any payment did so `plus_months` after its issue. For a repaid
    loan without a date, null means: at the end of its term.
    """
    rule = contract.outcome.default_month
    assert rule
    if OUTCOME_MONTH in cells.columns:
        texts = reading.text(cells[OUTCOME_MONTH])
        return [months(texts).alias(OUTCOME_MONTH), texts.alias(OUTCOME_TEXT)]
    if rule.column not in cells.columns:
        nothing = pl.Series(OUTCOME_MONTH, [None], pl.Date).new_from_index(0, cells.height)
        return [nothing, nothing.cast(pl.String).alias(OUTCOME_TEXT)]
    texts = reading.text(cells[rule.column])
    dates = pl.DataFrame(
        {
            "issued": issued,
            "outcome": outcome,
            "paid": months(texts, contract.date_form(rule.column)),
            "text": texts,
        }
    )
    # Nothing ends before it began; a date that cannot be read stays null and is a fault
    ended = pl.when(pl.col("paid").is_not_null()).then(pl.max_horizontal("paid", "issued"))
    unpaid = pl.when(pl.col("text").is_null()).then("issued")
    month = (
        pl.when(pl.col("outcome") == 1)
        .then(pl.coalesce(ended, unpaid).dt.offset_by(f"{rule.plus_months}mo"))
        .when(pl.col("outcome") == 0)
        .then(ended)
    )
    return [dates.select(month.alias(OUTCOME_MONTH)).to_series(), texts.alias(OUTCOME_TEXT)]


def _money(cells: pl.DataFrame, contract: Contract) -> list[pl.Series]:
    """Return what was lent, what came back net of the recovery fee, and the recovered part."""
    if LENT in cells.columns:
        return [_amount(cells, name).alias(name) for name in (LENT, RETURNED, RECOVERED)]
    money = contract.money
    assert money
    fee = _amount(cells, money.recovery_fee).fill_null(0.0)
    recovered = _amount(cells, money.recovered).fill_null(0.0)
    return [
        _amount(cells, money.lent).alias(LENT),
        (_amount(cells, money.returned) - fee).alias(RETURNED),
        (recovered - fee).alias(RECOVERED),
    ]


def _amount(cells: pl.DataFrame, name: str | None) -> pl.Series:
    """Return an amount of money; null where the column lacks it or it cannot be read."""
    if name is None or name not in cells.columns:
        return pl.Series([None], dtype=pl.Float64).new_from_index(0, cells.height)
    if cells[name].dtype.is_numeric():
        amounts = cells[name].cast(pl.Float64)
    else:
        amounts = reading.numbers(_AMOUNT, reading.text(cells[name]))
    return amounts.set(~amounts.is_finite(), None)
