"""MLflow's scoring protocol: parse the body of a request and encode the answer.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#local-inference-server-spec
"""

import csv
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

import orjson

from loan_default.data import ids
from loan_default.errors import InputError
from loan_default.model.pyfunc import DECISION, FULL
from loan_default.serving.request_features import RequestTable
from loan_default.serving.schemas import Failure, Full, Prediction, Predictions

FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
JSON, CSV = "application/json", "text/csv"
RETURN = "return"
# Integers of at most this many digits fit in 64 bits
_SHORT = 18
# A string, as far as it reaches, or a token that Python's json writes and JSON does not have
_STRING_OR_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|NaN|-?Infinity', re.DOTALL)

IdAt = Callable[[tuple[str, ...]], int | None]


@dataclass(frozen=True)
class ScoringRequest:
    """The rows to score; `full` asks for a record per row instead of the decision alone."""

    table: RequestTable
    full: bool


class UnsupportedMediaType(InputError):
    """The content type of the body is not supported."""


def parse_request(
    content_type: str,
    body: bytes,
    known: Callable[[str], bool],
    id_at: IdAt = lambda columns: None,
) -> ScoringRequest:
    """Parse the body of a request; of records with different keys those are read that are `known`.

    `id_at` returns the index of the column of ids, whose digits are kept whatever their number.

    Raises UnsupportedMediaType unless the content type is JSON or CSV in UTF-8, InputError if the
    body does not follow the protocol.
    """
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    _check_parameters(parameters, kind)
    if kind == JSON:
        return _parse_json(body, known, id_at)
    if kind == CSV:
        return ScoringRequest(_parse_csv(body, id_at), False)
    raise UnsupportedMediaType(
        f"send {JSON} or {CSV}, not {kind or 'a body without a content type'}"
    )


def _check_parameters(parameters: str, kind: str) -> None:
    for parameter in filter(None, map(str.strip, parameters.split(";"))):
        name, _, value = parameter.partition("=")
        name, value = name.strip().lower(), value.strip(" \"'").lower()
        # RFC 4180
        if kind == CSV and name == "header":
            if value != "present":
                raise UnsupportedMediaType(
                    f"content type parameter {parameter!r}: a CSV needs a header"
                )
        elif name != "charset" or value != "utf-8":
            raise UnsupportedMediaType(
                f"content type parameter {parameter!r}: only UTF-8 is supported"
            )


def _parse_json(body: bytes, known: Callable[[str], bool], id_at: IdAt) -> ScoringRequest:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        body = _with_null_for_nan(body)
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise InputError(f"the body is not JSON: {error}") from None
    request = _request(content, known)
    if _has_long_id(request.table, id_at):
        request = _request(_with_long_integers_as_text(body), known)
    return request


def _with_null_for_nan(body: bytes) -> bytes:
    """Return JSON with null for each NaN, as clients in Python write missing numbers.

    Raises InputError if it holds an infinite number.
    """

    def replaced(match: re.Match[bytes]) -> bytes:
        if match[0].endswith(b"Infinity"):
            raise InputError(
                f"the body holds {match[0].decode()}, which is not a number of JSON: send a finite "
                "number, or null for a missing one"
            )
        return b"null" if match[0] == b"NaN" else match[0]

    return _STRING_OR_TOKEN.sub(replaced, body)


def _has_long_id(table: RequestTable, id_at: IdAt) -> bool:
    """Return whether an id was an integer of more than 64 bits, which orjson reads as a float."""
    at = id_at(table.columns)
    return at is not None and any(
        type(row[at]) is float and abs(row[at]) > ids.EXACT for row in table.rows
    )


def _with_long_integers_as_text(body: bytes) -> Any:
    try:
        return json.loads(body, parse_int=lambda text: text if len(text) > _SHORT else int(text))
    except RecursionError:
        raise InputError("the body is not JSON: it is nested too deeply") from None


