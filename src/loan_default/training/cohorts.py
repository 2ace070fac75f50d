"""Select what was known of the loans in a month, and split matured ones by issue month.

A loan that is still running has no outcome, and loans that ended early (charged off or prepaid) are
not representative. Only loans whose whole term has passed by the as-of month are used.
"""

from dataclasses import dataclass
from datetime import date

import polars as pl

from loan_default.columns import DEFAULT, ISSUE_MONTH, OUTCOME_MONTH, TERM
from loan_default.data.maturity import maturity_month
from loan_default.errors import InputError


@dataclass(frozen=True)
class Split:
    """Matured, labelled loans by issue month.

    `earlier` holds the loans issued before the first test month, `test` those of the newest
    complete months and `matured` all of them, later incomplete months included. `complete` flags
    the rows of `matured` whose issue month is complete: loans of every term on offer have matured.
    `loans` holds all loans as they were known by `as_of`, running ones included; `recoveries` says
    whether what was recovered after defaults was known by then, too.
    """

    earlier: pl.DataFrame
    test: pl.DataFrame
    matured: pl.DataFrame
    complete: pl.Series
    test_from: date
    test_through: date
    loans: pl.DataFrame
    as_of: date
    recoveries: bool = True

    @property
    def fit_through(self) -> date:
        """The last issue month in the evaluation model's training data."""
        return _latest(self.earlier)


def known_by(loans: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return the loans as they were known at the end of `as_of`: nothing later has any influence.

    Loans issued later are left out, and an outcome that became known later is open. One whose month
    is not known counts as known from the end of the term on.
    """
    loans = loans.filter(pl.col(ISSUE_MONTH) <= as_of)
    if OUTCOME_MONTH not in loans.columns:
        return loans
    known = pl.coalesce(OUTCOME_MONTH, maturity_month(ISSUE_MONTH)) <= as_of
    return loans.with_columns(
        pl.when(known).then(DEFAULT).alias(DEFAULT),
        pl.when(known).then(OUTCOME_MONTH).alias(OUTCOME_MONTH),
    )


def known_at_latest(loans: pl.DataFrame, month: date) -> pl.DataFrame:
    """Return the loans with no outcome known later than the file's own `month`.

    A default that the file states is known by then, even if the rule for its month says later.
    """
    if OUTCOME_MONTH not in loans.columns:
        return loans
    return loans.with_columns(pl.min_horizontal(OUTCOME_MONTH, pl.lit(month)).alias(OUTCOME_MONTH))


def is_complete(loans: pl.DataFrame, as_of: date) -> pl.Series:
    """Return per loan whether its outcome is known and its whole issue month has matured."""
    months = complete_months(loans, as_of)
    return loans.select(
        pl.col(ISSUE_MONTH).is_in(months) & pl.col(DEFAULT).is_not_null()
    ).to_series()


def matured(loans: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return the loans with an outcome whose issue month + term (months) is at or before `as_of`.

    Raises InputError if there are none.
    """
    finished = loans.filter(maturity_month(ISSUE_MONTH) <= as_of, pl.col(DEFAULT).is_not_null())
    if finished.is_empty():
        raise InputError(
            f"no loan has matured by {as_of:%Y-%m} (issue month + term): give older loans, or the "
            "month through which their payments are known with --as-of"
        )
    return finished


def complete_months(loans: pl.DataFrame, as_of: date) -> list[date]:
    """Return the issue months, oldest first, in which every term on offer has matured by `as_of`.

    `loans` includes the running loans: they show which terms were on offer.
    """
    by_month = loans.group_by(ISSUE_MONTH).agg(pl.col(TERM).max())
    complete = by_month.filter(maturity_month(ISSUE_MONTH) <= as_of)
    return complete[ISSUE_MONTH].sort().to_list()


def split(
    loans: pl.DataFrame, as_of: date, test_share: float, test_from: date | None = None
) -> Split:
    """Split by issue month: the newest complete months that hold `test_share` of the loans test.

    Args:
        loans: typed records with `issue_month`, `term` and `default` (null while running).
        as_of: the month through which outcomes are known.
        test_share: the minimum share of the loans in complete months to test on, in (0, 1).
        test_from: the first test month, instead of the share.

    Raises InputError if no loan has matured, or if a set is empty or holds one class only.
    """
    loans = known_by(loans, as_of)
    finished = matured(loans, as_of)
    months = [m for m in complete_months(loans, as_of) if m in set(finished[ISSUE_MONTH])]
    first = test_from or _first_test_month(finished, months, test_share)
    in_test = pl.col(ISSUE_MONTH).is_in(months) & (pl.col(ISSUE_MONTH) >= first)
    earlier, test = finished.filter(pl.col(ISSUE_MONTH) < first), finished.filter(in_test)
    _require_both_classes(earlier, f"before {first:%Y-%m}")
    _require_both_classes(test, f"from {first:%Y-%m} on")
    return Split(
        earlier=earlier,
        test=test,
        matured=finished,
        complete=finished[ISSUE_MONTH].is_in(months),
        test_from=first,
        test_through=_latest(test),
        loans=loans,
        as_of=as_of,
    )


def _latest(loans: pl.DataFrame) -> date:
    latest = loans[ISSUE_MONTH].max()
    assert isinstance(latest, date)
    return latest


def _first_test_month(finished: pl.DataFrame, months: list[date], share: float) -> date:
    if len(months) < 2:
        raise InputError(
            "fewer than two issue months have matured for every term on offer: there is no month "
            "left to test on; give older loans"
        )
    counts = (
        finished.filter(pl.col(ISSUE_MONTH).is_in(months))
        .group_by(ISSUE_MONTH)
        .len()
        .sort(ISSUE_MONTH, descending=True)
    )
    enough = counts.filter(pl.col("len").cum_sum() / pl.col("len").sum() >= share)
    newest: date = enough[ISSUE_MONTH].to_list()[0]
    return max(newest, months[1])


def _require_both_classes(loans: pl.DataFrame, months: str) -> None:
    classes = loans[DEFAULT].unique().len()
    if loans.is_empty():
        raise InputError(f"no matured loan was issued {months}: choose another --test-from")
    if classes < 2:
        only = "defaulted" if loans[DEFAULT][0] == 1 else "was paid in full"
        raise InputError(
            f"every matured loan issued {months} {only}: a model needs loans of both outcomes"
        )
