"""Which version an alias points at, asked every few seconds: without importing MLflow.

A tracking server is asked over its REST API; MLflow's own SQLite file is read as it is. Both say
what serving needs to know, and a child process fetches the files only when the alias has moved.
"""

import logging
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from loan_default.errors import InputError, ServiceError
from loan_default.settings import Settings

# A stop waits for a look that is under way, and Docker kills what has not stopped after 10 s.
SECONDS = 5.0
SQLITE = "sqlite:///"
# The version behind an alias, once for each of its tags.
_ALIASED = """
select aliased.version, tags.key, tags.value
from registered_model_aliases as aliased
left join model_version_tags as tags on tags.name = aliased.name and tags.version = aliased.version
where aliased.name = ? and aliased.alias = ?
"""


@dataclass(frozen=True)
class Sighting:
    """A version that the alias points at, and whether it has passed the gate."""

    number: str
    passed_gate: bool


Look = Callable[[], Sighting | None]


def lookout(settings: Settings, name: str, alias: str) -> Look:
    """What looks for the version of `name` behind `alias`: None where there is none.

    The function raises ServiceError where the registry does not answer; InputError where the
    tracking address is of a kind that cannot be watched.
    """
    uri = settings.mlflow_tracking_uri
    if uri.startswith(("http://", "https://")):
        return _Server(settings, name, alias)
    if uri.startswith(SQLITE):
        return _File(Path(uri.removeprefix(SQLITE)), name, alias)
    raise InputError(
        f"MLFLOW_TRACKING_URI={uri!r}: serving watches a tracking server (http://, https://) or "
        "an SQLite file (sqlite:///)"
    )


def passed_gate(tags: Mapping[str, str]) -> bool:
    """Whether the version was promoted through the gate, and not rolled back since."""
    return (
        bool(tags.get("promoted_to"))
        and tags.get("forced") != "true"
        and not tags.get("rolled_back_at")
    )


def tracking_client(settings: Settings) -> httpx.Client:
    """A client of the tracking server's REST API, logged in.

    Raises InputError where its address is none.
    """
    # httpx would log every look.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    user = settings.mlflow_tracking_username
    address = settings.mlflow_tracking_uri.rstrip("/") + "/"
    auth = (user, settings.mlflow_tracking_password) if user else None
    try:
        return httpx.Client(base_url=address, auth=auth, timeout=SECONDS)
    except httpx.InvalidURL as error:
        raise InputError(f"MLFLOW_TRACKING_URI={address!r}: {error}") from None


def read_store(path: Path, query: str, values: tuple[str, ...]) -> list[Any]:
    """The rows of a query to MLflow's SQLite file, which stays as it is.

    Raises ServiceError where the file does not answer.
    """
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=SECONDS
        )
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise ServiceError(f"the registry {path} does not answer: {error}") from None


class _Server:
    """Asks a tracking server."""

    def __init__(self, settings: Settings, name: str, alias: str) -> None:
        self._client = tracking_client(settings)
        self._query = {"name": name, "alias": alias}

    def __call__(self) -> Sighting | None:
        path = "api/2.0/mlflow/registered-models/alias"
        try:
            answer = self._client.get(path, params=self._query)
        except httpx.HTTPError as error:
            raise ServiceError(f"the registry does not answer: {error}") from None
        if answer.status_code == httpx.codes.FORBIDDEN:
            # MLflow with logins says so of a model that does not exist, too.
            name = self._query["name"]
            raise ServiceError(f"the registry answered 403: there is no {name}, or it is forbidden")
        try:
            return _sighting(answer)
        # Neither a version nor a refusal of MLflow's: a proxy's page, or another service.
        except (ValueError, LookupError, TypeError, AttributeError):
            told = f"{answer.status_code}: {answer.text[:200]}"
            raise ServiceError(f"the registry answered {told}") from None


def _sighting(answer: httpx.Response) -> Sighting | None:
    found: dict[str, Any] = answer.json()
    # MLflow answers 400 (not 404) where the model exists and the alias does not.
    if found.get("error_code") in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
        return None
    version = found["model_version"]
    tags = {tag["key"]: tag.get("value", "") for tag in version.get("tags", [])}
    return Sighting(str(int(version["version"])), passed_gate(tags))


class _File:
    """Reads MLflow's SQLite file."""

    def __init__(self, path: Path, name: str, alias: str) -> None:
        self._path, self._name, self._alias = path, name, alias

    def __call__(self) -> Sighting | None:
        if not self._path.exists():
            return None
        found = read_store(self._path, _ALIASED, (self._name, self._alias))
        if not found:
            return None
        tags = {key: value for _, key, value in found if key is not None}
        return Sighting(str(found[0][0]), passed_gate(tags))
