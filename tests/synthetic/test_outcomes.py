"""What becomes of generated loans: defaults that follow the truth, payments that add up."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

import lendingclub
from generated_loans import FINISHED, export, tally, texts
from lendingclub import CONTRACT
from loan_default.data import parsing
from loan_default.data.as_of import PaymentMonths
from loan_default.synthetic import generator
from loan_default.synthetic.applications import installment
from loan_default.synthetic.layout import Cells, month_index
from loan_default.synthetic.outcomes import AS_OF, default_probability


def test_the_installment_is_the_annuity() -> None:
    assert installment(np.array([10_000.0]), np.array([12.0]), np.array([36.0])) == pytest.approx(
        332.14, abs=0.005
    )
    assert (export()["installment"] * 36 > export()["loan_amnt"] * 0.58).all()


def test_the_truth_is_a_function_of_the_written_record() -> None:
    """Nothing hidden: who reads the file and knows the formula gets the very same probability."""
    (chunk,) = generator.generate(20_000, 6)
    parsed = parsing.parse(texts(20_000, 6).with_row_index("row"), CONTRACT, labelled=True).records
    cells: Cells = {
        name: parsed[name].to_numpy().astype(float)
        for name in lendingclub.NUMBERS
        if name not in ("term", "emp_length")
    }
    for name in lendingclub.CATEGORIES:
        places = {level: place for place, level in enumerate(lendingclub.BY_NAME[name].levels)}
        cells[name] = parsed[name].replace_strict(places).to_numpy()
    cells["term"] = parsed["term"].to_numpy() == 60
    assert np.array_equal(default_probability(cells), chunk.default_probability)


def test_matured_loans_default_as_often_as_the_truth_says() -> None:
    matured = export().filter("matured").sort("truth")
    tenths = matured.with_columns(tenth=pl.int_range(pl.len()) * 10 // pl.len()).group_by("tenth")
    variance = (pl.col("truth") * (1 - pl.col("truth"))).sum().sqrt()
    off = tenths.agg((pl.col("defaults").sum() - pl.col("truth").sum()).abs() / variance)
    assert off["defaults"].max() < 4
    assert 0.15 < matured["defaults"].mean() < 0.20


def test_the_best_reachable_auc_is_0_78() -> None:
    counted = tally()
    assert counted.best_auc() == pytest.approx(0.78, abs=0.012)
    assert counted.best_auc_newest() == pytest.approx(0.78, abs=0.045)
    assert counted.default_rate() == pytest.approx(
        export().filter("matured")["defaults"].mean(), abs=1e-12
    )


@pytest.mark.parametrize("newest", [False, True])
def test_the_auc_expected_of_the_truth_is_within_half_a_point_of_0_78(newest: bool) -> None:
    """Each loan counts as both outcomes, by its probability: the noise of the draws is left out."""
    complete = pl.col("month") + 60 <= AS_OF
    recent = pl.col("month") >= month_index(2013, 11)
    chosen = pl.concat(
        pl.DataFrame({"truth": c.default_probability, "month": c.issue_month}).filter(c.matured)
        for c in generator.generate(150_000, 8)
    )
    truth = chosen.filter(complete & recent if newest else True)["truth"].sort().to_numpy()
    pairs = (truth * (np.cumsum(1 - truth) - (1 - truth) / 2)).sum()
    assert pairs / (truth.sum() * (1 - truth).sum()) == pytest.approx(0.78, abs=0.006)


def test_the_tallys_auc_is_that_of_scikit_learn() -> None:
    matured = export().filter("matured")
    expected = roc_auc_score(matured["defaults"], matured["truth"])
    assert tally().best_auc() == pytest.approx(expected, abs=1e-4)
    # Every term has matured in the months through March 2014; a fifth of their loans is the newest.
    complete = matured.filter(pl.col("month") <= month_index(2014, 3))
    by_month = complete.group_by("month").len().sort("month", descending=True)
    first = by_month.filter(pl.col("len").cum_sum() >= 0.2 * complete.height)["month"][0]
    newest = complete.filter(pl.col("month") >= first)
    expected = roc_auc_score(newest["defaults"], newest["truth"])
    assert tally().best_auc_newest() == pytest.approx(expected, abs=1e-3)


def test_a_tally_without_matured_loans_knows_no_rate() -> None:
    empty = generator.Tally()
    for chunk in generator.generate(1, 1):
        empty.add(chunk)
    assert (empty.default_rate(), empty.best_auc(), empty.best_auc_newest()) == (None, None, None)


def test_matured_loans_are_finished_and_young_ones_mostly_run() -> None:
    matured, young = export().filter("matured"), export().filter(~pl.col("matured"))
    assert set(matured["loan_status"].unique()) == set(FINISHED)
    assert ((matured["loan_status"] == "Charged Off") == matured["defaults"]).all()
    shares = dict(young["loan_status"].cast(pl.String).value_counts(normalize=True).iter_rows())
    assert shares["Current"] > 0.5
    late = ("In Grace Period", "Late (16-30 days)", "Late (31-120 days)")
    assert all(0.001 < shares[status] < 0.05 for status in late)
    assert "Default" in shares


def test_payments_add_up() -> None:
    frame = export()
    parts = ["total_rec_prncp", "total_rec_int", "total_rec_late_fee", "recoveries"]
    assert (
        frame["total_pymnt"] - frame.select(pl.sum_horizontal(parts)).to_series()
    ).abs().max() < 0.01
    repaid = frame.filter(pl.col("loan_status") == "Fully Paid")
    assert (repaid["total_rec_prncp"] == repaid["loan_amnt"]).all()
    lost = frame.filter(pl.col("loan_status") == "Charged Off")
    assert (lost["total_rec_prncp"] < lost["loan_amnt"]).all()
    assert (frame["collection_recovery_fee"] <= frame["recoveries"]).all()


def test_what_is_owed_recovered_or_settled_agrees_with_the_status() -> None:
    frame = export()
    finished = pl.col("loan_status").is_in(FINISHED)
    assert (frame.filter(finished)["out_prncp"] == 0).all()
    assert (frame.filter(~finished)["out_prncp"] > 0).all()
    assert frame.filter(finished)["next_pymnt_d"].is_null().all()
    for told in (pl.col("recoveries") > 0, pl.col("debt_settlement_flag") == "Y"):
        assert set(frame.filter(told)["loan_status"].unique()) == {"Charged Off"}
    settled = pl.col("debt_settlement_flag") == "Y"
    assert frame.filter(settled)["settlement_amount"].is_not_null().all()
    assert frame.filter(~settled)["settlement_date"].is_null().all()
    hardship = frame.filter(pl.col("hardship_flag") == "Y")
    assert hardship.height and hardship["hardship_amount"].is_not_null().all()


def test_nothing_is_known_after_march_2019() -> None:
    cells = export().select(lendingclub.EXPORT)
    payments = PaymentMonths(CONTRACT)
    payments.add(cells)
    assert payments.latest(date(2019, 4, 1)) == (date(2019, 3, 1), [])
    after_issue = export().filter(pl.col("last_pymnt_d").is_not_null())
    assert (after_issue["last_pymnt_d"].to_physical() > after_issue["issue_d"].to_physical()).all()


def test_what_is_known_afterwards_gives_the_outcome_away() -> None:
    matured = export().filter("matured")
    repaid = matured["total_rec_prncp"] / matured["loan_amnt"]
    assert roc_auc_score(matured["defaults"], 1 - repaid) > 0.99
    assert roc_auc_score(matured["defaults"], -matured["last_fico_range_low"]) > 0.9


def test_repaid_loans_earn_and_defaulted_ones_lose() -> None:
    finished = export().filter(pl.col("loan_status").is_in(FINISHED))
    profit = finished["total_pymnt"] - finished["collection_recovery_fee"] - finished["funded_amnt"]
    bad = finished["loan_status"] == "Charged Off"
    assert (profit.filter(~bad) > 0).mean() > 0.99
    assert (profit.filter(bad) < 0).mean() > 0.95
    # On LendingClub's loans of 2007 to 2010, repaid ones earn 19% and defaulted ones lose 45%
    lent = finished["funded_amnt"]
    assert 0.1 < profit.filter(~bad).sum() / lent.filter(~bad).sum() < 0.25
    assert 0.35 < -profit.filter(bad).sum() / lent.filter(bad).sum() < 0.65
