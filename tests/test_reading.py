import csv
import gzip
import io
from itertools import count
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import tries
from loan_default import csv_blocks, reading
from loan_default.csv_blocks import NOT_UTF8
from loan_default.errors import InputError
from loan_default.reading import open_table
from loan_default.rejections import BLANK_LINE

TEXT = "id,amount,note\n1,1000,first\n2,2000,second\n"
ROWS = [
    {"id": "1", "amount": "1000", "note": "first"},
    {"id": "2", "amount": "2000", "note": "second"},
]
QUICK = tries(60)
# Where the reader cuts the file into blocks must not matter.
BLOCK_SIZES = [1, 2, 3, 5, 7, 16, 64, 1 << 20]


@pytest.fixture(scope="module")
def save(tmp_path_factory):
    folder, number = tmp_path_factory.mktemp("reading"), count()

    def save(content: bytes | str, name: str = "loans.csv") -> str:
        path = folder / str(next(number)) / name
        path.parent.mkdir()
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return save


def parquet(rows, **options) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(rows).write_parquet(buffer, **options)
    return buffer.getvalue()


class Read:
    """A whole table: `rows`, their `numbers`, and the `malformed` numbers with reasons."""

    def __init__(self, path: str, wanted=("id", "amount", "note"), block_bytes=None):
        self.rows, self.numbers, self.malformed, self.blocks = [], [], [], 0
        with pytest.MonkeyPatch.context() as patch:
            if block_bytes:
                patch.setattr(csv_blocks, "BLOCK_BYTES", block_bytes)
            with open_table(path, wanted) as table:
                self.columns, self.metadata = table.columns, table.metadata
                for block in table.blocks:
                    self.blocks += 1
                    self.numbers += block.cells["row"].to_list()
                    self.rows += block.cells.drop("row").to_dicts()
                    self.malformed += block.malformed


def refusal(path: str, wanted=("id", "amount", "note"), **more) -> str:
    with pytest.raises(InputError) as caught:
        Read(path, wanted, **more)
    message = str(caught.value)
    assert path in message and "\n" not in message
    return message


def test_a_csv_gives_its_cells_as_text_and_counts_rows_from_1(save):
    read = Read(save(TEXT))
    assert read.columns == ("id", "amount", "note")
    assert (read.rows, read.numbers, read.malformed, read.metadata) == (ROWS, [1, 2], [], {})


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet", "a", "a.txt"])
@pytest.mark.parametrize(
    "content",
    [TEXT.encode(), gzip.compress(TEXT.encode()), parquet(ROWS)],
    ids=["csv", "gzip", "parquet"],
)
def test_the_content_tells_the_format_and_the_name_does_not(save, name, content):
    assert Read(save(content, name)).rows == ROWS


def test_a_gzip_of_several_members_is_one_file(save):
    first, second = TEXT[:20].encode(), TEXT[20:].encode()
    assert Read(save(gzip.compress(first) + gzip.compress(second))).rows == ROWS


def test_only_wanted_columns_are_handed_on_and_all_are_named(save):
    for content in (TEXT.encode(), parquet(ROWS)):
        read = Read(save(content), wanted=("note", "missing", "id"))
        assert read.columns == ("id", "amount", "note")
        assert read.rows == [{"id": "1", "note": "first"}, {"id": "2", "note": "second"}]


def test_a_byte_order_mark_is_no_part_of_the_first_name(save):
    assert Read(save(b"\xef\xbb\xbf" + TEXT.encode())).rows == ROWS
    assert Read(save(b'\xef\xbb\xbf"id"' + TEXT[2:].encode())).rows == ROWS


@pytest.mark.parametrize("size", BLOCK_SIZES)
def test_lines_may_end_with_crlf_and_the_last_with_nothing(save, size):
    for text in (
        TEXT.replace("\n", "\r\n"),
        TEXT.rstrip("\n"),
        TEXT.replace("\n", "\r\n").rstrip(),
    ):
        assert Read(save(text), block_bytes=size).rows == ROWS


