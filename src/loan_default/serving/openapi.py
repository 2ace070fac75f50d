"""The description of the scoring API, made from the data contract, and a page that shows it."""

import html
import json
from typing import Any

from loan_default.columns import RECORD, Column
from loan_default.model.scoring import MOST_REASONS
from loan_default.serving.protocol import CSV, FORMATS, JSON

HEADERS: dict[str, dict[str, Any]] = {
    "X-Model-Version": {
        "description": "The version that answered, or none",
        "schema": {"type": "string"},
    },
    "X-Request-ID": {
        "description": "The client's own, or a new one",
        "schema": {"type": "string"},
    },
    "Retry-After": {"description": "Seconds", "schema": {"type": "integer", "minimum": 1}},
}
DECISION = {"type": "integer", "enum": [0, 1], "description": "1 declined, 0 not"}
EXAMPLE = {
    "loan_amnt": 12000,
    "term": 36,
    "int_rate": 11.5,
    "annual_inc": 65000,
    "grade": "B",
    "dti": 18.2,
}


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Loan default: scoring",
            "version": "1",
            "description": "MLflow's scoring protocol: an application in, a decision out "
            "(1 declined, 0 not).",
        },
        "paths": {
            "/invocations": {"post": _invocations()},
            "/ping": {"get": _probe("Alive", "200")},
            "/health": {"get": _probe("Alive", "200")},
            "/version": {"get": _probe("The version of MLflow whose protocol this is", "200")},
            "/ready": {"get": _ready()},
            "/metrics": {"get": _probe("Metrics for Prometheus", "200")},
        },
        "components": {
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
            "schemas": {
                "Application": _application(),
                "Request": _request(),
                "Predictions": _predictions(),
                "Decision": DECISION,
                "Full": _full(),
                "Failure": _object(error_code={"type": "string"}, message={"type": "string"}),
                "Ready": _state(),
            },
            "headers": HEADERS,
        },
    }


def _invocations() -> dict[str, Any]:
    answers = {
        "200": "Decisions, or with return=full a record for each row",
        "400": "What is wrong, with the row and the column",
        "401": "The API key is missing or wrong",
        "408": "The request took too long to arrive",
        "413": "The request is too large",
        "415": "The content type is not read here",
        "503": "No model is in service yet",
    }
    return {
        "summary": "Score applications",
        "security": [{}, {"key": []}],
        "requestBody": {
            "required": True,
            "content": {
                JSON: {
                    "schema": {"$ref": "#/components/schemas/Request"},
                    "example": {"dataframe_records": [EXAMPLE], "params": {"return": "full"}},
                },
                CSV: {"schema": {"type": "string"}},
            },
        },
        "responses": {
            code: _answer(text, "Predictions" if code == "200" else "Failure", code == "503")
            for code, text in answers.items()
        },
    }


