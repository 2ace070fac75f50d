"""Choose the version to score with and fetch its files, importing MLflow only if necessary.

The import takes seconds and 200 MiB.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from loan_default.errors import LoanDefaultError
from loan_default.registry import artifacts
from loan_default.registry.alias_lookup import create_lookup
from loan_default.settings import Settings

if TYPE_CHECKING:
    from loan_default.registry.versions import Registry

log = logging.getLogger(__name__)


def choose(settings: Settings, name: str, aliases: Sequence[str]) -> str:
    """Return the version of model `name` behind the first of the `aliases` that exists.

    Raises InputError if none exists, ServiceError if MLflow does not answer.
    """
    try:
        for alias in aliases:
            if target := create_lookup(settings, name, alias)():
                return target.version
    # MLflow handles more kinds of tracking URI, and explains what is wrong.
    except LoanDefaultError as error:
        log.info("looking up through MLflow instead: %s", error)
    registry = _registry(settings)
    for alias in aliases[:-1]:
        if version := registry.find_by_alias(name, alias):
            return version.version
    return registry.by_alias(name, aliases[-1]).version


def files(settings: Settings, name: str, version: str, folder: Path) -> Path:
    """Fetch the files that scoring needs into `folder`; return the folder that holds them.

    Raises InputError if the version does not exist, its files are gone, or it is a model of another
    kind.
    """
    copied = folder / "copied"
    copied.mkdir()
    if artifacts.fetch(settings, name, version, copied):
        artifacts.require_own(copied, f"version {version} of {name}")
        return copied
    registry = _registry(settings)
    return registry.download(registry.version(name, version), folder)


def _registry(settings: Settings) -> "Registry":
    from loan_default.registry.mlflow_client import MlflowConnection
    from loan_default.registry.versions import Registry

    return Registry(MlflowConnection(settings))
