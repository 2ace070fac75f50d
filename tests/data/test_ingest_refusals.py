"""Files that are not taken in: too many bad rows, no core columns, the outcome as a feature."""

import gzip

import polars as pl
import pytest

from lendingclub import CONTRACT, KNOWN_AFTERWARDS
from loan_default.data.ingest import LoanReader
from loan_default.data.readers import Table
from loan_default.data.rejections import Fault, RejectionKind
from loan_default.errors import InputError
from raw_loans import FOOTER_LINE, LOAN, TYPED, loans, refusal, take, text


def counted(rows: int, bad: int) -> LoanReader:
    reader = LoanReader(Table("loans.csv", "loans.csv", (), {}, iter(())), CONTRACT, None, False)
    reader.rows_in = rows
    kind = RejectionKind(Fault.NOT_A_NUMBER, "dti")
    reader.rejected[kind], reader.first_rejected[kind] = bad, (1, "why")
    return reader


@pytest.mark.parametrize("rows", [100, 300, 1_000])
def test_a_share_exactly_at_the_limit_passes_and_one_row_more_does_not(rows):
    for percent in range(100):
        limit = float(f"0.{percent:02d}")
        counted(rows, rows * percent // 100).check_rejected_share(limit)
        with pytest.raises(InputError):
            counted(rows, rows * percent // 100 + 1).check_rejected_share(limit)


def test_a_limit_of_nothing_passes_a_clean_file_only(save):
    take(save(text(loans(3))), limit=0)
    assert "1 of 4 rows" in refusal(save(text(loans(3), "short")), limit=0)


def test_the_refusal_names_the_limit_and_the_commonest_faults_with_an_example(save):
    rows = loans(20)
    for place, (name, value) in enumerate(
        [("annual_inc", "x")] * 3 + [("int_rate", "0")] * 2 + [("loan_status", "?"), ("term", "")]
    ):
        rows[place + 4][name] = value
    path = save(text(rows))
    assert refusal(path, limit=0.3) == (
        f"7 of 20 rows in {path} break the contract, more than MAX_REJECTED_SHARE=0.3 allows: "
        "annual_inc is not a number (3 rows, first row 5: annual_inc 'x' is not a number); "
        "int_rate is outside its range (2 rows, first row 8: int_rate '0' is outside 1 to 100 "
        "percent a year); "
        "loan_status is not a known outcome (1 rows, first row 10: loan_status '?' is not a known "
        "outcome)"
    )
    assert take(path, limit=0.35).records.height == 13


def test_footers_and_blank_lines_do_not_count_against_the_limit(save):
    path = save(text(loans(1), *["", FOOTER_LINE] * 10))
    taken = take(path, limit=0)
    assert (taken.reader.rows_in, taken.reader.rows_rejected) == (21, 20)


def test_footers_and_blank_lines_do_not_dilute_the_share_of_bad_loans_either(save):
    path = save(text(loans(1), "bad", *["", FOOTER_LINE] * 10))
    assert "1 of 2 rows" in refusal(path, limit=0.4)
    take(path, limit=0.5)


def test_a_file_of_footers_and_blank_lines_alone_is_refused(save):
    path = save(text(loans(1)).splitlines()[0] + "\n\n" + FOOTER_LINE + "\n")
    assert refusal(path) == f"{path} holds no loans, only footers, prose and blank lines"


def test_a_header_alone_is_refused(save):
    header = text(loans(1)).splitlines()[0]
    for content in (
        header,
        header + "\n",
        gzip.compress(header.encode()),
        pl.DataFrame(LOAN).clear(),
    ):
        assert refusal(save(content)).endswith("has a header but no rows")


def test_a_file_without_core_columns_is_refused_before_any_row_is_read(save):
    rows = [{name: cell for name, cell in LOAN.items() if name not in ("term", "annual_inc")}]
    path = save(text(rows) + '"unclosed')
    for labelled in (True, False):
        message = refusal(path, labelled=labelled)
        assert message.startswith(
            f"{path} lacks the columns term, annual_inc; it has id, loan_amnt"
        )


def test_training_needs_an_outcome_and_an_issue_month(save):
    rows = [{name: LOAN[name] for name in ("id", "loan_amnt", "term", "int_rate", "annual_inc")}]
    path = save(text(rows))
    assert "loan_status or default, issue_d or issue_month;" in refusal(path)
    assert take(path, labelled=False).records.height == 1


def test_columns_in_another_order_and_extra_ones_are_taken(save):
    rows = [dict(reversed((row | {"shoe_size": "44"}).items())) for row in loans(2)]
    assert take(save(text(rows))).records.equals(take(save(text(loans(2)))).records)


def test_a_damaged_file_is_refused_while_it_is_read(save):
    content = gzip.compress(text(loans(50)).encode())
    assert "cut off in the middle" in refusal(save(content[:-10]))


def test_an_id_that_an_earlier_block_had_is_rejected(save):
    rows = [LOAN | {"id": name} for name in "abcdefghija"]
    taken = take(save(text(rows)), size=100)
    assert taken.blocks > 2
    assert taken.rejected.rows() == [
        (11, "a", "id", "duplicate_id", "repeats the id of an earlier row")
    ]


@pytest.mark.parametrize("name", sorted(KNOWN_AFTERWARDS - {"loan_status"}))
def test_prepared_loans_must_not_hold_what_is_known_afterwards(save, name):
    path = save(text([TYPED | {name: "1"}]))
    message = refusal(path)
    assert message.startswith(
        f"{path} holds columns that are known only after the loan was granted: "
    )
    assert f": {name}; remove them" in message


def test_all_columns_known_afterwards_are_named(save):
    message = refusal(save(text([TYPED | {"recoveries": "1", "grade": "A", "out_prncp": "0"}])))
    assert ": recoveries, out_prncp; remove them" in message


@pytest.mark.parametrize("dropped", ["issue_month", "default"])
def test_one_typed_column_of_the_outcome_is_enough_to_be_prepared(save, dropped):
    raw = {"issue_month": {"issue_d": "Dec-2010"}, "default": {"loan_status": "Default"}}[dropped]
    row = {name: cell for name, cell in TYPED.items() if name != dropped} | raw
    assert take(save(text([row]))).records.height == 1
    assert "recoveries" in refusal(save(text([row | {"recoveries": "1"}])))


def test_a_status_beside_the_typed_outcome_is_no_leak(save):
    taken = take(save(text([TYPED | {"default": "1", "loan_status": "Fully Paid"}])))
    assert taken.records["default"].to_list() == [1]


def test_the_raw_export_and_applications_may_hold_what_is_known_afterwards(save):
    assert take(save(text([LOAN | {"recoveries": "1"}]))).records.height == 1
    assert take(save(text([TYPED | {"recoveries": "1"}])), labelled=False).records.height == 1


def test_headers_between_joined_files_are_no_loans(save):
    header, *rows = text(loans(6)).splitlines()
    prose = "Loans that do not meet the credit policy"
    path = save("\n".join([header, *rows[:3], header, prose, "", *rows[3:]]) + "\n")
    taken = take(path, limit=0)
    assert taken.records.height == 6
    assert taken.rejected["code"].to_list() == ["header", "prose", "blank_line"]
    assert taken.rejected["reason"][0] == "not a loan: the header again"


def test_a_header_of_another_order_within_a_file_is_refused(save):
    header, *rows = text(loans(4)).splitlines()
    other = ",".join(reversed(header.split(",")))
    with pytest.raises(InputError, match="row 3 is the header of a table with other columns or"):
        take(save("\n".join([header, *rows[:2], other, *rows[2:]]) + "\n"))
