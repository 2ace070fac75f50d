"""A version's files fetched without MLflow, from a real store and a real tracking server."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from loan_default import storage
from loan_default.errors import InputError
from loan_default.registry import artifacts as model_files
from loan_default.sandbox.local_stack import LocalStack
from loan_default.settings import Settings
from scoring_server import NAME, client, copy_of
from workspace import ROOT, Workspace

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store(trained: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return copy_of(trained, tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def artifacts(store: Workspace) -> Path:
    """Where the artifacts of version 1 lie, MLmodel among them."""
    return Path(client(store).get_model_version_download_uri(NAME, "1").removeprefix("file://"))


def files(artifacts: Path) -> dict[str, bytes]:
    below = artifacts / model_files.data_path((artifacts / "MLmodel").read_bytes())
    return {name: (below / name).read_bytes() for name in model_files.MODEL_FILES}


def fetched(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def registered(store: Workspace, location: str) -> str:
    return str(client(store).create_model_version(NAME, location).version)


def settings(uri: str) -> Settings:
    return Settings(mlflow_tracking_uri=uri)


def test_files_in_a_folder_are_copied(store: Workspace, artifacts: Path, tmp_path: Path) -> None:
    uri = store.settings["MLFLOW_TRACKING_URI"]
    assert model_files.fetch(settings(uri), NAME, "1", tmp_path)
    assert fetched(tmp_path) == files(artifacts)


def test_a_folder_with_a_blank_in_its_name_may_come_as_an_address(
    store: Workspace, artifacts: Path, tmp_path: Path
) -> None:
    place, target = tmp_path / "a b", tmp_path / "target"
    shutil.copytree(artifacts, place)
    target.mkdir()
    number = registered(store, place.as_uri())
    assert model_files.fetch(settings(store.settings["MLFLOW_TRACKING_URI"]), NAME, number, target)
    assert fetched(target) == files(artifacts)


def test_files_in_cloud_storage_are_read(
    store: Workspace, artifacts: Path, bucket: str, tmp_path: Path
) -> None:
    for path in artifacts.rglob("*"):
        if path.is_file():
            with storage.atomic_file(f"{bucket}/models/7/{path.relative_to(artifacts)}") as partial:
                shutil.copy(path, partial)
    number = registered(store, f"{bucket}/models/7")
    assert model_files.fetch(
        settings(store.settings["MLFLOW_TRACKING_URI"]), NAME, number, tmp_path
    )
    assert fetched(tmp_path) == files(artifacts)


def test_a_file_that_is_missing_is_left_out(
    store: Workspace, artifacts: Path, tmp_path: Path
) -> None:
    place, target = tmp_path / "place", tmp_path / "target"
    shutil.copytree(artifacts, place)
    target.mkdir()
    below = place / model_files.data_path((place / "MLmodel").read_bytes())
    (below / model_files.MODEL_FILES[0]).unlink()
    number = registered(store, str(place))
    assert model_files.fetch(settings(store.settings["MLFLOW_TRACKING_URI"]), NAME, number, target)
    assert set(fetched(target)) == set(model_files.MODEL_FILES[1:])


@pytest.mark.parametrize("location", ["s3://bucket/model", "file://elsewhere/model", "/nowhere"])
def test_what_lies_elsewhere_is_left_to_mlflow(
    store: Workspace, tmp_path: Path, location: str
) -> None:
    number = registered(store, location)
    uri = store.settings["MLFLOW_TRACKING_URI"]
    assert not model_files.fetch(settings(uri), NAME, number, tmp_path)
    assert fetched(tmp_path) == {}


def test_a_version_that_there_is_not_is_left_to_mlflow(store: Workspace, tmp_path: Path) -> None:
    uri = store.settings["MLFLOW_TRACKING_URI"]
    assert not model_files.fetch(settings(uri), NAME, "999", tmp_path)


def test_the_child_imports_neither_mlflow_nor_what_xgboost_does_not_need(
    store: Workspace, tmp_path: Path
) -> None:
    target = tmp_path / "version"
    script, *flags = store.command("fetch_model", "--model-name", NAME, "--version", "1")[1:]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", script, *flags, "--folder", str(target)],
        env=os.environ | store.settings,
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout)["unusable"] is None
    # By their modules: a package that was looked for in vain is listed as well.
    modules = [line.split("|")[-1].strip() for line in done.stderr.splitlines()]
    imported = {name.split(".")[0] for name in modules if "." in name}
    assert "xgboost" in imported
    assert not imported & {"mlflow", "pandas", "sklearn", "sqlalchemy"}


@pytest.fixture(scope="module")
def server(store: Workspace, artifacts: Path) -> Iterator[str]:
    """A tracking server that answers for the artifacts; version 1 lies in "a b" there."""
    stack = LocalStack(store.folder)
    (store.folder / "logs").mkdir()
    shutil.copytree(artifacts, store.folder / "mlruns" / "a b")
    stack.start_mlflow()
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as asking:
            assert asking.get(f"{stack.mlflow_url}/health", timeout=60).is_success
        yield stack.mlflow_url
    finally:
        stack.stop()


def test_files_behind_the_tracking_server_are_downloaded(
    store: Workspace, artifacts: Path, server: str, tmp_path: Path
) -> None:
    number = registered(store, "mlflow-artifacts:/a b")
    assert model_files.fetch(settings(server), NAME, number, tmp_path)
    assert fetched(tmp_path) == files(artifacts)


def test_files_that_the_tracking_server_does_not_have_are_left_to_mlflow(
    store: Workspace, server: str, tmp_path: Path
) -> None:
    number = registered(store, "mlflow-artifacts:/gone")
    assert not model_files.fetch(settings(server), NAME, number, tmp_path)
    assert not model_files.fetch(settings(f"{server}/nothing"), NAME, number, tmp_path)


def test_a_folder_that_the_tracking_server_names_is_copied(
    artifacts: Path, server: str, tmp_path: Path
) -> None:
    assert model_files.fetch(settings(server), NAME, "1", tmp_path)
    assert fetched(tmp_path) == files(artifacts)


KINDS = {
    "sklearn": "flavors: {python_function: {loader_module: mlflow.sklearn}, sklearn: {}}",
    "no flavors": "run_id: abc",
    "a list": "[1, 2]",
    "no YAML": "{",
}


@pytest.mark.parametrize("description", KINDS.values(), ids=KINDS)
def test_a_model_of_another_kind_is_called_that(description: str) -> None:
    with pytest.raises(InputError, match="^version 2 of loans holds no model of this platform: "):
        model_files.data_path(description.encode(), "version 2 of loans")


def test_a_version_that_lacks_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="^version 2 of loans holds no model of this platform: "):
        model_files.require_own(tmp_path, "version 2 of loans")
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(InputError, match="version 2 of loans lacks booster.ubj, self_check.parque"):
        model_files.require_own(tmp_path, "version 2 of loans")
    for name in model_files.MODEL_FILES:
        (tmp_path / name).write_text("{}")
    model_files.require_own(tmp_path, "version 2 of loans")


def test_a_batch_with_a_model_of_another_kind_ends_in_one_line(
    store: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "MLmodel").write_text(KINDS["sklearn"])
    number = registered(store, str(tmp_path))
    client(store).set_registered_model_alias(NAME, "other_kind", number)
    applications = ROOT / "data" / "batch_input.csv"
    done = store.run("batch_predict", "--input-path", applications, "--alias", "other_kind")
    assert done.code == 2
    assert f"version {number} of {NAME} holds no model of this platform" in done.error
