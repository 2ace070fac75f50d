"""Put finished loans, their default probabilities and their money together."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from loan_default.columns import DEFAULT, LENT, RECOVERED, RETURNED, TERM
from loan_default.contract.contract import Contract
from loan_default.metrics.money import Outcomes
from loan_default.model import economics
from loan_default.model.artifact import Vector
from loan_default.model.economics import Economics

# Below it, a mean loss or profit says little
MIN_LOANS = 30


@dataclass(frozen=True)
class Book:
    """Finished loans with their money.

    Attributes:
        outcomes: the loans whose money is known; all of them, with profits of 0, if no money is.
        economics: what they, or the loans that were learned from, lost and earned; None if no
            money is known.
        left_out: the loans without known money, where that of others is known.
    """

    outcomes: Outcomes
    economics: Economics | None
    left_out: int = 0


def profit(loans: pl.DataFrame, recoveries: bool) -> pl.Series:
    """Return what came back less what was lent, (n,); null where either is unknown."""
    if not {LENT, RETURNED} <= set(loans.columns):
        return pl.Series([None], dtype=pl.Float64).new_from_index(0, loans.height)
    late = pl.lit(0.0) if recoveries else pl.col(RECOVERED).fill_null(0.0)
    return loans.select(pl.col(RETURNED) - pl.col(LENT) - late).to_series()


def why_no_money(loans: pl.DataFrame, contract: Contract, recoveries: bool) -> str | None:
    """Return why no profit can be told, as part of a sentence; None if it can.

    Args:
        loans: finished loans with their outcome.
        recoveries: whether what was recovered after a default counts.
    """
    if contract.money is None:
        return "the contract has no [money]"
    earned = profit(loans, recoveries)
    for outcome, name in ((0, "repaid"), (1, "defaulted")):
        amounts = earned.filter(loans[DEFAULT] == outcome).drop_nulls().to_numpy()
        if len(amounts) < MIN_LOANS:
            return f"only {len(amounts)} {name} loans have amounts ({MIN_LOANS} are needed)"
        mean = float(amounts.mean())
        if outcome == 0 and mean <= 0:
            return f"repaid loans earned nothing ({mean:,.2f} a loan)"
        if outcome == 1 and mean >= 0:
            return f"defaulted loans lost nothing ({mean:+,.2f} a loan)"
    return None


def without_money(loans: pl.DataFrame, probability: Vector) -> Book:
    """Return n loans of which no money is known."""
    nothing = np.zeros(loans.height)
    return Book(Outcomes(loans[DEFAULT].to_numpy(), probability, nothing, nothing), None)


def with_money(
    loans: pl.DataFrame,
    probability: Vector,
    contract: Contract,
    recoveries: bool,
    learned: Economics | None = None,
) -> Book:
    """Return the loans whose money is known.

    Args:
        loans: n finished loans with their outcome.
        probability: (n,) their default probabilities.
        recoveries: whether what was recovered after a default counts.
        learned: what other loans lost and earned, to expect profits by; by default these.
    """
    earned = profit(loans, recoveries)
    known = earned.is_not_null()
    if not known.any():
        return without_money(loans, probability)
    loans, probability = loans.filter(known), probability[known.to_numpy()]
    default, received = loans[DEFAULT].to_numpy(), earned.filter(known).to_numpy()
    amount = loans[LENT].to_numpy()
    price = _price(loans, contract) if learned is None or learned.priced else None
    volume = economics.volume(amount, price, _term(loans, contract))
    priced = price is not None
    found = learned or economics.measure(default, received, amount, volume, priced)
    outcomes = Outcomes(default, probability, received, found.profit(probability, amount, volume))
    return Book(outcomes, found, int((~known).sum()))


def _price(loans: pl.DataFrame, contract: Contract) -> Vector | None:
    """Return the prices (n,), the mean one where it is missing; None if none is known."""
    name = contract.money.price if contract.money else None
    prices = loans[name].drop_nulls() if name else pl.Series([], dtype=pl.Float64)
    if not name or not prices.len() or not prices.sum() > 0:
        return None
    return loans[name].fill_null(strategy="mean").to_numpy()


def _term(loans: pl.DataFrame, contract: Contract) -> Vector | None:
    return loans[TERM].to_numpy() if contract.loan.term else None
