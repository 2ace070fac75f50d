"""What a model learns from: loans, and what was known of them in a given month.

With a window, every loan issued before teaches for the months through which it was observed.
Without one, or if no month of default is known, only matured loans teach, by their final outcome.
"""

import logging
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loan_default.columns import DEFAULT, ISSUE_MONTH, OUTCOME_MONTH, TERM
from loan_default.contract.contract import Contract
from loan_default.model import features
from loan_default.model.artifact import Vector
from loan_default.settings import Settings
from loan_default.training import cohorts, hazard
from loan_default.training.cohorts import Split
from loan_default.training.hazard import Exposure

# Fewer defaults than these choose neither the rounds nor the level
MIN_DEFAULTS = 50
MIN_COVERED = 2 / 3

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingSet:
    """Loans to learn from, n rows.

    Attributes:
        loans: the records; `default` is null for running loans.
        contract: what their columns mean.
        names: the k features to learn from.
        matrix: the features, (n, k).
        label: what the booster predicts, (n,): 1 for a default, within the window if there is one.
        offset: log of the hazard that each loan has been through, (n,); None without a window.
        complete: whether the final outcome is known and every loan of its issue month has matured,
            (n,): calibration and threshold rest on these, so that early endings do not select.
        seen: the exposure of each loan through its whole age; None without a window.
        known_through: the month whose knowledge it holds; None if outcomes of later months are in
            it.
    """

    loans: pl.DataFrame
    contract: Contract
    names: tuple[str, ...]
    matrix: features.Matrix
    label: NDArray[np.int8]
    offset: Vector | None
    complete: NDArray[np.bool_]
    seen: Exposure | None
    known_through: date | None

    def with_features(self, names: tuple[str, ...]) -> "TrainingSet":
        """Return the same loans with other features."""
        return replace(self, names=names, matrix=features.matrix(self.loans, self.contract, names))

    @property
    def term(self) -> Vector:
        """The terms in months, (n,)."""
        return self.loans[TERM].cast(pl.Float64).to_numpy()

    @property
    def default(self) -> NDArray[np.int8]:
        """The final outcomes of the complete loans, in their order."""
        return self.loans[DEFAULT].filter(pl.Series(self.complete)).to_numpy()

    @property
    def fit_through(self) -> date:
        """The last issue month."""
        latest = self.loans[ISSUE_MONTH].max()
        assert isinstance(latest, date)
        return latest

    @property
    def defaults(self) -> int:
        """The number of defaults to learn from."""
        return int(self.label.sum())


def feature_names(contract: Contract, priced: bool) -> tuple[str, ...]:
    """Return the features to learn from: all, or those that rest on the applicant alone.

    The term stays in any case: the default probability is that of the full term.
    """
    if priced:
        return contract.features
    lenders = set(contract.price) - {contract.loan.term}
    ratios = {r.name for r in contract.ratios if {r.over, r.under} & lenders}
    return tuple(name for name in contract.features if name not in lenders | ratios)


def full_term(
    loans: pl.DataFrame,
    complete: NDArray[np.bool_],
    contract: Contract,
    known: date | None,
    names: tuple[str, ...] | None = None,
) -> TrainingSet:
    """Return matured loans with their final outcome; arguments are as in `TrainingSet`."""
    label, names = loans[DEFAULT].to_numpy(), names or contract.features
    matrix = features.matrix(loans, contract, names)
    return TrainingSet(loans, contract, names, matrix, label, None, complete, None, known)


def windowed(
    loans: pl.DataFrame,
    as_of: date,
    window: int,
    contract: Contract,
    known: date | None,
    names: tuple[str, ...] | None = None,
) -> TrainingSet:
    """Return the loans that were observed by `as_of`, each for at most `window` months.

    `loans` holds what was known by then (`cohorts.known_by`).
    """
    loans, names = hazard.observable(loans, as_of), names or contract.features
    seen = hazard.exposure(loans, as_of)
    first = seen.within(window)
    return TrainingSet(
        loans=loans,
        contract=contract,
        names=names,
        matrix=features.matrix(loans, contract, names),
        label=first.event.astype(np.int8),
        offset=hazard.log_exposure(first),
        complete=cohorts.is_complete(loans, as_of).to_numpy(),
        seen=seen,
        known_through=known,
    )


@dataclass(frozen=True)
class TrainingSets:
    """The loans that each model of a training learns from.

    Attributes:
        served: everything that is known.
        lagged: what was known before the first test month; None if that is less than
            `MIN_DEFAULTS` defaults or does not show the whole term of most loans.
        gapless: the loans issued before the first test month, with all that is known of them now.
        window: the months after issue in which a default counts; 0: the full term.
    """

    served: TrainingSet
    lagged: TrainingSet | None
    gapless: TrainingSet
    window: int

    @property
    def evaluation(self) -> TrainingSet:
        """What the evaluation model learns from: the lagged set if there is one."""
        return self.lagged or self.gapless


def training_sets(split: Split, contract: Contract, settings: Settings) -> TrainingSets:
    """Return the loans that each model of a training learns from."""
    window = outcome_window(split.loans, settings)
    names = feature_names(contract, settings.use_lender_price)
    if not window:
        return _full_term_sets(split, contract, names)
    before = (split.test_from - timedelta(days=1)).replace(day=1)
    earlier = split.loans.filter(pl.col(ISSUE_MONTH) < split.test_from)
    lagged = windowed(cohorts.known_by(earlier, before), before, window, contract, before, names)
    enough = lagged.defaults >= MIN_DEFAULTS and _saw_whole_terms(lagged)
    if not enough:
        log.info(
            "evaluated with hindsight: by %s, %s defaults were known and loans of %s months seen",
            f"{before:%Y-%m}",
            lagged.defaults,
            lagged.seen.reached if lagged.seen else 0,
        )
    return TrainingSets(
        served=windowed(split.loans, split.as_of, window, contract, split.as_of, names),
        lagged=lagged if enough else None,
        gapless=windowed(earlier, split.as_of, window, contract, None, names),
        window=window,
    )


def _saw_whole_terms(data: TrainingSet) -> bool:
    """Return whether the terms of `MIN_COVERED` of the loans were observed to their end.

    Beyond the ages observed the hazard is a guess, and so is the level of the default probability.
    """
    assert data.seen
    return len(data.term) > 0 and bool(np.mean(data.term <= data.seen.reached) >= MIN_COVERED)


def _full_term_sets(split: Split, contract: Contract, names: tuple[str, ...]) -> TrainingSets:
    every = np.ones(split.earlier.height, dtype=bool)
    return TrainingSets(
        served=full_term(split.matured, split.complete.to_numpy(), contract, split.as_of, names),
        lagged=None,
        gapless=full_term(split.earlier, every, contract, None, names),
        window=0,
    )


def outcome_window(loans: pl.DataFrame, settings: Settings) -> int:
    """Return OUTCOME_WINDOW_MONTHS, or 0 if the month of default is known of no loan."""
    window = settings.outcome_window_months
    if not window or OUTCOME_MONTH not in loans.columns:
        return 0
    known = loans.filter(pl.col(DEFAULT) == 1, pl.col(OUTCOME_MONTH).is_not_null())
    return window if known.height else 0
