import datetime
import math
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from loan_default.errors import InputError
from loan_default.metrics import classification
from properties import tries
from scored_loans import arrays, loans, outcomes_and_scores

NAMES = (
    "AUC F1 Precision Recall PR_AUC log_loss Brier KS calibration_error mean_probability"
    " default_rate"
).split()


# metrics


def test_metrics_have_their_names_in_order_and_are_plain_finite_floats():
    result = classification.metrics(*loans(), 0.2)
    assert list(result) == NAMES
    assert all(type(value) is float and math.isfinite(value) for value in result.values())


def test_metrics_of_four_loans_by_hand():
    default, probability = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])
    result = classification.metrics(default, probability, 0.4)
    assert result == pytest.approx(
        {
            "AUC": 3 / 4,
            "F1": 1 / 2,
            "Precision": 1 / 2,
            "Recall": 1 / 2,
            "PR_AUC": 1 / 2 * 1 + 1 / 2 * 2 / 3,
            "log_loss": -(math.log(0.9) + math.log(0.6) + math.log(0.35) + math.log(0.8)) / 4,
            "Brier": (0.1**2 + 0.4**2 + 0.65**2 + 0.2**2) / 4,
            "KS": 1 / 2,
            "calibration_error": (0.1 + 0.4 + 0.65 + 0.2) / 4,
            "mean_probability": 1.65 / 4,
            "default_rate": 1 / 2,
        }
    )


def test_metrics_agree_with_scikit_learn():
    default, probability = loans()
    predicted = probability >= 0.21
    result = classification.metrics(default, probability, 0.21)
    assert result["F1"] == pytest.approx(sklearn_metrics.f1_score(default, predicted))
    assert result["Precision"] == pytest.approx(sklearn_metrics.precision_score(default, predicted))
    assert result["Recall"] == pytest.approx(sklearn_metrics.recall_score(default, predicted))
    assert result["Brier"] == pytest.approx(sklearn_metrics.brier_score_loss(default, probability))


def test_a_probability_equal_to_the_threshold_predicts_default():
    default, probability = np.array([0, 1]), np.array([0.2, 0.3])
    assert classification.metrics(default, probability, 0.3)["Recall"] == 1
    assert classification.metrics(default, probability, np.nextafter(0.3, 1))["Recall"] == 0


def test_nothing_predicted_gives_zero_precision_recall_and_f1():
    result = classification.metrics(*loans(), 1.0)
    assert [result[name] for name in ("Precision", "Recall", "F1")] == [0, 0, 0]


def test_a_perfect_model():
    default = np.array([0, 1, 0, 1, 1])
    result = classification.metrics(default, default.astype(float), 0.5)
    for name in ("AUC", "F1", "Precision", "Recall", "PR_AUC", "KS"):
        assert result[name] == 1
    for name in ("log_loss", "Brier", "calibration_error"):
        assert result[name] == pytest.approx(0, abs=1e-12)


def test_a_perfectly_wrong_model_is_finite_and_separates_as_well():
    default = np.array([0, 1, 0, 1, 1])
    result = classification.metrics(default, 1.0 - default, 0.5)
    assert (result["AUC"], result["KS"], result["Brier"], result["F1"]) == (0, 1, 1, 0)
    assert result["calibration_error"] == 1
    assert 10 < result["log_loss"] < 100


def test_all_scores_equal_are_a_coin_toss():
    default = np.array([1, 1, 0, 0, 0, 0, 0, 0])
    result = classification.metrics(default, np.full(8, 0.25), 0.25)
    assert (result["AUC"], result["KS"], result["PR_AUC"]) == (0.5, 0, 0.25)
    assert result["calibration_error"] == 0
    assert result["F1"] == pytest.approx(0.4)


