"""CSV, however it is cut into blocks and whatever its rows hold."""

import csv
import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_default.data import csv_reader
from loan_default.data.csv_reader import NOT_UTF8
from loan_default.data.rejections import Fault, Malformed
from loan_default.errors import InputError
from read_tables import BLOCK_SIZES, QUICK, TEXT, Read, refusal


def test_an_empty_cell_is_missing(save):
    assert Read(save('id,amount,note\n1,,""\n')).rows == [{"id": "1", "amount": None, "note": None}]


@pytest.mark.parametrize("size", BLOCK_SIZES)
def test_a_block_boundary_within_a_quoted_field_changes_nothing(save, size):
    text = 'id,amount,note\n1,"1,000","two\nlines, ""quoted""\r\n\n"\n2,2000,"\n"\n3,,last\n'
    read = Read(save(text), block_bytes=size)
    assert read.rows == [
        {"id": "1", "amount": "1,000", "note": 'two\nlines, "quoted"\r\n\n'},
        {"id": "2", "amount": "2000", "note": "\n"},
        {"id": "3", "amount": None, "note": "last"},
    ]
    assert (read.numbers, read.malformed) == ([1, 2, 3], [])


def test_a_small_block_size_makes_many_blocks(save):
    text = TEXT + "".join(f"{row},1,x\n" for row in range(3, 101))
    read = Read(save(text), block_bytes=32)
    assert read.blocks > 10
    assert read.numbers == list(range(1, 101))


CELLS = st.text(st.sampled_from("ab1, \"'\n\r\t\0é中😀\ufffd"), max_size=6)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=8)
)


