"""The house rules that the source itself can be asked about: which file imports what, reads the
environment, or has grown too long; and that what the documents tell people to type is there."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from workspace import ROOT

PACKAGE = ROOT / "src" / "loan_default"
SCRIPTS = {path.stem: path for path in (ROOT / "src").glob("*.py")}
# Every module by its dotted name below loan_default; a package's __init__ goes by the package's.
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path != PACKAGE / "__init__.py"
}
# From the bottom up: a module imports its own package and those below it, never one above.
LAYERS = (
    {"errors", "columns", "settings"},
    "storage",
    {"cli"},
    "contract",
    "plausibility",
    "data",
    "metrics",
    "drafting",
    "synthetic",
    "model",
    "training",
    "registry",
    "promotion",
    "batch",
    "serving",
    "monitoring.days",
    "monitoring.drift",
    "monitoring.performance",
    "monitoring.decision",
    "monitoring.reports",
    "sandbox",
    "pipelines",
    # The address of the loader that registered versions name
    {"pyfunc"},
)
AIRFLOW = sorted((ROOT / "airflow").rglob("*.py"))
PLUGINS = {path.stem for path in AIRFLOW if path.parent.name == "plugins"}
SOURCES = [*SCRIPTS.values(), *MODULES.values(), *AIRFLOW, *sorted((ROOT / "infra").rglob("*.py"))]

# A file of more than 300 lines wants a reason: one idea that should not be torn apart
MAX_LINES_OF_A_FILE, MAX_LINES_OF_A_FUNCTION = 400, 40

# The only files that import each library. What is in neither table nor EVERYWHERE is nobody's yet:
# whoever brings a library in decides here which file is its door.
EVERYWHERE = {"numpy", "polars"}
DOORS = {
    # Services
    "mlflow": {"registry.mlflow_client", "registry.tracking", "registry.versions"},
    "evidently": {
        "monitoring.drift.evidently_legacy",
        "monitoring.drift.evidently_report",
        "monitoring.drift.evidently_ui",
    },
    "starlette": {"serving.app", "serving.middleware"},
    "uvicorn": {"serving.server", "serving.http_limits"},
    "prometheus_client": {"serving.metrics"},
    "google": {"storage.gcs"},
    "google_crc32c": {"storage.gcs"},
    # Only to name the errors of Google's library
    "requests": {"storage.gcs"},
    "airflow_client": {"sandbox.airflow_client"},
    # Only to name the errors of Airflow's client
    "urllib3": {"sandbox.airflow_client"},
    # One for each server that is asked: Airflow, Evidently's UI, the demo's servers, MLflow
    "httpx": {
        "sandbox.airflow_client",
        "monitoring.drift.evidently_ui",
        "sandbox.local_stack",
        "registry.alias_lookup",
        "registry.artifacts",
    },
    # The model: fitted, kept and scored, imported without its ballast
    "xgboost": {"training.fitting", "model.artifact", "model.xgboost_import"},
    "sklearn": {
        "metrics.classification",
        "metrics.plots",
        "training.benchmarks",
        "training.fitting",
        "training.hazard",
    },
    "scipy": {"metrics.intervals", "monitoring.drift.verdict"},
    "matplotlib": {"metrics.plots", "monitoring.reports.charts"},
    # What Evidently and MLflow's pyfunc want their tables in
    "pandas": {"monitoring.drift.evidently_legacy", "model.pyfunc"},
    "pyarrow": {
        "data.streams",
        "data.csv_reader",
        "training.provenance",
        "data.readers",
        "monitoring.days.scored_day",
        "data.writers",
    },
    "orjson": {"serving.json_log", "serving.protocol"},
    "yaml": {"registry.artifacts"},
    "jinja2": {"monitoring.reports.overview", "serving.api_docs", "training.model_card"},
    "typing_extensions": {"serving.openapi"},
    "pydantic": {
        "contract.load",
        "contract.problems",
        "contract.schema",
        "settings",
        "serving.openapi",
        "serving.schemas",
    },
    "pydantic_settings": {"settings"},
    "rich": {"cli", "drafting.report", "sandbox.demo_summary", "sandbox.steps"},
}
# What `make mutation` changes: figures in, figures out. They, and what they import, reach no
# service, no disk and no clock of a server; but for three that need the model itself.
PURE = {
    name.removeprefix("src/loan_default/").removesuffix(".py").replace("/", ".")
    for name in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"][
        "only_mutate"
    ]
} - {"model.scoring", "training.fitting", "serving.protocol"} | {
    # Tables, exceptions, a record and a queue, of which there is nothing to mutate
    "columns",
    "contract",
    "contract.contract",
    "contract.matching",
    "errors",
    "monitoring.days.labelled_predictions",
    "data.prefetch",
}
PURE_LIBRARIES = {"numpy", "polars", "scipy", "sklearn"}
# Who touches the environment beside settings.py, and why.
ENVIRONMENT = {
    "settings.py": "pydantic-settings reads it; no os.environ is needed",
    "gcs.py": "sets what Google's own libraries read",
    "local_stack.py": "hands it on to the processes that it starts",
    "demo.py": "hands it on to the scripts that it starts",
    "script_operator.py": "hands it on to the script; a plugin imports no settings",
    "users.py": "runs alone in MLflow's container, from which it takes its passwords",
}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imported(nodes: Iterator[ast.AST]) -> set[str]:
    """Full names of the modules that the import statements among `nodes` may load."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"a relative import: {ast.unparse(node)}"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def imports(path: Path) -> set[str]:
    """Everything that a file imports, wherever in it."""
    return imported(ast.walk(tree(path)))


