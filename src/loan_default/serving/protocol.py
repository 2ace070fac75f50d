"""MLflow's scoring protocol: parse the body of a request and encode the answer.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#local-inference-server-spec
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

import orjson

from loan_default.errors import InputError
from loan_default.model.pyfunc import DECISION, FULL
from loan_default.serving.request_features import RequestTable
from loan_default.serving.schemas import Failure, Full, Prediction, Predictions

FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
JSON, CSV = "application/json", "text/csv"
RETURN = "return"


@dataclass(frozen=True)
class ScoringRequest:
    """The rows to score; `full` asks for a record per row instead of the decision alone."""

    table: RequestTable
    full: bool


class UnsupportedMediaType(InputError):
    """The content type of the body is not supported."""


def parse_request(content_type: str, body: bytes, known: Callable[[str], bool]) -> ScoringRequest:
    """Parse the body of a request; of records with different keys those are read that are `known`.

    Raises UnsupportedMediaType unless the content type is JSON or CSV in UTF-8, InputError if the
    body does not follow the protocol.
    """
    kind, _, parameters = content_type.partition(";")
    _check_parameters(parameters)
    kind = kind.strip().lower()
    if kind == JSON:
        return _parse_json(body, known)
    if kind == CSV:
        return ScoringRequest(_parse_csv(body), False)
    raise UnsupportedMediaType(
        f"send {JSON} or {CSV}, not {kind or 'a body without a content type'}"
    )


def _check_parameters(parameters: str) -> None:
    for parameter in filter(None, map(str.strip, parameters.split(";"))):
        name, _, value = parameter.partition("=")
        if name.strip().lower() != "charset" or value.strip(" \"'").lower() != "utf-8":
            raise UnsupportedMediaType(
                f"content type parameter {parameter!r}: only UTF-8 is supported"
            )


def _parse_json(body: bytes, known: Callable[[str], bool]) -> ScoringRequest:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InputError(f"the body is not JSON: {error}") from None
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
    first = tuple(data[0]) if data else ()
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


def _parse_csv(body: bytes) -> RequestTable:
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
