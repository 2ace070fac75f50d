"""MLflow runs: what a training or a monitored day logs, and the version that a run registers."""

import contextlib
import logging
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loan_default import storage
from loan_default.contract.contract import Contract
from loan_default.registry.mlflow_client import MlflowConnection
from loan_default.registry.versions import ModelVersion, model_version

if TYPE_CHECKING:
    import polars as pl

PACKAGE = Path(__file__).parents[1]
# What loads and scores a model version; the platform itself needs more.
MODEL_REQUIREMENTS = ["numpy", "polars", "pydantic==2.*", "xgboost==3.2.*"]
METRICS_PER_REQUEST = 1000

log = logging.getLogger(__name__)


class Tracking:
    """MLflow's runs, in the experiments of this platform.

    Every method raises ServiceError if MLflow does not answer.
    """

    def __init__(self, connection: MlflowConnection) -> None:
        self.connection = connection

    @contextlib.contextmanager
    def run(self, name: str, tags: Mapping[str, str]) -> Iterator["Run"]:
        """Yield a new run, which ends with the block: as failed if the block raises."""
        experiment = self._experiment()
        with (
            self.connection.process_wide() as mlflow,
            mlflow.start_run(experiment_id=experiment, run_name=name, tags=dict(tags)) as run,
        ):
            yield Run(self.connection, str(run.info.run_id))

    def log_report(
        self, name: str, tags: Mapping[str, str], metrics: Mapping[str, float], folder: Path
    ) -> str:
        """Log a monitored day's metrics and the files in `folder`; return the run's id.

        Such runs have an experiment of their own. A run with the same tags is overwritten.
        """
        experiment = self._experiment("_monitoring")
        same = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        with self.connection.calling() as client:
            runs = client.search_runs([experiment], same, max_results=1)
        earlier = runs[0].info.run_id if runs else None
        with (
            self.connection.process_wide() as mlflow,
            mlflow.start_run(earlier, experiment, run_name=name, tags=dict(tags)) as run,
        ):
            Run(self.connection, str(run.info.run_id)).log({}, metrics, folder)
        return str(run.info.run_id)

    def _experiment(self, suffix: str = "") -> str:
        """Return the id of the experiment, which is created if there is none."""
        settings = self.connection.settings
        name, root = settings.mlflow_experiment_name + suffix, settings.mlflow_artifact_root
        with self.connection.calling() as client:
            experiment = client.get_experiment_by_name(name)
            location = experiment.artifact_location if experiment else self._artifact_root()
            if location and storage.is_remote(location):
                storage.check_target(location)
            elif experiment and storage.is_remote(root) and not self.connection.is_server:
                told = "experiment %s stores its artifacts in %s: name another one to use %s"
                log.warning(told, name, location, root)
            if experiment:
                return str(experiment.experiment_id)
            return str(client.create_experiment(name, location))

    def _artifact_root(self) -> str | None:
        """Return where a new experiment's artifacts go, None if the server decides."""
        root = self.connection.settings.mlflow_artifact_root
        if self.connection.is_server:
            return None
        return root if "://" in root else str(Path(root).resolve())


@dataclass(frozen=True)
class Run:
    """The run that is active in the block of `Tracking.run`."""

    connection: MlflowConnection
    run_id: str

    def log(self, params: Mapping[str, Any], metrics: Mapping[str, float], artifacts: Path) -> None:
        """Log parameters, metrics and the files in the folder `artifacts`."""
        from mlflow.entities import Param

        named = [Param(name, str(value)) for name, value in params.items()]
        points = [_metric(name, value, 0) for name, value in metrics.items()]
        with self.connection.calling() as client:
            client.log_batch(self.run_id, metrics=points, params=named)
            client.log_artifacts(self.run_id, str(artifacts))

    def log_curve(self, name: str, values: Sequence[float]) -> None:
        """Log one metric by step (boosting round, from 1)."""
        points = [_metric(name, value, step) for step, value in enumerate(values, start=1)]
        with self.connection.calling() as client:
            for start in range(0, len(points), METRICS_PER_REQUEST):
                client.log_batch(self.run_id, metrics=points[start : start + METRICS_PER_REQUEST])

    def log_data(self, path: str, digest: str, context: str) -> None:
        """Log the data set that the run read.

        Args:
            path: its file, of which MLflow shows the name.
            digest: its SHA-256; MLflow stores at most 36 characters of it.
            context: what it was read for, such as "training".
        """
        with self.connection.process_wide() as mlflow:
            from mlflow.data.dataset_source_registry import resolve_dataset_source
            from mlflow.data.meta_dataset import MetaDataset

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                source = resolve_dataset_source(path)
            name = Path(path).name[:500]
            # Typed as abstract, used as it is in MLflow's own documentation.
            data = MetaDataset(source, name=name, digest=digest[:32])  # type: ignore[abstract]
            mlflow.log_input(data, context=context)

    def register(
        self,
        folder: Path,
        name: str,
        tags: Mapping[str, str],
        example: "pl.DataFrame",
        contract: Contract,
    ) -> ModelVersion:
        """Log the saved model in `folder` to the run and register it as a new version of `name`.

        `example` holds a typed record or two of the `contract`, which MLflow shows and scores. The
        version carries the code of this package, so that any MLflow client can load it.
        """
        with self.connection.process_wide() as mlflow:
            logged = mlflow.pyfunc.log_model(
                name="model",
                loader_module="loan_default.pyfunc",
                data_path=str(folder),
                code_paths=[str(PACKAGE)],
                signature=_signature(contract),
                input_example=example.to_pandas(),
                pip_requirements=MODEL_REQUIREMENTS,
            )
            return model_version(mlflow.register_model(logged.model_uri, name, tags=dict(tags)))


def _metric(name: str, value: float, step: int) -> Any:
    from mlflow.entities import Metric

    return Metric(name, value, time.time_ns() // 1_000_000, step)


def _signature(contract: Contract) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    types = {"number": DataType.double, "category": DataType.string}
    inputs = Schema([ColSpec(types[c.kind], c.name, required=c.core) for c in contract.record])
    returns = ParamSpec("return", DataType.string, "decision")
    return ModelSignature(inputs=inputs, params=ParamSchema([returns]))
