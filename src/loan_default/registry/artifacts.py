"""A version's files without MLflow, where they are a copy or a download away.

Importing MLflow takes most of the time that a fetch takes, and more memory than the server itself.
So files in a folder, in Cloud Storage, or behind the tracking server that answers for them, are
fetched as they are; what lies elsewhere (s3://, dbfs:/, ...) is left to MLflow.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import httpx
import yaml

from loan_default import storage
from loan_default.errors import LoanDefaultError
from loan_default.model import artifact
from loan_default.registry.alias_lookup import SQLITE, read_store, tracking_client
from loan_default.settings import Settings

DESCRIPTION = "MLmodel"
SERVED = (artifact.BOOSTER, artifact.FACTS, artifact.SELF_CHECK)
PROXIED = "mlflow-artifacts:/"

# The bytes at a path below a version's files, None where there are none.
Get = Callable[[str], bytes | None]

log = logging.getLogger(__name__)


def fetch(settings: Settings, name: str, number: str, folder: Path) -> bool:
    """Write what serves of the version's files into `folder`; whether that was possible.

    What is not there is left out: trying the files out tells.
    """
    try:
        return _fetch(settings, name, number, folder)
    # MLflow finds another way, or says in its own words what is wrong.
    except (OSError, httpx.HTTPError, LoanDefaultError, ValueError, LookupError) as why:
        log.info("left to MLflow: %s", why)
        return False


def _fetch(settings: Settings, name: str, number: str, folder: Path) -> bool:
    if settings.mlflow_tracking_uri.startswith(SQLITE):
        return _write(_below(_stored(settings, name, number)), folder)
    with tracking_client(settings) as client:
        location = _told(client, name, number)
        if location.startswith(PROXIED):
            return _write(_proxied(client, location.removeprefix(PROXIED)), folder)
    return _write(_below(location), folder)


def _stored(settings: Settings, name: str, number: str) -> str:
    path = Path(settings.mlflow_tracking_uri.removeprefix(SQLITE))
    asked = "select coalesce(storage_location, source) from model_versions"
    found = read_store(path, f"{asked} where name = ? and version = ?", (name, number))
    return str(found[0][0])


def _told(client: httpx.Client, name: str, number: str) -> str:
    path = "api/2.0/mlflow/model-versions/get-download-uri"
    answer = client.get(path, params={"name": name, "version": number}).raise_for_status()
    return str(answer.json()["artifact_uri"])


def _proxied(client: httpx.Client, root: str) -> Get:
    def get(path: str) -> bytes | None:
        place = quote(f"{root.strip('/')}/{path}")
        answer = client.get(f"api/2.0/mlflow-artifacts/artifacts/{place}")
        return None if answer.status_code == 404 else answer.raise_for_status().content

    return get


def _below(location: str) -> Get:
    root = _root(location)

    def get(path: str) -> bytes | None:
        place = storage.join(root, path)
        if not storage.exists(place):
            return None
        with storage.open_input(place) as stream:
            return stream.read()

    return get


def _root(location: str) -> str:
    if storage.is_remote(location):
        return location
    parts = urlsplit(location)
    if parts.scheme not in ("", "file") or parts.netloc:
        raise ValueError(f"{location} is not a folder")
    return unquote(parts.path) if parts.scheme else location


def _write(get: Get, folder: Path) -> bool:
    description = get(DESCRIPTION)
    if description is None:
        return False
    below = data_path(description)
    for name in SERVED:
        content = get(f"{below}/{name}")
        if content is not None:
            (folder / name).write_bytes(content)
    return True


def data_path(description: bytes) -> str:
    """Where the model's own files lie below a version's, by its MLmodel file."""
    # MLflow's own reader of this file wants pandas, which the serving image does not have.
    return str(yaml.safe_load(description)["flavors"]["python_function"]["data"])
