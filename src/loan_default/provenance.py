"""Where a model comes from: data, commit, settings, and one fingerprint of them all."""

import hashlib
import json
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pyarrow as pa

from loan_default.cohort import Split
from loan_default.columns import DEFAULT, ID, ISSUE_MONTH, NAMES
from loan_default.settings import Settings

PACKAGE = Path(__file__).parent
BUILT_FROM = PACKAGE / "COMMIT"  # written by Dockerfile.airflow
# What a fit depends on; where it is kept and what is done with it later does not change a model.
TRAINING_SETTINGS = (
    "random_seed",
    "threads",
    "cv_folds",
    "threshold_strategy",
    "cost_ratio",
    "xgb_max_rounds",
    "xgb_early_stopping_rounds",
    "xgb_learning_rate",
    "xgb_max_depth",
    "xgb_min_child_weight",
    "xgb_reg_lambda",
    "xgb_subsample",
    "xgb_colsample_bytree",
    "xgb_device",
)
LIBRARIES = ("xgboost-cpu", "xgboost", "numpy", "scikit-learn")


def training_settings(settings: Settings) -> dict[str, Any]:
    """The settings that change a model."""
    return {name: getattr(settings, name) for name in TRAINING_SETTINGS}


def data_digest(split: Split) -> str:
    """SHA-256 of what training reads: the matured loans, whatever their order, and the first test
    month.

    Loans that are still running are left out: a newer export with nothing newly matured is the same
    data.
    """
    digest = hashlib.sha256(f"{split.test_from:%Y-%m} {split.test_through:%Y-%m}".encode())
    table = split.matured.select(ID, ISSUE_MONTH, DEFAULT, *NAMES).sort(ID).rechunk().to_arrow()
    with pa.ipc.new_stream(pa.PythonFile(_Sink(digest), "w"), table.schema) as stream:
        stream.write_table(table)
    return digest.hexdigest()


def commit() -> str:
    """The git commit of the code: the one an image was built from, else its checkout's, else
    "unknown"."""
    if BUILT_FROM.exists():
        return BUILT_FROM.read_text().strip()
    try:
        done = subprocess.run(
            ["git", "-C", str(PACKAGE), "rev-parse", "HEAD"], capture_output=True, text=True
        )
    except FileNotFoundError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def code_digest() -> str:
    """SHA-256 of the package's source, which tells uncommitted changes apart."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def fingerprint(digest: str, settings: Settings) -> str:
    """SHA-256 over data digest, training settings, commit, source and library versions."""
    facts = [digest, training_settings(settings), commit(), code_digest(), library_versions()]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def library_versions() -> dict[str, str]:
    """The installed ones of the libraries that a fit depends on."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


class _Sink:
    """A file that is only hashed."""

    closed = False

    def __init__(self, digest: "hashlib._Hash") -> None:
        self._digest = digest

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        return len(data)

    def flush(self) -> None: ...

    def close(self) -> None: ...
