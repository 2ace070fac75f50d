from datetime import date

import polars as pl
import pytest

from lendingclub import CONTRACT
from loan_default.columns import LENT, OUTCOME_MONTH, RECOVERED, RETURNED
from loan_default.data.ingest import open_loans
from loan_default.data.parsing import parse
from parsed_loans import LOAN, frame, record, rejection

PAID, LOST = "Fully Paid", "Charged Off"


def ended(status: str, paid: str | None, **cells: object) -> date | None:
    loan = {"issue_d": "Dec-2010", "loan_status": status, "last_pymnt_d": paid}
    return record(labelled=True, **loan, **cells)[OUTCOME_MONTH]


@pytest.mark.parametrize(
    "status, paid, month",
    [
        (LOST, "Mar-2012", date(2012, 8, 1)),  # five months after the last payment
        (LOST, None, date(2011, 5, 1)),  # never paid
        (LOST, "Nov-2010", date(2011, 5, 1)),  # nothing ends before it began
        (PAID, "Mar-2012", date(2012, 3, 1)),
        (PAID, "Nov-2010", date(2010, 12, 1)),
        (PAID, None, None),
        ("Current", "Mar-2012", None),
        ("Current", "no date", None),
    ],
)
def test_the_month_of_the_outcome(status: str, paid: str | None, month: date | None):
    assert ended(status, paid) == month


@pytest.mark.parametrize("status", [PAID, LOST])
def test_an_unreadable_month_of_the_outcome_rejects_the_row(status: str):
    found = rejection(labelled=True, loan_status=status, last_pymnt_d="soon")
    assert found[-1:] == ("last_pymnt_d 'soon' is not a month such as Dec-2010",)


def test_a_file_without_the_column_knows_no_month():
    cells = frame({**LOAN, "loan_status": LOST})
    assert "last_pymnt_d" not in cells.columns
    assert parse(cells, CONTRACT, labelled=True).records[OUTCOME_MONTH].to_list() == [None]


def test_money_is_net_of_the_fee_for_recoveries():
    cells = {"funded_amnt": "$10,000", "total_pymnt": "4,500.5", "recoveries": "500"}
    found = record(labelled=True, collection_recovery_fee="90.5", **cells)
    assert [found[name] for name in (LENT, RETURNED, RECOVERED)] == [10_000, 4_410, 409.5]


def test_unknown_money_is_missing_not_zero():
    found = record(labelled=True, funded_amnt="10000", total_pymnt="n/a")
    assert [found[name] for name in (LENT, RETURNED, RECOVERED)] == [10_000, None, 0]


@pytest.mark.parametrize("amount", ["inf", "-inf", "nan", "much", None])
def test_what_is_no_amount_is_missing_as_text_and_as_number(amount: str | None):
    loan = {**LOAN, "loan_status": PAID, "funded_amnt": "100"}
    found = parse(frame(loan | {"total_pymnt": amount}), CONTRACT, labelled=True)
    assert found.records[RETURNED].to_list() == [None]
    if amount in ("inf", "-inf", "nan"):
        number = frame(loan).with_columns(total_pymnt=pl.lit(float(amount)))
        assert parse(number, CONTRACT, labelled=True).records[RETURNED].to_list() == [None]


def test_a_prepared_file_keeps_month_and_money(tmp_path):
    cells = {"funded_amnt": 100.0, "total_pymnt": 120.0, "recoveries": 0.0}
    loan = {**LOAN, "loan_status": LOST, "issue_d": "Dec-2010", "last_pymnt_d": "Mar-2012", **cells}
    records = parse(frame(loan), CONTRACT, labelled=True).records
    records.drop("row").write_parquet(tmp_path / "prepared.parquet")
    with open_loans(str(tmp_path / "prepared.parquet"), CONTRACT, labelled=True) as reader:
        again = pl.concat([block.records for block in reader])
    assert again.equals(records)
    assert again[OUTCOME_MONTH].to_list() == [date(2012, 8, 1)]


def test_an_application_has_neither():
    found = record(last_pymnt_d="Mar-2012", funded_amnt="100")
    assert not {OUTCOME_MONTH, LENT, RETURNED, RECOVERED} & set(found)
