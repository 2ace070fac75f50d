import math

import numpy as np
import polars as pl
import pytest

import lendingclub
from lendingclub import CONTRACT, CORE, LABELS, NAMES, POLICY_PREFIX, RECORD
from loan_default.columns import MONEY
from loan_default.data.parsing import parse, require_core
from loan_default.errors import InputError
from parsed_loans import APPLICATION, LOAN, frame, record, rejection

OPTIONAL_NUMBERS = [name for name in lendingclub.NUMBERS if name not in CORE]


def test_a_record_has_every_column_of_the_contract_typed():
    parsed = parse(frame(LOAN), CONTRACT, labelled=True)
    known = ["row", "id", "issue_month", "default", "outcome_month", *MONEY]
    assert parsed.records.columns == [*known, *NAMES]
    for column in RECORD:
        expected = pl.Float64 if column.kind == "number" else pl.String
        assert parsed.records.schema[column.name] == expected, column.name
    assert parsed.records.schema["issue_month"] == pl.Date
    assert parsed.records.schema["default"] == pl.Int8


def test_an_application_has_no_outcome():
    assert "default" not in record()
    assert "default" not in record(loan_status="Charged Off")


def test_what_is_not_there_is_missing():
    found = record()
    assert [name for name in NAMES if found[name] is not None] == list(CORE)


@pytest.mark.parametrize(
    "name, text, number",
    [
        ("term", " 36 months", 36),
        ("term", "60 months", 60),
        ("term", "36months", 36),
        ("term", " 36 ", 36),
        ("int_rate", "13.5%", 13.5),
        ("int_rate", "  7.9 %", 7.9),
        ("int_rate", "7.90", 7.9),
        ("revol_util", "104.3%", 104.3),
        ("revol_util", "0%", 0),
        ("dti", "0", 0),
        ("annual_inc", "6.5e4", 65000),
        ("annual_inc", " 65000.50 ", 65000.5),
        ("emp_length", "< 1 year", 0),
        ("emp_length", "1 year", 1),
        *(("emp_length", f"{years} years", years) for years in range(2, 10)),
        ("emp_length", "10+ years", 10),
        ("emp_length", " 10+ years ", 10),
        ("emp_length", "7", 7),
        ("emp_length", "2.5", 2.5),
    ],
)
def test_a_number_is_read_from_the_exports_text(name, text, number):
    assert record(**{name: text})[name] == number


@pytest.mark.parametrize("value", [36, 36.0, np.float32(36), np.int8(36)])
def test_a_number_may_be_one_already(value):
    assert record(term=value)["term"] == 36


@pytest.mark.parametrize("text", ["", " ", "n/a", "N/A", "NA", "nan", "NaN", "null", "None", None])
def test_a_text_for_missing_is_missing(text):
    found = record(emp_length=text, dti=text, grade=text, earliest_cr_line=text, issue_d=text)
    assert [found[name] for name in ("emp_length", "dti", "grade", "issue_month")] == [None] * 4
    assert found["credit_history_months"] is None


@pytest.mark.parametrize("name", CORE)
@pytest.mark.parametrize("empty", [None, "", "  ", "n/a", "NaN", math.nan])
def test_an_empty_core_column_rejects_the_row(name, empty):
    assert rejection(**{name: empty}) == (name, f"{name} is empty")


def test_not_a_number_among_numbers_is_missing():
    assert record(dti=math.nan)["dti"] is None


def test_a_category_keeps_its_text_known_or_not_without_the_spaces_around():
    found = record(grade=" C ", home_ownership="HOUSEBOAT", purpose="a, b")
    assert (found["grade"], found["home_ownership"], found["purpose"]) == ("C", "HOUSEBOAT", "a, b")


