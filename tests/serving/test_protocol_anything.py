"""Whatever a body holds, it is read or refused."""

import json
import random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lendingclub import SOURCES as KNOWN
from loan_default.errors import InputError
from loan_default.serving.protocol import CSV, FORMATS, JSON, UnsupportedMediaType, parse_request
from properties import tries

MANY = tries(300)


def assert_read_or_refused(kind: str, body: bytes) -> None:
    """Only InputError leaves `parse_request`; every row of its table has all its cells."""
    try:
        found = parse_request(kind, body, KNOWN.__contains__)
    except InputError as refused:
        assert str(refused) and "Traceback" not in str(refused)
        return
    assert all(type(name) is str for name in found.table.columns)
    assert all(len(row) == len(found.table.columns) for row in found.table.rows)


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


# The first bytes of compressed bodies: see test_protocol_csv.
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
        parse_request(kind, b'{"inputs": []}', KNOWN.__contains__)
    except UnsupportedMediaType as refused:
        assert str(refused)


@pytest.mark.parametrize("kind", [JSON, CSV])
@pytest.mark.parametrize("seed", range(3))
def test_a_hundred_thousand_random_bytes_are_refused(kind: str, seed: int) -> None:
    body = random.Random(seed).randbytes(100_000)
    with pytest.raises(InputError):
        parse_request(kind, body, KNOWN.__contains__)
    assert_read_or_refused(kind, b'{"inputs": "' + body + b'"}')
