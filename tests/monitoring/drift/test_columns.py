import math
from dataclasses import replace

import polars as pl
import pytest

from lendingclub import CONTRACT
from loan_default.monitoring.drift.columns import missing_pair, value_pair, watched
from loan_default.monitoring.drift.verdict import Thresholds, psi_limit

THRESHOLDS = Thresholds(wasserstein=0.1, psi=0.2, missing=0.1, share=0.3, min_rows=500)
INCOMES = [20_000.0 + 100 * number for number in range(1_000)]


def pair(then, now):
    return value_pair(pl.Series("column", then), pl.Series("column", now), THRESHOLDS)


def test_the_columns_that_both_know_are_watched():
    then = pl.DataFrame({"id": ["a"], "term": [36], "grade": ["A"], "dti": [1.0]})
    now = pl.DataFrame({"grade": ["Z"], "term": [60.0], "default_probability": [0.2], "id": ["b"]})
    reference, current = watched(then, now, CONTRACT)
    assert reference.rows(named=True) == [{"term": 36.0, "grade": "A"}]
    assert current.rows(named=True) == [{"term": 60.0, "grade": "Z"}]


def test_a_column_without_any_value_is_left_out():
    then = pl.DataFrame({"dti": [math.nan, None], "term": [None, None], "grade": ["A", "B"]})
    now = pl.DataFrame({"dti": [None, None], "term": [36.0, 36.0], "grade": ["A", None]})
    assert [frame.columns for frame in watched(then, now, CONTRACT)] == [["term", "grade"]] * 2


def test_numbers_are_compared_by_distance_and_categories_by_psi():
    numbers, grades = pair(INCOMES, INCOMES), pair(["A", "B"] * 300, ["A", None] * 300)
    assert (numbers.kind, numbers.method, numbers.label) == ("num", "wasserstein", "column")
    assert (grades.kind, grades.method, grades.label) == ("cat", "psi", "column")
    assert grades.reference.to_list() == ["A", "B"] * 300
    assert grades.current.to_list() == ["A", None] * 300


@pytest.mark.parametrize("outlier", [110_000_000.0, -110_000_000.0])
def test_an_outlier_is_clipped_on_either_side(outlier):
    for then, now in [([*INCOMES, outlier], INCOMES), (INCOMES, [*INCOMES, outlier])]:
        found = pair(then, now)
        for sample in (found.reference, found.current):
            assert sample.min() > 20_000 and sample.max() < 120_000


def test_what_left_the_reference_range_is_not_clipped_away():
    found = pair(INCOMES, [value * 1_000 for value in INCOMES])
    assert found.current.median() == pytest.approx(69_950_000)
    assert found.reference.median() == pytest.approx(69_950)


def test_nulls_stay_where_they_are():
    found = pair([*INCOMES, None], [None, *INCOMES])
    assert found.reference.is_null().to_list()[-1] and found.current.is_null().to_list()[0]


def test_a_constant_reference_is_compared_by_psi():
    assert pair([0.0] * 600, INCOMES).method == "psi"
    assert pair([0.0] * 2_000 + [9.0], [0.0] * 600).method == "psi"


def test_a_threshold_grows_where_values_are_few():
    assert pair(INCOMES * 10, INCOMES * 10).threshold == 0.1
    assert pair(INCOMES * 10, INCOMES[:100]).threshold > 0.3
    grades = ["A", "B", "C"] * 100
    assert pair(grades * 30, grades * 30).threshold == 0.2
    assert pair(grades[:99], [*grades[:99], None]).threshold == psi_limit(0.2, 99, 99, 3) > 0.3


def test_a_column_may_have_a_threshold_of_its_own():
    own = replace(THRESHOLDS, by_column={"dti": 0.7, "grade": 0.8})
    for name, values in (("dti", INCOMES), ("grade", ["A", "B"] * 500), ("dti", [0.0] * 900)):
        series = pl.Series(name, values)
        assert value_pair(series, series, own).threshold == own.by_column[name]


def test_without_values_on_one_side_there_is_nothing_to_compare():
    assert pair([None, None], [1.0, 2.0]) is None
    assert pair(["A"], [None]) is None


def test_a_missing_pair_says_missing_or_given():
    found = missing_pair(pl.Series("dti", [1.0, None]), pl.Series("dti", [None, 2.0, 3.0]), 0.1)
    assert (found.label, found.kind, found.method) == ("dti (missing)", "cat", "missing share")
    assert found.threshold == 0.1
    assert found.reference.to_list() == ["given", "missing"]
    assert found.current.to_list() == ["missing", "given", "given"]
