from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import lendingclub
from loan_default.model import scoring
from loan_default.model.artifact import Model
from loan_default.model.economics import Economics
from records import fitted_model, typed_loans

LOANS = typed_loans(2000)


@pytest.fixture(scope="module")
def fitted() -> Model:
    return fitted_model(LOANS, rounds=40)


def test_who_reaches_the_threshold_is_declined(fitted: Model) -> None:
    scored = scoring.score(LOANS, fitted, "3", "none")
    assert scored.columns == [
        "id",
        "default_probability",
        "prediction",
        "reasons",
        "model_version",
        "expected_loss",
        "expected_return",
    ]
    assert scored["id"].to_list() == LOANS["id"].to_list()
    reaches = scored["default_probability"] >= fitted.facts.threshold
    assert scored["prediction"].cast(bool).to_list() == reaches.to_list()
    assert 0 < scored["prediction"].sum() < 2000
    assert scored["model_version"].unique().to_list() == ["3"]
    assert scored["reasons"].null_count() == 2000
    assert scored.schema["reasons"] == pl.List(pl.String)


def test_expected_loss_and_return_come_with_each_score(fitted: Model) -> None:
    without = scoring.score(LOANS, fitted, "3", "none")
    assert without["expected_loss"].null_count() == without["expected_return"].null_count() == 2000
    measured = Economics(loss_share=0.5, earned_share=0.0004)
    model = replace(fitted, facts=replace(fitted.facts, economics=measured))
    scored = scoring.score(LOANS, model, "3", "none")
    loss = scored["default_probability"] * 0.5 * LOANS["loan_amnt"]
    earned = (1 - scored["default_probability"]) * 0.0004
    earned = earned * LOANS["loan_amnt"] * LOANS["int_rate"] * LOANS["term"] - loss
    assert scored["expected_loss"].to_list() == pytest.approx(loss.to_list(), abs=0.01)
    assert scored["expected_return"].to_list() == pytest.approx(earned.to_list(), abs=0.01)


def test_a_probability_equal_to_the_threshold_is_declined(fitted: Model) -> None:
    probability = fitted.probability(LOANS[:1])[0]
    for threshold, declined in [(probability, 1), (np.nextafter(probability, 1), 0)]:
        model = replace(fitted, facts=replace(fitted.facts, threshold=threshold))
        assert scoring.score(LOANS[:1], model, "3", "none")["prediction"].to_list() == [declined]


@pytest.mark.parametrize("which", ["declined", "all"])
def test_reasons_go_to_whom_they_were_asked_for(fitted: Model, which: scoring.ReasonScope) -> None:
    scored = scoring.score(LOANS, fitted, "3", which)
    asked = scored["prediction"] == 1 if which == "declined" else pl.Series([True] * 2000)
    assert scored["reasons"].is_not_null().to_list() == asked.to_list()
    given = scored["reasons"].drop_nulls()
    assert given.list.len().max() == 4
    assert (given.list.len() == given.list.n_unique()).all()


def test_a_price_the_lender_set_is_never_a_reason(fitted: Model) -> None:
    phrases = set(scoring.explain(fitted, fitted.matrix(LOANS))[0])
    for reasons in scoring.explain(fitted, fitted.matrix(LOANS)):
        phrases.update(reasons)
    assert phrases <= {reason for reason in lendingclub.REASONS.values() if reason}
    for price in ("grade", "sub_grade", "int_rate", "installment"):
        assert lendingclub.REASONS[price] is None


def test_the_first_reason_is_what_made_the_difference(fitted: Model) -> None:
    burdened = LOANS.filter(pl.col("int_rate") < 12)[:50].with_columns(dti=pl.lit(39.9))
    reasons = scoring.explain(fitted, fitted.matrix(burdened))
    first = [row[0] for row in reasons]
    assert first.count("Excessive obligations in relation to income") > 45
    relieved = burdened.with_columns(dti=pl.lit(0.0))
    for row in scoring.explain(fitted, fitted.matrix(relieved)):
        assert "Excessive obligations in relation to income" not in row


def test_what_did_not_count_is_no_reason() -> None:
    stump = fitted_model(LOANS, rounds=1)
    used = {lendingclub.REASONS[name] for name in stump.booster.get_score()}
    reasons = scoring.explain(stump, stump.matrix(LOANS))
    assert {len(row) for row in reasons} & {0, 1, 2, 3}
    assert {phrase for row in reasons for phrase in row} <= used


def test_no_rows_give_an_empty_table(fitted: Model) -> None:
    none = scoring.score(LOANS.clear(), fitted, "3", "all")
    assert none.height == 0
    assert none.schema == scoring.score(LOANS[:1], fitted, "3", "all").schema
