"""The month through which a file knows payments, which a mistyped date must not move."""

from collections import Counter
from datetime import date

import polars as pl
import pytest

from loan_default.data.as_of import PaymentMonths, newest
from parsed_loans import CONTRACT

NOW = date(2026, 11, 1)
CELLS = pl.DataFrame(
    {
        "last_pymnt_d": ["Jan-2015", None, "Mar-2016", "soon"],
        "last_credit_pull_d": ["Feb-2016", "2016-02", "", "Dec-2015"],
        "next_pymnt_d": ["Dec-2020"] * 4,
    }
)


def latest(*blocks: pl.DataFrame, current: date = NOW) -> tuple[date | None, list[str]]:
    payments = PaymentMonths(CONTRACT)
    for block in blocks:
        payments.add(block)
    return payments.latest(current)


@pytest.mark.parametrize(
    ("cells", "month"),
    [
        (CELLS, date(2016, 3, 1)),
        (CELLS.drop("last_pymnt_d"), date(2016, 2, 1)),
        (CELLS.drop("last_pymnt_d", "last_credit_pull_d"), None),
        (CELLS.clear(), None),
        (CELLS[1:2].drop("last_credit_pull_d"), None),
    ],
)
def test_the_month_is_that_of_the_last_payment_or_credit_pull(
    cells: pl.DataFrame, month: date | None
) -> None:
    assert latest(cells) == (month, [])


def test_blocks_count_together() -> None:
    assert latest(CELLS[:2], CELLS[2:]) == latest(CELLS)


def test_a_date_in_the_future_is_named_and_moves_nothing() -> None:
    future = pl.DataFrame({"last_pymnt_d": ["Oct-2017"] * 3 + ["Jan-2051", "Dec-2026"]})
    month, findings = latest(future)
    assert month == date(2017, 10, 1)
    assert findings == [
        "last_pymnt_d: 2 rows with a later date than 2017-10 do not move the month through which "
        "payments are known (the latest is 2051-01)"
    ]
    assert latest(future, current=date(2026, 12, 1))[0] == date(2026, 12, 1)


def test_a_column_with_few_late_dates_is_no_finding_if_another_reaches_them() -> None:
    cells = pl.DataFrame(
        {
            "last_pymnt_d": ["Jan-2015"] * 199 + ["Mar-2016"],
            "last_credit_pull_d": ["Mar-2016"] * 200,
        }
    )
    assert latest(cells) == (date(2016, 3, 1), [])


@pytest.mark.parametrize(
    ("rows", "late", "moves"),
    [
        (10, 1, True),
        (120, 2, False),
        (120, 3, True),
        (1_000, 4, False),
        (1_000, 5, True),
        (20_000, 19, False),
        (20_000, 20, True),
    ],
)
def test_a_handful_of_rows_does_not_move_the_month(rows: int, late: int, moves: bool) -> None:
    counts = Counter({date(2017, 10, 1): rows - late, date(2019, 1, 1): late})
    assert newest(counts, NOW) == (date(2019, 1, 1) if moves else date(2017, 10, 1))


def test_sparse_newest_months_support_each_other() -> None:
    """Of old loans only a few are still paying in each of the last months."""
    months = [date(2017, month, 1) for month in range(1, 13)]
    counts = Counter(dict.fromkeys(months, 2)) + Counter({date(2016, 1, 1): 976})
    assert newest(counts, NOW) == date(2017, 10, 1)
