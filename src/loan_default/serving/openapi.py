"""The OpenAPI 3.1 description of the scoring API, from the data contract and the schemas."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, create_model, with_config
from pydantic.json_schema import GenerateJsonSchema

# Before Python 3.12 pydantic does not support the TypedDict of typing.
from typing_extensions import TypedDict

from loan_default.contract.contract import Column, Contract
from loan_default.serving.protocol import CSV, FORMATS, JSON
from loan_default.serving.schemas import ErrorStatus, Failure, NotReady, Predictions, Ready

HEADERS: dict[str, dict[str, Any]] = {
    "X-Model-Version": {
        "description": "The version that answered, or none",
        "schema": {"type": "string"},
    },
    "X-Request-ID": {
        "description": "The client's own id, or a new one",
        "schema": {"type": "string"},
    },
    "Retry-After": {"description": "Seconds", "schema": {"type": "integer", "minimum": 1}},
}


def _field(column: Column) -> tuple[Any, Any]:
    """Return a column's type and constraints, as pydantic's `create_model` takes them."""
    kind: Any = float if column.kind == "number" else str
    default = ... if column.core else None
    if not column.core:
        kind = kind | None
    if column.kind == "number":
        return kind, Field(default, ge=column.low, le=column.high, description=column.unit)
    levels = ", ".join(column.levels)
    return kind, Field(default, description=f"One of {levels}; others count as missing")


def example(contract: Contract) -> dict[str, Any]:
    """Return an application with the core columns, and with the first category."""
    core = [column for column in contract.record if column.core]
    first = [column for column in contract.record if column.kind == "category"][:1]
    return {column.name: _example(column) for column in dict.fromkeys([*core, *first])}


def example_request(contract: Contract) -> dict[str, Any]:
    """Return a request of one application."""
    return {"dataframe_records": [example(contract)], "params": {"return": "full"}}


def _example(column: Column) -> float | str:
    """Return a value within the column's range: of a wide range, a tenth by order of magnitude."""
    if column.kind == "category":
        return column.levels[0]
    low, high = max(column.low, 0.0), max(column.high, 0.0)
    value = math.sqrt(max(low, 1.0) * high) if high > 1 else (low + high) / 2
    return float(f"{min(max(value, column.low), column.high):.2g}")


@dataclass
class Split:
    """Applications as rows of cells."""

    columns: list[str]
    data: list[list[Any]]


Params = TypedDict("Params", {"return": Literal["decision", "full"]}, total=False)


def _request(contract: Contract) -> Any:
    """Return the type of a request: applications in exactly one of MLflow's formats."""
    fields: dict[str, Any] = {column.name: _field(column) for column in contract.record}
    application = create_model(
        "Application",
        __doc__="A loan application, as the data contract describes it.",
        __config__=ConfigDict(json_schema_extra={"example": example(contract)}),
        **fields,
    )
    applications: Any = Annotated[list[application], Field(min_length=1)]
    formats = {
        "dataframe_split": Split,
        "dataframe_records": applications,
        "instances": applications,
        "inputs": dict[str, list[Any]],
        "params": Params | None,
    }
    request = TypedDict("Request", formats, total=False)  # type: ignore[misc]
    request.__doc__ = "Applications in exactly one of MLflow's formats."
    one_of: Any = {"oneOf": [{"required": [name]} for name in FORMATS]}
    return with_config(ConfigDict(json_schema_extra=one_of))(request)


@lru_cache(maxsize=2)
def document(contract: Contract) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document; it is shared, so callers must not change it."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Loan default: scoring",
            "version": "1",
            "description": "MLflow's scoring protocol: an application in, a decision out "
            "(1 declined, 0 not).",
        },
        "paths": {
            "/invocations": {"post": _invocations(contract)},
            "/ping": {"get": _probe("Alive")},
            "/health": {"get": _probe("Alive")},
            "/version": {"get": _probe("The version of MLflow whose protocol this is")},
            "/ready": {"get": _ready()},
            "/metrics": {"get": _probe("Metrics for Prometheus")},
        },
        "components": {
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
            "schemas": _schemas(contract),
            "headers": HEADERS,
        },
    }


def _invocations(contract: Contract) -> dict[str, Any]:
    success = _response("Decisions, or with return=full a record for each row", Predictions)
    return {
        "summary": "Score applications",
        "security": [{}, {"key": []}],
        "requestBody": {
            "required": True,
            "content": {
                JSON: {
                    "schema": {"$ref": _REFERENCE.format(model="Request")},
                    "example": example_request(contract),
                },
                CSV: {"schema": {"type": "string"}},
            },
        },
        "responses": {"200": success}
        | {
            str(status): _response(
                status.description, Failure, retry=status is ErrorStatus.NO_MODEL
            )
            for status in ErrorStatus
        },
    }


def _ready() -> dict[str, Any]:
    return {
        "summary": "Whether a model is in service, and which",
        "responses": {
            "200": _response("A model is in service", Ready),
            "503": _response(ErrorStatus.NO_MODEL.description, NotReady, retry=True),
        },
    }


def _probe(summary: str) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": {"description": summary}}}


def _response(description: str, content: type, retry: bool = False) -> dict[str, Any]:
    headers = [name for name in HEADERS if retry or name != "Retry-After"]
    return {
        "description": description,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        "content": {JSON: {"schema": _reference(content)}},
    }


_REFERENCE = "#/components/schemas/{model}"


def _reference(content: type) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=content.__name__)}


class _SchemaGenerator(GenerateJsonSchema):
    """Leave out the titles that pydantic derives from field names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return False for every field."""
        return False


def _schemas(contract: Contract) -> dict[str, Any]:
    """Return the JSON schemas of all bodies and of what they consist of, by name."""
    bodies: tuple[Any, ...] = (_request(contract), Predictions, Failure, Ready, NotReady)
    _, schemas = TypeAdapter.json_schemas(
        [(body.__name__, "validation", TypeAdapter(body)) for body in bodies],
        ref_template=_REFERENCE,
        schema_generator=_SchemaGenerator,
    )
    return dict(schemas["$defs"])