def test_single_precision_gives_the_same_metrics():
    default, probability = loans()
    wide = classification.metrics(default, probability.astype(np.float32).astype(float), 0.255)
    assert classification.metrics(default, probability.astype(np.float32), 0.255) == wide


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize(
    "judge",
    [
        lambda default, score: classification.metrics(default, score, 0.5),
        classification.best_f1_threshold,
        lambda default, score: classification.paired_auc_difference(default, score, score, seed=1),
    ],
)
def test_one_class_only_is_refused_with_the_counts(judge, value):
    message = f"^one class only: {3 * value} of 3 loans defaulted; provide loans of both outcomes"
    with pytest.raises(InputError, match=message):
        judge(np.full(3, value), np.array([0.1, 0.2, 0.3]))


@given(outcomes_and_scores)
@tries(100)
def test_ks_is_the_largest_gap_between_the_classes_distributions(rows):
    default, probability = arrays(rows)
    gaps = [
        abs((probability[default == 1] >= t).mean() - (probability[default == 0] >= t).mean())
        for t in np.unique(probability)
    ]
    assert classification.metrics(default, probability, 0.5)["KS"] == pytest.approx(max(gaps))


# calibration


def test_calibration_table_by_hand():
    default = np.array([0, 1, 1, 0, 0, 1])
    probability = np.array([0.1, 0.9, 0.6, 0.2, 0.4, 0.8])
    expected = [
        {"mean_probability": 0.15, "default_rate": 0.0, "count": 2},
        {"mean_probability": 0.5, "default_rate": 0.5, "count": 2},
        {"mean_probability": 0.85, "default_rate": 1.0, "count": 2},
    ]
    table = classification.calibration_table(default, probability, bins=3)
    assert [row["count"] for row in table] == [2, 2, 2]
    for row, wanted in zip(table, expected, strict=True):
        assert row == pytest.approx(wanted)
        assert [type(value) for value in row.values()] == [float, float, int]


@pytest.mark.parametrize("n, counts", [(100, [10] * 10), (7, [1] * 7), (25, [3, 2] * 5)])
def test_bins_hold_equal_counts_when_no_probabilities_tie(n, counts):
    table = classification.calibration_table(np.arange(n) % 2, np.linspace(0, 1, n))
    assert [row["count"] for row in table] == counts


def test_tied_probabilities_share_the_bin_of_their_middle_rank():
    probability = np.array([0.0, 0.1, 0.1, 0.1, 0.1, 0.5, 0.6, 0.7])
    table = classification.calibration_table(np.zeros(8), probability, bins=4)
    # Ranks 1 to 4 of 0 to 7 lie around 2.5, in the second quarter; 5 alone of the third remains
    assert [row["count"] for row in table] == [1, 4, 1, 2]


def test_all_probabilities_equal_are_one_bin():
    table = classification.calibration_table(np.array([1, 0, 0, 0]), np.full(4, 0.3))
    assert table == [{"mean_probability": pytest.approx(0.3), "default_rate": 0.25, "count": 4}]


@given(outcomes_and_scores, st.integers(1, 12), st.randoms(use_true_random=False))
@tries(100)
def test_bins_lose_no_loan_and_ignore_the_order_of_the_loans(rows, bins, random):
    default, probability = arrays(rows)
    table = classification.calibration_table(default, probability, bins)
    assert 1 <= len(table) <= bins
    assert sum(row["count"] for row in table) == len(rows)
    assert sum(row["count"] * row["default_rate"] for row in table) == pytest.approx(default.sum())
    said = [row["mean_probability"] for row in table]
    assert said == sorted(said)
    random.shuffle(rows)
    shuffled = classification.calibration_table(*arrays(rows), bins)
    assert [pytest.approx(row) for row in table] == shuffled


def test_calibration_error_weights_the_bins_by_their_loans():
    default = np.array([1, 0, 0, 0] + [1] * 12)
    probability = np.array([0.5] * 4 + [0.9] * 12)
    expected = (4 * 0.25 + 12 * 0.1) / 16
    assert classification.calibration_error(default, probability) == pytest.approx(expected)


def test_calibration_error_has_ten_bins():
    # Alternating outcomes at rising probabilities: in ten bins of ten each rate is one half
    default, probability = np.tile([0, 1], 50), np.linspace(0, 1, 100)
    centres = np.arange(10) / 9.9 + 4.5 / 99
    expected = np.abs(centres - 0.5).mean()
    assert classification.calibration_error(default, probability) == pytest.approx(expected)


