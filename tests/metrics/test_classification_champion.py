"""Champion against challenger: the paired difference of their AUCs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from loan_default.metrics import classification
from properties import tries
from scored_loans import arrays, loans, outcomes_and_scores


@given(outcomes_and_scores, st.data())
@tries(100)
def test_weighted_auc_is_scikit_learns(rows, data):
    default, score = arrays(rows)
    weight = np.array(
        data.draw(st.lists(st.integers(1, 5), min_size=len(rows), max_size=len(rows)))
    )
    expected = sklearn_metrics.roc_auc_score(default, score, sample_weight=weight)
    found = classification._weighted_auc(classification._cells(default, score), weight)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("default", [[0, 1, 0, 1], [1, 0, 1, 0]])
def test_weighted_auc_leaves_out_loans_of_no_weight(default):
    default, score = np.array(default), np.array([0.1, 0.2, 0.3, 0.4])
    found = classification._weighted_auc(
        classification._cells(default, score), np.array([0, 1.5, 2, 0])
    )
    assert found == default[2]


def test_resamples_hold_as_many_loans_as_there_are_of_both_classes():
    default = np.array([1, 0, 0])
    generator = np.random.default_rng(0)
    draws = [classification._resample(default, generator) for _ in range(200)]
    assert {draw.sum() for draw in draws} == {3}
    assert {len(draw) for draw in draws} == {3}
    assert {draw[0] for draw in draws} == {1, 2}
    assert {draw[2] for draw in draws} == {0, 1, 2}


def test_the_interval_is_that_of_resampling_by_hand():
    default, champion = loans(300)
    challenger = np.random.default_rng(5).permutation(champion)
    auc = sklearn_metrics.roc_auc_score
    generator = np.random.default_rng(11)
    draws = []
    for _ in range(80):
        rows = generator.integers(300, size=300)
        draws.append(auc(default[rows], challenger[rows]) - auc(default[rows], champion[rows]))
    found = classification.paired_auc_difference(default, champion, challenger, 11, 80, level=0.9)
    assert found.difference == pytest.approx(auc(default, challenger) - auc(default, champion))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(draws, [0.05, 0.95])))
    assert found.level == 0.9
    assert all(type(figure) is float for figure in vars(found).values())


def test_by_default_a_thousand_resamples_at_95_percent():
    default, score = loans(60)
    other = score[::-1]
    defaulted = classification.paired_auc_difference(default, score, other, 3)
    assert defaulted == classification.paired_auc_difference(default, score, other, 3, 1000, 0.95)
    assert defaulted != classification.paired_auc_difference(default, score, other, 3, 1001, 0.95)
    assert defaulted != classification.paired_auc_difference(default, score, other, 4)
    assert classification.Interval(0.0, 0.0, 0.0).level == 0.95


def test_the_same_model_differs_by_nothing():
    default, score = loans(100)
    interval = classification.paired_auc_difference(
        default, score, score * 0.5, seed=1, resamples=50
    )
    assert (interval.difference, interval.low, interval.high) == (0, 0, 0)


def test_a_clearly_worse_challenger_lies_below_zero_and_the_reverse_above():
    default, good = loans(3000)
    bad = good + np.random.default_rng(2).normal(0, 0.3, len(good))
    worse = classification.paired_auc_difference(default, good, bad, seed=1, resamples=200)
    assert worse.low < worse.difference < worse.high < -0.05
    better = classification.paired_auc_difference(default, bad, good, seed=1, resamples=200)
    assert (better.difference, better.low, better.high) == pytest.approx(
        (-worse.difference, -worse.high, -worse.low)
    )


def test_one_default_among_few_loans_still_gives_an_interval():
    default = np.array([1, 0, 0])
    interval = classification.paired_auc_difference(
        default, np.array([0.1, 0.2, 0.3]), np.array([0.3, 0.2, 0.1]), seed=1, resamples=50
    )
    assert interval == classification.Interval(1.0, 1.0, 1.0)
