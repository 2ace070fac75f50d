"""Expected loss and return of a loan, from its default probability, its amount and its price.

A repaid loan earns about the same share of amount times price times term, whatever its price and
term, since that share holds both the amortisation and early repayment: on LendingClub's loans of
2007 to 2010 it is 0.045 to 0.046 with prices and terms a year.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loan_default.contract.contract import Contract
from loan_default.model.features import Matrix

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Economics:
    """What the loans that a version was trained on lost and earned.

    Attributes:
        loss_share: lost share of the amount lent, over the defaulted loans.
        earned_share: profit of the repaid loans over the sum of `volume`.
        priced: whether that volume holds the price.
    """

    loss_share: float
    earned_share: float
    priced: bool = True

    def loss(self, probability: Vector, amount: Vector) -> Vector:
        """Return the expected loss (n,) of loans of `amount` (n,), in its currency."""
        return np.asarray(probability * self.loss_share * amount)

    def profit(self, probability: Vector, amount: Vector, volume: Vector) -> Vector:
        """Return the expected profit (n,) of loans of `amount` and `volume` (n,)."""
        earned = (1 - probability) * self.earned_share * volume
        return np.asarray(earned - self.loss(probability, amount))


def measure(
    default: NDArray[np.integer],
    profit: Vector,
    amount: Vector,
    volume: Vector,
    priced: bool = True,
) -> Economics:
    """Return what n finished loans of both outcomes lost and earned.

    Args:
        default: (n,) of 0 repaid and 1 defaulted.
        profit: (n,) what came back less what was lent.
        amount: (n,) what was lent.
        volume: (n,) as of `volume`.
        priced: whether it holds the price.
    """
    bad = default == 1
    return Economics(
        loss_share=float(-profit[bad].sum() / amount[bad].sum()),
        earned_share=float(profit[~bad].sum() / volume[~bad].sum()),
        priced=priced,
    )


def volume(amount: Vector, price: Vector | None, term: Vector | None) -> Vector:
    """Return amount × price × term (n,), each where it is known."""
    found = amount
    for part in (price, term):
        found = found if part is None else found * part
    return found


def expected(
    economics: Economics | None,
    contract: Contract,
    features: Sequence[str],
    matrix: Matrix,
    probability: Vector,
) -> tuple[Vector | None, Vector | None]:
    """Return the expected loss and the expected return of n applications, to the cent.

    Args:
        economics: what was measured in training; None in versions that know no money.
        contract: names the columns of the amount asked for and of the price.
        features: the names of the k features.
        matrix: (n, k) features of the applications; NaN where one is missing.
        probability: (n,) their default probabilities.

    Returns:
        Arrays (n,) in the currency of the amount, NaN where it or the price is missing; None if
        the contract or the model does not know them.
    """
    money = contract.money
    if economics is None or money is None:
        return None, None
    known = {
        name: matrix[:, place].astype(np.float64)
        for place, name in enumerate(features)
        if name in (money.amount, money.price, contract.loan.term)
    }
    amount = known.get(money.amount or "")
    if amount is None:
        return None, None
    loss = np.round(economics.loss(probability, amount), 2)
    price = known.get(money.price or "")
    term = contract.loan.term
    if not economics.priced or price is None or (term is not None and term not in known):
        return loss, None
    product = volume(amount, price, known[term] if term else None)
    return loss, np.round(economics.profit(probability, amount, product), 2)
