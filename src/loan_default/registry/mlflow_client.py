"""A connection to MLflow: opened on first use, with its errors translated and its state restored.

MLflow takes seconds to import, so it is imported by the first call and not before.
"""

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any

from loan_default import storage
from loan_default.errors import InputError, LoanDefaultError, ServiceError
from loan_default.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow's default of seven retries with back-off keeps a user waiting for minutes.
HTTP_RETRIES = 3


class MlflowConnection:
    """MLflow at `settings.mlflow_tracking_uri`, for model versions as for runs.

    The constructor makes no request. What MLflow keeps for the whole process (tracking URI, log
    levels, warnings, its environment variables) is changed only during a call and then restored.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.uri = settings.mlflow_tracking_uri

    @property
    def is_server(self) -> bool:
        """Whether a tracking server answers, and not a database that this process opens itself."""
        return self.uri.startswith(("http://", "https://"))

    @cached_property
    def client(self) -> "MlflowClient":
        """MLflow's client, once a first request has been answered.

        Raises ServiceError if MLflow does not answer.
        """
        with _quiet() as mlflow, self._translated():
            client: MlflowClient = mlflow.MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
            client.search_registered_models(max_results=1)
        return client

    def check(self) -> None:
        """Raise ServiceError if MLflow does not answer."""
        _ = self.client

    @contextlib.contextmanager
    def calling(self, missing: str = "") -> Iterator["MlflowClient"]:
        """Yield the client for the calls in the block.

        Args:
            missing: the error message if MLflow has no such version, alias or run.

        Raises ServiceError if MLflow does not answer and InputError(`missing`) if it has no such
        thing.
        """
        client = self.client
        with _quiet(), self._translated(missing):
            yield client

    @contextlib.contextmanager
    def process_wide(self, missing: str = "") -> Iterator[ModuleType]:
        """Yield the module `mlflow` with its tracking URI set, for calls that take no client.

        `missing` and what is raised are those of `calling`.
        """
        with self.calling(missing):
            import mlflow

            before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
            mlflow.set_tracking_uri(self.uri)
            try:
                yield mlflow
            finally:
                mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None unsets it

    @contextlib.contextmanager
    def _translated(self, missing: str = "") -> Iterator[None]:
        from mlflow.exceptions import MlflowException

        try:
            yield
        except LoanDefaultError:
            raise
        except MlflowException as error:
            raise _explanation(error, self.uri, missing) from None
        except _database_errors() as error:
            raise ServiceError(f"the tracking database {self.uri} failed: {error}") from None
        except Exception as error:
            # MLflow lets the exceptions of Cloud Storage through.
            explained = storage.translate_error(error, self.settings.mlflow_artifact_root)
            if explained:
                raise explained from None
            raise


@contextlib.contextmanager
def _quiet() -> Iterator[ModuleType]:
    """Mute MLflow's progress bars, log lines and warnings, and limit its retries, in the block."""
    with warnings.catch_warnings(), contextlib.ExitStack() as restored:
        warnings.filterwarnings("ignore", category=FutureWarning, module="mlflow")
        import mlflow
        from mlflow import environment_variables as variables

        retries = variables.MLFLOW_HTTP_REQUEST_MAX_RETRIES
        if not retries.is_set():
            restored.callback(retries.unset)
            retries.set(HTTP_RETRIES)
        bars = variables.MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR
        restored.callback(bars.set if bars.is_set() else lambda _: bars.unset(), bars.get_raw())
        bars.set(False)
        for name in ("mlflow", "alembic"):
            logger = logging.getLogger(name)
            restored.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.WARNING)
        yield mlflow


def _explanation(error: Any, uri: str, missing: str) -> LoanDefaultError:
    text = str(error).split("\n")[0]
    if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE") and missing:
        return InputError(missing)
    if "API request to" in text:
        return ServiceError(
            f"the tracking server {uri} does not answer: start it, or set MLFLOW_TRACKING_URI"
        )
    return ServiceError(f"MLflow at {uri} failed: {text}")


def _database_errors() -> tuple[type[Exception], ...]:
    # With MLflow's client part alone there is no SQLAlchemy, and nothing raises its errors.
    module = sys.modules.get("sqlalchemy.exc")
    return (module.SQLAlchemyError,) if module else ()
