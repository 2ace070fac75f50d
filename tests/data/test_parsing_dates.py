"""Months in the forms that files have: of issue, of the first credit line, of the last payment."""

from datetime import date

import polars as pl
import pytest

from lendingclub import CONTRACT
from loan_default.data.dates import has_two_meanings, months
from loan_default.data.parsing import month, parse
from parsed_loans import APPLICATION, frame, record, rejection


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Dec-2010", date(2010, 12, 1)),
        ("dec-2010", date(2010, 12, 1)),
        ("JAN-1969", date(1969, 1, 1)),
        (" Feb-2001 ", date(2001, 2, 1)),
        ("2010-12", date(2010, 12, 1)),
        ("2010-12-31", date(2010, 12, 1)),
        ("2010-12-31 00:00:00", date(2010, 12, 1)),
        ("2010-12-31T10:00:00Z", date(2010, 12, 1)),
        ("2010-13", None),
        ("2010-00", None),
        ("0000-01", None),
        ("Dez-2010", None),
        ("Dec-10", date(2010, 12, 1)),
        ("Dec-65", date(1965, 12, 1)),
        ("1-Dec-10", date(2010, 12, 1)),
        ("Dec 2010", date(2010, 12, 1)),
        ("December-2010", date(2010, 12, 1)),
        ("20101231", date(2010, 12, 1)),
        ("20101231T000000", date(2010, 12, 1)),
        ("12/31/2010", date(2010, 12, 1)),
        ("31/12/2010 0:00", date(2010, 12, 1)),
        ("03/03/2010", date(2010, 3, 1)),
        ("03/04/2010", None),
        ("11-Dec", None),
        ("14975", None),
        ("12/2010", date(2010, 12, 1)),
        ("13/2010", None),
        ("2010-Dec", date(2010, 12, 1)),
        ("Dec2010", date(2010, 12, 1)),
        ("Dec10", None),
        ("Dec 31, 2010", date(2010, 12, 1)),
        ("December 1, 2010", date(2010, 12, 1)),
        ("Dec 32, 2010", None),
        ("12/31/10", None),
        ("2010", None),
        ("", None),
    ],
)
def test_a_month_is_read_from_the_forms_in_use_and_no_other(text, expected):
    assert month(text) == expected


@pytest.mark.parametrize(
    "text, form, expected",
    [
        ("03/04/2010", "month first", date(2010, 3, 1)),
        ("03/04/2010", "day first", date(2010, 4, 1)),
        ("31/12/2010", "month first", None),
        ("12/31/2010", "day first", None),
        ("14975", "days since 1970-01-01", date(2011, 1, 1)),
        ("40544.0", "days since 1899-12-30", date(2011, 1, 1)),
        ("2011-01", "days since 1970-01-01", None),
        ("999999", "days since 9999-01-01", None),
    ],
)
def test_the_contract_says_what_an_ambiguous_date_means(text, form, expected):
    assert month(text, form) == expected


@pytest.mark.parametrize("text", ["Mar-2000", "2000-03", "2000-03-15"])
@pytest.mark.parametrize("issued", ["Dec-2010", "2010-12", "2010-12-31", date(2010, 12, 31)])
def test_the_credit_history_runs_to_the_issue_month(text, issued):
    found = record(date(2020, 1, 1), earliest_cr_line=text, issue_d=issued)
    assert found["credit_history_months"] == 10 * 12 + 9
    assert found["issue_month"] == date(2010, 12, 1)


def test_without_an_issue_month_the_credit_history_runs_to_the_run_month():
    found = record(date(2020, 1, 1), earliest_cr_line="Mar-2000")
    assert found["credit_history_months"] == 19 * 12 + 10
    assert found["issue_month"] is None
    assert record(earliest_cr_line="Mar-2000")["credit_history_months"] is None


def test_each_row_has_its_own_end_of_credit_history():
    rows = [
        APPLICATION | {"earliest_cr_line": "Mar-2000", "issue_d": d} for d in ("Apr-2000", None)
    ]
    parsed = parse(frame(*rows), CONTRACT, date(2000, 6, 1))
    assert parsed.records["credit_history_months"].to_list() == [1, 3]


def test_a_given_credit_history_wins_over_the_earliest_credit_line():
    found = record(credit_history_months="7", earliest_cr_line="Mar-2000", issue_d="Dec-2010")
    assert found["credit_history_months"] == 7


def test_a_credit_history_of_no_month_is_allowed_and_one_that_starts_later_is_not():
    assert record(earliest_cr_line="Dec-2010", issue_d="Dec-2010")["credit_history_months"] == 0
    assert rejection(earliest_cr_line="Jan-2011", issue_d="Dec-2010") == (
        "credit_history_months",
        "earliest_cr_line 'Jan-2011' gives a credit_history_months outside 0 to 1,200 months",
    )


@pytest.mark.parametrize("issued", ["Dec-2010", None])
def test_an_earliest_credit_line_that_is_no_month_rejects_the_row(issued):
    column, reason = rejection(earliest_cr_line="long ago", issue_d=issued)
    assert column == "credit_history_months"
    assert reason == "earliest_cr_line 'long ago' is not a month such as Dec-2010"


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("name", ["issue_d", "issue_month"])
def test_an_issue_month_that_is_none_rejects_the_row(labelled, name):
    column, reason = rejection(labelled=labelled, **{name: "soon"})
    assert column == "issue_month"
    assert reason == f"{name} 'soon' is not a month such as Dec-2010"


def test_a_loan_needs_an_issue_month_and_an_application_does_not():
    assert record(issue_d=None)["issue_month"] is None
    empty = ("issue_month", "issue_d '' is not a month such as Dec-2010")
    assert rejection(labelled=True, issue_d=None) == empty


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["12/31/2010", "03/04/2010"], [12, 3]),
        (["31/12/2010", "03/04/2010"], [12, 4]),
        (["12/31/2010", "03/04/2010 00:00", None, "?"], [12, 3, None, None]),
        # In both orders, or too few that tell
        (["12/31/2010", "31/12/2010", "03/04/2010"], [12, 12, None]),
        (["31/12/2010", *(f"01/0{n}/2010" for n in range(2, 9))], [12, *[None] * 7]),
        (["03/04/2010", "05/06/2010"], [None, None]),
    ],
)
def test_the_order_of_a_columns_clear_dates_holds_for_the_others(texts, expected):
    read = [value and value.month for value in months(pl.Series(texts))]
    assert read == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("07/01/1998", True), ("98-Jul", True), ("07/01/98", True), ("never", False), ("", False)],
)
def test_an_ambiguous_date_is_called_that(text, expected):
    assert has_two_meanings(text) == expected
