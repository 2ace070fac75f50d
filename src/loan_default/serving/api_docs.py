"""The page at /docs: the API's description as one self-contained HTML page."""

import json
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from loan_default.contract.contract import Column, Contract
from loan_default.serving import openapi
from loan_default.serving.protocol import JSON

TEMPLATE = "api_docs.html"


@lru_cache(maxsize=2)
def page(contract: Contract) -> str:
    """Return the page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(
        document=openapi.document(contract),
        columns={column.name: _description(column) for column in contract.record},
        example=_curl_command(contract),
    )


def _description(column: Column) -> str:
    needed = "required" if column.core else "may be null or left out"
    if column.kind == "category":
        return f"{', '.join(column.levels)} ({needed})"
    return f"{column.unit}, {column.low:,g} to {column.high:,.0f} ({needed})"


def _curl_command(contract: Contract) -> str:
    body = json.dumps(openapi.example_request(contract), indent=1)
    return f"curl -H 'Content-Type: {JSON}' http://localhost:5001/invocations -d '{body}'"
