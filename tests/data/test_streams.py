"""Packed and converted files give the bytes of their tables."""

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from loan_default.data import streams
from loan_default.errors import InputError
from read_tables import ROWS, TEXT, Read, parquet, refusal

PLAIN = TEXT.encode()


def zstandard(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def zipped(**members: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_dot_", ".").replace("_slash_", "/"), content)
    return sink.getvalue()


PACK = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstandard": zstandard,
    "zip": lambda content: zipped(loans_dot_csv=content),
}


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
def test_a_packed_file_is_read_as_the_plain_one(save, pack) -> None:
    assert Read(save(pack(PLAIN))).rows == ROWS
    assert Read(save(pack(parquet(ROWS)))).rows == ROWS
    assert Read(save(pack(gzip.compress(PLAIN)))).rows == ROWS


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
def test_a_packed_file_of_many_blocks_is_read_as_a_stream(save, pack) -> None:
    text = "id,amount,note\n" + "".join(f"{n},{n},note {n}\n" for n in range(5_000))
    read = Read(save(pack(text.encode())), block_bytes=4_096)
    assert read.blocks > 10 and read.numbers == list(range(1, 5_001))


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
def test_a_packed_file_that_is_cut_off_is_refused(save, pack) -> None:
    text = "id,amount,note\n" + "".join(f"{n},{n * 7919 % 5003},x\n" for n in range(20_000))
    message = refusal(save(pack(text.encode())[:-200]))
    assert "cut off in the middle" in message or "is damaged" in message


def test_a_zip_of_several_tables_is_one_and_what_is_none_is_left_out(save) -> None:
    head, first, second = PLAIN.splitlines(keepends=True)
    members = {"q1_dot_csv": head + first, "q2_dot_csv": head + second, "README_dot_txt": b"hello"}
    members |= {"__MACOSX_slash__dot__q1_dot_csv": b"\0", "data_slash_": b""}
    assert Read(save(zipped(**members))).rows == ROWS


def test_a_member_at_fault_is_named(save) -> None:
    path = save(zipped(q1_dot_csv=PLAIN, q2_dot_csv=b"id,id\n1,2\n"))
    assert refusal(path).startswith(f"{path}:q2.csv has more than one column named id")


def test_archives_without_a_table_and_workbooks_are_refused(save) -> None:
    assert "holds no table: it is empty" in refusal(save(zipped()))
    assert "holds no table: README.md" in refusal(save(zipped(README_dot_md=b"hello")))
    book = zipped(**{"[Content_Types]_dot_xml": b"<x/>", "xl_slash_workbook_dot_xml": b"<x/>"})
    for content in (book, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500)):
        assert "is an Excel workbook: save its sheet as CSV" in refusal(save(content))


def test_an_encrypted_zip_is_refused(save) -> None:
    content = bytearray(zipped(loans_dot_csv=PLAIN))
    # The bit that says so, in the member's header and in the directory
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert refusal(save(bytes(content))).endswith("is encrypted: unpack it first")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("size", [None, 64])
def test_utf16_is_converted_and_said(save, encoding: str, size: int | None) -> None:
    path = save((TEXT + "3,3000,naïve 中 😀\n").encode(encoding))
    read = Read(path, block_bytes=size)
    assert read.rows == [*ROWS, {"id": "3", "amount": "3000", "note": "naïve 中 😀"}]
    assert read.notes == [f"{path} is read as UTF-16"]


def test_utf16_that_is_cut_off_is_refused(save) -> None:
    assert "is damaged (UTF-16: truncated data)" in refusal(save(TEXT.encode("utf-16")[:-1]))


def test_a_lost_disk_is_no_damage_to_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="disk"), streams.translated("loans.csv", ""):
        raise OSError("disk")
    with pytest.raises(ConnectionResetError), streams.translated("loans.csv.bz2", "bzip2"):
        raise ConnectionResetError("lost")
    with pytest.raises(InputError, match="is damaged"), streams.translated("x.bz2", "bzip2"):
        raise OSError("Invalid data stream")
