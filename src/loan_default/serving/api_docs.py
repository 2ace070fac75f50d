"""The page at /docs: the API's description as one self-contained HTML page."""

import json
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from loan_default.columns import RECORD, Column
from loan_default.serving import openapi
from loan_default.serving.protocol import JSON

TEMPLATE = "api_docs.html"


@cache
def page() -> str:
    """Return the page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(
        document=openapi.document(),
        columns={column.name: _description(column) for column in RECORD},
        example=_curl_command(),
    )


def _description(column: Column) -> str:
    needed = "required" if column.core else "may be null or left out"
    if column.kind == "category":
        return f"{', '.join(column.levels)} ({needed})"
    return f"{column.unit}, {column.low:,g} to {column.high:,.0f} ({needed})"


def _curl_command() -> str:
    body = json.dumps(openapi.EXAMPLE_REQUEST, indent=1)
    return f"curl -H 'Content-Type: {JSON}' http://localhost:5001/invocations -d '{body}'"
