"""The model card, as it reads."""

from datetime import date

import pytest

from lendingclub import CONTRACT
from loan_default.settings import Settings
from loan_default.training import cohorts, model_card, train
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
        "## How to read the AUC",
    ]
