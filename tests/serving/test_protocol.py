"""MLflow's scoring protocol: what is read, and that the rest is refused, always."""

import codecs
import json
from typing import Any

import pytest

from lendingclub import SOURCES as KNOWN
from loan_default.errors import InputError
from loan_default.serving.protocol import (
    CSV,
    FORMATS,
    JSON,
    ScoringRequest,
    UnsupportedMediaType,
    failure,
    parse_request,
    predictions,
)
from request_tables import cells

COLUMNS = ("term", "grade")
ROWS = [(36, "A"), (60, None)]
RECORDS = [dict(zip(COLUMNS, row)) for row in ROWS]
GOOD: dict[str, Any] = {
    "dataframe_split": {"columns": list(COLUMNS), "data": [list(row) for row in ROWS]},
    "dataframe_records": RECORDS,
    "instances": RECORDS,
    "inputs": RECORDS,
}


def asked(body: Any, kind: str = JSON) -> ScoringRequest:
    return parse_request(kind, json.dumps(body).encode(), KNOWN.__contains__)


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
    assert cells(
        parse_request('text/csv; charset="UTF-8"', b"term\n36\n", KNOWN.__contains__).table
    ) == (
        ("term",),
        [("36",)],
    )


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
    with pytest.raises(UnsupportedMediaType, match=words):
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
    assert not isinstance(refused.value, UnsupportedMediaType)


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
    with pytest.raises(InputError, match="params \"return\" must be 'decision' or 'full', not "):
        asked({"inputs": [], "params": {"return": wanted}})


# JSON


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{'inputs': []}",
        b'{"inputs": [{"a": NaNs}]}',
        b'{"inputs": [{"a": NaN, "b": "\xff"}]}',
        b'{"inputs": [{"a": NaN, "b": "\\ud800"}]}',
        b'{"inputs": [{"a": NaN, "b": "' + b'\\"' * 100_000,
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
        parse_request(JSON, body, KNOWN.__contains__)
    assert len(str(refused.value)) < 200


def test_integers_beyond_64_bits_become_floats() -> None:
    numbers = [2**63, 2**64 - 1, 2**64, -(2**63) - 1, 10**300]
    (row,) = parse_request(
        JSON, json.dumps({"inputs": {"a": numbers[0]}}).encode(), KNOWN.__contains__
    ).table.rows
    assert row == (2**63,)
    found = asked({"inputs": {"a": numbers}}).table.rows
    assert [float(value) for (value,) in found] == [float(number) for number in numbers]


def test_nan_is_null_and_a_text_stays() -> None:
    texts = b'[NaN, "NaN", "-Infinity", "x\\"NaN", null, "\\\\"]'
    body = b'{"inputs": {"a": %s, "b": [1, 2, 3, 4, 5, NaN]}}' % texts
    columns, rows = cells(parse_request(JSON, body, KNOWN.__contains__).table)
    assert columns == ("a", "b")
    assert [row[0] for row in rows] == [None, "NaN", "-Infinity", 'x"NaN', None, "\\"]
    assert [row[1] for row in rows] == [1, 2, 3, 4, 5, None]


@pytest.mark.parametrize("token", ["Infinity", "-Infinity"])
def test_an_infinite_number_is_called_that(token: str) -> None:
    body = b'{"inputs": {"a": [NaN, %s]}}' % token.encode()
    with pytest.raises(InputError, match=f"^the body holds {token}, which is not a number of JSON"):
        parse_request(JSON, body, KNOWN.__contains__)


def first(columns: tuple[str, ...]) -> int | None:
    return 0 if columns else None


def test_the_digits_of_a_long_id_are_kept() -> None:
    numbers = [10**17 + 1, 2**63 + 1, 2**64 - 1, 2**64 + 1, 10**40 + 1, "7"]
    body = json.dumps({"inputs": {"id": numbers, "a": [10**40, 1, 2, 3, 4, 5]}}).encode()
    _, rows = cells(parse_request(JSON, body, KNOWN.__contains__, first).table)
    assert [str(row[0]) for row in rows] == list(map(str, numbers))
    assert float(rows[0][1]) == 10.0**40 and rows[1][1] == 1


def test_a_long_float_is_no_integer() -> None:
    body = b'{"inputs": {"id": [1e20, 12345678901234567890123.0]}}'
    _, rows = cells(parse_request(JSON, body, KNOWN.__contains__, first).table)
    assert [type(row[0]) for row in rows] == [float, float]


def test_an_id_in_a_csv_is_read_as_in_a_file() -> None:
    table = parse_request(CSV, b"id,a\n 17.0,1.0\nx,2\n", KNOWN.__contains__, first).table
    assert cells(table)[1] == [("17", "1.0"), ("x", "2")]
    with pytest.raises(InputError, match="row 2: id is '1E.17', which has lost digits"):
        parse_request(CSV, b"id\n1\n1E+17\n", KNOWN.__contains__, first)


def test_a_csv_may_say_that_it_has_a_header() -> None:
    for kind in ("text/csv; header=present", "text/csv;charset=utf-8; Header=Present"):
        assert cells(parse_request(kind, b"a\n1\n", KNOWN.__contains__).table)[0] == ("a",)
    with pytest.raises(UnsupportedMediaType, match="a CSV needs a header"):
        parse_request("text/csv; header=absent", b"a\n1\n", KNOWN.__contains__)
    with pytest.raises(UnsupportedMediaType, match="only UTF-8"):
        parse_request("application/json; header=present", b"{}", KNOWN.__contains__)


def test_of_a_key_that_comes_twice_the_last_counts() -> None:
    found = parse_request(
        JSON, b'{"inputs": [], "inputs": {"a": 1, "b": 2, "a": 3}}', KNOWN.__contains__
    ).table
    assert cells(found) == (("a", "b"), [(3, 2)])


def test_instances_may_come_by_column() -> None:
    table = asked({"instances": {"term": [36, 60], "grade": ["A", None]}}).table
    assert cells(table) == (COLUMNS, ROWS)


# Answers


def test_answers_are_json() -> None:
    assert predictions([0, 1]) == b'{"predictions":[0,1]}'
    assert json.loads(predictions([{"reasons": ["a \N{SNOWMAN}"]}]))["predictions"]
    assert predictions([]) == b'{"predictions":[]}'
    assert json.loads(failure("BAD_REQUEST", 'a "name"\n')) == {
        "error_code": "BAD_REQUEST",
        "message": 'a "name"\n',
    }
