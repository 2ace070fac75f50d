import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loan_default.data import readers
from loan_default.data.streams import Packed
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
        b"\x7fELF\x02\x01\x01\0",
        "naïve,other\n1,2\n".encode("latin-1"),
        b"id,am\0unt\n1,2\n",
    ],
    ids=["png", "elf", "latin-1 header of other columns", "zero byte"],
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
    packed = Packed("gs://bucket/loans.parquet", stream, "")
    table = readers._parquet(packed, readers.Wanted(frozenset({"id"})))
    stream.lost = True
    with pytest.raises(ConnectionResetError):
        list(table.blocks)


def test_lists_and_bytes_are_no_cells(save):
    odd = parquet({"id": [b"1"], "amount": [[1.0]], "note": ["x"]})
    message = refusal(save(odd))
    assert "id as" in message and "amount as" in message and "write plain text" in message
    assert Read(save(odd), wanted=("note",)).rows == [{"note": "x"}]


def test_a_missing_file_and_an_empty_folder_are_refused(tmp_path: Path):
    assert "no such file" in refusal(str(tmp_path / "loans.csv"))
    assert "no file to read" in refusal(str(tmp_path))


def several(folder: Path, **files: bytes) -> str:
    folder.mkdir()
    for name, content in files.items():
        (folder / name.replace("_dot_", ".")).write_bytes(content)
    return str(folder)


FIRST, SECOND = b"id,amount,note\n1,1000,first\n", b"id,amount,note\n2,2000,second\n"


def test_a_folder_a_pattern_and_a_list_are_one_table(tmp_path: Path):
    folder = several(tmp_path / "parts", a_dot_csv=FIRST, b_dot_csv=SECOND)
    listed = json.dumps([f"{folder}/a.csv", f"{folder}/b.csv"])
    for path in (folder, folder + "/", f"{folder}/*.csv", f"{tmp_path}/*/?.csv", listed):
        read = Read(path)
        assert (read.rows, read.numbers, read.notes) == (ROWS, [1, 2], [])


def test_rows_are_numbered_on_from_file_to_file(tmp_path: Path):
    bad = b"id,amount,note\n1,1,x\n2,2\n3,3,y\n"
    read = Read(several(tmp_path / "parts", a=bad, b=bad))
    assert read.numbers == [1, 3, 4, 6]
    assert [line.row for line in read.malformed] == [2, 5]


def test_parts_may_be_packed_in_different_ways_empty_or_without_rows(tmp_path: Path):
    folder = several(
        tmp_path / "parts",
        a=b"",
        b=FIRST,
        c=b"id,amount,note\n",
        d_dot_gz=gzip.compress(SECOND),
        e_dot_parquet=parquet([{"id": "3", "amount": "3000", "note": "third"}]),
    )
    assert [row["id"] for row in Read(folder).rows] == ["1", "2", "3"]
    assert refusal(several(tmp_path / "empty", a=b"", b=b"")).endswith("is empty")


def test_columns_that_a_part_lacks_are_said(tmp_path: Path):
    folder = several(tmp_path / "parts", a=FIRST, b=b"id,note\n2,second\n")
    read = Read(folder)
    assert read.notes == [f"{folder}/b lacks amount, which {folder}/a has"]
    assert read.columns == ("id", "amount", "note")


def test_the_part_at_fault_is_named(tmp_path: Path):
    folder = several(tmp_path / "parts", a=FIRST, b=gzip.compress(SECOND * 99)[:-9])
    assert refusal(folder).startswith(f"{folder}/b is cut off in the middle (gzip)")
    folder = several(tmp_path / "twice", a=FIRST, b=b"id,id\n1,2\n")
    assert refusal(folder).startswith(f"{folder}/b has more than one column named id")


def test_every_file_is_checked(tmp_path: Path):
    folder = several(tmp_path / "parts", a=FIRST, b=SECOND)
    seen = []
    with readers.open_table(folder, ("id",), check=lambda *file: seen.append(file)) as table:
        assert sum(block.rows for block in table.blocks) == 2
    assert seen == [(f"{folder}/{name}", ("id", "amount", "note")) for name in "ab"]


def test_a_header_in_windows_1252_is_read_if_it_names_a_column(save):
    content = "naïve,amount\n1,2\n".encode("cp1252")
    assert Read(save(content), ("amount",)).rows == [{"amount": "2"}]
    assert Read(save(content), ("naïve",)).rows == [{"naïve": "1"}]


def test_parquet_keeps_types_metadata_and_row_numbers_over_batches(save, monkeypatch):
    monkeypatch.setattr(readers, "PARQUET_ROWS", 3)
    rows = [{"id": f"{n}", "amount": float(n)} for n in range(1, 9)]
    read = Read(save(parquet(rows, metadata={"as_of": "2019-03"})))
    assert (read.rows, read.numbers, read.blocks) == (rows, list(range(1, 9)), 3)
    assert read.metadata == {"as_of": "2019-03"}
