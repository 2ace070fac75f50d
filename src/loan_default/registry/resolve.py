"""Which version to score with, and its files: from MLflow, but without importing it where possible.

The import takes seconds and 200 MiB.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from loan_default.errors import LoanDefaultError
from loan_default.registry import artifacts
from loan_default.registry.alias_lookup import lookout
from loan_default.settings import Settings

log = logging.getLogger(__name__)


def choose(settings: Settings, name: str, aliases: Sequence[str]) -> str:
    """The number of the version of `name` behind the first of the `aliases` that exists.

    Raises InputError where none does, ServiceError where MLflow does not answer.
    """
    try:
        for alias in aliases:
            if seen := lookout(settings, name, alias)():
                return seen.number
    # MLflow tries again, and says in its own words what is wrong.
    except LoanDefaultError as why:
        log.info("left to MLflow: %s", why)
    from loan_default.registry.mlflow_client import Registry

    registry = Registry(settings)
    for alias in aliases[:-1]:
        if version := registry.aliased_or_none(name, alias):
            return version.number
    return registry.aliased(name, aliases[-1]).number


def files(settings: Settings, name: str, number: str, folder: Path) -> Path:
    """Fetch what scoring needs of a version into `folder`; returns where it lies.

    Raises InputError where there is no such version or its files are gone.
    """
    near = folder / "near"
    near.mkdir()
    if artifacts.fetch(settings, name, number, near):
        return near
    from loan_default.registry.mlflow_client import Registry

    registry = Registry(settings)
    return registry.download(registry.version(name, number), folder)
