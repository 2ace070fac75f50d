from dataclasses import replace

import numpy as np
import pytest

from lendingclub import CONTRACT
from loan_default.contract.contract import Contract, Money
from loan_default.model import economics
from loan_default.model.economics import Economics

FEATURES = ("dti", "term", "loan_amnt", "int_rate")
MATRIX = np.array([[10, 36, 10_000, 12], [20, 60, 8_000, np.nan], [5, 36, np.nan, 8]], np.float32)
PROBABILITY = np.array([0.1, 0.5, 0.2])
MEASURED = Economics(loss_share=0.4, earned_share=0.0004)


def with_money(**changes: str | None) -> Contract:
    assert CONTRACT.money
    return replace(CONTRACT, money=replace(CONTRACT.money, **changes))


def test_what_loans_lost_and_earned_adds_up_to_what_they_did() -> None:
    random = np.random.default_rng(0)
    default = (random.random(500) < 0.2).astype(int)
    amount, volume = random.uniform(1, 9, (2, 500))
    profit = np.where(default, -amount * random.random(500), volume * random.random(500))
    found = economics.measure(default, profit, amount, volume)
    bad = default == 1
    assert found.loss(np.ones(500), amount)[bad].sum() == pytest.approx(-profit[bad].sum())
    certain = found.profit(default.astype(float), amount, volume)
    assert certain.sum() == pytest.approx(profit.sum())


def test_an_application_is_expected_to_lose_and_earn_by_its_amount_price_and_term() -> None:
    loss, earned = economics.expected(MEASURED, CONTRACT, FEATURES, MATRIX, PROBABILITY)
    assert loss is not None and earned is not None
    assert loss[:2].tolist() == [400.0, 1600.0]
    assert earned[0] == pytest.approx(0.9 * 0.0004 * 10_000 * 12 * 36 - 400, abs=0.005)
    # Not known without a price or an amount
    assert np.isnan([earned[1], earned[2], loss[2]]).all()


def test_the_return_is_not_known_to_a_model_without_the_price() -> None:
    features, matrix = FEATURES[:3], MATRIX[:, :3]
    loss, earned = economics.expected(MEASURED, CONTRACT, features, matrix, PROBABILITY)
    assert loss is not None and loss[0] == 400.0 and earned is None


def test_the_return_is_not_known_where_loans_without_price_were_measured() -> None:
    unpriced = replace(MEASURED, priced=False)
    loss, earned = economics.expected(unpriced, CONTRACT, FEATURES, MATRIX, PROBABILITY)
    assert loss is not None and earned is None


@pytest.mark.parametrize(
    "measured, contract",
    [
        (None, CONTRACT),
        (MEASURED, with_money(amount=None)),
        (MEASURED, replace(CONTRACT, money=None)),
    ],
)
def test_nothing_is_expected_where_no_money_is_known(
    measured: Economics | None, contract: Contract
) -> None:
    found = economics.expected(measured, contract, FEATURES, MATRIX, PROBABILITY)
    assert found == (None, None)


def test_a_contract_of_one_window_has_no_term_to_multiply_by() -> None:
    window = replace(CONTRACT.loan, term=None, window_months=36)
    contract = replace(
        CONTRACT, loan=window, money=Money("a", "b", amount="loan_amnt", price="int_rate")
    )
    _, earned = economics.expected(MEASURED, contract, FEATURES, MATRIX, PROBABILITY)
    assert earned is not None
    assert earned[0] == pytest.approx(0.9 * 0.0004 * 10_000 * 12 - 400, abs=0.005)
