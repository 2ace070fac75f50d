"""The OpenAPI document against the server that it describes, request by request."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lendingclub import CONTRACT, CORE, RECORD
from loan_default.serving import api_docs, openapi
from loan_default.serving.schemas import ErrorStatus
from properties import FUZZ_FACTOR
from scoring_server import Server, copy_of, running_server
from workspace import ROOT, Workspace

GUIDE = ROOT / "docs" / "serving.md"
SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
# What the document cannot say: which CSV is one, that rows are as long as the columns are many.
BEYOND = "positive_data_acceptance"
# What the server reads beyond the document: numbers as texts, anything for an unknown category.
LENIENT = "negative_data_rejection"


def only_records() -> dict[str, Any]:
    """The document with the one format that it describes to the last detail."""
    document = deepcopy(openapi.document(CONTRACT))
    del document["paths"]["/invocations"]["post"]["requestBody"]["content"]["text/csv"]
    asked = document["components"]["schemas"]["Request"]
    asked["properties"] = {k: asked["properties"][k] for k in ("dataframe_records", "params")}
    asked["oneOf"] = [{"required": ["dataframe_records"]}]
    return document


@pytest.fixture(scope="module")
def server(trained: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(copy_of(trained, tmp_path_factory.mktemp("served"))) as found:
        found.serves("1")
        yield found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("document", "left_out"),
    [(partial(openapi.document, CONTRACT), f"{BEYOND},{LENIENT}"), (only_records, LENIENT)],
    ids=["every format", "records alone"],
)
def test_the_server_does_as_its_document_says(
    server: Server, tmp_path: Path, document: Any, left_out: str
) -> None:
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(document()))
    command = [str(SCHEMATHESIS), "run", str(path), "--url", str(server.http.base_url)]
    command += ["--checks", "all", "--exclude-checks", left_out, "--seed", "1"]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(50 * FUZZ_FACTOR)]
    command += ["--continue-on-failure", "--no-color"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=200 * FUZZ_FACTOR
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert "Tested: 6" in done.stdout
    assert "Traceback" not in server.log.read_text()


@pytest.mark.slow
def test_what_is_served_is_the_document(server: Server) -> None:
    assert server.http.get("/openapi.json").json() == openapi.document(CONTRACT)


def test_every_column_is_described_with_its_range() -> None:
    application = openapi.document(CONTRACT)["components"]["schemas"]["Application"]
    assert application["required"] == list(CORE)
    for column in RECORD:
        described = application["properties"][column.name]
        kind = "number" if column.kind == "number" else "string"
        # A column that may be null is described by two alternatives.
        alternatives = described.get("anyOf", [described])
        assert [one["type"] for one in alternatives] == [kind] + ["null"] * (not column.core)
        if column.kind == "number":
            limits = alternatives[0]["minimum"], alternatives[0]["maximum"]
            assert limits == (column.low, column.high)
        else:
            assert all(level in described["description"] for level in column.levels)


def test_the_guide_names_every_error_status_and_no_other() -> None:
    (row,) = re.findall(r"^\| `POST /invocations` \| (.+) \|$", GUIDE.read_text(), re.MULTILINE)
    assert {int(code) for code in re.findall(r"\b[45]\d\d\b", row)} == set(ErrorStatus)


def test_the_page_escapes_its_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(openapi.document(CONTRACT)["info"], "title", "<b>Loans & more</b>")
    api_docs.page.cache_clear()
    try:
        page = api_docs.page(CONTRACT)
    finally:
        api_docs.page.cache_clear()
    assert "<h1>&lt;b&gt;Loans &amp; more&lt;/b&gt;</h1>" in page and "<b>" not in page


def test_every_reference_leads_somewhere() -> None:
    document = openapi.document(CONTRACT)
    text = json.dumps(document)
    references = {part.split('"')[0] for part in text.split('"$ref": "#/')[1:]}
    assert references
    for reference in references:
        place: Any = document
        for name in reference.split("/"):
            place = place[name]
