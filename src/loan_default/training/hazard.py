"""The hazard of default: how loans still running teach, and what they say about the full term.

Each loan counts for the months through which it was observed, so those issued last month teach as
well as those of years ago. A repaid loan stays under observation through its term: it can default
no more, and what is estimated is the cumulative incidence of default among all loans (Fine and Gray
1999, A proportional hazards model for the subdistribution of a competing risk, JASA 94:496).
"""

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loan_default.columns import DEFAULT, ISSUE_MONTH, OUTCOME_MONTH, TERM
from loan_default.data.maturity import maturity_month
from loan_default.model.artifact import LEAST_HAZARD, Calibration, Hazard, Vector

Integers = NDArray[np.int64]
# Of ages that fewer loans have reached the hazard is unknown
MIN_AT_RISK = 30
# The hazard of the last year observed goes on beyond it
TAIL_MONTHS = 12
# The level is that of the newest months with so many defaults (5% standard error), at least half a
# year of them: fewer follow the seasons, more follow an economy that has passed
LEVEL_DEFAULTS, LEVEL_MONTHS = 400, 6


@dataclass(frozen=True)
class Exposure:
    """What was observed of n loans.

    Attributes:
        age: the months through which each was observed, at most its term, (n,) at least 1.
        event: whether it defaulted at that age, (n,).
        since: months from its issue to the as-of month, (n,).
    """

    age: Integers
    event: NDArray[np.bool_]
    since: Integers

    @property
    def reached(self) -> int:
        """The oldest age that `MIN_AT_RISK` loans have reached, at least 1."""
        at_risk = np.cumsum(np.bincount(self.age)[::-1])[::-1]
        enough = np.flatnonzero(at_risk >= MIN_AT_RISK)
        return max(int(enough[-1]) if len(enough) else 0, 1)

    def within(self, window: int) -> "Exposure":
        """Return the exposure of each loan's first `window` months."""
        return replace(
            self, age=np.minimum(self.age, window), event=self.event & (self.age <= window)
        )


def observable(loans: pl.DataFrame, known_through: date) -> pl.DataFrame:
    """Return the loans that were observed for a month or more by `known_through`."""
    return loans.filter(pl.col(ISSUE_MONTH) < known_through)


def exposure(loans: pl.DataFrame, known_through: date) -> Exposure:
    """Return what was observed of the loans by `known_through`; all were issued before it.

    A default counts at the age at which it became known, at the end of the term at the latest; one
    without a month at the end of the term.
    """
    months = loans.select(
        issued=_number(pl.col(ISSUE_MONTH)),
        term=pl.col(TERM).cast(pl.Int64),
        known=_number(pl.coalesce(OUTCOME_MONTH, maturity_month(ISSUE_MONTH))),
        defaulted=pl.col(DEFAULT).fill_null(0) == 1,
    )
    issued, term = months["issued"].to_numpy(), months["term"].to_numpy()
    now = 12 * known_through.year + known_through.month
    event = months["defaulted"].to_numpy() & (months["known"].to_numpy() <= now)
    observed = np.minimum(now - issued, term)
    age = np.where(event, np.minimum(months["known"].to_numpy() - issued, observed), observed)
    return Exposure(np.maximum(age, 1), event, now - issued)


def cumulative(seen: Exposure, risk: Vector | None = None) -> Vector:
    """Return the baseline cumulative hazard at ages 0 to the oldest, (ages,).

    Breslow's estimate (1974, Covariance analysis of censored survival data, Biometrics 30:89); with
    equal risks that of Nelson and Aalen.

    Args:
        seen: the exposure of n loans.
        risk: relative risks, (n,) above 0; None: all equal.
    """
    weight = np.ones(len(seen.age)) if risk is None else risk
    at_risk = np.cumsum(np.bincount(seen.age, weights=weight)[::-1])[::-1]
    events = np.bincount(seen.age[seen.event], minlength=len(at_risk))
    steps: Vector = np.divide(events, at_risk, out=np.zeros(len(at_risk)), where=at_risk > 0)
    return np.cumsum(steps)


def log_exposure(seen: Exposure) -> Vector:
    """Return the log of the cumulative hazard that each loan has been through, (n,).

    As the offset of a Poisson model of defaults it gives the proportional hazards model (Holford
    1980, The analysis of rates and of survivorship using log-linear models, Biometrics 36:299).
    """
    return np.log(np.maximum(cumulative(seen)[seen.age], LEAST_HAZARD))


def calibrate(margins: Vector, seen: Exposure, term: Vector) -> Calibration:
    """Fit the calibration that turns margins into the default probability over the full term.

    The margins' slope is that of a Poisson model of all defaults observed; the hazard by age is
    Breslow's, and its level that of the newest months.

    Args:
        margins: out-of-fold log relative risks, (n,).
        seen: the exposure of the same loans, through their whole age.
        term: their terms in months, (n,).
    """
    slope = _slope(margins, seen)
    risk = np.exp(slope * margins)
    whole = cumulative(seen, risk)
    hazard = whole[: seen.reached + 1]
    last = max(len(hazard) - 1 - TAIL_MONTHS, 0)
    tail = float(hazard[-1] - hazard[last]) / (len(hazard) - 1 - last)
    level = _recent_level(seen, risk, whole)
    unscaled = Hazard(tuple(hazard.tolist()), max(tail, LEAST_HAZARD), center=0.0)
    center = float(unscaled.log_cumulative(term).mean())
    return Calibration(slope, float(np.log(level)) + center, replace(unscaled, center=center))


def _slope(margins: Vector, seen: Exposure) -> float:
    from sklearn.linear_model import PoissonRegressor

    through = np.exp(log_exposure(seen))
    model = PoissonRegressor(alpha=0, tol=1e-8, max_iter=1000)
    # Weighting rates by exposure is the same as an offset
    model.fit(margins.reshape(-1, 1), seen.event / through, sample_weight=through)
    return max(float(model.coef_[0]), 0.0)


def _recent_level(seen: Exposure, risk: Vector, hazard: Vector) -> float:
    """Return the defaults of the newest months over those that `hazard` expects there."""
    since_event = (seen.since - seen.age)[seen.event]
    by_month = np.cumsum(np.bincount(since_event, minlength=1))
    enough = np.flatnonzero(by_month >= LEVEL_DEFAULTS)
    months = max(int(enough[0]) + 1 if len(enough) else len(by_month), LEVEL_MONTHS)
    entered = np.clip(seen.since - months, 0, seen.age)
    expected = float(np.sum(risk * (hazard[seen.age] - hazard[entered])))
    observed = int(np.sum(since_event < months))
    return observed / expected if observed and expected > 0 else 1.0


def _number(month: pl.Expr) -> pl.Expr:
    return 12 * month.dt.year().cast(pl.Int64) + month.dt.month()
