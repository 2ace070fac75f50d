"""Which finished loans may teach, and which may judge: matured cohorts, split by issue month.

A loan that is still running has no outcome, and the ones that ended early are not like the rest:
charged off or prepaid. Only loans whose whole term lies before the as-of month are used.
"""

from dataclasses import dataclass
from datetime import date

import polars as pl

from loan_default.columns import DEFAULT, ISSUE_MONTH, TERM
from loan_default.data.maturity import maturity_month
from loan_default.errors import InputError


@dataclass(frozen=True)
class Split:
    """Matured, labelled loans by issue month.

    `earlier` comes before the first test month, `test` holds the newest complete months, `matured`
    is everything, later incomplete months too. `complete` flags, row by row of `matured`, the issue
    months in which every term on offer has matured.
    """

    earlier: pl.DataFrame
    test: pl.DataFrame
    matured: pl.DataFrame
    complete: pl.Series
    test_from: date
    test_through: date

    @property
    def fit_through(self) -> date:
        """The last issue month that the evaluation model learns from."""
        return _latest(self.earlier)


def matured(loans: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """The loans with an outcome whose issue month + term (months) is at or before `as_of`.

    Raises InputError when there are none.
    """
    kept = loans.filter(maturity_month(ISSUE_MONTH) <= as_of, pl.col(DEFAULT).is_not_null())
    if kept.is_empty():
        raise InputError(
            f"no loan has matured by {as_of:%Y-%m} (issue month + term): give older loans, or the "
            "month through which their payments are known with --as-of"
        )
    return kept


def complete_months(loans: pl.DataFrame, as_of: date) -> list[date]:
    """The issue months, oldest first, in which every term on offer has matured by `as_of`.

    `loans` holds the running loans too: they tell which terms were on offer.
    """
    by_month = loans.group_by(ISSUE_MONTH).agg(pl.col(TERM).max())
    done = by_month.filter(maturity_month(ISSUE_MONTH) <= as_of)
    return done[ISSUE_MONTH].sort().to_list()


def split(
    loans: pl.DataFrame, as_of: date, test_share: float, test_from: date | None = None
) -> Split:
    """Split by issue month: the newest complete months with `test_share` of the loans are the test.

    Args:
        loans: typed records with `issue_month`, `term` and `default` (null while running).
        as_of: the month through which outcomes are known.
        test_share: the test's least share of the loans in complete months, in (0, 1).
        test_from: the first test month, instead of the share.

    Raises InputError when no loan has matured, when either side is empty or holds one class only.
    """
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
