import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_default.metrics.classification import Interval
from loan_default.metrics.intervals import Metric
from loan_default.promotion.rules import (
    Check,
    Comparison,
    Gate,
    GateDecision,
    calibration_check,
    champion_check,
    decide,
    price_check,
    threshold_checks,
)
from properties import tries

GATE = Gate(auc_threshold=0.75, f1_threshold=0.3, calibration_tolerance=0.05)
GOOD = {"AUC": 0.7812, "F1": 0.41, "calibration_error": 0.0123, "Brier": 0.1}
NAMES = ["AUC", "F1", "calibration_error"]
LIMITS = [0.75, 0.3, 0.05]


def check(name, **changed):
    checks = {item.name: item for item in threshold_checks(GOOD | changed, GATE)}
    return checks[name]


def test_a_good_model_passes_every_threshold():
    assert threshold_checks(GOOD, GATE) == [
        Check("AUC", 0.7812, 0.75, True, "AUC 0.7812 reaches 0.7500"),
        Check("F1", 0.41, 0.3, True, "F1 0.4100 reaches 0.3000"),
        Check("calibration_error", 0.0123, 0.05, True, "calibration error 0.0123 is within 0.0500"),
    ]


def test_a_bad_model_fails_every_threshold():
    assert threshold_checks({"AUC": 0.7012, "F1": 0.0, "calibration_error": 0.2}, GATE) == [
        Check("AUC", 0.7012, 0.75, False, "AUC 0.7012 is below the threshold 0.7500"),
        Check("F1", 0.0, 0.3, False, "F1 0.0000 is below the threshold 0.3000"),
        Check(
            "calibration_error",
            0.2,
            0.05,
            False,
            "calibration error 0.2000 is above the tolerance 0.0500",
        ),
    ]


@pytest.mark.parametrize("name, limit", list(zip(NAMES, LIMITS)))
def test_a_metric_equal_to_its_limit_passes(name, limit):
    assert check(name, **{name: limit}).passed


@pytest.mark.parametrize("name, limit, worse", list(zip(NAMES, LIMITS, [0, 0, 1])))
def test_a_metric_just_beyond_its_limit_fails_and_the_figures_show_it(name, limit, worse):
    beyond = check(name, **{name: math.nextafter(limit, worse)})
    assert not beyond.passed
    figures = [word for word in beyond.reason.split() if word.startswith("0.")]
    assert len(set(figures)) == 2


def test_figures_have_no_more_digits_than_tell_them_apart():
    assert check("AUC", AUC=0.74998).reason == "AUC 0.74998 is below the threshold 0.75000"
    assert check("AUC", AUC=0.7499).reason == "AUC 0.7499 is below the threshold 0.7500"


@pytest.mark.parametrize("name, limit", list(zip(NAMES, ["0.7500", "0.3000", "0.0500"])))
def test_a_missing_metric_fails(name, limit):
    metrics = {key: value for key, value in GOOD.items() if key != name}
    failed = [item for item in threshold_checks(metrics, GATE) if not item.passed]
    reason = f"{name.replace('_', ' ')} is missing; the limit is {limit}"
    assert failed == [Check(name, None, float(limit), False, reason)]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name, limit", list(zip(NAMES, ["0.7500", "0.3000", "0.0500"])))
def test_a_metric_that_is_no_number_fails(name, limit, value):
    reason = f"{name.replace('_', ' ')} is not a finite number; the limit is {limit}"
    assert check(name, **{name: value}) == Check(name, None, float(limit), False, reason)


def test_a_gate_of_nothing_lets_the_worst_model_through():
    worst = {"AUC": 0.0, "F1": 0.0, "calibration_error": 1.0}
    assert decide(threshold_checks(worst, Gate(0.0, 0.0, 1.0))).promotable


@tries(100)
@given(*[st.floats(0, 1)] * 6)
def test_the_gate_is_the_three_comparisons(auc, f1, error, least_auc, least_f1, most_error):
    metrics = {"AUC": auc, "F1": f1, "calibration_error": error}
    decision = decide(threshold_checks(metrics, Gate(least_auc, least_f1, most_error)))
    assert [item.passed for item in decision.checks] == [
        auc >= least_auc,
        f1 >= least_f1,
        error <= most_error,
    ]
    assert decision.promotable == all(item.passed for item in decision.checks)


# champion against challenger


def against_version_3(*figures, loans=1000, margin=0.01):
    compared = Comparison(Interval(*figures), loans)
    return champion_check(compared, margin, champion_version="3")


def test_without_a_champion_there_is_nothing_to_beat():
    expected = Check(
        "not_worse_than_champion", None, None, True, "no production model to compare with"
    )
    assert champion_check(None, 0.01, champion_version=None) == expected
    assert champion_check(None, 0.01, champion_version=None, why_not="no months") == expected


def test_a_challenger_whose_interval_lies_below_zero_and_the_margin_fails():
    assert against_version_3(-0.012, -0.02, -0.004) == Check(
        "not_worse_than_champion",
        -0.02,
        -0.01,
        False,
        "AUC is lower than version 3's (difference -0.012, 95% interval -0.02 to -0.004, 1,000 "
        "test loans)",
    )


def test_a_challenger_whose_interval_lies_above_minus_the_margin_passes():
    assert against_version_3(-0.001, -0.0042, 0.0021) == Check(
        "not_worse_than_champion",
        -0.0042,
        -0.01,
        True,
        "AUC is not lower than version 3's by 0.01 or more (difference -0.001, 95% interval "
        "-0.0042 to 0.0021, 1,000 test loans)",
    )


