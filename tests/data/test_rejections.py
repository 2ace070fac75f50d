import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import raw_loans
from lendingclub import CONTRACT
from loan_default.data.parsing import parse
from loan_default.data.rejections import (
    NOT_LOANS,
    SCHEMA,
    Fault,
    Malformed,
    Parsed,
    RejectionKind,
    SeenIds,
    blank_line,
    malformed,
    wrong_width,
)
from properties import tries

LOAN = raw_loans.LOAN | {"dti": "10"}
EMPTY = dict.fromkeys(LOAN)


def cells(*rows: dict, first_row: int = 1) -> pl.DataFrame:
    frame = pl.DataFrame(rows, infer_schema_length=None)
    numbers = pl.Series("row", range(first_row, first_row + len(rows)), pl.Int64)
    return frame.insert_column(0, numbers)


def rejected(*rows: dict, labelled: bool = True) -> list[tuple]:
    return parse(cells(*rows), CONTRACT, labelled=labelled).rejected.rows()


def of(*names: str, first_row: int = 1) -> Parsed:
    """A block of good rows with these ids."""
    numbers = pl.Series("row", range(first_row, first_row + len(names)), pl.Int64)
    records = pl.DataFrame([numbers, pl.Series("id", names, pl.String)])
    return Parsed(records, pl.DataFrame(schema=SCHEMA))


def test_a_rejection_tells_row_id_column_code_and_reason():
    found = parse(cells(LOAN, LOAN | {"id": "b", "dti": "x"}), CONTRACT, labelled=True).rejected
    assert dict(found.schema) == SCHEMA
    assert found.rows() == [(2, "b", "dti", "not_a_number", "dti 'x' is not a number")]


def test_a_row_with_several_faults_is_rejected_once_for_the_first_column():
    row = LOAN | {"loan_status": "?", "dti": "-1", "annual_inc": "x", "issue_d": "?"}
    assert [found[2:] for found in rejected(row)] == [
        ("annual_inc", Fault.NOT_A_NUMBER, "annual_inc 'x' is not a number")
    ]


def test_a_row_that_has_only_an_id_is_a_footer():
    footer = EMPTY | {"id": "Total amount funded in policy code 1: 460296150"}
    for labelled in (True, False):
        assert rejected(LOAN, footer, labelled=labelled) == [
            (2, footer["id"], None, Fault.FOOTER, "not a loan: only the id cell is filled")
        ]


def test_a_row_without_any_cell_is_a_blank_line():
    for labelled in (True, False):
        assert rejected(LOAN, EMPTY, labelled=labelled) == [
            (2, None, None, Fault.BLANK_LINE, "blank line")
        ]


def test_footers_and_blank_lines_are_no_loans():
    assert NOT_LOANS == {Fault.FOOTER, Fault.BLANK_LINE, Fault.PROSE, Fault.HEADER}


def test_a_row_with_any_other_cell_is_a_loan_that_lacks_its_core():
    lacking = ("loan_amnt", Fault.MISSING_VALUE, "loan_amnt is empty")
    assert rejected(EMPTY | {"id": "a", "dti": "3"})[0][2:] == lacking
    assert rejected(EMPTY | {"loan_status": "Current"})[0][2:] == lacking


def test_spaces_in_every_cell_make_no_blank_line():
    lacking = ("loan_amnt", Fault.MISSING_VALUE, "loan_amnt is empty")
    assert rejected(dict.fromkeys(LOAN, " "))[0][2:] == lacking


def test_a_long_text_is_cut_in_the_reason():
    reason = rejected(LOAN | {"dti": "x" * 500})[0][-1]
    assert reason == f"dti '{'x' * 40}' is not a number"


def test_a_range_is_stated_with_its_unit():
    assert (
        rejected(LOAN | {"term": "5 months"})[0][-1] == "term '5 months' is outside 6 to 480 months"
    )
    assert rejected(LOAN | {"int_rate": "101%"})[0][-1] == (
        "int_rate '101%' is outside 1 to 100 percent a year"
    )


def test_a_number_that_was_one_already_is_shown_as_it_was():
    frame = cells(LOAN, LOAN).with_columns(dti=pl.Series([-5.5, 1.0]))
    assert parse(frame, CONTRACT).rejected.rows() == [
        (1, "1", "dti", "out_of_range", "dti '-5.5' is outside 0 to 10,000 percent of income")
    ]


def test_each_rejected_row_gets_its_own_reason():
    rows = [LOAN | {"id": f"{n}", "dti": f"bad {n}"} for n in range(50)]
    assert rejected(LOAN, *rows, LOAN) == [
        (n + 2, f"{n}", "dti", "not_a_number", f"dti 'bad {n}' is not a number") for n in range(50)
    ]


def test_rows_that_are_not_even_cells_become_rejections():
    short = Malformed(3, Fault.FIELD_COUNT, "2 fields, not 151")
    found = malformed([short, blank_line(9)])
    assert dict(found.schema) == SCHEMA
    assert found.rows() == [
        (3, None, None, "field_count", "2 fields, not 151"),
        (9, None, None, "blank_line", "blank line"),
    ]
    assert malformed([]).is_empty()


def test_every_kind_of_fault_has_a_sentence_of_its_own():
    kinds = [RejectionKind(code, "dti") for code in Fault]
    assert len({kind.sentence(CONTRACT) for kind in kinds}) == len(Fault)


