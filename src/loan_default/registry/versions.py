"""Registered model versions: their aliases, tags, metrics and files."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from loan_default.errors import InputError
from loan_default.registry.artifacts import DESCRIPTION, data_path, require_own
from loan_default.registry.mlflow_client import MlflowConnection

if TYPE_CHECKING:
    from mlflow.entities import model_registry

FINGERPRINT = "fingerprint"
IDEMPOTENCY_KEY = "idempotency_key"


@dataclass(frozen=True)
class ModelVersion:
    """A registered version of the model `name`, the run that registered it, and its tags."""

    name: str
    version: str
    run_id: str
    tags: Mapping[str, str]


class Registry:
    """MLflow's model registry.

    Every method raises ServiceError if MLflow does not answer.
    """

    def __init__(self, connection: MlflowConnection) -> None:
        self.connection = connection

    def version(self, name: str, version: str) -> ModelVersion:
        """Return a version of the model. Raises InputError if there is none."""
        with self.connection.calling(f"no version {version} of the model {name}") as client:
            return model_version(client.get_model_version(name, version))

    def by_alias(self, name: str, alias: str) -> ModelVersion:
        """Return the version that `alias` points at. Raises InputError if there is none."""
        with self.connection.calling(
            f"no model {name} with the alias {alias}: train one, or name another --alias"
        ) as client:
            return model_version(client.get_model_version_by_alias(name, alias))

    def find_by_alias(self, name: str, alias: str) -> ModelVersion | None:
        """Return the version that `alias` points at, None if there is no such model or alias."""
        try:
            return self.by_alias(name, alias)
        except InputError:
            return None

    def find_by_tag(self, name: str, key: str, value: str) -> ModelVersion | None:
        """Return the newest version of the model that has the tag, None if there is none."""
        with self.connection.calling() as client:
            versions = client.search_model_versions(f"name='{name}' and tags.`{key}`='{value}'")
        newest = max(versions, key=lambda version: int(version.version), default=None)
        return model_version(newest) if newest else None

    def last_registered(self, name: str) -> datetime | None:
        """Return when the newest version was registered, in UTC; None if the model has none."""
        with self.connection.calling() as client:
            newest = client.search_model_versions(
                f"name='{name}'", max_results=1, order_by=["version_number DESC"]
            )
        return datetime.fromtimestamp(newest[0].creation_timestamp / 1000, UTC) if newest else None

    def set_alias(self, version: ModelVersion, alias: str) -> None:
        """Point `alias` at the version."""
        with self.connection.calling() as client:
            client.set_registered_model_alias(version.name, alias, version.version)

    def delete_alias(self, name: str, alias: str) -> None:
        """Delete the alias if there is one."""
        with self.connection.calling() as client:
            client.delete_registered_model_alias(name, alias)

    def set_tags(self, version: ModelVersion, tags: Mapping[str, str]) -> None:
        """Set the tags on the version and on its run."""
        with self.connection.calling() as client:
            for key, value in tags.items():
                client.set_model_version_tag(version.name, version.version, key, value)
                client.set_tag(version.run_id, key, value)

    def metrics(self, version: ModelVersion) -> dict[str, float]:
        """Return the metrics of the version's run. Raises InputError if the run is gone."""
        with self.connection.calling(f"the run of version {version.version} is gone") as client:
            return dict(client.get_run(version.run_id).data.metrics)

    def download(self, version: ModelVersion, folder: Path) -> Path:
        """Download the version into `folder` and return the folder of the saved model.

        Raises InputError if its files are gone, or those of a model of another kind.
        """
        called = f"version {version.version} of {version.name}"
        gone = f"the files of {called} are gone"
        # download_artifacts asks the process's tracking URI for a models:/ URI, whatever it is told
        with self.connection.process_wide(gone) as mlflow:
            uri = f"models:/{version.name}/{version.version}"
            root = mlflow.artifacts.download_artifacts(uri, dst_path=str(folder))
        description = Path(root, DESCRIPTION)
        if not description.exists():
            raise InputError(f"{gone}, or this machine cannot reach where they are stored")
        own = Path(root, data_path(description.read_bytes(), called))
        require_own(own, called)
        return own


def model_version(version: "model_registry.ModelVersion") -> ModelVersion:
    """Return MLflow's own model version as ours."""
    return ModelVersion(
        version.name, str(version.version), version.run_id or "", dict(version.tags)
    )
