"""CSV bodies: what is read, and that the rest is refused in one line."""

import codecs
import gzip
import zlib
from typing import Any

import pytest

from lendingclub import SOURCES as KNOWN
from loan_default.errors import InputError
from loan_default.serving.protocol import CSV, parse_request
from request_tables import cells


def csv(text: str | bytes) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Columns and rows; an empty cell counts as none."""
    columns, rows = cells(
        parse_request(
            CSV, text.encode() if isinstance(text, str) else text, KNOWN.__contains__
        ).table
    )
    return columns, [tuple(cell or None for cell in row) for row in rows]


@pytest.mark.parametrize(
    ("text", "columns", "rows"),
    [
        ("a,b\n1,x\n2,\n", ("a", "b"), [("1", "x"), ("2", None)]),
        ("a,b\n1,x", ("a", "b"), [("1", "x")]),
        ("a,b\r\n1,x\r\n", ("a", "b"), [("1", "x")]),
        ('a,"b"\n"1","x"\n', ("a", "b"), [("1", "x")]),
        ('a,b\n1,"x, ""y""\nz"\n', ("a", "b"), [("1", 'x, "y"\nz')]),
        ('a\n"x\r\ny"\n', ("a",), [("x\r\ny",)]),
        ("a,b\n1\n2,y\n", ("a", "b"), [("1", None), ("2", "y")]),
        ("a,b\n", ("a", "b"), []),
        ("a,b", ("a", "b"), []),
        ("a;b\n1;x\n", ("a;b",), [("1;x",)]),
        ("\N{SNOWMAN}\n\N{SNOWMAN}\n", ("\N{SNOWMAN}",), [("\N{SNOWMAN}",)]),
        (codecs.BOM_UTF8 + b"a,b\n1,x\n", ("a", "b"), [("1", "x")]),
        ("", (), []),
        ("\n", (), []),
    ],
    ids=repr,
)
def test_csv_is_read_as_text(text: Any, columns: tuple[str, ...], rows: list[Any]) -> None:
    assert csv(text) == (columns, rows)


def test_csv_has_no_params() -> None:
    assert parse_request(CSV, b"params\nfull\n", KNOWN.__contains__).full is False


@pytest.mark.parametrize(
    "body",
    [b"a,b\n1,2,3\n", b"a,b\n1,2\n1,2,3\n", b'a,b\n"1,2\n', b"a,b\n\xff,1\n"],
    ids=["a long row", "a later long row", "an open quote", "not UTF-8"],
)
def test_csv_that_cannot_be_read_is_refused_in_one_line(body: bytes) -> None:
    with pytest.raises(InputError, match="the body is not CSV: ") as refused:
        parse_request(CSV, body, KNOWN.__contains__)
    assert "\n" not in str(refused.value)


def test_the_long_row_of_a_csv_is_named() -> None:
    with pytest.raises(InputError, match="CSV: row 2: 3 cells for 2 columns$"):
        parse_request(CSV, b"a,b\n1,2\n1,2,3\n", KNOWN.__contains__)


@pytest.mark.parametrize("text", ["a,b\n1,x\n\n", "a,b\n\n1,x\n", "a,b\r\n1,x\r\n\r\n"], ids=repr)
def test_blank_lines_in_csv_are_no_rows(text: str) -> None:
    assert csv(text) == (("a", "b"), [("1", "x")])


def test_csv_with_bare_carriage_returns_is_read() -> None:
    assert csv("a,b\r1,x\r") == (("a", "b"), [("1", "x")])


def test_a_csv_header_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(InputError, match="the body is not CSV"):
        parse_request(CSV, b"a,\xff\n1,2\n", KNOWN.__contains__)


COMPRESSED = {
    "gzip": gzip.compress(b"a,b\n1,x\n", mtime=0),
    "gzip cut off": gzip.compress(b"a,b\n1,x\n", mtime=0)[:12],
    "gzip broken": b"\x1f\x8b" + b"x" * 20,
    "zlib": zlib.compress(b"a,b\n1,x\n"),
    "zlib broken": b"x\x9c" + b"\xa9" * 20,
    "zstd cut off": b"\x28\xb5\x2f\xfd\x00\x00",
}


@pytest.mark.parametrize("body", COMPRESSED.values(), ids=COMPRESSED)
def test_a_compressed_csv_body_is_not_unpacked(body: bytes) -> None:
    with pytest.raises(InputError, match="the body is not CSV"):
        parse_request(CSV, body, KNOWN.__contains__)