@QUICK
@given(TABLES, st.integers(1, 40), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_any_table_reads_back_as_it_was_written(save, table, size, newline, quoted, zipped):
    names = [f"c{place}" for place in range(len(table[0]))]
    if not quoted:  # csv.writer leaves a lone CR without quotes
        table = [[cell.replace("\r", "") for cell in cells] for cells in table]
    text = io.StringIO()
    quoting = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    csv.writer(text, lineterminator=newline, quoting=quoting).writerows([names, *table])
    content = text.getvalue().encode()
    read = Read(save(gzip.compress(content) if zipped else content), names, size)
    assert [list(row.values()) for row in read.rows] == [[c or None for c in row] for row in table]
    assert (read.numbers, read.malformed) == (list(range(1, len(table) + 1)), [])


@pytest.mark.parametrize("size", BLOCK_SIZES)
def test_rows_of_a_wrong_length_are_set_aside_by_number_in_every_block(save, size):
    text = 'id,amount,note\n1,1,x\n2,2\n3,3,"\n"\n4,4,x,y\nfooter\n6,6,x\n,,,,,\n8,8,x\n'
    read = Read(save(text), block_bytes=size)
    assert read.malformed == [
        Malformed(row, Fault.FIELD_COUNT, f"{fields} fields, not 3")
        for row, fields in [(2, 2), (4, 4), (5, 1), (7, 6)]
    ]
    assert read.numbers == [1, 3, 6, 8]
    assert [row["id"] for row in read.rows] == ["1", "3", "6", "8"]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("size", BLOCK_SIZES)
def test_blank_lines_are_counted_rows_without_cells(save, size, newline):
    read = Read(
        save("id,amount,note\n\n1,1,x\n\n\n2,2,x\n\n".replace("\n", newline)), block_bytes=size
    )
    blank = {number for number, row in zip(read.numbers, read.rows) if not any(row.values())}
    blank |= {line.row for line in read.malformed if line.code == Fault.BLANK_LINE}
    assert blank == {1, 3, 4, 6}
    assert sorted(read.numbers + [line.row for line in read.malformed]) == [1, 2, 3, 4, 5, 6]
    assert {n: row["id"] for n, row in zip(read.numbers, read.rows) if n not in blank} == {
        2: "1",
        5: "2",
    }


LINES = st.lists(
    st.sampled_from(["1,2,3", '"a\nb",2,3', "1,2", "1,2,3,4", "", "x", ",,"]), max_size=12
)


@QUICK
@given(LINES, st.integers(1, 40))
def test_what_is_set_aside_does_not_depend_on_the_block_size(save, lines, size):
    path = save("\n".join(["id,amount,note", *lines]) + "\n")
    whole, cut = Read(path), Read(path, block_bytes=size)
    assert (whole.rows, whole.numbers) == (cut.rows, cut.numbers)
    assert whole.malformed == cut.malformed
    short = [n for n, line in enumerate(lines, 1) if line and line.count(",") != 2]
    assert [line.row for line in whole.malformed if line.code != Fault.BLANK_LINE] == short


LATIN = "id,amount,note\n1,1,caffè\n2,2,Z\u0332\n3,3,Müller\n4,4,中\n".encode().replace(
    "Müller".encode(), "Müller".encode("latin-1")
)


@pytest.mark.parametrize("size", BLOCK_SIZES)
def test_bytes_that_are_not_utf8_are_read_as_windows_1252_and_said(save, size):
    path = save(LATIN)
    read = Read(path, ("id", "note"), size)
    assert (read.malformed, read.numbers) == ([], [1, 2, 3, 4])
    assert [row["note"] for row in read.rows] == ["caffè", "Z\u0332", "Müller", "中"]
    assert read.notes == [f"{path} holds bytes that are not UTF-8 in 1 rows, read as Windows-1252"]


@pytest.mark.parametrize("size", BLOCK_SIZES)
def test_bytes_of_no_encoding_cost_only_their_row(save, size):
    read = Read(save(LATIN.replace(b"\xfc", b"\x81")), ("id", "note"), size)
    assert read.malformed == [Malformed(3, Fault.NOT_UTF8, NOT_UTF8)]
    assert read.numbers == [1, 2, 4]
    assert [row["note"] for row in read.rows] == ["caffè", "Z\u0332", "中"]


@pytest.mark.parametrize("size", BLOCK_SIZES)
def test_bytes_that_are_not_utf8_in_an_unused_column_cost_nothing(save, size):
    read = Read(save(LATIN), ("id", "amount"), size)
    assert read.malformed == []
    assert [row["amount"] for row in read.rows] == ["1", "2", "3", "4"]


@pytest.mark.parametrize("size", BLOCK_SIZES)
def test_a_broken_byte_before_a_comma_a_quote_or_a_newline_swallows_none(save, size):
    content = b'id,amount,note\n1\x81,1,x\n2,2,"\x81"\n3,3,\x81\n4,4,x\n5,\xf0\x9f,\x81,\n'
    read = Read(save(content), block_bytes=size)
    assert read.malformed == [
        *(Malformed(row, Fault.NOT_UTF8, NOT_UTF8) for row in (1, 2, 3)),
        Malformed(5, Fault.FIELD_COUNT, "4 fields, not 3"),
    ]
    assert read.rows == [{"id": "4", "amount": "4", "note": "x"}]


def test_a_zero_byte_in_a_cell_stays_in_its_cell(save):
    assert Read(save("id,amount,note\n1,\0,x\n")).rows == [{"id": "1", "amount": "\0", "note": "x"}]


@pytest.mark.parametrize("size", BLOCK_SIZES)
@pytest.mark.parametrize("body", ['1,1,"x\n2,2,x\n', '1,1,"x', '"'])
def test_a_quote_that_is_never_closed_is_refused(save, size, body):
    message = refusal(save("id,amount,note\n" + body), block_bytes=size)
    assert "a quote is opened and never closed; a quote within a field is written twice" in message


def test_a_quote_left_open_does_not_read_the_whole_file_into_memory(save, monkeypatch):
    monkeypatch.setattr(csv_reader, "MAX_RECORD_BYTES", 1_000)
    pieces = []

    class Watched(io.BytesIO):
        def readinto(self, buffer) -> int:
            pieces.append(super().readinto(buffer))
            return pieces[-1]

    stream = Watched(b'1,1,"x\n' + b"2,2,x\n" * 10_000)
    monkeypatch.setattr(csv_reader, "BLOCK_BYTES", 100)
    with pytest.raises(InputError, match="never closed"):
        list(csv_reader._whole_records("loans.csv", stream))
    assert 1_000 < sum(pieces) <= 1_100


@QUICK
@given(st.binary(max_size=120), st.integers(1, 50), st.booleans())
def test_whatever_follows_the_header_each_row_is_accounted_for_or_the_file_refused(
    save, body, size, zipped
):
    content = b"id,amount,note\n" + body
    try:
        read = Read(save(gzip.compress(content) if zipped else content), block_bytes=size)
    except InputError:
        return
    numbers = read.numbers + [line.row for line in read.malformed]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
