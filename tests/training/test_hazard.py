"""The hazard of default, on loans whose true hazard is known."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from loan_default.training import hazard

AS_OF = date(2012, 1, 1)


def simulated(rows: int, seed: int = 0, level: float = 1.0) -> tuple[pl.DataFrame, np.ndarray]:
    """Loans of 36 and 60 months with a constant hazard of 0.5% a month times their risk.

    Returns what was known by `AS_OF`, and the log risk. `level` multiplies the hazard of the last
    twelve months.
    """
    draw = np.random.default_rng(seed)
    issued, term = draw.integers(1, 72, rows), draw.choice([36, 60], rows)
    risk = draw.normal(0, 0.7, rows)
    hazards = 0.005 * np.exp(risk)
    ages = np.arange(1, 61)
    # Months before the as-of month in which the loan has each age
    recent = (issued[:, None] - ages < 12) & (issued[:, None] >= ages)
    chance = -np.expm1(-hazards[:, None] * np.where(recent, level, 1.0))
    default_in = np.where(draw.random((rows, 60)) < chance, ages, 10_000).min(axis=1)
    defaulted = (default_in <= term) & (default_in <= issued)
    months = [2012 * 12 - n for n in issued]
    known = [m + d if bad else None for m, d, bad in zip(months, default_in, defaulted)]

    def month(number: int | None) -> date | None:
        return date(number // 12, number % 12 + 1, 1) if number else None

    frame = {
        "issue_month": list(map(month, months)),
        "term": term.astype(float),
        "default": [1 if bad else None for bad in defaulted],
        "outcome_month": list(map(month, known)),
    }
    return pl.DataFrame(frame, schema_overrides={"outcome_month": pl.Date}), risk


def test_the_exposure_of_each_kind_of_loan() -> None:
    def loan(issued: date, term: int, default: int | None, known: date | None) -> dict:
        return {"issue_month": issued, "term": term, "default": default, "outcome_month": known}

    loans = pl.DataFrame(
        [
            loan(date(2011, 1, 1), 36, None, None),  # still running
            loan(date(2010, 1, 1), 36, 1, date(2011, 6, 1)),  # defaulted
            loan(date(2008, 1, 1), 36, 0, date(2009, 1, 1)),  # repaid early: at risk to the end
            loan(date(2008, 1, 1), 36, 1, date(2011, 5, 1)),  # charged off after the last month
            loan(date(2008, 1, 1), 36, 1, None),  # in an unknown month
        ],
        schema_overrides={"outcome_month": pl.Date},
    )
    seen = hazard.exposure(loans, AS_OF)
    assert seen.age.tolist() == [12, 17, 36, 36, 36]
    assert seen.event.tolist() == [False, True, False, True, True]
    first = seen.within(12)
    assert first.age.tolist() == [12] * 5 and not first.event.any()


def test_loans_of_the_as_of_month_have_not_been_observed() -> None:
    loans = pl.DataFrame({"issue_month": [date(2011, 12, 1), AS_OF]})
    assert hazard.observable(loans, AS_OF)["issue_month"].to_list() == [date(2011, 12, 1)]


def test_the_cumulative_hazard_is_that_of_nelson_and_aalen() -> None:
    sksurv = pytest.importorskip("scipy.stats")
    loans, _ = simulated(4_000)
    seen = hazard.exposure(hazard.observable(loans, AS_OF), AS_OF)
    data = sksurv.CensoredData(
        uncensored=seen.age[seen.event].astype(float), right=seen.age[~seen.event].astype(float)
    )
    survival = sksurv.ecdf(data).sf
    # Kaplan and Meier's product of 1 - d/n against our sum of d/n
    ours = hazard.cumulative(seen)
    steps = 1 - np.diff(ours)
    product = np.concatenate([[1.0], np.cumprod(steps)])
    assert survival.evaluate(np.arange(len(ours))) == pytest.approx(product, abs=1e-12)


@pytest.mark.parametrize("term", [36, 60])
def test_the_full_term_is_predicted_from_loans_that_mostly_run(term: int) -> None:
    loans, risk = simulated(40_000, seed=1)
    seen = hazard.exposure(hazard.observable(loans, AS_OF), AS_OF)
    assert seen.event.mean() < 0.17  # of 22% in the end
    found = hazard.calibrate(risk, seen, loans["term"].to_numpy())
    assert found.slope == pytest.approx(1.0, abs=0.05)
    scores = np.random.default_rng(2).normal(0, 0.7, 100_000)
    predicted = found.probability(scores, np.full(len(scores), float(term))).mean()
    truth = -np.expm1(-0.005 * term * np.exp(scores)).mean()
    assert predicted == pytest.approx(truth, rel=0.06)


def test_the_level_follows_the_newest_months() -> None:
    scores, terms = np.zeros(1), np.array([36.0])
    levels = []
    for level in (1.0, 2.0):
        loans, risk = simulated(60_000, seed=3, level=level)
        seen = hazard.exposure(hazard.observable(loans, AS_OF), AS_OF)
        found = hazard.calibrate(risk, seen, loans["term"].to_numpy())
        levels.append(-np.log1p(-found.probability(scores, terms))[0] / 0.18)
    assert levels == pytest.approx([1.0, 2.0], rel=0.1)


def test_margins_that_say_nothing_give_every_loan_of_a_term_the_same() -> None:
    loans, risk = simulated(5_000)
    seen = hazard.exposure(hazard.observable(loans, AS_OF), AS_OF)
    found = hazard.calibrate(-risk, seen, loans["term"].to_numpy())
    assert found.slope == 0
    assert len(set(found.probability(risk[:9], np.full(9, 36.0)))) == 1


def test_a_longer_term_is_never_safer_even_beyond_what_was_observed() -> None:
    loans, risk = simulated(5_000)
    seen = hazard.exposure(hazard.observable(loans, AS_OF), AS_OF)
    found = hazard.calibrate(risk, seen, loans["term"].to_numpy())
    terms = np.arange(1.0, 121.0)
    probability = found.probability(np.zeros(120), terms)
    assert (np.diff(probability) >= 0).all() and (np.diff(probability[60:]) > 0).all()
    assert 0 < probability[0] and probability[-1] < 1
