import csv
import gzip
import io
from contextlib import contextmanager
from datetime import date
from itertools import count
from types import SimpleNamespace

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conftest import tries
from loan_default import csv_blocks, intake
from loan_default.columns import KNOWN_AFTERWARDS
from loan_default.errors import InputError
from loan_default.intake import Intake, open_loans
from loan_default.reading import Table, open_table
from loan_default.rejections import BLANK_LINE, FOOTER

LOAN = {
    "id": "1",
    "loan_amnt": "10000",
    "term": " 36 months",
    "int_rate": "13.5%",
    "annual_inc": "60000",
    "grade": "B",
    "issue_d": "Dec-2010",
    "loan_status": "Fully Paid",
    "last_pymnt_d": "Jan-2013",
}
TYPED = {
    "id": "1",
    "issue_month": "2010-12-01",
    "default": "0",
    "loan_amnt": "10000.0",
    "term": "36.0",
    "int_rate": "13.5",
    "annual_inc": "60000.0",
    "grade": "B",
}
FOOTER_LINE = "Total amount funded in policy code 1: 460296150" + "," * (len(LOAN) - 1)


def loans(number: int, **cells: str | None) -> list[dict]:
    return [LOAN | {"id": f"{n}"} | cells for n in range(1, number + 1)]


def text(rows: list[dict], *lines: str) -> str:
    """CSV with a header, the rows and then `lines` as they are."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue() + "".join(f"{line}\n" for line in lines)


@pytest.fixture(scope="module")
def save(tmp_path_factory):
    folder, number = tmp_path_factory.mktemp("intake"), count()

    def save(content: str | bytes | pl.DataFrame, **metadata: str) -> str:
        path = folder / f"{next(number)}"
        if isinstance(content, pl.DataFrame):
            content.write_parquet(path, metadata=metadata)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return save


@contextmanager
def blocks_of(size: int | None):
    with pytest.MonkeyPatch.context() as patch:
        if size:
            patch.setattr(csv_blocks, "BLOCK_BYTES", size)
        yield


def take(path: str, labelled: bool = True, size: int | None = None, limit: float = 1.0):
    """All of a file: the intake, its records and its rejected rows."""
    with blocks_of(size), open_loans(path, labelled=labelled) as intake:
        blocks = list(intake)
        intake.refuse_too_many_rejected(limit)
    records = pl.concat([block.records for block in blocks])
    rejected = pl.concat([block.rejected for block in blocks])
    return SimpleNamespace(intake=intake, records=records, rejected=rejected, blocks=len(blocks))


def refusal(path: str, **more) -> str:
    with pytest.raises(InputError) as caught:
        take(path, **more)
    assert path in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


def test_good_loans_all_become_records(save):
    taken = take(save(text(loans(3))))
    assert (taken.intake.rows_in, taken.intake.rows_rejected) == (3, 0)
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
    "1,5",
    "1_000",
    "0x1A",
    "١",
    "many",
]


@tries(300)
@given(st.lists(st.sampled_from(NUMBERS + GAPS + OTHERS), min_size=1, max_size=4))
@example(["7", "NAN"])
@example(["inf", "7"])
@example(["7", " NA "])
def test_cells_read_as_numbers_and_cells_read_as_text_become_the_same_records(save, cells):
    rows = [LOAN | {"id": f"{n}", "dti": cell} for n, cell in enumerate(cells, start=1)]
    path = save(text(rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake, "PLAIN_NUMBERS", frozenset())
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
    with open_loans(save(text(rows)), run_month=date(2020, 3, 1)) as intake:
        (block,) = intake
    assert block.records["credit_history_months"].to_list() == [20 * 12 + 2]
    assert "default" not in block.records.columns
    assert intake.as_of is None


def test_every_kind_of_bad_row_is_counted_with_its_first_row(save):
    rows = loans(10)
    rows[1]["annual_inc"] = "-5"
    rows[2]["annual_inc"] = "1e12"
    rows[3]["annual_inc"] = "lots"
    rows[4]["annual_inc"] = ""
    rows[5]["issue_d"] = "soon"
    rows[6]["loan_status"] = "?"
    rows[7]["id"] = "1"
    taken = take(save(text(rows, "short,row", "", FOOTER_LINE)))
    assert dict(taken.intake.rejected) == {
        "annual_inc is outside its range": 2,
        "annual_inc is not a number": 1,
        "annual_inc is empty": 1,
        "issue_d is not a month": 1,
        "loan_status is not a known outcome": 1,
        "repeats the id of an earlier row": 1,
        "2 fields, not 9": 1,
        BLANK_LINE: 1,
        FOOTER: 1,
    }
    assert taken.intake.first_rejected == {
        "annual_inc is outside its range": 2,
        "annual_inc is not a number": 4,
        "annual_inc is empty": 5,
        "issue_d is not a month": 6,
        "loan_status is not a known outcome": 7,
        "repeats the id of an earlier row": 8,
        "2 fields, not 9": 11,
        BLANK_LINE: 12,
        FOOTER: 13,
    }
    assert (taken.intake.rows_in, taken.intake.rows_rejected) == (13, 10)
    assert taken.rejected["row"].to_list() == [2, 3, 4, 5, 6, 7, 8, 11, 12, 13]


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
    assert cut.intake.rejected == whole.intake.rejected
    assert cut.intake.first_rejected == whole.intake.first_rejected


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
    assert numbers == list(range(1, taken.intake.rows_in + 1))
    assert taken.intake.rows_rejected == taken.rejected.height
    assert taken.records["id"].is_unique().all()


def counted(rows: int, bad: int) -> Intake:
    intake = Intake(Table("loans.csv", "loans.csv", (), {}, iter(())), None, False)
    intake.rows_in = rows
    intake.rejected["dti is not a number"] = bad
    intake.first_rejected["dti is not a number"] = 1
    return intake


@pytest.mark.parametrize("rows", [100, 300, 1_000])
def test_a_share_exactly_at_the_limit_passes_and_one_row_more_does_not(rows):
    for percent in range(100):
        limit = float(f"0.{percent:02d}")
        counted(rows, rows * percent // 100).refuse_too_many_rejected(limit)
        with pytest.raises(InputError):
            counted(rows, rows * percent // 100 + 1).refuse_too_many_rejected(limit)


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
        "annual_inc is not a number (3 rows, first row 5); "
        "int_rate is outside its range (2 rows, first row 8); "
        "loan_status is not a known outcome (1 rows, first row 10)"
    )
    assert take(path, limit=0.35).records.height == 13


def test_footers_and_blank_lines_do_not_count_against_the_limit(save):
    path = save(text(loans(1), *["", FOOTER_LINE] * 10))
    taken = take(path, limit=0)
    assert (taken.intake.rows_in, taken.intake.rows_rejected) == (21, 20)


def test_footers_and_blank_lines_do_not_dilute_the_share_of_bad_loans_either(save):
    path = save(text(loans(1), "bad", *["", FOOTER_LINE] * 10))
    assert "1 of 2 rows" in refusal(path, limit=0.4)
    take(path, limit=0.5)


def test_a_file_of_footers_and_blank_lines_alone_is_refused(save):
    path = save(text(loans(1)).splitlines()[0] + "\n\n" + FOOTER_LINE + "\n")
    assert refusal(path) == f"{path} holds no loan, only footers and blank lines"


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
    assert "default or loan_status, issue_month or issue_d;" in refusal(path)
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
    assert taken.rejected.rows() == [(11, "a", "id", "repeats the id of an earlier row")]


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


@pytest.mark.parametrize("size", [None, 60])
def test_the_as_of_month_is_the_latest_of_all_blocks_of_a_raw_file(save, size):
    rows = [row | {"last_credit_pull_d": None} for row in loans(9)]
    rows[2]["last_pymnt_d"] = "Mar-2019"
    rows[5]["last_credit_pull_d"] = "Apr-2018"
    taken = take(save(text(rows)), size=size)
    assert taken.intake.as_of == date(2019, 3, 1)
    rows[5]["last_credit_pull_d"] = "Apr-2019"
    assert take(save(text(rows)), size=size).intake.as_of == date(2019, 4, 1)


def test_a_file_that_does_not_tell_has_no_as_of_month(save):
    assert take(save(text([TYPED]))).intake.as_of is None
    assert take(save(text(loans(2, last_pymnt_d="")))).intake.as_of is None


def test_the_as_of_month_comes_from_parquet_metadata(save):
    frame = pl.DataFrame([TYPED])
    assert take(save(frame, as_of="2019-03")).intake.as_of == date(2019, 3, 1)
    assert take(save(frame, as_of="2019-03"), labelled=False).intake.as_of == date(2019, 3, 1)
    assert take(save(frame, as_of="yesterday")).intake.as_of is None
    assert take(save(frame)).intake.as_of is None


def test_the_as_of_month_comes_from_a_csv_column(save):
    rows = [TYPED | {"id": f"{n}", "as_of": "2019-03"} for n in range(3)]
    assert take(save(text(rows))).intake.as_of == date(2019, 3, 1)
    assert take(save(text(rows)), size=50).intake.as_of == date(2019, 3, 1)
    rows[0]["as_of"] = ""
    assert take(save(text(rows))).intake.as_of == date(2019, 3, 1)


def test_csv_parquet_and_gzip_of_the_same_loans_give_the_same_records(save):
    rows = loans(5)
    rows[2]["annual_inc"] = "x"
    csv_text = text(rows)
    frame = pl.read_csv(io.StringIO(csv_text), infer_schema=False)
    takes = [take(save(c)) for c in (csv_text, gzip.compress(csv_text.encode()), frame)]
    for other in takes[1:]:
        assert other.records.equals(takes[0].records)
        assert other.rejected.equals(takes[0].rejected)
        assert other.intake.as_of == takes[0].intake.as_of == date(2013, 1, 1)


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