def test_an_interval_that_is_too_wide_cannot_tell_and_says_how_many_loans_would():
    found = against_version_3(0.0, -0.03, 0.03)
    # ((1.960 + 0.842) / 1.960 * 0.03 / 0.01) ** 2 * 1000
    assert found.reason == (
        "cannot tell whether AUC is lower than version 3's by 0.01 (difference 0, 95% interval "
        "-0.03 to 0.03, 1,000 test loans): 18,389 test loans are needed if both are equally good"
    )
    assert not found.passed


def test_a_challenger_that_only_looks_worse_is_not_told_that_fewer_loans_would_do():
    assert against_version_3(-0.007, -0.0105, 0.0001, loans=90).reason.endswith("90 test loans)")


def test_the_lower_end_must_lie_above_minus_the_margin():
    assert not against_version_3(0.0, -0.01, 0.01).passed
    assert against_version_3(0.0, math.nextafter(-0.01, 0), 0.01).passed
    assert against_version_3(-0.02, -0.03, -0.01, margin=0.04).passed
    assert not against_version_3(0.0, 0.0, 0.0, margin=0.0).passed


def test_an_interval_without_an_end_fails():
    found = against_version_3(math.nan, math.nan, math.nan)
    assert not found.passed and found.reason.startswith("cannot tell")
    assert found.as_dict()["value"] is None


def test_the_interval_is_named_by_its_level():
    compared = Comparison(Interval(-0.2, -0.3, -0.1, 0.995), 10)
    reason = champion_check(compared, 0.01, champion_version=12).reason
    assert "version 12's (difference -0.2, 99.5% interval -0.3 to -0.1" in reason


@pytest.mark.parametrize(
    "why_not, said",
    [
        ("no test months in common", "no test months in common"),
        (None, "no interval given"),
    ],
)
def test_a_champion_that_could_not_be_compared_with_fails(why_not, said):
    assert champion_check(None, 0.01, champion_version="3", why_not=why_not) == Check(
        "not_worse_than_champion", None, -0.01, False, f"not compared with version 3: {said}"
    )


# predicted against observed


def test_groups_that_may_be_calibrated_pass_and_the_one_furthest_off_is_told():
    ratios = {"all": Metric(0.97, 0.9, 1.05), "grade A": Metric(1.3, 1.05, 1.6)}
    assert calibration_check(ratios, 0.1) == Check(
        "calibration_ratio",
        1.3,
        1.1,
        True,
        "predicted over observed defaults of grade A 1.30 (interval 1.05 to 1.60), not clearly "
        "off by more than 0.1",
    )


@pytest.mark.parametrize(
    "ratio, limit", [(Metric(0.75, 0.7, 0.8), 0.9), (Metric(1.4, 1.3, 1.5), 1.1)]
)
def test_a_group_that_is_clearly_off_fails_on_either_side(ratio, limit):
    found = calibration_check({"all": Metric(1.0, 0.9, 1.1), "term 36": ratio}, 0.1)
    assert (found.value, found.passed) == (ratio.value, False)
    assert found.limit == pytest.approx(limit)
    assert "of term 36" in found.reason and found.reason.endswith(", off by more than 0.1")
    assert calibration_check({"term 36": ratio}, 0.5).passed


def test_without_ratios_the_check_fails():
    assert calibration_check(None, 0.1, "the files are gone") == Check(
        "calibration_ratio", None, None, False, "calibration not tested: the files are gone"
    )


# the decision

PASSED = Check("a", 1.0, 0.5, True, "a is fine")
FAILED = Check("b", 0.0, 0.5, False, "b is low")
MISSING = Check("c", None, 0.5, False, "c is missing")


def test_all_checks_passed_promote():
    assert decide([PASSED, PASSED]) == GateDecision(True, (PASSED, PASSED), [])


def test_any_failed_check_refuses_with_the_failed_sentences_in_order():
    decision = decide(iter([FAILED, PASSED, MISSING]))
    assert decision == GateDecision(False, (FAILED, PASSED, MISSING), ["b is low", "c is missing"])


def test_no_check_at_all_refuses():
    assert decide([]) == GateDecision(False, (), ["nothing was checked"])


def test_a_check_as_json():
    assert check("AUC").as_dict() == {
        "name": "AUC",
        "value": 0.7812,
        "limit": 0.75,
        "passed": True,
        "reason": "AUC 0.7812 reaches 0.7500",
    }
    assert MISSING.as_dict()["value"] is None


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, None])
def test_figures_that_json_has_no_number_for_become_none(odd):
    found = Check("a", odd, odd, False, "").as_dict()
    assert (found["value"], found["limit"]) == (None, None)
    json.dumps(found, allow_nan=False)


def test_numpy_figures_become_plain_ones():
    metrics = {name: np.float32(value) for name, value in GOOD.items()}
    for item in threshold_checks(metrics, GATE):
        assert type(item.value) is float
        assert type(item.passed) is bool
    assert against_version_3(*np.zeros(3)).passed is True


@pytest.mark.parametrize(
    "low, least, passed", [(0.001, 0.0, True), (0.0, 0.0, False), (-0.02, -0.05, True)]
)
def test_the_gain_over_the_price_must_be_shown(low: float, least: float, passed: bool) -> None:
    check = price_check(Interval(0.02, low, 0.04), "int_rate", least)
    assert (check.passed, check.value, check.limit) == (passed, low, least)
    assert f"than int_rate alone on the same loans: AUC +0.0200 (95% interval {low:+.4f}" in (
        check.reason
    )
    assert check.reason.startswith("better") is (low > 0)


def test_without_a_price_there_is_nothing_to_beat() -> None:
    assert price_check(None, None).passed
    assert price_check(None, "int_rate").passed
