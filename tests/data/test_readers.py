import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_default.data import readers
from read_tables import BLOCK_SIZES, QUICK, ROWS, TEXT, Read, parquet, refusal


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


@pytest.mark.parametrize("separator", [";", "\t"])
def test_semicolons_and_tabs_separate_fields_too(save, separator):
    read = Read(save('id;amount;note\n1;2;"x;y"\n2;3;z, z\n'.replace(";", separator)))
    assert read.columns == ("id", "amount", "note")
    assert [list(row.values()) for row in read.rows] == [
        ["1", "2", f"x{separator}y"],
        ["2", "3", "z, z"],
    ]


PROSE = "Notes offered by Prospectus (https://lender.example, page 2)\n"


@pytest.mark.parametrize("above", [PROSE, PROSE + "\n", "\n", f'"{PROSE.strip()}",,\n'])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_prose_above_the_header_is_skipped(save, above, pack):
    clean, read = Read(save(TEXT)), Read(save(pack((above + TEXT).encode())))
    assert (read.columns, read.rows, read.numbers) == (clean.columns, clean.rows, clean.numbers)


def test_a_first_line_with_a_wanted_name_is_the_header(save):
    read = Read(save("id,other,another\nid,amount,note\n1,2,3\n"))
    assert read.columns == ("id", "other", "another") and len(read.rows) == 2


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
    table = readers._parquet("gs://bucket/loans.parquet", stream, {"id"}, lambda _: {})
    stream.lost = True
    with pytest.raises(ConnectionResetError):
        list(table.blocks)


def test_lists_and_bytes_are_no_cells(save):
    odd = parquet({"id": [b"1"], "amount": [[1.0]], "note": ["x"]})
    message = refusal(save(odd))
    assert "id as" in message and "amount as" in message and "write plain text" in message
    assert Read(save(odd), wanted=("note",)).rows == [{"note": "x"}]


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path):
    assert "no such file" in refusal(str(tmp_path / "loans.csv"))
    assert "is a directory" in refusal(str(tmp_path))


def test_parquet_keeps_types_metadata_and_row_numbers_over_batches(save, monkeypatch):
    monkeypatch.setattr(readers, "PARQUET_ROWS", 3)
    rows = [{"id": f"{n}", "amount": float(n)} for n in range(1, 9)]
    read = Read(save(parquet(rows, metadata={"as_of": "2019-03"})))
    assert (read.rows, read.numbers, read.blocks) == (rows, list(range(1, 9)), 3)
    assert read.metadata == {"as_of": "2019-03"}
