import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from loan_default.metrics.auc import auc, counts_by_score, share_below


@pytest.mark.parametrize("decimals", [1, 2, 12])
def test_the_area_is_scikit_learns_with_and_without_ties(decimals: int) -> None:
    generator = np.random.default_rng(decimals)
    default = generator.integers(0, 2, 500)
    score = np.round(generator.random(500) + 0.2 * default, decimals)
    value = auc(*counts_by_score(default, score))
    assert value == pytest.approx(roc_auc_score(default, score), abs=1e-12)


def test_weights_count_like_repeated_loans() -> None:
    generator = np.random.default_rng(5)
    default, score = generator.integers(0, 2, 60), np.round(generator.random(60), 1)
    weight = generator.integers(1, 5, 60)
    scores = np.unique(score)
    repaid, defaulted = (
        np.array([weight[(score == s) & (default == outcome)].sum() for s in scores])
        for outcome in (0, 1)
    )
    expected = roc_auc_score(default, score, sample_weight=weight)
    assert auc(repaid, defaulted) == pytest.approx(expected, abs=1e-12)


def test_one_class_has_no_area() -> None:
    for default in (np.zeros(3, int), np.ones(3, int)):
        assert auc(*counts_by_score(default, np.array([0.1, 0.2, 0.3]))) is None
    assert auc(*counts_by_score(np.array([], int), np.array([]))) is None


def test_the_share_below_counts_equal_scores_half() -> None:
    assert share_below(np.array([1, 2, 1])).tolist() == [0.125, 0.5, 0.875]