@pytest.mark.parametrize("form", [float, repr])
def test_both_ends_of_a_range_are_allowed_and_nothing_beyond(form):
    base = {"loan_amnt": 10_000.0, "term": 36.0, "int_rate": 13.5, "annual_inc": 60_000.0}
    rows, kept, refused = [], [], []
    for column in (column for column in RECORD if column.kind == "number"):
        inside = [float(column.low), float(column.high)]
        outside = [math.nextafter(column.low, -math.inf), math.nextafter(column.high, math.inf)]
        for value in inside + outside:
            rows.append({name: form(cell) for name, cell in (base | {column.name: value}).items()})
            (kept if value in inside else refused).append((len(rows), column.name, value))
    parsed = parse(frame(*rows), CONTRACT)
    assert parsed.rejected.select("row", "column").rows() == [(row, n) for row, n, _ in refused]
    assert all("is outside" in reason for reason in parsed.rejected["reason"])
    records = zip(parsed.records["row"], parsed.records.iter_rows(named=True), kept, strict=True)
    for row, found, (number, name, value) in records:
        assert (row, found[name]) == (number, value)


@pytest.mark.parametrize("name", ["annual_inc", "dti", "term"])
@pytest.mark.parametrize("text", ["inf", "-inf", "Infinity", "1e400", math.inf, -math.inf])
def test_an_infinite_number_rejects_the_row(name, text):
    column, reason = rejection(**{name: text})
    assert column == name and f"{name} '{text}' is outside" in reason


def test_a_negative_income_rejects_the_row():
    assert rejection(annual_inc="-1") == (
        "annual_inc",
        "annual_inc '-1' is outside 0 to 1,000,000,000 dollars a year",
    )


@pytest.mark.parametrize("name", ["annual_inc", "dti", "credit_history_months"])
@pytest.mark.parametrize(
    "text", ["12,00", "1,2,3", "$", "abc", "1_000", "0x10", "12 000", "-nan", "5 apples"]
)
def test_text_in_a_number_rejects_the_row(name, text):
    assert rejection(**{name: text}) == (name, f"{name} '{text}' is not a number")


@pytest.mark.parametrize("text", ["12000", "12,000", "$12,000", "$ 12000.00", "12000 USD", "1.2e4"])
def test_an_amount_is_read_as_lenders_write_it(text):
    assert record(annual_inc=text)["annual_inc"] == 12_000


@pytest.mark.parametrize("text", [" 36 months", "36 Months", "36 mo", "36 mos.", "36", "36.0"])
def test_a_term_is_read_as_lenders_write_it(text):
    assert record(term=text)["term"] == 36


@pytest.mark.parametrize(
    "text",
    ["debt_consolidation", "Debt Consolidation", "DEBT-CONSOLIDATION", " debt  consolidation"],
)
def test_a_category_is_compared_without_case_blanks_hyphens_and_underscores(text):
    assert record(purpose=text)["purpose"] == "debt_consolidation"


@pytest.mark.parametrize("text", ["11+ years", "< 1 years", "one year", "1 years old"])
def test_an_unknown_length_of_employment_rejects_the_row(text):
    assert rejection(emp_length=text) == ("emp_length", f"emp_length '{text}' is not a number")


@pytest.mark.parametrize(
    "status, label",
    [
        ("Charged Off", 1),
        ("Default", 1),
        ("Fully Paid", 0),
        ("Current", None),
        ("In Grace Period", None),
        ("Issued", None),
        ("Late (16-30 days)", None),
        ("Late (31-120 days)", None),
    ],
)
def test_the_status_gives_the_label_behind_the_policy_prefix_too(status, label):
    for text in (status, f" {status} ", POLICY_PREFIX + status, f"{POLICY_PREFIX}  {status}"):
        assert record(labelled=True, loan_status=text)["default"] == label


def test_every_status_of_the_contract_was_tried():
    assert len(LABELS) == 8


@pytest.mark.parametrize("status", ["Paid", "fully repaid", POLICY_PREFIX, "", None, "n/a"])
def test_an_unknown_status_rejects_the_row_where_the_outcome_matters(status):
    column, reason = rejection(labelled=True, loan_status=status)
    assert column == "default"
    assert reason == f"loan_status {(status or '')[:40]!r} is not a known outcome"
    assert record(loan_status=status)


@pytest.mark.parametrize(
    "value, label",
    [("1", 1), ("0", 0), ("1.0", 1), (" 1 ", 1), ("", None), ("NaN", None), (None, None)]
    + [(1, 1), (0.0, 0), (math.nan, None), (True, 1), (False, 0)],
)
def test_a_typed_outcome_is_1_or_0_or_not_yet_known(value, label):
    assert record(labelled=True, default=value)["default"] == label


