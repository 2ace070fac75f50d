"""Resolve a registry alias to a version cheaply, without importing MLflow.

A tracking server is queried over its REST API; MLflow's own SQLite file is opened read-only.
Serving polls every few seconds and starts a child process only when the alias has moved.
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

# A shutdown waits for a lookup in progress, and Docker kills what has not stopped after 10 s.
TIMEOUT_SECONDS = 5.0
SQLITE = "sqlite:///"
# The version behind an alias, once for each of its tags
_ALIASED = """
select aliased.version, tags.key, tags.value
from registered_model_aliases as aliased
left join model_version_tags as tags on tags.name = aliased.name and tags.version = aliased.version
where aliased.name = ? and aliased.alias = ?
"""


@dataclass(frozen=True)
class AliasTarget:
    """The version that an alias points at, and whether it passed the promotion gate."""

    version: str
    passed_gate: bool


# Returns the alias's current target, or None if there is no such model or alias.
Lookup = Callable[[], AliasTarget | None]


def create_lookup(settings: Settings, name: str, alias: str) -> Lookup:
    """Return a function that looks up the version of model `name` behind `alias`.

    The returned function raises ServiceError if the registry does not answer.

    Raises InputError if `MLFLOW_TRACKING_URI` is neither a tracking server nor an SQLite file.
    """
    uri = settings.mlflow_tracking_uri
    if uri.startswith(("http://", "https://")):
        return _RestLookup(settings, name, alias)
    if uri.startswith(SQLITE):
        return _SqliteLookup(Path(uri.removeprefix(SQLITE)), name, alias)
    raise InputError(
        f"MLFLOW_TRACKING_URI={uri!r}: serving needs a tracking server (http://, https://) or an "
        "SQLite file (sqlite:///)"
    )


def passed_gate(tags: Mapping[str, str]) -> bool:
    """Return whether the version was promoted through the gate and not rolled back since."""
    return (
        bool(tags.get("promoted_to"))
        and tags.get("forced") != "true"
        and not tags.get("rolled_back_at")
    )


def tracking_client(settings: Settings) -> httpx.Client:
    """Return an authenticated client for the tracking server's REST API.

    Raises InputError if the URI is invalid.
    """
    # httpx logs every request at INFO.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    user = settings.mlflow_tracking_username
    address = settings.mlflow_tracking_uri.rstrip("/") + "/"
    auth = (user, settings.mlflow_tracking_password) if user else None
    try:
        return httpx.Client(base_url=address, auth=auth, timeout=TIMEOUT_SECONDS)
    except httpx.InvalidURL as error:
        raise InputError(f"MLFLOW_TRACKING_URI={address!r}: {error}") from None


def query_sqlite(path: Path, query: str, values: tuple[str, ...]) -> list[Any]:
    """Return the rows of a query to MLflow's SQLite file, opened read-only.

    Raises ServiceError if the file cannot be read or lacks MLflow's tables.
    """
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=TIMEOUT_SECONDS
        )
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise ServiceError(f"the registry {path} does not answer: {error}") from None


class _RestLookup:
    """Look the alias up over a tracking server's REST API."""

    def __init__(self, settings: Settings, name: str, alias: str) -> None:
        self._client = tracking_client(settings)
        self._query = {"name": name, "alias": alias}

    def __call__(self) -> AliasTarget | None:
        path = "api/2.0/mlflow/registered-models/alias"
        try:
            response = self._client.get(path, params=self._query)
        except httpx.HTTPError as error:
            raise ServiceError(f"the registry does not answer: {error}") from None
        if response.status_code == httpx.codes.FORBIDDEN:
            # With logins enabled, MLflow answers this for a model that does not exist, too.
            name = self._query["name"]
            raise ServiceError(
                f"the registry answered 403: the model {name} does not exist or is forbidden"
            )
        try:
            return _target(response)
        # Not an MLflow response: a proxy's error page or another service
        except (ValueError, LookupError, TypeError, AttributeError):
            status, text = response.status_code, response.text[:200]
            raise ServiceError(f"the registry answered {status}: {text}") from None


def _target(response: httpx.Response) -> AliasTarget | None:
    content: dict[str, Any] = response.json()
    # MLflow answers 400 (not 404) if the model exists and the alias does not.
    if content.get("error_code") in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
        return None
    version = content["model_version"]
    tags = {tag["key"]: tag.get("value", "") for tag in version.get("tags", [])}
    return AliasTarget(str(int(version["version"])), passed_gate(tags))


class _SqliteLookup:
    """Look the alias up in MLflow's SQLite file."""

    def __init__(self, path: Path, name: str, alias: str) -> None:
        self._path, self._name, self._alias = path, name, alias

    def __call__(self) -> AliasTarget | None:
        if not self._path.exists():
            return None
        rows = query_sqlite(self._path, _ALIASED, (self._name, self._alias))
        if not rows:
            return None
        tags = {key: value for _, key, value in rows if key is not None}
        return AliasTarget(str(rows[0][0]), passed_gate(tags))