def libraries(path: Path) -> set[str]:
    """The packages of others that a file imports."""
    roots = {name.split(".")[0] for name in imports(path)}
    return roots - sys.stdlib_module_names - {"loan_default"} - PLUGINS - set(SCRIPTS)


def own(path: Path) -> set[str]:
    """The modules of loan_default that a file imports, by their dotted names below it."""
    names = [name for name in imports(path) if name.split(".")[0] == "loan_default"]
    return {_module(name.removeprefix("loan_default.")) for name in names}


def _module(name: str) -> str:
    """The module that `name` is, or is a member of."""
    while name not in MODULES:
        assert "." in name, f"{name} is no module of loan_default"
        name = name.rpartition(".")[0]
    return name


def layer(module: str) -> int:
    """How high the layer is that a module belongs to, from 0."""
    for height, names in enumerate(LAYERS):
        if module in names if isinstance(names, set) else f"{module}.".startswith(f"{names}."):
            return height
    raise AssertionError(f"{module} belongs to no layer")


ARROWS = {name: own(path) - {name} for name, path in MODULES.items()}


def below(name: str) -> set[str]:
    """The module and everything that it imports, directly or not."""
    found, todo = set(), [name]
    while todo:
        room = todo.pop()
        if room not in found:
            found.add(room)
            todo += ARROWS[room]
    return found


def test_there_is_no_cycle() -> None:
    # Raises CycleError, which names the circle.
    assert set(TopologicalSorter(ARROWS).static_order()) == set(MODULES)


def test_imports_point_down() -> None:
    modules = set(MODULES) - {"monitoring"}
    upwards = [(a, b) for a in modules for b in ARROWS[a] & modules if layer(b) > layer(a)]
    assert upwards == []


def test_every_package_says_its_purpose_in_one_line() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        text = ast.get_docstring(tree(path))
        assert text and "\n" not in text, path


def test_every_library_has_its_doors() -> None:
    found: dict[str, set[str]] = {}
    for name, path in {**SCRIPTS, **MODULES}.items():
        for library in libraries(path) - EVERYWHERE:
            found.setdefault(library, set()).add(name)
    assert found == DOORS


def test_cloud_storage_is_reached_through_files_alone() -> None:
    assert {name for name, path in MODULES.items() if "storage.gcs" in own(path)} == {
        "storage.files"
    }


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_modules_stand_on_pure_modules(name: str) -> None:
    assert below(name) <= PURE
    assert libraries(MODULES[name]) <= PURE_LIBRARIES


def test_serving_never_reaches_mlflow() -> None:
    assert "registry.mlflow_client" not in below("serving.server")