def test_names_are_stripped(save):
    assert Read(save("id , amount,  note\n" + TEXT.split("\n", 1)[1])).rows == ROWS


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
        (2, "2 fields, not 3"),
        (4, "4 fields, not 3"),
        (5, "1 fields, not 3"),
        (7, "6 fields, not 3"),
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
    blank |= {number for number, reason in read.malformed if reason == BLANK_LINE}
    assert blank == {1, 3, 4, 6}
    assert sorted(read.numbers + [number for number, _ in read.malformed]) == [1, 2, 3, 4, 5, 6]
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
    assert [number for number, reason in whole.malformed if reason != BLANK_LINE] == short


@pytest.mark.parametrize("size", BLOCK_SIZES)
@pytest.mark.parametrize("wanted", [("id", "note"), ("id", "amount")], ids=["used", "unused"])
def test_bytes_that_are_not_utf8_cost_only_their_row(save, wanted, size):
    text = "id,amount,note\n1,1,caffè\n2,2,Z\u0332\n3,3,Müller\n4,4,中\n".encode()
    text = text.replace("Müller".encode(), "Müller".encode("latin-1"))
    read = Read(save(text), wanted, size)
    assert read.malformed == [(3, NOT_UTF8)]
    assert read.numbers == [1, 2, 4]
    assert [list(row) for row in read.rows] == [list(wanted)] * 3
    if "note" in wanted:
        assert [row["note"] for row in read.rows] == ["caffè", "Z\u0332", "中"]


@pytest.mark.parametrize("size", BLOCK_SIZES)
def test_a_broken_byte_before_a_comma_a_quote_or_a_newline_swallows_none(save, size):
    content = b'id,amount,note\n1\xe9,1,x\n2,2,"\xe9"\n3,3,\xe9\n4,4,x\n5,\xf0\x9f,\xe9,\n'
    read = Read(save(content), block_bytes=size)
    assert read.malformed == [(1, NOT_UTF8), (2, NOT_UTF8), (3, NOT_UTF8), (5, "4 fields, not 3")]
    assert read.rows == [{"id": "4", "amount": "4", "note": "x"}]


def test_a_zero_byte_in_a_cell_stays_in_its_cell(save):
    assert Read(save("id,amount,note\n1,\0,x\n")).rows == [{"id": "1", "amount": "\0", "note": "x"}]


def test_an_empty_file_is_refused(save):
    assert refusal(save("")).endswith("is empty")


@pytest.mark.parametrize("content", [TEXT.split("\n")[0], "id,amount,note\n", "id,amount,note\r\n"])
def test_a_header_alone_has_columns_and_no_rows(save, content):
    read = Read(save(content))
    assert (read.columns, read.rows, read.malformed) == (("id", "amount", "note"), [], [])


def test_a_parquet_file_without_rows_has_columns(save):
    read = Read(save(parquet({"id": [], "note": []})))
    assert (read.columns, read.rows) == (("id", "note"), [])


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"PK\x03\x04\x14\0\0\0\x08\0",
        b"\x7fELF\x02\x01\x01\0",
        TEXT.encode("utf-16"),
        "naïve,amount\n1,2\n".encode("latin-1"),
        b"id,am\0unt\n1,2\n",
    ],
    ids=["png", "zip", "elf", "utf-16", "latin-1 header", "zero byte"],
)
def test_binary_bytes_are_refused(save, content):
    for packed in (content, gzip.compress(content)):
        assert "neither text in UTF-8, nor gzip, nor Parquet" in refusal(save(packed))


def test_a_name_used_twice_is_refused(save):
    message = refusal(save("id,note,id,note,amount\n1,2,3,4,5\n"))
    assert message.endswith("has more than one column named id, note")


@pytest.mark.parametrize("content", ["id,amount,note\r1,1,x\r", "x" * 200_000])
def test_a_first_line_that_is_no_header_is_refused(save, content):
    assert "end its lines with LF or CRLF" in refusal(save(content))


@QUICK
@given(st.integers(2, 300))
def test_a_truncated_gzip_is_refused_wherever_it_was_cut(save, left):
    content = gzip.compress("".join([TEXT, *(f"{n},{n * n},x{n}\n" for n in range(200))]).encode())
    assert len(content) > 320
    message = refusal(save(content[:left]))
    assert message.endswith("is cut off in the middle (gzip): fetch it again")


