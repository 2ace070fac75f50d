"""The model card, as it reads."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from matplotlib.image import imread

from lendingclub import CONTRACT
from loan_default.plausibility.finding import Report
from loan_default.settings import Settings
from loan_default.training import cohorts, model_card, threshold_report, train
from records import typed_loans

SETTINGS = Settings(cv_folds=3, n_threads=1, xgb_max_rounds=10)
PARAMS = {"threshold_strategy": "f1", "git_commit": "abc", "data_digest": "def"}
ROW = {"count": 12, "default_rate": 0.25, "mean_probability": 0.2}
QUARTERS = [
    {"quarter": "2014Q3", "AUC": 0.61234, **ROW},
    {"quarter": "2014Q4", "AUC": None, **ROW},
]


@pytest.fixture(scope="module")
def trained() -> train.Trained:
    return train.train(cohorts.split(typed_loans(1500), date(2019, 1, 1), 0.25), CONTRACT, SETTINGS)


@pytest.fixture(scope="module")
def with_money() -> train.Trained:
    loans = typed_loans(1500)
    size, bad = pl.col("loan_amnt"), pl.col("default") == 1
    loans = loans.with_columns(
        amount_lent=size, amount_returned=pl.when(bad).then(size * 0.5).otherwise(size * 1.2)
    )
    return train.train(cohorts.split(loans, date(2019, 1, 1), 0.25), CONTRACT, SETTINGS)


def test_both_models_are_described_with_their_loans_and_months(trained: train.Trained) -> None:
    card = model_card.model_card(trained, PARAMS, QUARTERS)
    text, split = " ".join(card.split()), trained.split
    served = trained.served.facts
    assert f"XGBoost, {served.rounds} rounds, trained on {split.matured.height} matured" in text
    assert f"Threshold {served.threshold:.4f} (f1)" in text
    assert f"on the {split.earlier.height} matured loans" in text
    assert f"tested on {split.test.height} loans" in text
    assert f"issued {split.test_from:%Y-%m} to {split.test_through:%Y-%m}" in text
    assert card.endswith("\nCommit `abc`, data digest `def`.\n")


def test_without_money_the_card_says_so_and_measures_declines_alone(trained: train.Trained) -> None:
    card = model_card.model_card(trained, PARAMS, QUARTERS)
    assert "No profits are known: only 0 repaid loans have amounts" in card
    assert "among loans that were once approved" in card
    assert f"| f1 | {trained.served.facts.threshold:.4f} [" in card
    assert "| approve all | 1.0000 | 0.0% |" in card and "| not known | not known |" in card


def test_with_money_the_card_and_its_file_hold_every_strategy(
    with_money: train.Trained, tmp_path: Path
) -> None:
    model_card.write(with_money, PARAMS, Report(), tmp_path)
    card = (tmp_path / "model_card.md").read_text()
    ratio, best = with_money.thresholds.cost_ratio, with_money.thresholds.best
    assert ratio and best and best.low is not None
    assert f"A missed default loses {ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]" in card
    assert ("no threshold is shown to beat approving all" in card) == (best.low <= 0)
    assert f"Threshold {1 / (1 + ratio.value):.4f} (cost)" in " ".join(card.split())
    assert "thousand dollars" in card and "| not known |" not in card
    for name in ("cost", "profit", "f1", "rate", "approve all", "expected return"):
        assert card.count(f"\n| {name} | ") == 2
    stored = json.loads((tmp_path / "thresholds.json").read_text())
    assert stored["strategy"] == "cost" and stored["threshold"] == with_money.served.facts.threshold
    assert stored["among"] == "loans that were once approved"
    for place, loans in (
        ("out_of_fold", with_money.split.matured),
        ("test_months", with_money.split.test),
    ):
        assert stored[place]["loans"] == loans.height
        row = stored[place]["strategies"]["cost"]
        assert all(set(metric) == {"value", "low", "high"} for metric in row.values())
    tested = stored["test_months"]["strategies"]["cost"]["declined_share"]["value"]
    declined = with_money.test_probability >= with_money.evaluated.facts.threshold
    assert tested == pytest.approx(declined.mean())


def test_the_card_says_what_is_not_shown_or_left_out(with_money: train.Trained) -> None:
    chosen = with_money.thresholds
    assert chosen.best
    for low, beaten in ((-1.0, False), (1.0, True)):
        best = replace(chosen.best, low=low)
        other = replace(chosen, best=best, recoveries=beaten)
        card = model_card.model_card(replace(with_money, thresholds=other), PARAMS, QUARTERS)
        assert ("no threshold is shown to beat approving all" in card) != beaten
        assert ("approving all is beaten" in card) == beaten
        assert ("Recoveries are left out" in card) != beaten


def test_the_picture_shows_profit_where_it_is_known(
    trained: train.Trained, with_money: train.Trained, tmp_path: Path
) -> None:
    heights = []
    for number, each in enumerate((trained, with_money)):
        path = tmp_path / f"{number}.png"
        threshold_report.draw(each.thresholds, "loans", path)
        heights.append(imread(path).shape[0])
    assert heights[0] < heights[1]


def test_metrics_and_quarters_are_tables_without_gaps(trained: train.Trained) -> None:
    lines = model_card.model_card(trained, PARAMS, QUARTERS).splitlines()
    start = lines.index("| metric | on the test months |")
    table = [f"| {name} | {value:.4f} |" for name, value in trained.metrics.items()]
    assert lines[start + 2 : start + 3 + len(table)] == [*table, ""]
    start = lines.index("| issue quarter | loans | observed default rate | mean predicted | AUC |")
    assert lines[start + 2 : start + 6] == [
        "| 2014Q3 | 12 | 0.250 | 0.200 | 0.612 |",
        "| 2014Q4 | 12 | 0.250 | 0.200 | one class |",
        "",
        "## The decision",
    ]