@pytest.mark.parametrize("value", ["2", "-1", "0.5", "yes", "inf", 2, -1, 0.5, math.inf])
def test_a_typed_outcome_of_another_value_rejects_the_row(value):
    column, reason = rejection(labelled=True, default=value)
    assert (column, reason) == ("default", f"default '{value}' is not a known outcome")


def test_a_typed_outcome_wins_over_a_status():
    assert record(labelled=True, default="1", loan_status="Fully Paid")["default"] == 1


def test_a_row_without_an_id_has_none():
    rows = [APPLICATION | {"id": name} for name in ("a", None, "", "n/a", "7")]
    assert parse(frame(*rows), CONTRACT).records["id"].to_list() == [
        "a",
        None,
        None,
        None,
        "7",
    ]
    assert parse(frame(APPLICATION), CONTRACT).records["id"].to_list() == [None]
    assert record(id=1077501)["id"] == record(id=1077501.0)["id"] == "1077501"
    assert record(id="1077501.0")["id"] == "1077501"


def test_a_text_of_json_is_kept_as_an_id():
    kept = parse(frame(APPLICATION | {"id": " 17.0 "}), CONTRACT, verbatim_ids=True)
    assert kept.records["id"].to_list() == ["17.0"]


def test_an_id_that_may_have_lost_digits_refuses_the_file():
    with pytest.raises(InputError, match="row 1: id is the float 0.5"):
        parse(frame(APPLICATION | {"id": 0.5}), CONTRACT)


def test_columns_in_another_order_and_more_of_them_change_nothing():
    cells = frame(LOAN | {"id": "a", "dti": "3", "grade": "B"}, LOAN | {"id": "b"})
    mixed = cells.select(reversed(cells.columns)).with_columns(
        url=pl.lit("x"), settlement_term=pl.lit(9)
    )
    assert parse(mixed, CONTRACT, labelled=True).records.equals(
        parse(cells, CONTRACT, labelled=True).records
    )


def test_good_rows_are_kept_in_order_among_bad_ones():
    rows = [APPLICATION | {"id": f"{n}", "annual_inc": f"{n % 3 - 1}"} for n in range(9)]
    parsed = parse(frame(*rows), CONTRACT)
    assert parsed.records["row"].to_list() == [2, 3, 5, 6, 8, 9]
    assert parsed.records["annual_inc"].to_list() == [0, 1] * 3
    assert parsed.rejected["id"].to_list() == ["0", "3", "6"]


def test_no_rows_give_no_records_of_the_same_columns():
    empty = parse(frame(LOAN).clear(), CONTRACT, labelled=True)
    assert empty.records.schema == parse(frame(LOAN), CONTRACT, labelled=True).records.schema
    assert empty.records.is_empty() and empty.rejected.is_empty()


def test_a_table_without_core_columns_is_refused_with_their_names():
    with pytest.raises(InputError) as caught:
        require_core(
            "loans.csv",
            ("id", "term", "annual_inc"),
            CONTRACT,
            (("default", "loan_status"), ("id",)),
        )
    assert str(caught.value) == (
        "loans.csv lacks the columns loan_amnt, int_rate, default or loan_status; "
        "it has id, term, annual_inc"
    )


@pytest.mark.parametrize(
    "names, listed",
    [("abcdefghi", "a, b, c, d, e, f, g, h, …"), ("abcdefgh", "a, b, c, d, e, f, g, h")]
    + [(("x" * 41,), "x" * 40), ((), "none")],
)
def test_only_the_first_columns_of_a_wide_table_are_listed(names, listed):
    with pytest.raises(InputError, match=f"it has {listed}$"):
        require_core("loans.csv", tuple(names), CONTRACT)


def test_a_table_with_the_core_columns_passes():
    require_core(
        "loans.csv", (*reversed(CORE), "loan_status"), CONTRACT, (("default", "loan_status"),)
    )


def test_every_optional_number_may_be_missing():
    for empty in (None, "", math.nan):
        found = record(**dict.fromkeys(OPTIONAL_NUMBERS, empty))
        assert [found[name] for name in OPTIONAL_NUMBERS] == [None] * len(OPTIONAL_NUMBERS)
