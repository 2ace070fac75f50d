"""The provenance of a model: data digest, commit, settings, and one fingerprint of its inputs."""

import ast
import hashlib
import importlib.util
import json
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pyarrow as pa

from loan_default.columns import ID, ROW
from loan_default.contract.contract import Contract
from loan_default.settings import Settings
from loan_default.training.cohorts import Split

PACKAGE = Path(__file__).parents[1]
BUILT_FROM = PACKAGE / "COMMIT"  # written by Dockerfile.airflow
# A fit depends on these; where a model is stored and how it is used later does not change it.
TRAINING_SETTINGS = (
    "random_seed",
    "threads",
    "outcome_window_months",
    "use_lender_price",
    "cv_folds",
    "threshold_strategy",
    "cost_ratio",
    "decline_share",
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
FIT = "loan_default.training.train"
NOT_FITTED = {"loan_default.settings", "loan_default.errors"}
LIBRARIES = ("xgboost-cpu", "xgboost", "numpy", "scikit-learn")


def training_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings that a fit depends on."""
    return {name: getattr(settings, name) for name in TRAINING_SETTINGS}


def data_digest(split: Split, window: int) -> str:
    """Return the SHA-256 of the loans to learn from, in any order, and of the range of test months.

    Without a window running loans are left out: a newer export in which no further loan has matured
    is the same data. With one, a later as-of month is more data.
    """
    months = f"{split.test_from:%Y-%m} {split.test_through:%Y-%m}"
    digest = hashlib.sha256((f"{months} {split.as_of:%Y-%m}" if window else months).encode())
    loans = split.loans if window else split.matured
    unordered = loans.select(sorted(set(loans.columns) - {ROW}))
    table = unordered.sort(ID).rechunk().to_arrow()
    with pa.ipc.new_stream(pa.PythonFile(_Sink(digest), "w"), table.schema) as stream:
        stream.write_table(table)
    return digest.hexdigest()


def commit() -> str:
    """Return the git commit that the image was built from, else the checkout's, else "unknown"."""
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
    """Return the SHA-256 of the code that a fit runs through, without comments and docstrings."""
    digest = hashlib.sha256()
    for name, source in sorted(fit_sources().items()):
        digest.update(f"{name}\0{source_text(source)}\0".encode())
    return digest.hexdigest()


def source_text(source: str) -> str:
    """Return Python source without comments, docstrings and layout."""
    return ast.unparse(_Undocumented().visit(ast.parse(source)))


def fit_sources() -> dict[str, str]:
    """Return the source of `FIT` and of the modules that it imports, directly or not, by name.

    Settings have a digest of their own and errors change no model: `NOT_FITTED` is left out.
    """
    sources: dict[str, str] = {}
    todo = {FIT}
    while todo:
        name = todo.pop()
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None or name in NOT_FITTED or name in sources:
            continue
        sources[name] = Path(spec.origin).read_text(encoding="utf-8")
        todo |= _imports(ast.parse(sources[name]))
    return sources


def fingerprint(digest: str, contract: Contract, settings: Settings) -> str:
    """Return the SHA-256 over what a fit depends on: data, contract, settings, code, libraries."""
    facts = [
        digest,
        contract.digest,
        training_settings(settings),
        code_digest(),
        library_versions(),
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def library_versions() -> dict[str, str]:
    """Return the versions of the installed libraries that a fit depends on."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _imports(source: ast.Module) -> set[str]:
    """Return the modules of this package that `source` imports."""
    names = set()
    for node in ast.walk(source):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.startswith(f"{PACKAGE.name}.") and _is_module(name)}


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # the parent is a module, not a package
        return False


class _Undocumented(ast.NodeTransformer):
    """Removes docstrings; comments are gone once the source is parsed."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return node


class _Sink:
    """A writable file that only feeds the digest."""

    closed = False

    def __init__(self, digest: "hashlib._Hash") -> None:
        self._digest = digest

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        return len(data)

    def flush(self) -> None: ...

    def close(self) -> None: ...