def test_months_and_outcomes_are_named_as_the_export_names_them():
    assert (
        RejectionKind(Fault.NOT_A_MONTH, "issue_month").sentence(CONTRACT)
        == "issue_d is not a month"
    )
    assert (
        RejectionKind(Fault.NOT_A_MONTH, "credit_history_months").sentence(CONTRACT)
        == "earliest_cr_line is not a month"
    )
    assert (
        RejectionKind(Fault.UNKNOWN_OUTCOME, "default").sentence(CONTRACT)
        == "loan_status is not a known outcome"
    )
    assert RejectionKind(Fault.OUT_OF_RANGE, "dti").sentence(CONTRACT) == "dti is outside its range"


def test_the_first_row_of_an_id_stays_and_the_later_ones_are_rejected():
    split = SeenIds().split(of("a", "b", "a", "c", "a"))
    assert split.records["row"].to_list() == [1, 2, 4]
    again = ("a", "id", "duplicate_id", "repeats the id of an earlier row")
    assert split.rejected.rows() == [(3, *again), (5, *again)]


def test_an_id_of_an_earlier_block_is_known():
    seen = SeenIds()
    assert seen.split(of("a", "b")).records.height == 2
    split = seen.split(of("c", "b", "c", first_row=3))
    assert split.records["id"].to_list() == ["c"]
    assert split.rejected["row"].to_list() == [4, 5]
    assert seen.split(of("a", "c", first_row=6)).records.is_empty()


def test_a_rejected_row_does_not_use_up_its_id():
    bad = LOAN | {"id": "a", "dti": "x"}
    split = SeenIds().split(parse(cells(bad, LOAN | {"id": "a"}), CONTRACT, labelled=True))
    assert split.records["row"].to_list() == [2]
    assert split.rejected["column"].to_list() == ["dti"]


def test_repeated_ids_are_sorted_in_among_the_other_rejections():
    rows = [LOAN | {"id": "a"}, LOAN | {"id": "a"}, LOAN | {"id": "b", "dti": "x"}]
    split = SeenIds().split(parse(cells(*rows), CONTRACT, labelled=True))
    assert split.rejected.select("row", "column").rows() == [(2, "id"), (3, "dti")]


def test_rows_without_an_id_repeat_none():
    rows = [LOAN | {"id": None}, LOAN | {"id": ""}, LOAN | {"id": None}]
    split = SeenIds().split(parse(cells(*rows), CONTRACT, labelled=True))
    assert split.records["id"].to_list() == [None, None, None]
    assert split.records["row"].to_list() == [1, 2, 3]


def test_ids_are_compared_beside_rows_without_one():
    rows = [LOAN | {"id": "a"}, LOAN | {"id": None}, LOAN | {"id": "a"}, LOAN | {"id": "b"}]
    split = SeenIds().split(parse(cells(*rows), CONTRACT, labelled=True))
    assert split.records.select("row", "id").rows() == [(1, "a"), (2, None), (4, "b")]
    assert split.rejected["row"].to_list() == [3]


def test_a_block_without_rows_changes_nothing():
    seen = SeenIds()
    assert seen.split(of()).records.is_empty()
    assert seen.split(of("a")).records.height == 1
    assert seen.split(of()).records.is_empty()
    assert seen.split(of("a")).records.is_empty()


IDS = st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6), max_size=5)


@tries(40)
@given(IDS)
def test_over_all_blocks_each_id_is_kept_once_at_its_first_place(blocks):
    seen, row, known = SeenIds(), 1, set()
    for names in blocks:
        split = seen.split(of(*names, first_row=row))
        first = [n for place, n in enumerate(names) if n not in known and n not in names[:place]]
        assert split.records["id"].to_list() == first
        numbers = split.records["row"].to_list() + split.rejected["row"].to_list()
        assert sorted(numbers) == list(range(row, row + len(names)))
        known |= set(names)
        row += len(names)


@tries(50)
@given(st.lists(st.lists(st.integers(0, 60), max_size=12), max_size=30))
def test_over_many_blocks_of_any_size_the_first_of_each_id_stays(blocks):
    seen, met, row = SeenIds(), set(), 1
    for block in blocks:
        kept = seen.split(of(*map(str, block), first_row=row)).records["id"].to_list()
        fresh = [key for key in dict.fromkeys(map(str, block)) if key not in met]
        assert kept == fresh
        met |= set(fresh)
        row += len(block)


@pytest.mark.parametrize(
    ("text", "fields", "code"),
    [
        ("Loans that do not meet the credit policy", 1, Fault.PROSE),
        ("Total amount funded in policy code 2: 123,456", 2, Fault.PROSE),
        ("Notes, as of March 2019, by issue date", 3, Fault.FIELD_COUNT),
        ("1077501", 1, Fault.FIELD_COUNT),
        ("1077501,5000", 2, Fault.FIELD_COUNT),
        ("2014-01-02 10:00", 1, Fault.FIELD_COUNT),
        ("  ", 1, Fault.BLANK_LINE),
    ],
)
def test_a_line_of_few_fields_with_words_is_prose(text: str, fields: int, code: Fault) -> None:
    assert wrong_width(7, text, fields, width=20).code == code
