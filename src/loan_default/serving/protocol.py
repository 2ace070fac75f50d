"""MLflow's scoring protocol: the body of a request to a table, and back.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#local-inference-server-spec
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

import orjson

from loan_default.data.parsing import SOURCES
from loan_default.errors import InputError
from loan_default.serving.request_features import Table

KNOWN = frozenset(SOURCES)
FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
JSON, CSV = "application/json", "text/csv"
RETURN = "return"
DECISION, FULL = "decision", "full"


@dataclass(frozen=True)
class Request:
    """What is asked: the rows, and whether for the decision alone or for everything."""

    table: Table
    full: bool


class UnsupportedType(InputError):
    """The body is of a type that is not read here."""


def read(content_type: str, body: bytes) -> Request:
    """The request in `body`.

    Raises UnsupportedType for another content type and InputError where the body does not follow
    the protocol.
    """
    kind, _, parameters = content_type.partition(";")
    _refuse_parameters(parameters)
    kind = kind.strip().lower()
    if kind == JSON:
        return _json(body)
    if kind == CSV:
        return Request(_csv(body), False)
    raise UnsupportedType(f"send {JSON} or {CSV}, not {kind or 'a body without a content type'}")


def _refuse_parameters(parameters: str) -> None:
    for parameter in filter(None, map(str.strip, parameters.split(";"))):
        name, _, value = parameter.partition("=")
        if name.strip().lower() != "charset" or value.strip(" \"'").lower() != "utf-8":
            raise UnsupportedType(f"content type parameter {parameter!r}: only UTF-8 is read")


def _json(body: bytes) -> Request:
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InputError(f"the body is not JSON: {error}") from None
    if not isinstance(asked, dict):
        raise InputError(f"the body must be an object with one of {', '.join(FORMATS)}")
    given = [name for name in FORMATS if name in asked]
    if len(given) != 1:
        raise InputError(
            f"the body must have exactly one of {', '.join(FORMATS)}; it has "
            f"{', '.join(given) or 'none'}"
        )
    return Request(_READERS[given[0]](asked[given[0]], given[0]), _full(asked.get("params")))


def _full(params: Any) -> bool:
    if params is None:
        return False
    if not isinstance(params, dict):
        raise InputError("params must be an object")
    wanted = params.get(RETURN, DECISION)
    if wanted not in (DECISION, FULL):
        raise InputError(f'params "return" is {DECISION!r} or {FULL!r}, not {wanted!r}')
    return bool(wanted == FULL)


def _split(data: Any, name: str) -> Table:
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
    return Table(tuple(columns), rows)


def _records(data: Any, name: str) -> Table:
    if not _is_list_of(data, dict):
        raise InputError(f"{name} must be a list of objects, one for each row")
    first = tuple(data[0]) if data else ()
    if all(tuple(record) == first for record in data):
        return Table(first, [tuple(record.values()) for record in data])
    # Without the columns that nobody reads: rows of ever new keys would make their square.
    columns = tuple(dict.fromkeys(key for record in data for key in record if key in KNOWN))
    return Table(columns, [tuple(map(record.get, columns)) for record in data])


def _inputs(data: Any, name: str) -> Table:
    if not isinstance(data, dict):
        return _records(data, name)
    columns: Mapping[str, Any] = data
    if not any(isinstance(cells, list) for cells in columns.values()):
        return Table(tuple(columns), [tuple(columns.values())])
    lengths = {len(cells) if isinstance(cells, list) else -1 for cells in columns.values()}
    if len(lengths) != 1:
        raise InputError(f"{name}: every column must be a list of the same length")
    return Table(tuple(columns), list(zip(*columns.values(), strict=True)))


def _csv(body: bytes) -> Table:
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
    return Table(tuple(columns), cells)


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


_READERS = {
    "dataframe_split": _split,
    "dataframe_records": _records,
    "instances": _inputs,
    "inputs": _inputs,
}


def predictions(decisions: Sequence[Any]) -> bytes:
    """The body of an answer."""
    return orjson.dumps({"predictions": decisions})


def failure(code: str, message: str) -> bytes:
    """The body of a refusal, with the keys that MLflow's clients know."""
    return orjson.dumps({"error_code": code, "message": message})