def test_calibration_error_tells_calibrated_from_shifted():
    default, probability = loans(20_000, decimals=6)
    assert classification.calibration_error(default, probability) < 0.01
    shifted = classification.calibration_error(default, probability + 0.1)
    assert shifted == pytest.approx(0.1, abs=0.01)


# by quarter


def test_by_quarter_by_hand():
    months = np.array(
        ["2010-10-01", "2010-12-01", "2011-01-01", "2010-09-01"], dtype="datetime64[D]"
    )
    default, probability = np.array([0, 1, 1, 0]), np.array([0.2, 0.4, 0.7, 0.1])
    rows = classification.by_quarter(months, default, probability, threshold=0.4)
    first = {"quarter": "2010Q3", "count": 1, "default_rate": 0.0, "mean_probability": 0.1}
    assert rows[0] == pytest.approx(first | {"declined_share": 0.0, "AUC": None, "Brier": 0.01})
    assert rows[1] == pytest.approx(
        {
            "quarter": "2010Q4",
            "count": 2,
            "default_rate": 0.5,
            "mean_probability": 0.3,
            "declined_share": 0.5,
            "AUC": 1.0,
            "Brier": (0.2**2 + 0.6**2) / 2,
        }
    )
    assert [row["quarter"] for row in rows] == ["2010Q3", "2010Q4", "2011Q1"]
    assert rows[2]["AUC"] is None
    assert {type(value) for value in rows[1].values()} == {str, int, float}


@pytest.mark.parametrize(
    "month, quarter", [(1, 1), (3, 1), (4, 2), (6, 2), (7, 3), (9, 3), (12, 4)]
)
@pytest.mark.parametrize("year", [1969, 1970, 2018])
def test_quarters_of_months_in_a_polars_series(year, month, quarter):
    months = pl.Series([datetime.date(year, month, 1)])
    rows = classification.by_quarter(months, np.array([1]), np.array([0.5]), 0.5)
    assert rows[0]["quarter"] == f"{year}Q{quarter}"


# thresholds


def exact_f1(default, predicted):
    return Fraction(2 * int(default[predicted].sum()), int(default.sum() + predicted.sum()))


@given(outcomes_and_scores)
@tries(100)
def test_best_f1_threshold_is_the_highest_of_the_best(rows):
    default, probability = arrays(rows)
    ranked = [(exact_f1(default, probability >= t), t) for t in np.unique(probability)]
    assert classification.best_f1_threshold(default, probability) == max(ranked)[1]


@pytest.mark.parametrize(
    "default, probability, threshold",
    [
        ([0, 1], [0.2, 0.9], 0.9),
        ([1, 0], [0.5, 0.5], 0.5),
        # 1 of 1 predicted and 1 of 2 found, or 2 of 4 and 2 of 2: both F1 are two thirds
        ([1, 0, 0, 1], [0.9, 0.8, 0.7, 0.6], 0.9),
        ([0, 1, 1], [0.9, 0.8, 0.1], 0.1),
    ],
)
def test_best_f1_threshold_by_hand(default, probability, threshold):
    found = classification.best_f1_threshold(np.array(default), np.array(probability))
    assert type(found) is float
    assert found == threshold


@pytest.mark.parametrize("ratio, threshold", [(1, 0.5), (4, 0.2), (0.25, 0.8), (99, 0.01)])
def test_cost_threshold(ratio, threshold):
    assert classification.cost_threshold(ratio) == pytest.approx(threshold)


def test_cost_threshold_has_the_least_cost_on_calibrated_probabilities():
    default, probability = loans(200_000)
    candidates = np.linspace(0.05, 0.6, 12)
    cost = [
        5 * default[probability < t].sum() + (1 - default[probability >= t]).sum()
        for t in (*candidates, classification.cost_threshold(5))
    ]
    assert cost[-1] <= min(cost[:-1])
