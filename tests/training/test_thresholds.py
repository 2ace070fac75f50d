"""How the threshold is chosen, and what is said of the other ways to choose it."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from lendingclub import CONTRACT
from loan_default.errors import InputError
from loan_default.metrics import classification
from loan_default.settings import Settings
from loan_default.training import thresholds
from loan_default.training.thresholds import APPROVE_ALL, BY_RETURN
from records import fitted_model, typed_loans

LOANS = typed_loans(4000)
PROBABILITY = LOANS["truth"].to_numpy()
DEFAULT = LOANS["default"].to_numpy()
NO_MONEY = replace(CONTRACT, money=None)


def with_money(loans: pl.DataFrame, lost: float = 0.5, earned: float = 0.0004) -> pl.DataFrame:
    """Repaid loans earn by price and term, defaulted ones lose about `lost` of what was lent."""
    noise = pl.Series(np.random.default_rng(7).uniform(0.5, 1.5, loans.height))
    good = pl.col("loan_amnt") * (1 + earned * pl.col("int_rate") * pl.col("term") * noise)
    bad = pl.col("loan_amnt") * (1 - lost * noise)
    return loans.with_columns(
        amount_lent=pl.col("loan_amnt"),
        amount_returned=pl.when(pl.col("default") == 1).then(bad).otherwise(good),
        amount_recovered=pl.when(pl.col("default") == 1).then(100.0).otherwise(0.0),
    )


MONEY = with_money(LOANS)
PROFIT = (MONEY["amount_returned"] - MONEY["amount_lent"]).to_numpy()


def chosen(
    loans: pl.DataFrame = MONEY, contract: Any = CONTRACT, recoveries: bool = True, **changes: Any
) -> thresholds.Thresholds:
    config = Settings(**changes)
    return thresholds.choose(loans, PROBABILITY, config, contract, recoveries)


def ratio(profit: np.ndarray) -> float:
    return float(-profit[DEFAULT == 1].mean() / profit[DEFAULT == 0].mean())


def test_the_default_is_the_least_cost_at_the_ratio_of_the_loans() -> None:
    found = chosen()
    assert found.strategy == "cost" and found.cost_ratio
    assert found.cost_ratio.value == pytest.approx(ratio(PROFIT))
    assert found.cost_ratio.low is not None and found.cost_ratio.low < found.cost_ratio.value
    assert found.chosen == pytest.approx(1 / (1 + ratio(PROFIT)))


def test_without_money_the_default_is_the_best_f1_and_says_why() -> None:
    for loans, contract in ((LOANS, CONTRACT), (MONEY, NO_MONEY)):
        found = chosen(loans, contract)
        assert found.strategy == "f1"
        assert found.chosen == classification.best_f1_threshold(DEFAULT, PROBABILITY)
        assert found.why_no_money and found.why_no_money in found.reason
        assert found.economics is None and found.cost_ratio is None and found.best is None
        assert set(found.measured.table) == {"f1", "rate", APPROVE_ALL}
        assert found.measured.table["f1"]["realised_profit"] is None


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"threshold_strategy": "cost"},
            "THRESHOLD_STRATEGY=cost with COST_RATIO=auto needs the money of finished loans, but "
            "the contract has no [money]: set COST_RATIO to a number, or THRESHOLD_STRATEGY=f1",
        ),
        (
            {"threshold_strategy": "profit", "cost_ratio": 3},
            "THRESHOLD_STRATEGY=profit needs the money of finished loans, but the contract has no "
            "[money]: set THRESHOLD_STRATEGY=f1",
        ),
    ],
)
def test_a_strategy_that_needs_money_is_refused_without(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as error:
        chosen(LOANS, NO_MONEY, **changes)
    assert str(error.value) == message
    with pytest.raises(InputError):
        thresholds.check(LOANS, Settings(**changes), NO_MONEY)


@pytest.mark.parametrize(
    "loans, message",
    [
        (MONEY.with_columns(amount_lent=None), "only 0 repaid loans have amounts"),
        (with_money(LOANS, earned=-0.001), "repaid loans earned nothing (-"),
        (with_money(LOANS, lost=-1), "defaulted loans lost nothing (+"),
    ],
)
def test_money_that_makes_no_sense_is_not_known(loans: pl.DataFrame, message: str) -> None:
    loans = loans.with_columns(pl.col("amount_lent").cast(pl.Float64))
    with pytest.raises(InputError) as error:
        chosen(loans, threshold_strategy="cost")
    assert message in str(error.value)
    assert chosen(loans).strategy == "f1"


def test_each_strategy_is_taken_by_its_name() -> None:
    f1 = chosen(threshold_strategy="f1")
    assert f1.chosen == classification.best_f1_threshold(DEFAULT, PROBABILITY)
    assert chosen(threshold_strategy="cost", cost_ratio=4).chosen == pytest.approx(0.2)
    assert chosen(LOANS, NO_MONEY, cost_ratio=4).chosen == pytest.approx(0.2)
    assert chosen(threshold_strategy=0.37).chosen == 0.37
    assert chosen(threshold_strategy=0.37).strategy == "number"
    rate = chosen(threshold_strategy="rate", decline_share=0.25)
    assert 0.249 <= (rate.chosen <= PROBABILITY).mean() <= 0.25
    profit = chosen(threshold_strategy="profit").chosen
    candidates = [*np.unique(PROBABILITY), 1.0]
    earned = [PROFIT[PROBABILITY < candidate].sum() for candidate in candidates]
    assert profit == candidates[int(np.argmax(earned))]


def test_every_strategy_is_measured_whichever_is_chosen() -> None:
    found = chosen(threshold_strategy="f1").measured
    assert set(found.table) == {"cost", "profit", "f1", "rate", APPROVE_ALL, BY_RETURN}
    for name, row in found.table.items():
        if name == BY_RETURN:
            continue
        threshold, declined = row["threshold"], row["declined_share"]
        realised, rate = row["realised_profit"], row["default_rate"]
        assert threshold and declined and realised and rate, name
        approved = PROBABILITY < threshold.value
        assert declined.value == pytest.approx(1 - approved.mean())
        assert rate.value == pytest.approx(DEFAULT[approved].mean())
        assert realised.value == pytest.approx(PROFIT[approved].sum())
        assert all(metric is not None for metric in row.values())


def test_declining_by_the_expected_return_is_measured_without_being_chosen() -> None:
    found = chosen()
    assert found.economics and BY_RETURN not in found.values
    row = found.measured.table[BY_RETURN]
    price, term = MONEY["int_rate"].to_numpy(), MONEY["term"].to_numpy()
    amount = MONEY["amount_lent"].to_numpy()
    earned = (1 - PROBABILITY) * found.economics.earned_share * amount * price * term
    approved = earned - PROBABILITY * found.economics.loss_share * amount >= 0
    assert 0.02 < 1 - approved.mean() < 0.98
    assert row["threshold"] is None and row["declined_share"] and row["realised_profit"]
    assert row["declined_share"].value == pytest.approx(1 - approved.mean())
    assert row["realised_profit"].value == pytest.approx(PROFIT[approved].sum())


def test_expected_profits_add_up_to_what_was_earned() -> None:
    row = chosen().measured.table[APPROVE_ALL]
    expected, realised = row["expected_profit"], row["realised_profit"]
    assert expected and realised and realised.low is not None and realised.high is not None
    assert realised.low < expected.value < realised.high


@pytest.mark.parametrize("price", [None, 0.0])
def test_without_any_price_what_is_earned_goes_by_amount_and_term(price: float | None) -> None:
    loans = MONEY.with_columns(int_rate=pl.lit(price, pl.Float64))
    found = chosen(loans)
    assert found.economics and not found.economics.priced
    row = found.measured.table[APPROVE_ALL]
    assert row["expected_profit"] and math.isfinite(row["expected_profit"].value)
    # Other loans are expected to earn by the same measure, whether they have a price or not
    tested = thresholds.evaluate(found, MONEY, PROBABILITY, Settings(), CONTRACT)
    expected = tested.table[APPROVE_ALL]["expected_profit"]
    assert expected and expected.value == pytest.approx(row["expected_profit"].value)


def test_a_missing_price_counts_as_the_mean_one() -> None:
    some = pl.int_range(pl.len()) % 10 == 0
    mean = MONEY.filter(~some)["int_rate"].mean()
    filled = MONEY.with_columns(int_rate=pl.when(some).then(mean).otherwise("int_rate"))
    missing = MONEY.with_columns(int_rate=pl.when(~some).then("int_rate"))
    one, other = chosen(filled).economics, chosen(missing).economics
    assert one and other and one.earned_share == pytest.approx(other.earned_share)


def test_undated_recoveries_may_be_left_out() -> None:
    with_them, without = chosen(), chosen(recoveries=False)
    lost = PROFIT - MONEY["amount_recovered"].to_numpy()
    assert with_them.cost_ratio and without.cost_ratio
    assert without.cost_ratio.value == pytest.approx(ratio(lost))
    assert without.cost_ratio.value > with_them.cost_ratio.value


def test_loans_without_known_money_are_left_out_and_counted() -> None:
    some = pl.int_range(pl.len()) % 4 == 0
    loans = MONEY.with_columns(amount_returned=pl.when(~some).then("amount_returned"))
    found = chosen(loans)
    known = loans["amount_returned"].is_not_null().to_numpy()
    assert (found.measured.loans, found.measured.left_out) == (3000, 1000)
    assert found.cost_ratio
    mean = [PROFIT[known & (DEFAULT == outcome)].mean() for outcome in (0, 1)]
    assert found.cost_ratio.value == pytest.approx(-mean[1] / mean[0])


def test_other_loans_are_measured_with_the_thresholds_that_were_chosen() -> None:
    found = chosen()
    other = with_money(typed_loans(1500, seed=3))
    truth, default = other["truth"].to_numpy(), other["default"].to_numpy()
    tested = thresholds.evaluate(found, other, truth, Settings(), CONTRACT)
    approved = truth < found.chosen
    profit = (other["amount_returned"] - other["amount_lent"]).to_numpy()
    row = tested.table["cost"]
    assert row["threshold"] and row["realised_profit"] and row["default_rate"]
    assert row["threshold"].value == row["threshold"].low == found.chosen
    assert row["realised_profit"].value == pytest.approx(profit[approved].sum())
    # The sum of approved profits, by the standard error of a sum
    error = math.sqrt(1500) * np.std(np.where(approved, profit, 0))
    low, high = row["realised_profit"].low, row["realised_profit"].high
    assert low is not None and high is not None
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert row["default_rate"].value == pytest.approx(default[approved].mean())


def test_other_loans_of_which_no_money_is_known_are_measured_without() -> None:
    other = typed_loans(500, seed=3)
    tested = thresholds.evaluate(chosen(), other, other["truth"].to_numpy(), Settings(), CONTRACT)
    assert tested.loans == 500
    assert tested.table["cost"]["realised_profit"] is None
    assert tested.table["cost"]["declined_share"] is not None


def test_the_model_gets_the_threshold_and_what_the_loans_lost() -> None:
    model = chosen().put_into(fitted_model(LOANS, 5))
    bad = DEFAULT == 1
    lent = MONEY["amount_lent"].to_numpy()
    assert model.facts.threshold == chosen().chosen
    assert model.facts.economics
    assert model.facts.economics.loss_share == pytest.approx(-PROFIT[bad].sum() / lent[bad].sum())


def test_the_same_loans_and_seed_give_the_same_intervals() -> None:
    first, again = chosen(random_seed=3), chosen(random_seed=3)
    assert first.measured.table == again.measured.table
    assert first.measured.table != chosen(random_seed=4).measured.table


def test_real_loans_lose_2_44_times_what_they_earn(real_loans: Any) -> None:
    from loan_default.data.ingest import open_loans

    with open_loans(str(real_loans), CONTRACT, labelled=True) as reader:
        loans = pl.concat([block.records for block in reader])
    loans = loans.filter(pl.col("default").is_not_null())
    found = thresholds.choose(
        loans, loans["int_rate"].to_numpy() / 100, Settings(threshold_strategy="f1"), CONTRACT
    )
    assert found.cost_ratio and found.cost_ratio.value == pytest.approx(2.44, abs=0.005)
