import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from loan_default.columns import PROBABILITY
from loan_default.monitoring.drift.verdict import (
    ColumnDrift,
    Thresholds,
    missing_drift,
    psi_limit,
    verdict,
    wasserstein_limit,
    worst_first,
)
from properties import tries


def column(name, severity, **changed):
    result = ColumnDrift(name, "wasserstein", severity * 0.1, 0.1, severity >= 1, 0.0, 0.0)
    return dataclasses.replace(result, **changed)


def judge(*columns, rows=10_000):
    return verdict(columns, rows, min_rows=500, share_threshold=0.3)


def test_a_columns_own_threshold_comes_first_for_its_values_and_for_its_missing_share_apart():
    own = {"dti": 0.3, "dti:missing": 0.4, "grade": 0.5}
    limits = Thresholds(0.1, 0.2, 0.15, 0.3, 500, own)
    assert [limits.value_of("dti", "wasserstein"), limits.missing_of("dti")] == [0.3, 0.4]
    assert [limits.value_of("grade", "psi"), limits.missing_of("grade")] == [0.5, 0.15]
    assert [limits.value_of("term", name) for name in ("wasserstein", "psi")] == [0.1, 0.2]


STILL = [column(f"still_{number}", 0.5) for number in range(7)]


def test_the_share_that_is_just_reached_makes_a_run_drift():
    found = judge(*STILL, column("dti", 1), column("term", 3), column("grade", 2))
    assert found.drift is True
    assert found.drift_share == 0.3
    assert found.drifted_columns == ["term", "grade", "dti"]
    assert found.reason == "3 of 10 columns drifted; a run drifts at 30%"


def test_a_smaller_share_is_reported_without_making_the_run_drift():
    found = judge(*STILL, column("dti", 1), column("term", 3))
    assert (found.drift, found.drifted_columns) == (False, ["term", "dti"])
    assert (found.compared, found.rows) == (9, 10_000)
    assert found.drift_share == pytest.approx(2 / 9)


def test_the_predicted_probability_makes_a_run_drift_by_itself():
    found = judge(*STILL, column("dti", 8), column(PROBABILITY, 1.1))
    assert found.drift is True
    assert found.drifted_columns == ["dti", PROBABILITY]
    assert found.reason.startswith("the predicted probability drifted")


@pytest.mark.parametrize("rows, drift", [(0, None), (499, None), (500, True), (501, True)])
def test_too_few_rows_give_no_verdict_but_still_the_columns(rows, drift):
    found = judge(column("dti", 2), rows=rows)
    assert (found.drift, found.drift_share, found.drifted_columns) == (drift, 1.0, ["dti"])


def test_no_columns_are_no_drift():
    assert (judge().drift, judge().drift_share) == (False, 0.0)


def test_methods_are_ranked_by_how_far_they_pass_their_own_threshold():
    psi = column("purpose", 0, method="psi", score=0.5, threshold=0.2, drifted=True)
    missing = column("dti", 0, method="missing share", score=0.2, threshold=0.1, drifted=True)
    assert worst_first([column("term", 9, drifted=False), missing, psi])[0] is psi
    assert [item.column for item in worst_first([missing, psi, *STILL])][:3] == [
        "purpose",
        "dti",
        "still_0",
    ]


def test_with_a_threshold_of_zero_chance_alone_is_the_limit():
    rows = (1_000_000, 1_000_000)
    chance, changed = (missing_drift("dti", (0, n), rows, 0.0) for n in (10, 20))
    assert not chance.drifted and 0 < chance.severity < 1
    assert changed.drifted and changed.severity > 1
    for share in (0, 500):
        still = missing_drift("dti", (share, share), (500, 500), 0.0)
        assert not still.drifted and still.severity == 0


@tries(100)
@given(st.lists(st.floats(0, 1e6), max_size=60), st.floats(0.01, 1))
def test_every_verdict_is_consistent(severities, share_threshold):
    columns = [column(f"c{number}", severity) for number, severity in enumerate(severities)]
    found = verdict(columns, 500, 500, share_threshold)
    ranked = [columns[int(name[1:])].severity for name in found.drifted_columns]
    assert ranked == sorted(ranked, reverse=True)
    assert set(found.drifted_columns) == {item.column for item in columns if item.drifted}
    assert found.drift is (found.drift_share >= share_threshold)


