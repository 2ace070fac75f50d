"""What the alias points at, asked of a real store and of things that are none."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from mlflow import MlflowClient

from loan_default.errors import InputError, ServiceError
from loan_default.registry import alias_lookup
from loan_default.registry.alias_lookup import AliasTarget, Lookup
from loan_default.sandbox.local_stack import free_ports
from loan_default.settings import Settings

NAME = "loan_default_model"


def look_at(uri: str, **more: str) -> Lookup:
    return alias_lookup.create_lookup(Settings(mlflow_tracking_uri=uri, **more), NAME, "staging")


@pytest.fixture
def store(empty_store: Path, tmp_path: Path) -> Path:
    path = tmp_path / "mlflow.db"
    path.write_bytes(empty_store.read_bytes())
    return path


def test_mlflows_own_file_is_read_as_mlflow_writes_it(store: Path) -> None:
    """Fails when MLflow changes the tables that are read here."""
    writer, look = MlflowClient(f"sqlite:///{store}"), look_at(f"sqlite:///{store}")
    assert look() is None
    writer.create_registered_model(NAME)
    for _ in range(11):
        writer.create_model_version(NAME, str(store.parent))
    assert look() is None
    writer.set_registered_model_alias(NAME, "other", "3")
    assert look() is None
    writer.set_registered_model_alias(NAME, "staging", "2")
    assert look() == AliasTarget("2", passed_gate=False)
    writer.set_registered_model_alias(NAME, "staging", "11")
    writer.set_model_version_tag(NAME, "11", "promoted_to", "production")
    assert look() == AliasTarget("11", passed_gate=True)
    writer.set_model_version_tag(NAME, "11", "forced", "true")
    assert look() == AliasTarget("11", passed_gate=False)
    writer.delete_registered_model_alias(NAME, "staging")
    assert look() is None


@pytest.mark.parametrize(
    ("tags", "passed"),
    [
        ({}, False),
        ({"promoted_to": "production"}, True),
        ({"promoted_to": "production", "forced": "false", "rolled_back_at": ""}, True),
        ({"promoted_to": "production", "forced": "true"}, False),
        ({"promoted_to": "production", "rolled_back_at": "2026-02-03T10:00:00"}, False),
    ],
    ids=["never promoted", "promoted", "promoted again", "forced", "rolled back"],
)
def test_whether_a_version_passed_the_gate_is_in_its_tags(
    tags: dict[str, str], passed: bool
) -> None:
    assert alias_lookup.passed_gate(tags) is passed


def test_a_file_in_a_folder_of_any_name_is_read(store: Path) -> None:
    odd = store.parent / "50% #1 ?mode=rwc&"
    odd.mkdir()
    with sqlite3.connect(store) as connection:
        connection.execute("insert into registered_models (name) values (?)", (NAME,))
        connection.execute(
            "insert into registered_model_aliases (name, alias, version) values (?, 'staging', 4)",
            (NAME,),
        )
    connection.close()
    store.rename(odd / "mlflow.db")
    assert look_at(f"sqlite:///{odd}/mlflow.db")() == AliasTarget("4", passed_gate=False)


def test_looking_makes_no_file(tmp_path: Path) -> None:
    assert look_at(f"sqlite:///{tmp_path}/mlflow.db")() is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100], ids=["empty", "other"])
def test_a_file_that_is_no_store_is_said_to_be_down(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mlflow.db").write_bytes(content)
    with pytest.raises(ServiceError, match="does not answer: (no such table|file is not a data)"):
        look_at(f"sqlite:///{tmp_path}/mlflow.db")()


@contextmanager
def answering(status: int, body: bytes) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that is no MLflow: it answers everything alike. Yields its address and what it was
    asked."""
    asked: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append({"path": self.path, **dict(self.headers)})
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


ODD_ANSWERS = {
    "a page": (200, b"<html>Sign in</html>"),
    "nothing": (200, b""),
    "a list": (200, b"[1]"),
    "an empty object": (200, b"{}"),
    "a version of another kind": (200, b'{"model_version": "7"}'),
    "a version without a number": (200, b'{"model_version": {"version": "latest"}}'),
    "tags of another kind": (200, b'{"model_version": {"version": "1", "tags": ["a"]}}'),
    "a proxy's failure": (502, b"Bad Gateway"),
    "a refusal": (403, b'{"error_code": "PERMISSION_DENIED", "message": "no"}'),
    "not UTF-8": (200, b"\xff\xfe"),
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_what_is_no_answer_of_mlflows_counts_as_down(name: str) -> None:
    status, body = ODD_ANSWERS[name]
    with answering(status, body) as (uri, _), pytest.raises(ServiceError, match=f"{status}"):
        look_at(uri)()


@pytest.mark.parametrize("code", ["RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"])
def test_no_model_and_no_alias_are_no_failure(code: str) -> None:
    with answering(400, json.dumps({"error_code": code}).encode()) as (uri, _):
        assert look_at(uri)() is None


def test_the_login_and_the_path_before_the_api_are_sent() -> None:
    found = {"version": "3", "tags": [{"key": "promoted_to", "value": "production"}]}
    login = {"mlflow_tracking_username": "serve", "mlflow_tracking_password": "secret"}
    with answering(200, json.dumps({"model_version": found}).encode()) as (uri, asked):
        assert look_at(f"{uri}/mlflow/", **login)() == AliasTarget("3", passed_gate=True)
    (request,) = asked
    assert request["Authorization"] == "Basic c2VydmU6c2VjcmV0"
    assert request["path"] == (
        "/mlflow/api/2.0/mlflow/registered-models/alias?name=loan_default_model&alias=staging"
    )


def test_nobody_there_counts_as_down() -> None:
    (port,) = free_ports(1)
    with pytest.raises(ServiceError, match="the registry does not answer"):
        look_at(f"http://127.0.0.1:{port}")()


@pytest.mark.parametrize("uri", ["postgresql://db/mlflow", "mlruns", "http://mlflow:port"])
def test_an_address_that_cannot_be_watched_is_refused(uri: str) -> None:
    with pytest.raises(InputError, match="MLFLOW_TRACKING_URI="):
        look_at(uri)
