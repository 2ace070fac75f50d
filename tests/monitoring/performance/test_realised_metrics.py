import json
from dataclasses import asdict
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from loan_default.monitoring.days.labelled_predictions import LabelledPredictions
from loan_default.monitoring.performance import realised_metrics
from loan_default.monitoring.performance.realised_json import from_json, summary, to_json
from loan_default.monitoring.performance.realised_metrics import realised_performance

AS_OF = date(2024, 2, 1)


def loans(
    rows: int, seed: int = 0, cohort: date = date(2021, 1, 1), term: int = 36
) -> pl.DataFrame:
    """Labelled predictions that are their own default probability."""
    random = np.random.default_rng(seed)
    probability = random.beta(2, 8, rows)
    return pl.DataFrame(
        {
            "id": [f"{seed}-{row}" for row in range(rows)],
            "default_probability": probability,
            "prediction": (probability > 0.3).astype(np.int8),
            "model_version": "1",
            "term": float(term),
            "cohort": cohort,
            "default": (random.random(rows) < probability).astype(np.int8),
        },
        schema_overrides={"cohort": pl.Date},
    )


def labelled(*frames: pl.DataFrame) -> LabelledPredictions:
    every = pl.concat(frames)
    counts = every.group_by("cohort", "term").agg(
        pl.len().cast(pl.Int64).alias("predictions"),
        (pl.col("prediction") == 0).sum().cast(pl.Int64).alias("approved"),
    )
    return LabelledPredictions(every, counts, trained_on=7)


def realised(loans_and_counts: LabelledPredictions, as_of: date) -> dict[str, Any]:
    """The realised performance as the reports hold it."""
    return to_json(realised_performance(loans_and_counts, as_of))


def estimate(*arguments: Any) -> dict[str, Any]:
    return asdict(realised_metrics.estimate(*arguments))


@pytest.mark.parametrize(
    "cohort, term, counts",
    [
        (date(2021, 2, 1), 36, True),
        (date(2021, 3, 1), 36, False),
        (date(2021, 2, 1), 60, False),
        (date(2019, 2, 1), 60, True),
    ],
)
def test_a_loan_counts_once_its_term_has_passed(cohort: date, term: int, counts: bool) -> None:
    found = realised(labelled(loans(50, cohort=cohort, term=term)), AS_OF)
    assert found["outcomes"] == (50 if counts else 0)
    assert [month["month"] for month in found["by_month"]] == [f"{cohort:%Y-%m}"] * counts
    assert [month["predictions"] for month in found["immature"]] == [50] * (not counts)


def test_the_young_are_shown_with_when_they_will_count() -> None:
    young = loans(80, cohort=date(2023, 5, 1)).with_columns(
        default=pl.when(pl.int_range(80) < 6).then(pl.lit(1, pl.Int8))
    )
    found = realised(labelled(loans(200), young), AS_OF)
    assert found["outcomes"] == 200 and found["defaults"] < 200
    assert found["learned_from"] == 7
    assert found["immature"] == [
        {"month": "2023-05", "predictions": 80, "ended_early": 6, "matures": "2026-05"}
    ]


def test_a_loan_of_unknown_term_never_counts() -> None:
    odd = loans(10).with_columns(term=pl.lit(None, pl.Float64))
    found = realised(labelled(odd), AS_OF)
    assert found["outcomes"] == 0
    assert found["immature"][0] | {"month": ""} == {
        "month": "",
        "predictions": 10,
        "ended_early": 10,
        "matures": None,
    }


def test_a_late_loan_of_a_matured_month_is_no_outcome() -> None:
    late = loans(100).with_columns(default=pl.when(pl.int_range(100) < 60).then("default"))
    found = realised(labelled(late), AS_OF)
    assert found["outcomes"] == 60 and found["by_month"][0]["predictions"] == 100
    assert 0.5 < found["coverage"] < 0.7


def test_calibrated_scores_are_found_calibrated_and_the_estimate_was_right() -> None:
    every = loans(20_000, seed=5)
    found = realised(labelled(every), AS_OF)
    promised = estimate(
        every["default_probability"].to_numpy(), every["prediction"].to_numpy(), 20_000, None
    )
    assert promised["kind"] == "estimate" and found["kind"] == "realised"
    for name in ("AUC", "F1", "Brier", "default_rate"):
        assert found[name]["low"] < promised[name] < found[name]["high"], name
    bands = [band for band in found["by_band"] if band["outcomes"] > 50]
    inside = [
        band["default_rate"]["low"] <= band["mean_probability"] <= band["default_rate"]["high"]
        for band in bands
    ]
    assert len(bands) >= 5 and sum(inside) >= len(bands) - 1


def test_bands_and_months_share_out_every_loan() -> None:
    found = realised(labelled(loans(300), loans(200, 1, date(2021, 2, 1))), AS_OF)
    for table in ("by_month", "by_band", "by_version"):
        assert sum(row["outcomes"] for row in found[table]) == found["outcomes"] == 500
    assert [(band["from"], band["to"]) for band in found["by_band"]] == [
        (0.0, 0.05),
        (0.05, 0.1),
        (0.1, 0.15),
        (0.15, 0.2),
        (0.2, 0.3),
        (0.3, 0.5),
        (0.5, 1.0),
    ]
    assert [(month["month"], month["outcomes"]) for month in found["by_month"]] == [
        ("2021-01", 300),
        ("2021-02", 200),
    ]
    edge = loans(1).with_columns(default_probability=pl.lit(0.05))
    assert [b["outcomes"] for b in realised(labelled(edge), AS_OF)["by_band"]][:2] == [0, 1]