@pytest.mark.parametrize("rows", [5_000, 100_000])
def test_with_many_values_the_lender_sets_the_threshold(rows):
    assert wasserstein_limit(0.1, rows, rows, pooled=1.0) == 0.1
    assert psi_limit(0.2, rows, rows, levels=35) == 0.2
    assert missing_drift("dti", (rows // 2, rows // 2), (rows, rows), 0.1).threshold == 0.1


def test_with_few_values_chance_does():
    assert wasserstein_limit(0.1, 500, 500, pooled=1.0) == pytest.approx(0.2404, abs=1e-4)
    assert wasserstein_limit(0.1, 500, 500, pooled=2.0) == pytest.approx(0.4808, abs=1e-4)
    assert psi_limit(0.2, 500, 500, levels=35) == pytest.approx(0.2984, abs=1e-4)
    assert missing_drift("dti", (250, 250), (500, 500), 0.1).threshold == pytest.approx(
        0.1202, 1e-3
    )


def test_what_chance_does_to_a_missing_share_depends_on_both_samples():
    found = missing_drift("dti", (200, 20), (400, 100), 0.0)
    pooled = 220 / 500
    chance = 3.8012 * math.sqrt(pooled * (1 - pooled) * (1 / 400 + 1 / 100))
    assert (found.column, found.threshold) == ("dti", pytest.approx(chance, rel=1e-4))


@pytest.mark.parametrize("levels", [2, 3, 7, 14, 35])
def test_chance_exceeds_the_psi_limit_once_in_fourteen_thousand_times(levels):
    statistic = psi_limit(0.0, 500, 2_000, levels) / (1 / 500 + 1 / 2_000)
    assert stats.chi2.sf(statistic, levels - 1) == pytest.approx(7.2e-5, rel=1e-6)


def test_a_single_level_is_tested_like_two():
    assert psi_limit(0.0, 500, 500, levels=1) == psi_limit(0.0, 500, 500, levels=2)


def test_a_surge_of_missing_values_is_drift():
    surge = missing_drift("dti", (40, 6_000), (10_000, 10_000), 0.1)
    assert surge.drifted and surge.method == "missing share"
    assert surge.score == pytest.approx(0.596)
    assert surge.severity == pytest.approx(5.96)
    assert (surge.missing_reference, surge.missing_current) == (0.004, 0.6)


def test_values_that_return_are_drift_too():
    assert missing_drift("dti", (6_000, 40), (10_000, 10_000), 0.1).drifted


@pytest.mark.parametrize("now, drifted", [(1_000, False), (1_001, True)])
def test_a_change_drifts_past_the_threshold(now, drifted):
    assert missing_drift("dti", (0, now), (10_000, 10_000), 0.1).drifted is drifted


def test_a_rare_column_that_is_gone_drifts_below_the_threshold():
    gone = missing_drift("mths_since_last_record", (9_200, 10_000), (10_000, 10_000), 0.1)
    assert gone.drifted and gone.score == pytest.approx(0.08)


def test_a_column_so_rare_that_a_sample_may_miss_it_does_not():
    assert not missing_drift("mths_since_last_record", (9_990, 500), (10_000, 500), 0.1).drifted


def numbers_of(random, rows):
    """Thirty columns of the shapes that loans have, as a matrix."""
    return np.hstack(
        [
            random.normal(size=(rows, 10)),
            random.lognormal(size=(rows, 10)),
            random.poisson(0.5, (rows, 5)),
            random.random((rows, 5)) < 0.02,
        ]
    )


def judged_numbers(then, now):
    """Wasserstein distances of equally many values are the mean gaps of the sorted ones."""
    scores = np.abs(np.sort(then, 0) - np.sort(now, 0)).mean(0) / then.std(0)
    pooled = np.vstack([then, now]).std(0) / then.std(0)
    for number, score in enumerate(scores):
        limit = wasserstein_limit(0.1, len(then), len(now), pooled[number])
        name = str(number) if number else PROBABILITY
        yield ColumnDrift(name, "wasserstein", score, limit, score >= limit, 0.0, 0.0)


def judged_grades(random, rows, surge=0.0):
    mix = np.array([0.3, 0.25, 0.2, 0.12, 0.08, 0.04, 0.01, 0])
    new = mix * (1 - surge) + surge * (np.arange(8) == 7)
    then, now = (np.maximum(random.multinomial(rows, m) / rows, 1e-4) for m in (mix, new))
    score, limit = ((then - now) * np.log(then / now)).sum(), psi_limit(0.2, rows, rows, 7)
    return ColumnDrift("grade", "psi", score, limit, score >= limit, 0.0, 0.0)


@pytest.mark.thorough
@pytest.mark.parametrize("rows", [500, 2_000])
def test_identical_distributions_hardly_ever_drift(rows):
    alarms = named = 0
    for seed in range(500):
        random = np.random.default_rng(seed)
        columns = list(judged_numbers(numbers_of(random, rows), numbers_of(random, rows)))
        found = verdict([*columns, judged_grades(random, rows)], rows, 500, 0.3)
        alarms += found.drift is True
        named += bool(found.drifted_columns)
    assert alarms <= 1
    assert named < 0.02 * 500


PLANTED = {
    "mean shift": lambda now: now[:, 0] + 0.5,
    "income in thousands": lambda now: now[:, 10] / 1_000,
    "rates up": lambda now: now[:, 20] + 1,
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", [*PLANTED, "new category", "missing surge"])
def test_planted_drift_is_named_first_over_every_seed(name):
    rows, place = 1_000, {"mean shift": 0, "income in thousands": 10, "rates up": 20}.get(name)
    for seed in range(500):
        random = np.random.default_rng(seed)
        then, now = numbers_of(random, rows), numbers_of(random, rows).astype(float)
        if place is not None:
            now[:, place] = PLANTED[name](now)
        columns = list(judged_numbers(then, now))
        if name == "new category":
            columns.append(judged_grades(random, rows, surge=0.2))
        if name == "missing surge":
            columns.append(missing_drift("dti", (4, 600), (rows, rows), 0.1))
        found = verdict(columns, rows, 500, 0.3).drifted_columns
        expected = {"new category": "grade", "missing surge": "dti", "mean shift": PROBABILITY}
        assert found[0] == expected.get(name, str(place)), seed
