"""What the lender's own price does, on loans that a price alone explains."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from lendingclub import CONTRACT
from loan_default.model import scoring
from loan_default.settings import Settings
from loan_default.training import cohorts, lenders_share, train, training_set
from records import typed_loans

SETTINGS = Settings(
    cv_folds=3,
    n_threads=1,
    xgb_max_rounds=30,
    xgb_early_stopping_rounds=10,
    xgb_learning_rate=0.3,
    threshold_strategy="f1",
)
PRICE = {"int_rate", "installment", "grade", "sub_grade"}


@pytest.fixture(scope="module")
def split() -> cohorts.Split:
    """Loans whose default follows the interest rate alone."""
    loans, draw = typed_loans(3_000), np.random.default_rng(5)
    rate = draw.uniform(5, 25, loans.height)
    default = (draw.random(loans.height) < rate / 50).astype(np.int8)
    priced = loans.with_columns(int_rate=pl.Series(rate), default=pl.Series(default))
    return cohorts.split(priced, date(2019, 1, 1), 0.3)


def test_the_names_without_price_rest_on_the_applicant_alone() -> None:
    alone = training_set.feature_names(CONTRACT, priced=False)
    assert set(CONTRACT.features) - set(alone) == PRICE
    assert training_set.feature_names(CONTRACT, priced=True) == CONTRACT.features


def test_a_model_that_sees_the_price_declines_for_it(split: cohorts.Split) -> None:
    found = train.train(split, CONTRACT, SETTINGS)
    assert found.metrics["AUC"] > 0.6 > 0.56 > found.metrics["AUC_without_price"]
    assert found.metrics["untold_declines"] > 0.5


def test_a_model_of_the_applicant_alone_can_tell_every_cause(split: cohorts.Split) -> None:
    config = SETTINGS.model_copy(update={"use_lender_price": False})
    found = train.train(split, CONTRACT, config)
    assert not PRICE & set(found.served.facts.features)
    assert found.metrics["AUC"] < 0.56 < 0.6 < found.metrics["AUC_with_price"]
    assert found.metrics["untold_declines"] == 0
    raised = split.test.with_columns(int_rate=pl.lit(24.9), grade=pl.lit("G"))
    same = found.served.probability(split.test), found.served.probability(raised)
    assert (same[0] == same[1]).all()
    assert found.served.probability(found.self_check).tolist() == pytest.approx(
        found.self_check["default_probability"].to_list()
    )


def test_the_untold_share_counts_rows_whose_first_cause_is_no_reason(split: cohorts.Split) -> None:
    model = train.train(split, CONTRACT, SETTINGS).evaluated
    rows = split.test.head(40)
    told = scoring.explain(model, model.matrix(rows))
    assert 0 <= scoring.untold_share(model, model.matrix(rows)) <= 1
    assert all(len(reasons) <= scoring.MAX_REASONS for reasons in told)


def test_without_a_price_there_is_nothing_to_measure(split: cohorts.Split) -> None:
    found = train.train(split, CONTRACT, SETTINGS)
    alone = training_set.feature_names(CONTRACT, priced=False)
    data = found.sets.evaluation.with_features(alone)
    config = SETTINGS.model_copy(update={"use_lender_price": True})
    assert "AUC_without_price" in found.metrics
    assert lenders_share.measure(data, found.evaluated, split.test, config) == {}