def _request(content: Any, known: Callable[[str], bool]) -> ScoringRequest:
    if not isinstance(content, dict):
        raise InputError(f"the body must be an object with one of {', '.join(FORMATS)}")
    formats = [name for name in FORMATS if name in content]
    if len(formats) != 1:
        raise InputError(
            f"the body must have exactly one of {', '.join(FORMATS)}; it has "
            f"{', '.join(formats) or 'none'}"
        )
    (name,) = formats
    return ScoringRequest(
        _PARSERS[name](content[name], name, known), _is_full(content.get("params"))
    )


def _is_full(params: Any) -> bool:
    if params is None:
        return False
    if not isinstance(params, dict):
        raise InputError("params must be an object")
    choice = params.get(RETURN, DECISION)
    if choice not in (DECISION, FULL):
        raise InputError(f'params "return" must be {DECISION!r} or {FULL!r}, not {choice!r}')
    return bool(choice == FULL)


def _parse_split(data: Any, name: str, known: Callable[[str], bool]) -> RequestTable:
    if not isinstance(data, dict) or not {"columns", "data"} <= set(data):
        raise InputError(f"{name} must be an object with columns and data")
    columns, rows = data["columns"], data["data"]
    if not _is_list_of(columns, str):
        raise InputError(f"{name}.columns must be a list of names")
    if not _is_list_of(rows, list):
        raise InputError(f"{name}.data must be a list of rows, each a list")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(columns):
            raise InputError(f"row {number}: {len(row)} cells for {len(columns)} columns")
    return RequestTable(tuple(columns), rows)


def _parse_records(data: Any, name: str, known: Callable[[str], bool]) -> RequestTable:
    if not _is_list_of(data, dict):
        raise InputError(f"{name} must be a list of objects, one for each row")
    if not data:
        return RequestTable((), [], nameless=True)
    first = tuple(data[0])
    if all(tuple(record) == first for record in data):
        return RequestTable(first, [tuple(record.values()) for record in data])
    # Only known columns: rows that each bring new keys would need memory by the square of their
    # number.
    columns = tuple(dict.fromkeys(key for record in data for key in record if known(key)))
    return RequestTable(columns, [tuple(map(record.get, columns)) for record in data])


def _parse_inputs(data: Any, name: str, known: Callable[[str], bool]) -> RequestTable:
    if not isinstance(data, dict):
        return _parse_records(data, name, known)
    columns: Mapping[str, Any] = data
    if not any(isinstance(cells, list) for cells in columns.values()):
        return RequestTable(tuple(columns), [tuple(columns.values())])
    lengths = {len(cells) if isinstance(cells, list) else -1 for cells in columns.values()}
    if len(lengths) != 1:
        raise InputError(f"{name}: every column must be a list of the same length")
    return RequestTable(tuple(columns), list(zip(*columns.values(), strict=True)))


def _parse_csv(body: bytes, id_at: IdAt) -> RequestTable:
    try:
        text = StringIO(body.decode("utf-8-sig"), newline="")
        rows = [row for row in csv.reader(text, strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"the body is not CSV: {error}") from None
    columns, *cells = rows or [[]]
    for number, row in enumerate(cells, start=1):
        if len(row) > len(columns):
            raise InputError(
                f"the body is not CSV: row {number}: {len(row)} cells for {len(columns)} columns"
            )
        row += [""] * (len(columns) - len(row))
    if (at := id_at(tuple(columns))) is not None:
        for number, row in enumerate(cells, start=1):
            row[at] = ids.of_csv(columns[at], row[at], number)
    return RequestTable(tuple(columns), cells)


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


_PARSERS = {
    "dataframe_split": _parse_split,
    "dataframe_records": _parse_records,
    "instances": _parse_inputs,
    "inputs": _parse_inputs,
}


def predictions(rows: Sequence[Prediction | Full]) -> bytes:
    """Return the body of a successful response: a decision or a record per row."""
    return orjson.dumps(Predictions(rows))


def failure(code: str, message: str) -> bytes:
    """Return the body of an error response, with the keys that MLflow's clients know."""
    return orjson.dumps(Failure(code, message))
