from datetime import date
from pathlib import Path

import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

import lendingclub
from lendingclub import CONTRACT
from loan_default import columns
from loan_default.model import artifact
from loan_default.settings import Settings
from loan_default.training import cohorts, train
from records import typed_loans

SETTINGS = Settings(
    cv_folds=3, n_threads=1, xgb_max_rounds=40, xgb_early_stopping_rounds=10, xgb_learning_rate=0.2
)
LOANS = typed_loans(4000)


@pytest.fixture(scope="module")
def split() -> cohorts.Split:
    return cohorts.split(LOANS, date(2019, 1, 1), 0.25)


@pytest.fixture(scope="module")
def trained(split: cohorts.Split) -> train.Trained:
    return train.train(split, CONTRACT, SETTINGS)


def test_the_metrics_are_those_of_the_evaluation_model_on_the_test_months(
    trained: train.Trained, split: cohorts.Split
) -> None:
    assert trained.test_probability.tolist() == trained.evaluated.probability(split.test).tolist()
    assert 0.6 < trained.metrics["AUC"] < 0.85
    approved = trained.test_probability < trained.evaluated.facts.threshold
    assert trained.metrics["AUC_approved"] == pytest.approx(
        roc_auc_score(
            trained.split.test["default"].filter(approved), trained.test_probability[approved]
        )
    )
    assert trained.metrics["default_rate"] == pytest.approx(split.test["default"].mean())
    assert trained.metrics["training_time_seconds"] > 0


def test_the_evaluation_model_does_not_know_the_test_months(split: cohorts.Split) -> None:
    flipped = split.test.with_columns(default=1 - pl.col("default"))
    other = train.train(
        cohorts.Split(
            earlier=split.earlier,
            test=flipped,
            matured=pl.concat([split.earlier, flipped]),
            complete=pl.Series([True] * split.matured.height),
            test_from=split.test_from,
            test_through=split.test_through,
            loans=pl.concat([split.earlier, flipped]),
            as_of=split.as_of,
        ),
        CONTRACT,
        SETTINGS,
    )
    honest = train.train(split, CONTRACT, SETTINGS)
    assert other.evaluated.booster_bytes == honest.evaluated.booster_bytes
    assert other.evaluated.facts == honest.evaluated.facts
    assert other.served.booster_bytes != honest.served.booster_bytes


def test_the_served_model_learns_from_the_newest_months_with_the_rounds_found(
    trained: train.Trained, split: cohorts.Split
) -> None:
    assert (
        trained.served.facts.rounds == trained.validation.rounds == trained.evaluated.facts.rounds
    )
    assert trained.evaluated.facts.fit_through == f"{split.fit_through:%Y-%m}"
    assert trained.served.facts.fit_through == "2014-12"


def test_the_reference_is_the_newest_year_scored_out_of_fold(
    trained: train.Trained, split: cohorts.Split
) -> None:
    reference = trained.reference
    assert reference["issue_month"].min() == date(2014, 1, 1)
    newest = split.matured.filter(pl.col("issue_month") >= date(2014, 1, 1))
    assert reference.height == newest.height
    seen = trained.served.probability(reference)
    assert (reference[columns.PROBABILITY].to_numpy() != seen).mean() > 0.9


def test_incomplete_months_teach_but_neither_judge_nor_serve_as_reference() -> None:
    running = typed_loans(300, seed=5, months=1).with_columns(
        issue_month=pl.lit(date(2014, 12, 1)), term=pl.lit(60.0), default=pl.lit(None, pl.Int8)
    )
    split = cohorts.split(pl.concat([LOANS, running]), date(2018, 6, 1), 0.25)
    trained = train.train(split, CONTRACT, SETTINGS)
    assert split.test_through == date(2014, 11, 1)
    assert trained.served.facts.fit_through == "2014-12"
    assert trained.reference["issue_month"].max() == date(2014, 11, 1)


def test_the_saved_version_holds_all_that_scoring_and_judging_need(
    trained: train.Trained, split: cohorts.Split, tmp_path: Path
) -> None:
    trained.save(tmp_path)
    served = artifact.load(tmp_path, threads=1)
    check = pl.read_parquet(tmp_path / artifact.SELF_CHECK)
    assert check.height == 100
    served.verify(check)
    judged = artifact.load(tmp_path / artifact.EVALUATION, threads=1)
    test = pl.read_parquet(tmp_path / artifact.EVALUATION / artifact.TEST_ROWS)
    assert judged.probability(test).tolist() == trained.test_probability.tolist()
    assert test["default"].to_list() == split.test["default"].to_list()
    assert set(lendingclub.NAMES) < set(pl.read_parquet(tmp_path / artifact.REFERENCE).columns)
    assert not [
        path for path in tmp_path.rglob("*") if path.suffix in (".pkl", ".pickle", ".joblib")
    ]


def test_no_borrower_can_be_found_by_id_in_a_version(
    trained: train.Trained, tmp_path: Path
) -> None:
    trained.save(tmp_path)
    for path in tmp_path.rglob("*.parquet"):
        assert "id" not in pl.read_parquet(path).columns


def test_training_twice_gives_the_same_version(trained: train.Trained, tmp_path: Path) -> None:
    again = train.train(cohorts.split(LOANS, date(2019, 1, 1), 0.25), CONTRACT, SETTINGS)
    trained.save(tmp_path / "first")
    again.save(tmp_path / "second")
    first = {p.relative_to(tmp_path / "first"): p for p in (tmp_path / "first").rglob("*.*")}
    assert len(first) == 9
    for name, path in first.items():
        assert path.read_bytes() == (tmp_path / "second" / name).read_bytes(), name
