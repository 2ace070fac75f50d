"""Fetch a version's files without importing MLflow.

The import takes most of the time of a fetch and more memory than the server itself. Files in a
local folder, in Cloud Storage or behind the tracking server's artifact proxy are copied directly.
Anything else (s3://, dbfs:/, ...) is left to MLflow.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import httpx
import yaml

from loan_default import storage
from loan_default.errors import InputError, LoanDefaultError
from loan_default.model import artifact
from loan_default.registry.alias_lookup import SQLITE, query_sqlite, tracking_client
from loan_default.settings import Settings

DESCRIPTION = "MLmodel"
# The files that scoring needs; a batch is compared with the reference sample
MODEL_FILES = (
    artifact.BOOSTER,
    artifact.FACTS,
    artifact.SELF_CHECK,
    artifact.CONTRACT,
    artifact.REFERENCE,
)
# A version of an earlier release may lack the contract
_ALWAYS = (artifact.FACTS, artifact.BOOSTER, artifact.SELF_CHECK)
PROXIED = "mlflow-artifacts:/"

# Returns the content of a file, given its path below the version's root; None if there is none.
ReadFile = Callable[[str], bytes | None]

log = logging.getLogger(__name__)


def fetch(settings: Settings, name: str, version: str, folder: Path) -> bool:
    """Copy the files that scoring needs into `folder`; return whether that was possible.

    Missing files are skipped here and reported when the model is loaded.
    """
    try:
        return _fetch(settings, name, version, folder)
    # MLflow may know another way to the files, or explains what is wrong.
    except (OSError, httpx.HTTPError, LoanDefaultError, ValueError, LookupError) as error:
        log.info("fetching through MLflow instead: %s", error)
        return False


def _fetch(settings: Settings, name: str, version: str, folder: Path) -> bool:
    if settings.mlflow_tracking_uri.startswith(SQLITE):
        return _copy(_folder_reader(_location_in_sqlite(settings, name, version)), folder)
    with tracking_client(settings) as client:
        location = _location_from_server(client, name, version)
        if location.startswith(PROXIED):
            return _copy(_proxy_reader(client, location.removeprefix(PROXIED)), folder)
    return _copy(_folder_reader(location), folder)


def _location_in_sqlite(settings: Settings, name: str, version: str) -> str:
    path = Path(settings.mlflow_tracking_uri.removeprefix(SQLITE))
    query = (
        "select coalesce(storage_location, source) from model_versions "
        "where name = ? and version = ?"
    )
    return str(query_sqlite(path, query, (name, version))[0][0])


def _location_from_server(client: httpx.Client, name: str, version: str) -> str:
    path = "api/2.0/mlflow/model-versions/get-download-uri"
    response = client.get(path, params={"name": name, "version": version}).raise_for_status()
    return str(response.json()["artifact_uri"])


def _proxy_reader(client: httpx.Client, root: str) -> ReadFile:
    def read(path: str) -> bytes | None:
        quoted = quote(f"{root.strip('/')}/{path}")
        response = client.get(f"api/2.0/mlflow-artifacts/artifacts/{quoted}")
        return None if response.status_code == 404 else response.raise_for_status().content

    return read


def _folder_reader(location: str) -> ReadFile:
    root = _path(location)

    def read(path: str) -> bytes | None:
        full_path = storage.join(root, path)
        if not storage.exists(full_path):
            return None
        with storage.open_input(full_path) as stream:
            return stream.read()

    return read


def _path(location: str) -> str:
    """Return a file:// URI as a local path; gs:// URIs and plain paths stay as they are."""
    if storage.is_remote(location):
        return location
    parts = urlsplit(location)
    if parts.scheme not in ("", "file") or parts.netloc:
        raise ValueError(f"{location} is not a folder")
    return unquote(parts.path) if parts.scheme else location


def _copy(read: ReadFile, folder: Path) -> bool:
    description = read(DESCRIPTION)
    if description is None:
        return False
    below = data_path(description)
    for name in MODEL_FILES:
        content = read(f"{below}/{name}")
        if content is not None:
            (folder / name).write_bytes(content)
    return True


def data_path(description: bytes, version: str = "the version") -> str:
    """Return the folder of the model's own files below the version, given its MLmodel file.

    Raises InputError, which calls it `version`, if it is a model of another kind.
    """
    # MLflow's own reader of this file needs pandas, which the serving image does not have.
    try:
        flavors = yaml.safe_load(description)["flavors"]
        return str(flavors["python_function"]["data"])
    except (yaml.YAMLError, KeyError, TypeError):
        raise InputError(_not_ours(version)) from None


def require_own(folder: Path, version: str) -> None:
    """Raise InputError, which calls it `version`, unless a fetched version is one of this platform.

    Any model that MLflow knows can be registered under the same name.
    """
    missing = [name for name in _ALWAYS if not (folder / name).is_file()]
    if artifact.FACTS in missing:
        raise InputError(_not_ours(version))
    if missing:
        raise InputError(f"{version} lacks {', '.join(missing)}: train it again")


def _not_ours(version: str) -> str:
    return (
        f"{version} holds no model of this platform: move the alias to a version that "
        "train_with_mlflow.py registered"
    )
