"""What was known when: nothing that became known later has any influence on a training."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from lendingclub import CONTRACT
from loan_default.settings import Settings
from loan_default.training import cohorts, provenance, train, training_set
from records import typed_loans

SETTINGS = Settings(
    cv_folds=3, n_threads=1, xgb_max_rounds=20, xgb_early_stopping_rounds=5, xgb_learning_rate=0.2
)
AS_OF = date(2019, 6, 1)


@pytest.fixture(scope="module")
def loans() -> pl.DataFrame:
    """Loans of 2012 to 2016; defaults become known at any age, up to five months after the term."""
    made = typed_loans(4_000, months=60)
    age = np.random.default_rng(4).integers(3, 42, made.height)
    months = [
        month.year * 12 + month.month - 1 + int(after)
        for month, after in zip(made["issue_month"].to_list(), age)
    ]
    known = [date(n // 12, n % 12 + 1, 1) for n in months]
    return made.with_columns(outcome_month=pl.Series(known)).drop("truth")


def trained(loans: pl.DataFrame, window: int = 60) -> train.Trained:
    config = SETTINGS.model_copy(update={"outcome_window_months": window})
    return train.train(cohorts.split(loans, AS_OF, 0.3), CONTRACT, config)


def test_as_of_is_a_time_machine(loans: pl.DataFrame) -> None:
    known = pl.col("outcome_month") <= AS_OF
    other = loans.with_columns(
        default=pl.when(known).then("default").otherwise(1 - pl.col("default")),
        outcome_month=pl.when(known).then("outcome_month").otherwise(pl.lit(date(2020, 12, 1))),
    )
    later = typed_loans(500, seed=9).with_columns(
        issue_month=pl.lit(date(2019, 7, 1)), outcome_month=pl.lit(date(2019, 8, 1))
    )
    other = pl.concat([other, later.select(other.columns)])
    assert other.height == 4_500 and not other.head(4_000).equals(loans)
    first, second = trained(loans), trained(other)
    assert first.served.booster_bytes == second.served.booster_bytes
    assert first.served.facts == second.served.facts
    assert first.evaluated.booster_bytes == second.evaluated.booster_bytes
    assert first.metrics | {"training_time_seconds": 0} == second.metrics | {
        "training_time_seconds": 0
    }
    splits = (cohorts.split(each, AS_OF, 0.3) for each in (loans, other))
    assert len({provenance.data_digest(split, 60) for split in splits}) == 1


def test_the_evaluation_model_knows_only_what_was_known_before_the_test(
    loans: pl.DataFrame,
) -> None:
    split = cohorts.split(loans, AS_OF, 0.3)
    later = pl.col("outcome_month") >= split.test_from
    earlier = pl.col("issue_month") < split.test_from
    other = loans.with_columns(
        default=pl.when(later & earlier).then(1 - pl.col("default")).otherwise("default")
    )
    first, second = trained(loans), trained(other)
    assert first.sets.lagged is not None
    assert first.evaluated.booster_bytes == second.evaluated.booster_bytes
    assert first.evaluated.facts.calibration == second.evaluated.facts.calibration
    assert first.evaluated.facts.known_through < f"{split.test_from:%Y-%m}"
    assert first.metrics["AUC"] == second.metrics["AUC"]
    assert first.metrics["AUC_gapless"] != second.metrics["AUC_gapless"]


def test_running_loans_teach(loans: pl.DataFrame) -> None:
    split = cohorts.split(loans, AS_OF, 0.3)
    sets = training_set.training_sets(split, CONTRACT, SETTINGS)
    running = sets.served.loans["default"].null_count()
    assert running > 100 and sets.served.loans.height == 4_000
    assert sets.served.complete.sum() == split.matured.height
    assert sets.served.known_through == AS_OF


def test_without_a_window_only_matured_loans_teach(loans: pl.DataFrame) -> None:
    split = cohorts.split(loans, AS_OF, 0.3)
    config = SETTINGS.model_copy(update={"outcome_window_months": 0})
    sets = training_set.training_sets(split, CONTRACT, config)
    assert sets.served.loans.equals(split.matured) and sets.lagged is None
    assert trained(loans, window=0).served.facts.calibration.hazard is None


@pytest.mark.parametrize("months", ["absent", "empty"])
def test_without_months_of_default_there_is_no_window(loans: pl.DataFrame, months: str) -> None:
    without = loans.drop("outcome_month")
    if months == "empty":
        without = without.with_columns(outcome_month=pl.lit(None, pl.Date))
    assert training_set.outcome_window(loans, SETTINGS) == 60
    assert training_set.outcome_window(without, SETTINGS) == 0


def test_too_few_known_defaults_leave_the_evaluation_gapless(loans: pl.DataFrame) -> None:
    split = cohorts.split(loans, AS_OF, 0.3, test_from=date(2012, 4, 1))
    sets = training_set.training_sets(split, CONTRACT, SETTINGS)
    assert sets.lagged is None and sets.evaluation is sets.gapless
    found = train.train(split, CONTRACT, SETTINGS)
    assert "AUC_gapless" not in found.metrics
    assert found.evaluated.facts.known_through == ""


def test_an_evaluation_without_hindsight_needs_a_whole_term(loans: pl.DataFrame) -> None:
    young = loans.filter(pl.col("issue_month") >= date(2013, 1, 1))
    split = cohorts.split(young, AS_OF, 0.3)
    sets = training_set.training_sets(split, CONTRACT, SETTINGS)
    assert sets.gapless.defaults > training_set.MIN_DEFAULTS and sets.lagged is None


def test_an_outcome_of_the_file_is_never_later_than_the_file(loans: pl.DataFrame) -> None:
    found = cohorts.known_at_latest(loans, date(2015, 1, 1))
    assert found["outcome_month"].max() == date(2015, 1, 1)
    early = loans["outcome_month"] < date(2015, 1, 1)
    assert found.filter(early).equals(loans.filter(early))


def test_an_outcome_without_a_month_is_known_from_the_end_of_the_term_on() -> None:
    loans = pl.DataFrame(
        {
            "issue_month": [date(2012, 1, 1), date(2016, 7, 1)],
            "term": [36.0, 36.0],
            "default": [1, 1],
            "outcome_month": [None, None],
        },
        schema_overrides={"outcome_month": pl.Date},
    )
    assert cohorts.known_by(loans, AS_OF)["default"].to_list() == [1, None]