def test_versions_are_told_apart_with_their_newest_month() -> None:
    second = loans(40, 1, date(2021, 2, 1)).with_columns(model_version=pl.lit("2"))
    rows = realised(labelled(loans(60), second), AS_OF)["by_version"]
    assert [(row["model_version"], row["newest_cohort"], row["outcomes"]) for row in rows] == [
        ("1", "2021-01", 60),
        ("2", "2021-02", 40),
    ]


def test_a_versions_auc_is_told_for_the_loans_that_it_approved_too() -> None:
    mixed = loans(400).with_columns(prediction=(pl.col("default_probability") > 0.3).cast(pl.Int8))
    (row,) = realised(labelled(mixed), AS_OF)["by_version"]
    approved = mixed.filter(prediction=0)
    expected = roc_auc_score(approved["default"], approved["default_probability"])
    assert row["approved_AUC"]["value"] == pytest.approx(expected)
    assert expected != pytest.approx(row["AUC"]["value"])
    declined = mixed.with_columns(prediction=pl.lit(1, pl.Int8))
    assert realised(labelled(declined), AS_OF)["by_version"][0]["approved_AUC"] is None


def test_the_version_with_the_newest_month_comes_last_and_among_equals_the_higher_number() -> None:
    def of(version: str, month: int) -> pl.DataFrame:
        return loans(5, month, date(2021, month, 1)).with_columns(model_version=pl.lit(version))

    numbers = ["12", "9", "1", "10", "8", "11"]
    found = realised(labelled(of("7", 2), *(of(number, 1) for number in numbers)), AS_OF)
    order = [row["model_version"] for row in found["by_version"]]
    assert order == ["1", "8", "9", "10", "11", "12", "7"]


def test_a_month_of_which_nothing_has_ended_waits_all_the_same() -> None:
    young = loans(8, cohort=date(2023, 5, 1)).with_columns(default=pl.lit(None, pl.Int8))
    assert realised(labelled(loans(5), young), AS_OF)["immature"] == [
        {"month": "2023-05", "predictions": 8, "ended_early": 0, "matures": "2026-05"}
    ]


def test_nothing_matured_gives_nulls_and_json_holds_it_all() -> None:
    found = realised(labelled(loans(10, cohort=date(2024, 1, 1))), AS_OF)
    assert (found["as_of"], found["coverage"]) == ("2024-02", None)
    nothing = dict.fromkeys(("default_rate", "mean_probability", "AUC", "F1", "Brier"))
    figures = {"outcomes": 0, "defaults": 0, **nothing}
    assert found | figures == found
    assert found["by_band"][0] == {"from": 0.0, "to": 0.05, **figures}
    json.dumps([found, realised(labelled(loans(10)), AS_OF)], allow_nan=False)


def test_what_is_stored_is_read_again() -> None:
    young = loans(20, 1, cohort=date(2023, 5, 1))
    for every in (labelled(loans(60), young), labelled(young)):
        performance = realised_performance(every, AS_OF)
        assert from_json(json.loads(json.dumps(to_json(performance)))) == performance


def test_the_summary_leaves_out_the_tables_and_counts_the_waiting() -> None:
    young = loans(20, 1, cohort=date(2023, 5, 1))
    performance = realised_performance(labelled(loans(60), young), AS_OF)
    tables = {"by_month", "by_band", "by_version", "immature"}
    whole = to_json(performance)
    overall = {name: value for name, value in whole.items() if name not in tables}
    assert summary(performance) == overall | {"immature": 20}


def test_an_estimate_counts_each_score_as_that_share_of_a_default() -> None:
    probability, declined = np.array([0.5, 0.5, 0.25, 0.75]), np.array([1, 0, 0, 1])
    found = estimate(probability, declined, 9, None)
    # Pairs by what each is one of: ones 0.25, 1, 0.75 and zeros 0.75, 1, 0.25 from low to high
    outscored = 0.25 * 0.75 / 2 + 1 * (0.75 + 0.5) + 0.75 * (0.75 + 1 + 0.125)
    assert found == {
        "kind": "estimate",
        "rows": 9,
        "default_rate": 0.5,
        "AUC": outscored / 4,
        "F1": 2 * 1.25 / (2 + 2),
        "Brier": (0.25 + 0.25 + 0.1875 + 0.1875) / 4,
    }


def test_the_mean_of_all_rows_is_taken_where_the_scores_are_a_sample() -> None:
    assert estimate(np.array([0.5]), np.array([1]), 9, 0.25)["default_rate"] == 0.25


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_certain_scores_have_no_auc_to_expect(score: float) -> None:
    found = estimate(np.full(3, score), np.zeros(3), 3, None)
    assert found["AUC"] is None
    assert found["F1"] == (None if score == 0 else 0.0)


def test_no_scores_are_no_estimate() -> None:
    unknown = dict.fromkeys(("default_rate", "AUC", "F1", "Brier"))
    expected = {"kind": "estimate", "rows": 0, **unknown}
    assert estimate(np.empty(0), np.empty(0), 0, None) == expected
