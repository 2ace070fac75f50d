"""Download a model version atomically and check that it loads and scores."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from loan_default.errors import InputError
from loan_default.registry import resolve
from loan_default.serving import loaded_model
from loan_default.settings import Settings


def fetch(settings: Settings, name: str, version: str, folder: Path) -> dict[str, Any]:
    """Download a version's files into `folder`, replacing what is there.

    Returns model_version, folder and unusable: why the version cannot be served, None if it can.

    Raises InputError if the version does not exist or its files are gone, ServiceError if the
    registry or the storage does not answer.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}.") as temporary:
        files = resolve.files(settings, name, version, Path(temporary))
        unusable = _why_unusable(files, name, version)
        shutil.rmtree(folder, ignore_errors=True)
        files.rename(folder)
    return {"model_version": version, "folder": str(folder), "unusable": unusable}


def _why_unusable(files: Path, name: str, version: str) -> str | None:
    try:
        loaded_model.load(files, name, version, threads=1)
    except InputError as error:
        return str(error)
    # Each library that reads damaged files fails in its own ways.
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None