def test_the_serving_image_holds_what_serving_imports() -> None:
    scripts = [SCRIPTS["serve_model"], SCRIPTS["fetch_model"]]
    tops = {
        module.split(".")[0] for path in scripts for name in own(path) for module in below(name)
    }
    wanted = {PACKAGE / (top if (PACKAGE / top).is_dir() else f"{top}.py") for top in tops}
    text = (ROOT / "Dockerfile.serve").read_text().replace("\\\n", "")
    copies = [line.split()[1:-1] for line in re.findall(r"^COPY src/.+", text, re.MULTILINE)]
    copied = {ROOT / source for sources in copies for source in sources}
    # Read, not imported
    wanted.add(PACKAGE / "contracts")
    assert copied == {*scripts, PACKAGE / "__init__.py", *wanted}


def test_scripts_import_the_package_and_never_each_other() -> None:
    for path in [*SCRIPTS.values(), *MODULES.values()]:
        assert not {name.split(".")[0] for name in imports(path)} & set(SCRIPTS), path.name


def test_scripts_start_light() -> None:
    # --help and usage errors wait for no library.
    for path in SCRIPTS.values():
        roots = {name.split(".")[0] for name in imported(iter(tree(path).body))}
        assert roots <= sys.stdlib_module_names | {"loan_default"}, path.name
        top = {name for name in imported(iter(tree(path).body)) if "loan_default" in name}
        assert {name.split(".")[1] for name in top} <= {"cli", "errors"}, path.name


@pytest.mark.parametrize("path", AIRFLOW, ids=lambda path: path.stem)
def test_dags_and_plugins_reach_scripts_by_their_command_line(path: Path) -> None:
    assert libraries(path) == {"airflow"} and not own(path)
    assert not {name.split(".")[0] for name in imports(path)} & set(SCRIPTS)


@pytest.mark.parametrize("path", AIRFLOW, ids=lambda path: path.stem)
def test_dags_and_plugins_start_light(path: Path) -> None:
    # Slack's and SMTP's providers take 0.8 s, in every process that reads a DAG.
    top = imported(iter(tree(path).body))
    providers = {name for name in top if name.startswith("airflow.providers.")}
    assert all(name.startswith("airflow.providers.standard.") for name in providers)


def test_nothing_shadows_apache_airflow() -> None:
    assert not list((ROOT / "airflow").rglob("__init__.py"))


def test_the_environment_is_read_in_one_place() -> None:
    touching = set()
    for path in SOURCES:
        names = {node.attr for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)}
        names |= {name.removeprefix("os.") for name in imports(path)}
        if names & {"environ", "environb", "getenv", "putenv", "pydantic_settings.BaseSettings"}:
            touching.add(path.name)
    assert touching == set(ENVIRONMENT)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_files_and_functions_stay_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES_OF_A_FILE
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno
            assert node.end_lineno - node.lineno < MAX_LINES_OF_A_FUNCTION, node.name


def makefile_targets() -> dict[str, str | None]:
    """Every phony target of the Makefile, with its help."""
    text = (ROOT / "Makefile").read_text()
    names = re.findall(r"^\.PHONY: (.+)$", text, re.MULTILINE)
    helped = dict(re.findall(r"^([a-zA-Z0-9_-]+):.*## (.+)$", text, re.MULTILINE))
    return {name: helped.get(name) for line in names for name in line.split()}


def test_every_make_target_is_helped() -> None:
    assert [name for name, text in makefile_targets().items() if not text] == []


def told_to_type() -> set[tuple[str, str]]:
    """File and make target, wherever a document or a workflow names one."""
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("infra/*/*.md")]
    found = set()
    for path in documents:
        for code in re.findall(r"```.*?```|`[^`\n]+`", path.read_text(), re.DOTALL):
            for words in re.findall(r"\bmake((?: +[a-z][a-z-]*)+)", re.sub("#.*", "", code)):
                found |= {(path.name, word) for word in words.split()}
    for path in [ROOT / ".pre-commit-config.yaml", *ROOT.glob(".github/workflows/*.yaml")]:
        for words in re.findall(r"(?:run|entry): make((?: +[a-z][a-z-]*)+)", path.read_text()):
            found |= {(path.name, word) for word in words.split()}
    return found


def test_every_make_target_that_people_are_told_of_is_there() -> None:
    told = told_to_type()
    assert {
        ("README.md", "start"),
        ("ci.yaml", "test"),
        (".pre-commit-config.yaml", "lint-all"),
    } <= told
    assert {pair for pair in told if pair[1] not in makefile_targets()} == set()
