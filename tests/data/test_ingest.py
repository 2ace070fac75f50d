import gzip
import io
from datetime import date

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lendingclub import CONTRACT
from loan_default.data import ingest
from loan_default.data.ingest import open_loans
from loan_default.data.readers import open_table
from loan_default.data.rejections import Fault, RejectionKind
from loan_default.errors import InputError
from properties import tries
from raw_loans import FOOTER_LINE, LOAN, TYPED, blocks_of, loans, refusal, take, text


def test_good_loans_all_become_records(save):
    taken = take(save(text(loans(3))))
    assert (taken.reader.rows_in, taken.reader.rows_rejected) == (3, 0)
    assert taken.records["id"].to_list() == ["1", "2", "3"]
    assert taken.records["default"].to_list() == [0, 0, 0]


NUMBERS = [
    "7",
    " 8 ",
    "1e3",
    "-5",
    ".5",
    "5.",
    "+5",
    "007",
    "-0",
    "3.0000000000000001",
    "1e30",
    '"9"',
]
GAPS = ["", "n/a", "NA", " NA ", "nan", "None", '""']
OTHERS = [
    "NAN",
    "-nan",
    "inf",
    "Infinity",
    "1e999",
    "5%",
    "5 %",
    "1,5,5",
    "1_000",
    "0x1A",
    "١",
    "many",
]