def _answer(text: str, schema: str, retry: bool = False) -> dict[str, Any]:
    headers = [name for name in HEADERS if retry or name != "Retry-After"]
    return {
        "description": text,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


def _ready() -> dict[str, Any]:
    answers = {
        "200": _answer("A model is in service", "Ready"),
        "503": _answer("None is, and why", "Ready", retry=True),
    }
    return {"summary": "Whether a model is in service, and which", "responses": answers}


def _probe(summary: str, *codes: str) -> dict[str, Any]:
    return {"summary": summary, "responses": {code: {"description": summary} for code in codes}}


def _application() -> dict[str, Any]:
    return {
        "type": "object",
        "required": [column.name for column in RECORD if column.core],
        "properties": {column.name: _property(column) for column in RECORD},
        "example": EXAMPLE,
    }


def _property(column: Column) -> dict[str, Any]:
    if column.kind == "category":
        known = ", ".join(column.levels)
        return {"type": ["string", "null"], "description": f"One of {known}; others are missing"}
    kinds = "number" if column.core else ["number", "null"]
    limits = {"minimum": column.low, "maximum": column.high}
    return {"type": kinds, "description": column.unit, **limits}


def _request() -> dict[str, Any]:
    rows = {
        "type": "array",
        "items": {"$ref": "#/components/schemas/Application"},
        "minItems": 1,
    }
    split = {
        "type": "object",
        "required": ["columns", "data"],
        "properties": {
            "columns": {"type": "array", "items": {"type": "string"}},
            "data": {"type": "array", "items": {"type": "array"}},
        },
    }
    inputs = {"type": "object", "additionalProperties": {"type": "array"}}
    formats = dict(zip(FORMATS, (split, rows, rows, inputs), strict=True))
    returns = {"type": "string", "enum": ["decision", "full"]}
    return {
        "type": "object",
        "properties": formats
        | {"params": {"type": ["object", "null"], "properties": {"return": returns}}},
        "oneOf": [{"required": [name]} for name in FORMATS],
    }


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _predictions() -> dict[str, Any]:
    either = [{"$ref": "#/components/schemas/Decision"}, {"$ref": "#/components/schemas/Full"}]
    return _object(predictions={"type": "array", "items": {"oneOf": either}})


def _full() -> dict[str, Any]:
    share = {"type": "number", "minimum": 0, "maximum": 1}
    return _object(
        default_probability=share,
        prediction=DECISION,
        threshold=share,
        reasons={"type": "array", "items": {"type": "string"}, "maxItems": MOST_REASONS},
        model_version={"type": "string"},
    )


def _state() -> dict[str, Any]:
    text, maybe = {"type": "string"}, {"type": ["string", "null"]}
    return _object(
        ready={"type": "boolean"},
        model_name=text,
        alias=text,
        model_version=maybe,
        passed_gate={"type": ["boolean", "null"]},
        registry=text | {"description": "up, or what is wrong with it"},
        refused={"type": "object", "additionalProperties": text},
    )


def page() -> str:
    """The document as one page that needs nothing else."""
    described = document()
    info = described["info"]
    parts = [f"<h1>{html.escape(info['title'])}</h1><p>{html.escape(info['description'])}</p>"]
    for path, methods in described["paths"].items():
        for method, what in methods.items():
            parts.append(f"<h2><code>{method.upper()} {path}</code></h2><p>{what['summary']}</p>")
            answers = what["responses"].items()
            parts.append(_rows((code, told["description"]) for code, told in answers))
    parts.append("<h2>Example</h2><pre>" + html.escape(_curl()) + "</pre><h2>An application</h2>")
    parts.append(_rows(_columns()))
    parts.append('<p>As OpenAPI: <a href="/openapi.json">/openapi.json</a></p>')
    return _PAGE.format(title=html.escape(info["title"]), body="".join(parts))


def _columns() -> list[tuple[str, str]]:
    rows = []
    for column in RECORD:
        needed = "required" if column.core else "may be null or left out"
        if column.kind == "category":
            rows.append((column.name, f"{', '.join(column.levels)} ({needed})"))
        else:
            span = f"{column.low:,g} to {column.high:,.0f}"
            rows.append((column.name, f"{column.unit}, {span} ({needed})"))
    return rows


def _curl() -> str:
    body = json.dumps({"dataframe_records": [EXAMPLE], "params": {"return": "full"}}, indent=1)
    return f"curl -H 'Content-Type: {JSON}' http://localhost:5001/invocations -d '{body}'"


def _rows(pairs: Any) -> str:
    cells = (
        f"<tr><th>{html.escape(left)}</th><td>{html.escape(right)}</td></tr>"
        for left, right in pairs
    )
    return f"<table>{''.join(cells)}</table>"


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; padding: 0 1rem }}
body {{ max-width: 52rem }}
table {{ border-collapse: collapse }} th, td {{ text-align: left; vertical-align: top }}
th, td {{ padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #ddd }} th {{ font-weight: 500 }}
pre {{ background: #f4f4f4; padding: 1rem; overflow: auto }} h2 {{ margin-top: 2rem }}
</style><body>{body}</body></html>
"""