def test_a_gzip_without_its_end_is_refused_after_its_rows_were_handed_on(save):
    content = gzip.compress(TEXT.encode())
    for cut in range(1, 9):
        assert "cut off in the middle" in refusal(save(content[:-cut]))


@pytest.mark.parametrize("place", [12, 60, -6, -2])
def test_a_damaged_gzip_is_refused(save, place):
    content = bytearray(gzip.compress("".join(f"{n * n}," for n in range(500)).encode()))
    content[place] ^= 0xFF
    assert "is damaged (gzip" in refusal(save(bytes(content)))


def test_text_after_the_end_of_a_gzip_is_refused(save):
    assert "is damaged (gzip" in refusal(save(gzip.compress(TEXT.encode()) + b"more"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:4],
        lambda content: content[:40] + b"\xff" * 360 + content[400:],
        lambda content: content[:-300] + b"\xff" * 200 + content[-100:],
        lambda content: content[:-4] + b"abcd",
    ],
    ids=["half", "first bytes", "data", "schema", "end"],
)
def test_a_damaged_parquet_file_is_refused(save, damage):
    content = parquet({"id": [f"{n * n}" for n in range(1000)], "amount": range(1000)})
    message = refusal(save(damage(content)))
    assert "is damaged (Parquet" in message and message.endswith("fetch it again")


def test_a_lost_connection_is_no_damage_to_the_file():
    class Remote(io.BytesIO):
        name, lost = "a copy on this machine", False

        def read(self, size: int | None = -1) -> bytes:
            if self.lost:
                raise ConnectionResetError("connection lost")
            return super().read(size)

    stream = Remote(parquet({"id": [f"{n}" for n in range(1000)]}))
    table = reading._parquet("gs://bucket/loans.parquet", stream, {"id"})
    stream.lost = True
    with pytest.raises(ConnectionResetError):
        list(table.blocks)


def test_lists_and_bytes_are_no_cells(save):
    odd = parquet({"id": [b"1"], "amount": [[1.0]], "note": ["x"]})
    message = refusal(save(odd))
    assert "id as" in message and "amount as" in message and "write plain text" in message
    assert Read(save(odd), wanted=("note",)).rows == [{"note": "x"}]


@pytest.mark.parametrize("size", BLOCK_SIZES)
@pytest.mark.parametrize("body", ['1,1,"x\n2,2,x\n', '1,1,"x', '"'])
def test_a_quote_that_is_never_closed_is_refused(save, size, body):
    message = refusal(save("id,amount,note\n" + body), block_bytes=size)
    assert "a quote is opened and never closed; a quote within a field is written twice" in message


def test_a_quote_left_open_does_not_read_the_whole_file_into_memory(save, monkeypatch):
    monkeypatch.setattr(csv_blocks, "LONGEST_RECORD", 1_000)
    pieces = []

    class Watched(io.BytesIO):
        def readinto(self, buffer) -> int:
            pieces.append(super().readinto(buffer))
            return pieces[-1]

    stream = Watched(b'1,1,"x\n' + b"2,2,x\n" * 10_000)
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 100)
    with pytest.raises(InputError, match="never closed"):
        list(csv_blocks._whole_records("loans.csv", stream))
    assert 1_000 < sum(pieces) <= 1_100


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path):
    assert "no such file" in refusal(str(tmp_path / "loans.csv"))
    assert "is a directory" in refusal(str(tmp_path))


def test_parquet_keeps_types_metadata_and_row_numbers_over_batches(save, monkeypatch):
    monkeypatch.setattr(reading, "PARQUET_ROWS", 3)
    rows = [{"id": f"{n}", "amount": float(n)} for n in range(1, 9)]
    read = Read(save(parquet(rows, metadata={"as_of": "2019-03"})))
    assert (read.rows, read.numbers, read.blocks) == (rows, list(range(1, 9)), 3)
    assert read.metadata == {"as_of": "2019-03"}


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
    numbers = read.numbers + [number for number, _ in read.malformed]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