@tries(100)
@given(st.lists(st.sampled_from(NUMBERS + GAPS + OTHERS), min_size=1, max_size=4))
@example(["7", "NAN"])
@example(["inf", "7"])
@example(["7", " NA "])
def test_cells_read_as_numbers_and_cells_read_as_text_become_the_same_records(save, cells):
    rows = [LOAN | {"id": f"{n}", "dti": cell} for n, cell in enumerate(cells, start=1)]
    path = save(text(rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest, "plain_numbers", lambda _: frozenset())
        as_text = take(path)
    as_numbers = take(path)
    assert as_numbers.records.equals(as_text.records)
    told = ["row", "id", "column"]
    assert as_numbers.rejected.select(told).equals(as_text.rejected.select(told))


@pytest.mark.parametrize("numbers", [True, False])
def test_a_column_of_numbers_costs_no_text_and_a_block_with_one_text_is_text(save, numbers):
    cells = "7" if numbers else "7%"
    path = save(text([LOAN | {"id": f"{n}", "dti": "7" if n else cells} for n in range(4)]))
    with open_table(path, ["dti"], {"dti"}) as table:
        read = [block.cells["dti"] for block in table.blocks]
    assert [series.dtype for series in read] == [pl.Float64 if numbers else pl.String]
    assert read[0][1] == (7.0 if numbers else "7")


def test_a_column_that_has_a_unit_keeps_no_other_from_being_read_as_numbers(save):
    rows = [LOAN | {"id": f"{n}", "int_rate": "13%", "dti": "7"} for n in range(100)]
    names = ["int_rate", "dti"]
    with blocks_of(1_000), open_table(save(text(rows)), names, names) as table:
        kinds = [tuple(block.cells[name].dtype for name in names) for block in table.blocks]
    assert len(kinds) > 2 and set(kinds[1:]) == {(pl.String, pl.Float64)}


def test_applications_need_no_outcome_and_get_their_history_up_to_the_run_month(save):
    rows = [{"earliest_cr_line": "Jan-2000"} | LOAN]
    for name in ("issue_d", "loan_status", "last_pymnt_d"):
        del rows[0][name]
    with open_loans(save(text(rows)), CONTRACT, run_month=date(2020, 3, 1)) as reader:
        (block,) = reader
    assert block.records["credit_history_months"].to_list() == [20 * 12 + 2]
    assert "default" not in block.records.columns
    assert reader.as_of is None


def test_every_kind_of_bad_row_is_counted_with_its_first_row(save):
    rows = [row | {"earliest_cr_line": "Jan-2000"} for row in loans(11)]
    rows[10]["earliest_cr_line"] = "long ago"
    rows[1]["annual_inc"] = "-5"
    rows[2]["annual_inc"] = "1e12"
    rows[3]["annual_inc"] = "lots"
    rows[4]["annual_inc"] = ""
    rows[5]["issue_d"] = "soon"
    rows[6]["loan_status"] = "?"
    rows[7]["id"] = "1"
    taken = take(save(text(rows, "short,row", "", FOOTER_LINE + ",")))
    first = {
        RejectionKind(Fault.OUT_OF_RANGE, "annual_inc"): 2,
        RejectionKind(Fault.NOT_A_NUMBER, "annual_inc"): 4,
        RejectionKind(Fault.MISSING_VALUE, "annual_inc"): 5,
        RejectionKind(Fault.NOT_A_MONTH, "issue_month"): 6,
        RejectionKind(Fault.UNKNOWN_OUTCOME, "default"): 7,
        RejectionKind(Fault.DUPLICATE_ID, "id"): 8,
        RejectionKind(Fault.NOT_A_MONTH, "credit_history_months"): 11,
        RejectionKind(Fault.FIELD_COUNT, None): 12,
        RejectionKind(Fault.BLANK_LINE, None): 13,
        RejectionKind(Fault.FOOTER, None): 14,
    }
    assert {kind: row for kind, (row, _) in taken.reader.first_rejected.items()} == first
    assert taken.reader.rejected == dict.fromkeys(first, 1) | {
        RejectionKind(Fault.OUT_OF_RANGE, "annual_inc"): 2
    }
    assert (taken.reader.rows_in, taken.reader.rows_rejected) == (14, 11)
    assert taken.rejected["row"].to_list() == [2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14]


def test_rejections_are_reported_in_words_and_in_codes_commonest_first(save):
    rows = loans(4)
    rows[1]["annual_inc"], rows[2]["annual_inc"], rows[3]["int_rate"] = "-5", "1e12", "x"
    assert take(save(text(rows, FOOTER_LINE))).reader.rejections == {
        "rejected_by_reason": {
            "annual_inc is outside its range": 2,
            "int_rate is not a number": 1,
            "not a loan: only the id cell is filled": 1,
        },
        "rejections": [
            {"code": "out_of_range", "column": "annual_inc", "rows": 2},
            {"code": "not_a_number", "column": "int_rate", "rows": 1},
            {"code": "footer", "column": None, "rows": 1},
        ],
    }


@pytest.mark.parametrize("size", [60, 300])
def test_the_block_size_changes_no_record_and_no_rejection(save, size):
    rows = loans(20)
    rows[3]["id"], rows[15]["id"] = "2", "2"
    rows[7]["grade"] = 'B,\n"B"'
    rows[9]["annual_inc"] = "x"
    path = save(text(rows[:12], "short", "", *text(rows[12:]).splitlines()[1:], FOOTER_LINE))
    whole, cut = take(path), take(path, size=size)
    assert whole.blocks == 1 and cut.blocks > 3
    assert cut.records.equals(whole.records)
    assert (
        cut.rejected["row"].to_list() == whole.rejected["row"].to_list() == [4, 10, 13, 14, 18, 23]
    )
    assert cut.reader.rejected == whole.reader.rejected
    assert cut.reader.first_rejected == whole.reader.first_rejected


BASE = text([*loans(6), LOAN | {"id": "q", "grade": 'quo"ted,\nB'}], FOOTER_LINE).encode()
HEADER_END = BASE.index(b"\n") + 1
JUNK = st.sampled_from([b"\n", b",", b'"', b"\xe9", b"\0", b"\r", b"", b"-", b"x", b"\n\n", b'","'])
EDITS = st.lists(st.tuples(st.integers(HEADER_END, len(BASE)), st.integers(0, 3), JUNK), max_size=6)


@tries(40)
@given(EDITS, st.sampled_from([None, 100]), st.booleans())
@example([(len(BASE) - 30, 0, b"\n\n")], 16, True)
def test_however_a_file_is_corrupted_every_row_is_a_record_or_rejected(save, edits, size, labelled):
    content = bytearray(BASE)
    for place, removed, junk in sorted(edits, reverse=True):
        content[place : place + removed] = junk
    try:
        taken = take(save(bytes(content)), labelled, size)
    except InputError:
        return
    numbers = sorted(taken.records["row"].to_list() + taken.rejected["row"].to_list())
    assert numbers == list(range(1, taken.reader.rows_in + 1))
    assert taken.reader.rows_rejected == taken.rejected.height
    assert taken.records["id"].is_unique().all()


@pytest.mark.parametrize("size", [None, 60])
def test_the_as_of_month_is_the_latest_of_all_blocks_of_a_raw_file(save, size):
    rows = [row | {"last_credit_pull_d": None} for row in loans(9)]
    rows[2]["last_pymnt_d"] = "Mar-2019"
    rows[5]["last_credit_pull_d"] = "Apr-2018"
    taken = take(save(text(rows)), size=size)
    assert taken.reader.as_of == date(2019, 3, 1)
    rows[5]["last_credit_pull_d"] = "Apr-2019"
    assert take(save(text(rows)), size=size).reader.as_of == date(2019, 4, 1)


def test_a_file_that_does_not_tell_has_no_as_of_month(save):
    assert take(save(text([TYPED]))).reader.as_of is None
    assert take(save(text(loans(2, last_pymnt_d="")))).reader.as_of is None


def test_a_stated_as_of_month_in_the_future_is_refused(save):
    frame = pl.DataFrame([TYPED])
    assert "states 2062-01 as the month" in refusal(save(frame, as_of="2062-01"))
    assert "states 2062-01 as the month" in refusal(save(text([TYPED | {"as_of": "2062-01"}])))


def test_the_as_of_month_comes_from_parquet_metadata(save):
    frame = pl.DataFrame([TYPED])
    assert take(save(frame, as_of="2019-03")).reader.as_of == date(2019, 3, 1)
    assert take(save(frame, as_of="2019-03"), labelled=False).reader.as_of == date(2019, 3, 1)
    assert take(save(frame, as_of="yesterday")).reader.as_of is None
    assert take(save(frame)).reader.as_of is None


def test_the_as_of_month_comes_from_a_csv_column(save):
    rows = [TYPED | {"id": f"{n}", "as_of": "2019-03"} for n in range(3)]
    assert take(save(text(rows))).reader.as_of == date(2019, 3, 1)
    assert take(save(text(rows)), size=50).reader.as_of == date(2019, 3, 1)
    rows[0]["as_of"] = ""
    assert take(save(text(rows))).reader.as_of == date(2019, 3, 1)


def test_csv_parquet_and_gzip_of_the_same_loans_give_the_same_records(save):
    rows = loans(5)
    rows[2]["annual_inc"] = "x"
    csv_text = text(rows)
    frame = pl.read_csv(io.StringIO(csv_text), infer_schema=False)
    takes = [take(save(c)) for c in (csv_text, gzip.compress(csv_text.encode()), frame)]
    for other in takes[1:]:
        assert other.records.equals(takes[0].records)
        assert other.rejected.equals(takes[0].rejected)
        assert other.reader.as_of == takes[0].reader.as_of == date(2013, 1, 1)


def test_typed_parquet_columns_of_any_number_type_are_taken(save):
    frame = pl.DataFrame([TYPED]).with_columns(
        pl.col("loan_amnt").cast(pl.Float64).cast(pl.Int32),
        pl.col("term").cast(pl.Float64).cast(pl.UInt8),
        pl.col("int_rate").cast(pl.Float32),
        pl.col("annual_inc").cast(pl.Decimal(12, 2)),
        pl.col("issue_month").str.to_date(),
        pl.col("default").cast(pl.Int8),
        pl.col("grade").cast(pl.Categorical),
    )
    assert take(save(frame)).records.equals(take(save(text([TYPED]))).records)
