"""The only importer of MLflow: runs, model versions, aliases, tags.

MLflow takes seconds to import, so it is imported when a registry is opened and not before.
"""

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loan_default import storage
from loan_default.columns import RECORD
from loan_default.errors import InputError, LoanDefaultError, ServiceError
from loan_default.registry.artifacts import DESCRIPTION, data_path
from loan_default.settings import Settings

if TYPE_CHECKING:
    import polars as pl
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

PACKAGE = Path(__file__).parents[1]
FINGERPRINT = "fingerprint"
IDEMPOTENCY_KEY = "idempotency_key"
# What loads and scores a model version; the platform itself needs more.
MODEL_REQUIREMENTS = ["numpy", "polars", "xgboost==3.2.*"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Version:
    """One registered model version and its tags."""

    name: str
    number: str
    run_id: str
    tags: Mapping[str, str]


class Registry:
    """MLflow at `settings.mlflow_tracking_uri`.

    Every method raises ServiceError where MLflow does not answer and InputError where it has no
    such thing.
    """

    def __init__(self, settings: Settings) -> None:
        warnings.filterwarnings("ignore", category=FutureWarning, module="mlflow")
        import mlflow
        from mlflow import environment_variables as knobs

        # MLflow's default of seven tries with back-off keeps a user waiting for minutes.
        if not knobs.MLFLOW_HTTP_REQUEST_MAX_RETRIES.is_set():
            knobs.MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(3)
        knobs.MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR.set(False)
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        self.uri = settings.mlflow_tracking_uri
        self._settings = settings
        self._mlflow = mlflow
        mlflow.set_tracking_uri(self.uri)
        with self._explained():
            self.client: MlflowClient = mlflow.MlflowClient()
            self.client.search_registered_models(max_results=1)

    # Versions

    def version(self, name: str, number: str) -> Version:
        """The version `number` of the model."""
        with self._explained(f"no version {number} of the model {name}"):
            return _version(self.client.get_model_version(name, number))

    def aliased(self, name: str, alias: str) -> Version:
        """The version that `alias` points at."""
        with self._explained(
            f"no model {name} with the alias {alias}: train one, or name another --alias"
        ):
            return _version(self.client.get_model_version_by_alias(name, alias))

    def aliased_or_none(self, name: str, alias: str) -> Version | None:
        """The version that `alias` points at, None where there is no such model or alias."""
        try:
            return self.aliased(name, alias)
        except InputError:
            return None

    def tagged(self, name: str, key: str, value: str) -> Version | None:
        """The newest version of the model that carries the tag, None where there is none."""
        with self._explained():
            found = self.client.search_model_versions(f"name='{name}' and tags.`{key}`='{value}'")
        newest = max(found, key=lambda version: int(version.version), default=None)
        return _version(newest) if newest else None

    def last_made(self, name: str) -> datetime | None:
        """When the newest version of the model was registered, in UTC; None without any."""
        with self._explained():
            found = self.client.search_model_versions(
                f"name='{name}'", max_results=1, order_by=["version_number DESC"]
            )
        return datetime.fromtimestamp(found[0].creation_timestamp / 1000, UTC) if found else None

    def point(self, version: Version, alias: str) -> None:
        """Make `alias` point at the version."""
        with self._explained():
            self.client.set_registered_model_alias(version.name, alias, version.number)

    def drop_alias(self, name: str, alias: str) -> None:
        """Remove the alias; it is no error when there is none."""
        with self._explained():
            self.client.delete_registered_model_alias(name, alias)

    def tag(self, version: Version, tags: Mapping[str, str]) -> None:
        """Set the tags on the version and on its run."""
        with self._explained():
            for key, value in tags.items():
                self.client.set_model_version_tag(version.name, version.number, key, value)
                self.client.set_tag(version.run_id, key, value)

    def download(self, version: Version, folder: Path) -> Path:
        """Fetch the files of the version into `folder`; returns where the model's own files lie."""
        missing = f"the files of version {version.number} of {version.name} are gone"
        with self._explained(missing):
            uri = f"models:/{version.name}/{version.number}"
            root = self._mlflow.artifacts.download_artifacts(uri, dst_path=str(folder))
        described = Path(root, DESCRIPTION)
        if not described.exists():
            raise InputError(f"{missing}, or this machine cannot see where they lie")
        return Path(root, data_path(described.read_bytes()))

    def metrics(self, version: Version) -> dict[str, float]:
        """The metrics of the run that made the version."""
        with self._explained(f"the run of version {version.number} is gone"):
            return dict(self.client.get_run(version.run_id).data.metrics)

    # Runs

    @contextlib.contextmanager
    def run(self, name: str, tags: Mapping[str, str]) -> Iterator[str]:
        """An MLflow run around the block, marked as failed when it raises; yields the run id."""
        with self._explained():
            self._choose_experiment()
            with self._mlflow.start_run(run_name=name, tags=dict(tags)) as run:
                yield run.info.run_id

    def keep_report(
        self, name: str, tags: Mapping[str, str], figures: Mapping[str, float], files: Path
    ) -> str:
        """A monitoring run with these figures and files; returns its id.

        It lies in an experiment of its own. The run with the same tags is written again.
        """
        same = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        with self._explained():
            experiment = self._choose_experiment("_monitoring")
            found = self.client.search_runs([experiment], same, max_results=1)
            earlier = found[0].info.run_id if found else None
            with self._mlflow.start_run(earlier, run_name=name, tags=dict(tags)) as run:
                self._mlflow.log_metrics(dict(figures))
                self._mlflow.log_artifacts(str(files))
                return str(run.info.run_id)

    def _choose_experiment(self, suffix: str = "") -> str:
        name, root = self._settings.mlflow_experiment_name, self._settings.mlflow_artifact_root
        name += suffix
        known = self.client.get_experiment_by_name(name)
        place = known.artifact_location if known else self._root()
        if place and storage.is_remote(place):
            storage.check_target(place)
        elif known and storage.is_remote(root) and not self._served:
            told = "experiment %s keeps its artifacts in %s: for %s name another one"
            log.warning(told, name, place, root)
        if known is None:
            self.client.create_experiment(name, place)
        return str(self._mlflow.set_experiment(name).experiment_id)

    def _root(self) -> str | None:
        """Where the artifacts of a new experiment go; None where a server decides."""
        root = self._settings.mlflow_artifact_root
        if self._served:
            return None
        return root if "://" in root else str(Path(root).resolve())

    @property
    def _served(self) -> bool:
        return self.uri.startswith(("http://", "https://"))

    def log(self, params: Mapping[str, Any], metrics: Mapping[str, float], artifacts: Path) -> None:
        """Parameters, metrics and a folder of artifacts of the current run."""
        self._mlflow.log_params(dict(params))
        self._mlflow.log_metrics(dict(metrics))
        self._mlflow.log_artifacts(str(artifacts))

    def log_curve(self, run_id: str, name: str, values: list[float]) -> None:
        """One metric by step (boosting round, from 1)."""
        from mlflow.entities import Metric
        from mlflow.utils.time import get_current_time_millis

        now = get_current_time_millis()
        points = [Metric(name, value, now, step) for step, value in enumerate(values, start=1)]
        for start in range(0, len(points), 1000):
            self.client.log_batch(run_id, metrics=points[start : start + 1000])

    def log_data(self, path: str, digest: str, context: str) -> None:
        """The data set that the current run read; MLflow keeps 36 characters of the digest."""
        from mlflow.data.dataset_source_registry import resolve_dataset_source
        from mlflow.data.meta_dataset import MetaDataset

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            source = resolve_dataset_source(path)
        name = Path(path).name[:500]
        # Typed as abstract, used as it is in MLflow's own documentation.
        data = MetaDataset(source, name=name, digest=digest[:32])  # type: ignore[abstract]
        self._mlflow.log_input(data, context=context)

    def register(
        self, folder: Path, name: str, tags: Mapping[str, str], example: "pl.DataFrame"
    ) -> Version:
        """Log the model's folder to the current run and register it as a new version of `name`.

        `example` is a typed record or two, which MLflow shows and tries out.
        """
        info = self._mlflow.pyfunc.log_model(
            name="model",
            loader_module="loan_default.pyfunc",
            data_path=str(folder),
            code_paths=[str(PACKAGE)],
            signature=_signature(),
            input_example=example.to_pandas(),
            pip_requirements=MODEL_REQUIREMENTS,
        )
        made = self._mlflow.register_model(info.model_uri, name, tags=dict(tags))
        return _version(made)

    @contextlib.contextmanager
    def _explained(self, missing: str = "") -> Iterator[None]:
        try:
            yield
        except LoanDefaultError:
            raise
        except self._mlflow.exceptions.MlflowException as error:
            raise _translated(error, self.uri, missing) from None
        except _database_errors() as error:
            raise ServiceError(f"the tracking database {self.uri} does not work: {error}") from None
        except Exception as error:
            # MLflow lets through what Cloud Storage raises while it moves artifacts.
            if told := storage.translate_error(error, self._settings.mlflow_artifact_root):
                raise told from None
            raise


def _translated(error: Any, uri: str, missing: str) -> LoanDefaultError:
    text = str(error).split("\n")[0]
    if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE") and missing:
        return InputError(missing)
    if "API request to" in text:
        return ServiceError(
            f"the tracking server {uri} does not answer: start it, or set MLFLOW_TRACKING_URI"
        )
    return ServiceError(f"MLflow at {uri} failed: {text}")


def _database_errors() -> tuple[type[Exception], ...]:
    # Where only MLflow's client part is installed there is no SQLAlchemy, and nothing raises it.
    module = sys.modules.get("sqlalchemy.exc")
    return (module.SQLAlchemyError,) if module else ()


def _version(found: "ModelVersion") -> Version:
    return Version(found.name, str(found.version), found.run_id or "", dict(found.tags))


def _signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    kinds = {"number": DataType.double, "category": DataType.string}
    inputs = Schema([ColSpec(kinds[c.kind], c.name, required=c.core) for c in RECORD])
    returns = ParamSpec("return", DataType.string, "decision")
    return ModelSignature(inputs=inputs, params=ParamSchema([returns]))
