"""One model for each output root: whose runs and whose online log a root holds.

Days are compared with the days before them and joined with outcomes by id, which means nothing
between two portfolios.
"""

import re

import polars as pl

from loan_default import storage
from loan_default.batch.run_files import marked_date, runs_of
from loan_default.errors import InputError

# Key of the metadata of the online log's files
MODEL_NAME = "model_name"
_ONLINE = re.compile(r"/date=\d{4}-\d{2}-\d{2}/[^/]+\.parquet$")


def require(root: str, model_name: str) -> None:
    """Raise InputError if what is stored under `root` is of another model than `model_name`."""
    for owner in (_batch_owner(root), _online_owner(root)):
        if owner and owner != model_name:
            raise InputError(
                f"{root} holds the runs of the model {owner}, not of {model_name}: give each model "
                "an OUTPUT_PATH of its own"
            )


def recorded(path: str) -> str | None:
    """Return the model behind a file of the online log; None in files of earlier releases."""
    with storage.open_input(path) as stream:
        return pl.read_parquet_metadata(stream).get(MODEL_NAME)


def _batch_owner(root: str) -> str | None:
    """Return the model of the newest batch run."""
    marked = marked_date(root)
    manifests = [run.manifest() for run in (runs_of(root, marked) if marked else ())]
    return next((str(manifest["model_name"]) for manifest in manifests if manifest), None)


def _online_owner(root: str) -> str | None:
    """Return the model of the newest file of the online log."""
    files = storage.files_below(storage.join(root, "online"))
    newest = max((path for path in files if _ONLINE.search(path)), default=None)
    return recorded(newest) if newest else None
