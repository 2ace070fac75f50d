"""What the tests share: the loans to learn from and a tracking store with one trained model in
it."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from loan_default import settings
from made_once import made_once
from workspace import NARROW, ROOT, Workspace

# Airflow writes into its folder when it is imported: never into a person's own.
AIRFLOW_HOME = tempfile.mkdtemp(prefix="airflow-")
os.environ["AIRFLOW_HOME"] = AIRFLOW_HOME
# Scripts of one process share MLflow's connections, while tests replace and remove the files.
os.environ["MLFLOW_SQLALCHEMYSTORE_POOLCLASS"] = "NullPool"
# Fixtures that start one.
SERVERS = {"bucket", "emulator", "server", "servers", "stack", "tracking_server", "ui"}
# Folders whose files take minutes.
LONG = tuple(f"tests/{name}/" for name in ("airflow", "scripts", "docs", "pipelines", "serving"))


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Settings come from the defaults: no `.env` of the checkout, no variable of the shell."""
    for name in settings.Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    settings.settings.cache_clear()
    yield
    settings.settings.cache_clear()


@pytest.fixture(scope="session")
def real_loans() -> Path:
    """The real export, which REAL_LOANS names; without it the test is skipped."""
    path = os.environ.get("REAL_LOANS")
    if not path:
        pytest.skip("REAL_LOANS names no file of LendingClub's loans: see CONTRIBUTING.md")
    return ROOT / path


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated export: 20,000 loans of 2007 to 2018, some 5,000 of them matured."""
    arguments = ("--rows", "20000", "--seed", "11", "--output-path", "loans.csv")

    def make(folder: Path) -> None:
        Workspace(folder).run("make_loans", *arguments).result

    return made_once(tmp_path_factory, "export", make) / "loans.csv"


@pytest.fixture(scope="session")
def narrow_export(tmp_path_factory: pytest.TempPathFactory, export: Path) -> Path:
    """`export` with nine features: a drift report draws a second's worth of charts of each."""

    def make(folder: Path) -> None:
        loans = pl.read_csv(export, columns=NARROW, infer_schema=False)
        loans.select(NARROW).write_csv(folder / "loans.csv")

    return made_once(tmp_path_factory, "narrow_export", make) / "loans.csv"


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with its tables and nothing in them, to be copied: making one takes
    seconds."""
    from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine

    def make(folder: Path) -> None:
        _initialize_tables(create_sqlalchemy_engine(f"sqlite:///{folder}/mlflow.db"))

    return made_once(tmp_path_factory, "store", make) / "mlflow.db"


@pytest.fixture
def workspace(tmp_path: Path, empty_store: Path) -> Workspace:
    """A workspace without any model."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return Workspace(tmp_path)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, empty_store: Path, export: Path) -> Workspace:
    """A workspace with version 1 behind `staging`, learned from `export`. Not to be changed by a
    test: give scripts an --output-path of your own."""
    return _trained(tmp_path_factory, "trained", empty_store, export)


@pytest.fixture(scope="session")
def narrow_trained(
    tmp_path_factory: pytest.TempPathFactory, empty_store: Path, narrow_export: Path
) -> Workspace:
    """Like `trained`, learned from the matured loans of `narrow_export` alone: those issued later
    are new to the model, so that their outcomes can judge it."""
    matured = {"OUTCOME_WINDOW_MONTHS": "0"}
    return _trained(tmp_path_factory, "narrow_trained", empty_store, narrow_export, **matured)


def _trained(
    factory: pytest.TempPathFactory, name: str, empty_store: Path, export: Path, **settings: str
) -> Workspace:
    def make(folder: Path) -> None:
        shutil.copy(empty_store, folder / "mlflow.db")
        made = Workspace(folder).run("train_with_mlflow", "--data-path", export, **settings)
        assert made.result["model_version"] == "1"

    return Workspace(made_once(factory, name, make))


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A bucket on a real server process that speaks Cloud Storage's protocol."""
    from cloud_storage import BUCKET, Emulator, reached_at

    emulator = Emulator(tmp_path_factory.mktemp("emulator"))
    emulator.start()
    try:
        with reached_at(emulator.url):
            yield BUCKET
    finally:
        emulator.kill()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The platform in Docker, with generated loans to train on; removed afterwards.

    All files of `tests/stack` share it and go on from each other, in the Makefile's order.
    """
    from docker_stack import DockerStack

    made = DockerStack(tmp_path_factory.mktemp("stack"))
    loans = made.folder / "data" / "raw"
    loans.mkdir()
    for name, seed in (("loans.csv", "11"), ("newer.csv", "12")):
        arguments = ("--rows", "20000", "--seed", seed, "--output-path", loans / name)
        assert Workspace(loans).run("make_loans", *arguments).code == 0
    # Some 500 test loans tell little of calibration, of the price, and of two versions
    gate = {"PROMOTION_AUC_THRESHOLD": "0.5", "PROMOTION_AUC_MARGIN": "1"}
    gate |= {"PROMOTION_PRICE_GAIN": "-1", "PROMOTION_CALIBRATION_TOLERANCE": "1"}
    gate |= {"PROMOTION_RATIO_TOLERANCE": "1"}
    made.configure(TRAIN_DATA_PATH="data/raw/loans.csv", **gate)
    made.remove_leftovers()
    made.make("start")
    yield made
    made.remove()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever asks for a server is slow. RUN_INTEGRATION_TESTS=0 leaves the slow ones out.

    The files that take minutes come first: started last, one would keep a worker busy alone.
    """
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))
    for item in items:
        if SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("slow") and os.environ.get("RUN_INTEGRATION_TESTS") == "0":
            item.add_marker(pytest.mark.skip(reason="RUN_INTEGRATION_TESTS=0"))


def pytest_unconfigure() -> None:
    """Leave no folder behind."""
    shutil.rmtree(AIRFLOW_HOME, ignore_errors=True)


@pytest.fixture(scope="module")
def save(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Writes a file, a table as Parquet with `metadata`, in a folder of its own; gives its path."""
    root, number = tmp_path_factory.mktemp("saved"), count()

    def save(content: bytes | str | pl.DataFrame, name: str = "loans.csv", **metadata: str) -> str:
        path = root / str(next(number)) / name
        path.parent.mkdir()
        if isinstance(content, pl.DataFrame):
            content.write_parquet(path, metadata=metadata)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return save


@pytest.fixture(params=sorted((ROOT / "airflow" / "dags").glob("*.py")), ids=lambda path: path.stem)
def dag(request: pytest.FixtureRequest) -> Any:
    """Each of Airflow's DAGs in its turn, parsed anew."""
    from parsed_dags import parsed

    return parsed(request.param.stem)
