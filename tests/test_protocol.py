"""MLflow's scoring protocol: what is read, and that the rest is refused, always."""

import codecs
import gzip
import json
import random
import zlib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conftest import tries
from loan_default.application import Table
from loan_default.errors import InputError
from loan_default.protocol import (
    CSV,
    FORMATS,
    JSON,
    Request,
    UnsupportedType,
    failure,
    predictions,
    read,
)

COLUMNS = ("term", "grade")
ROWS = [(36, "A"), (60, None)]
RECORDS = [dict(zip(COLUMNS, row)) for row in ROWS]
GOOD: dict[str, Any] = {
    "dataframe_split": {"columns": list(COLUMNS), "data": [list(row) for row in ROWS]},
    "dataframe_records": RECORDS,
    "instances": RECORDS,
    "inputs": RECORDS,
}
MANY = tries(300)


def asked(body: Any, kind: str = JSON) -> Request:
    return read(kind, json.dumps(body).encode())


def cells(table: Table) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    return table.columns, [tuple(row) for row in table.rows]


def csv(text: str | bytes) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Columns and rows; an empty cell counts as none."""
    columns, rows = cells(read(CSV, text.encode() if isinstance(text, str) else text).table)
    return columns, [tuple(cell or None for cell in row) for row in rows]


def assert_read_or_refused(kind: str, body: bytes) -> None:
    """Only InputError leaves `read`; what comes out is a table whose rows have all their cells."""
    try:
        found = read(kind, body)
    except InputError as refused:
        assert str(refused) and "Traceback" not in str(refused)
        return
    assert all(type(name) is str for name in found.table.columns)
    assert all(len(row) == len(found.table.columns) for row in found.table.rows)


# Content types


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "Application/JSON ",
        "application/json;charset=utf-8",
        "application/json; charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/json ; Charset = utf-8 ;",
    ],
)
def test_json_is_read_whatever_the_spelling_of_its_type(kind: str) -> None:
    assert cells(asked({"dataframe_records": RECORDS}, kind).table) == (COLUMNS, ROWS)


def test_csv_takes_a_charset_as_well() -> None:
    assert cells(read('text/csv; charset="UTF-8"', b"term\n36\n").table) == (("term",), [("36",)])


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("", "not a body without a content type"),
        (";charset=utf-8", "not a body without a content type"),
        ("text/plain", "not text/plain"),
        ("application/x-www-form-urlencoded", "application/json or text/csv"),
        ("application/vnd.apache.parquet", "not application/vnd.apache.parquet"),
        ("application/jsonp", "not application/jsonp"),
        ("application/json; charset=latin-1", "'charset=latin-1': only UTF-8"),
        ("application/json; charset", "only UTF-8"),
        ("application/json; header=present", "'header=present'"),
        ("text/csv; charset=utf-16", "'charset=utf-16'"),
        ("application/json, text/csv", "not application/json, text/csv"),
    ],
)
def test_another_type_or_parameter_is_refused(kind: str, words: str) -> None:
    with pytest.raises(UnsupportedType, match=words):
        asked(GOOD, kind)


# Formats


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_table(name: str) -> None:
    found = asked({name: GOOD[name]})
    assert cells(found.table) == (COLUMNS, ROWS) and not found.full


@pytest.mark.parametrize(
    ("inputs", "rows"),
    [
        ({"term": [36, 60], "grade": ["A", None]}, ROWS),
        ({"term": 36, "grade": "A"}, ROWS[:1]),
        ({"term": [36], "grade": ["A"]}, ROWS[:1]),
        ({"term": [], "grade": []}, []),
        ({"term": None, "grade": None}, [(None, None)]),
    ],
    ids=["lists", "scalars", "lists of one", "empty lists", "nulls"],
)
def test_inputs_may_come_by_column(inputs: Any, rows: list[Any]) -> None:
    assert cells(asked({"inputs": inputs}).table) == (COLUMNS, rows)


def test_records_may_have_different_keys_in_any_order() -> None:
    records = [{"term": 1, "dti": 2}, {"grade": "C", "term": 4}, {}]
    expected = (("term", "dti", "grade"), [(1, 2, None), (4, None, "C"), (None, None, None)])
    for name in ("dataframe_records", "instances", "inputs"):
        assert cells(asked({name: records}).table) == expected


def test_records_with_keys_that_nobody_reads_take_no_room() -> None:
    records = [{f"k{number}": 1} for number in range(1000)]
    for name in ("dataframe_records", "instances", "inputs"):
        assert sum(map(len, asked({name: records}).table.rows)) < 100_000


def test_records_with_the_same_keys_in_another_order_keep_their_cells() -> None:
    found = asked({"dataframe_records": [{"dti": 1, "term": 2}, {"term": 3, "dti": 4}]}).table
    assert cells(found) == (("dti", "term"), [(1, 2), (4, 3)])


@pytest.mark.parametrize("name", ["dataframe_records", "instances", "inputs"])
def test_no_records_are_a_table_without_anything(name: str) -> None:
    assert cells(asked({name: []}).table) == ((), [])


def test_a_split_may_carry_an_index_and_duplicate_columns_are_left_to_the_reader() -> None:
    split = {"columns": ["a", "a"], "data": [[1, 2]], "index": [7]}
    assert cells(asked({"dataframe_split": split}).table) == (("a", "a"), [(1, 2)])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "exactly one of .*; it has none"),
        ({"columns": [], "data": []}, "it has none"),
        ({"params": {}}, "it has none"),
        (GOOD, "it has dataframe_split, dataframe_records, instances, inputs"),
        ({"inputs": [], "instances": None}, "it has instances, inputs"),
        ([], "must be an object"),
        ("inputs", "must be an object"),
        (None, "must be an object"),
        (5, "must be an object"),
        ({"dataframe_split": None}, "must be an object with columns and data"),
        ({"dataframe_split": [[1]]}, "must be an object with columns and data"),
        ({"dataframe_split": {"data": [[1]]}}, "must be an object with columns and data"),
        ({"dataframe_split": {"columns": "ab", "data": []}}, "a list of names"),
        ({"dataframe_split": {"columns": [1], "data": [[1]]}}, "a list of names"),
        ({"dataframe_split": {"columns": [["a"]], "data": [[1]]}}, "a list of names"),
        ({"dataframe_split": {"columns": ["a"], "data": {"a": 1}}}, "a list of rows"),
        ({"dataframe_split": {"columns": ["a"], "data": [1]}}, "a list of rows"),
        ({"dataframe_split": {"columns": ["a"], "data": [[1], "b"]}}, "a list of rows"),
        ({"dataframe_split": {"columns": ["a"], "data": [[1], [1, 2]]}}, "row 2: 2 cells for 1"),
        ({"dataframe_split": {"columns": ["a"], "data": [[]]}}, "row 1: 0 cells for 1 columns"),
        ({"dataframe_records": {"a": [1]}}, "dataframe_records must be a list of objects"),
        ({"dataframe_records": [{"a": 1}, [1]]}, "a list of objects"),
        ({"dataframe_records": None}, "a list of objects"),
        ({"instances": [1, 2]}, "instances must be a list of objects"),
        ({"instances": [[1, 2]]}, "instances must be a list of objects"),
        ({"inputs": [[1, 2]]}, "inputs must be a list of objects"),
        ({"inputs": "a"}, "inputs must be a list of objects"),
        ({"inputs": {"a": [1], "b": [1, 2]}}, "a list of the same length"),
        ({"inputs": {"a": [1], "b": 1}}, "a list of the same length"),
    ],
    ids=str,
)
def test_a_body_that_does_not_follow_the_protocol_is_refused(body: Any, words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        asked(body)
    assert not isinstance(refused.value, UnsupportedType)


@pytest.mark.parametrize(
    ("params", "full"),
    [
        (None, False),
        ({}, False),
        ({"return": "decision"}, False),
        ({"return": "full"}, True),
        ({"return": "full", "temperature": 1}, True),
    ],
    ids=str,
)
def test_params_choose_the_answer(params: Any, full: bool) -> None:
    assert asked({"inputs": [], "params": params}).full is full


@pytest.mark.parametrize("params", ["full", ["full"], 1, True], ids=repr)
def test_params_that_are_no_object_are_refused(params: Any) -> None:
    with pytest.raises(InputError, match="params must be an object"):
        asked({"inputs": [], "params": params})


@pytest.mark.parametrize("wanted", ["all", "Full", "", None, 1, True, ["full"], {}], ids=repr)
def test_an_answer_that_nobody_knows_is_refused(wanted: Any) -> None:
    with pytest.raises(InputError, match="params \"return\" is 'decision' or 'full', not "):
        asked({"inputs": [], "params": {"return": wanted}})


# JSON


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{'inputs': []}",
        b'{"inputs": [{"a": NaN}]}',
        b'{"inputs": [{"a": Infinity}]}',
        b'{"inputs": [{"a": 1e999}]}',
        b'{"inputs": [{"a": ' + b"9" * 400 + b"}]}",
        b'{"inputs": []} {}',
        b'{"inputs": [],}',
        b'{"inputs": [{"a": "\xff"}]}',
        b'{"inputs": [{"a": "\\ud800"}]}',
        b"[" * 100_000,
        b'{"inputs":' * 5_000 + b"1" + b"}" * 5_000,
        codecs.BOM_UTF8 + b'{"inputs": []}',
        '{"inputs": []}'.encode("utf-16"),
        b"\x00",
    ],
    ids=lambda body: repr(body[:30]),
)
def test_a_body_that_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InputError, match="the body is not JSON: ") as refused:
        read(JSON, body)
    assert len(str(refused.value)) < 200


def test_integers_beyond_64_bits_become_floats() -> None:
    numbers = [2**63, 2**64 - 1, 2**64, -(2**63) - 1, 10**300]
    (row,) = read(JSON, json.dumps({"inputs": {"a": numbers[0]}}).encode()).table.rows
    assert row == (2**63,)
    found = asked({"inputs": {"a": numbers}}).table.rows
    assert [float(value) for (value,) in found] == [float(number) for number in numbers]


def test_of_a_key_that_comes_twice_the_last_counts() -> None:
    found = read(JSON, b'{"inputs": [], "inputs": {"a": 1, "b": 2, "a": 3}}').table
    assert cells(found) == (("a", "b"), [(3, 2)])


def test_instances_may_come_by_column() -> None:
    table = asked({"instances": {"term": [36, 60], "grade": ["A", None]}}).table
    assert cells(table) == (COLUMNS, ROWS)


# CSV


@pytest.mark.parametrize(
    ("text", "columns", "rows"),
    [
        ("a,b\n1,x\n2,\n", ("a", "b"), [("1", "x"), ("2", None)]),
        ("a,b\n1,x", ("a", "b"), [("1", "x")]),
        ("a,b\r\n1,x\r\n", ("a", "b"), [("1", "x")]),
        ('a,"b"\n"1","x"\n', ("a", "b"), [("1", "x")]),
        ('a,b\n1,"x, ""y""\nz"\n', ("a", "b"), [("1", 'x, "y"\nz')]),
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
    assert read(CSV, b"params\nfull\n").full is False


@pytest.mark.parametrize(
    "body",
    [b"a,b\n1,2,3\n", b"a,b\n1,2\n1,2,3\n", b'a,b\n"1,2\n', b"a,b\n\xff,1\n"],
    ids=["a long row", "a later long row", "an open quote", "not UTF-8"],
)
def test_csv_that_cannot_be_read_is_refused_in_one_line(body: bytes) -> None:
    with pytest.raises(InputError, match="the body is not CSV: ") as refused:
        read(CSV, body)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["a,b\n1,x\n\n", "a,b\n\n1,x\n", "a,b\r\n1,x\r\n\r\n"], ids=repr)
def test_blank_lines_in_csv_are_no_rows(text: str) -> None:
    assert csv(text) == (("a", "b"), [("1", "x")])


def test_csv_with_bare_carriage_returns_is_read() -> None:
    assert csv("a,b\r1,x\r") == (("a", "b"), [("1", "x")])


def test_a_csv_header_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(InputError, match="the body is not CSV"):
        read(CSV, b"a,\xff\n1,2\n")


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
        read(CSV, body)


# Anything at all

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["columns", "data", "a", "return"]), inner, max_size=3),
    max_leaves=12,
)
BODIES = st.dictionaries(st.sampled_from([*FORMATS, "params", "x"]), _JSON, max_size=2) | _JSON


@MANY
@given(BODIES)
def test_any_json_is_read_or_refused(body: Any) -> None:
    assert_read_or_refused(JSON, json.dumps(body).encode())


@MANY
@given(st.binary(max_size=300))
@example(b"\xff" * 10)
def test_any_bytes_are_refused_as_json_or_read(body: bytes) -> None:
    assert_read_or_refused(JSON, body)


# The first bytes of compressed bodies: see test_a_compressed_csv_body_is_not_unpacked.
MAGIC = (b"\x1f\x8b", b"x\x01", b"x\x5e", b"x\x9c", b"x\xda", b"\x28\xb5\x2f\xfd")


@MANY
@given(st.binary(max_size=300).filter(lambda body: not body.startswith(MAGIC)))
def test_any_bytes_are_refused_as_csv_or_read(body: bytes) -> None:
    assert_read_or_refused(CSV, body)


@MANY
@given(st.text(st.sampled_from('",\r\n a1\0\t\N{SNOWMAN}'), max_size=40))
def test_any_quotes_and_line_ends_are_refused_as_csv_or_read(text: str) -> None:
    assert_read_or_refused(CSV, text.encode())


@MANY
@given(st.text(max_size=60), st.booleans())
def test_any_content_type_is_known_or_unsupported(kind: str, follows: bool) -> None:
    kind = f"application/json;{kind}" if follows else kind
    try:
        read(kind, b'{"inputs": []}')
    except UnsupportedType as refused:
        assert str(refused)


@pytest.mark.parametrize("kind", [JSON, CSV])
@pytest.mark.parametrize("seed", range(3))
def test_a_hundred_thousand_random_bytes_are_refused(kind: str, seed: int) -> None:
    body = random.Random(seed).randbytes(100_000)
    with pytest.raises(InputError):
        read(kind, body)
    assert_read_or_refused(kind, b'{"inputs": "' + body + b'"}')


# Answers


def test_answers_are_json() -> None:
    assert predictions([0, 1]) == b'{"predictions":[0,1]}'
    assert json.loads(predictions([{"reasons": ["a \N{SNOWMAN}"]}]))["predictions"]
    assert predictions([]) == b'{"predictions":[]}'
    assert json.loads(failure("BAD_REQUEST", 'a "name"\n')) == {
        "error_code": "BAD_REQUEST",
        "message": 'a "name"\n',
    }
