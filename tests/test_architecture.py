"""The house rules that the source itself can be asked about: which file imports what, reads the
environment, or has grown too long; and that what the documents tell people to type is there."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from conftest import ROOT

PACKAGE = ROOT / "src" / "loan_default"
SCRIPTS = {path.stem: path for path in (ROOT / "src").glob("*.py")}
ROOMS = {path.stem: path for path in PACKAGE.glob("*.py") if path.stem != "__init__"}
AIRFLOW = sorted((ROOT / "airflow").rglob("*.py"))
PLUGINS = {path.stem for path in AIRFLOW if path.parent.name == "plugins"}
SOURCES = [*SCRIPTS.values(), *ROOMS.values(), *AIRFLOW, *sorted((ROOT / "infra").rglob("*.py"))]

MOST_LINES_OF_A_FILE, MOST_LINES_OF_A_FUNCTION = 300, 40

# The only files that import each library. What is in neither table nor EVERYWHERE is nobody's yet:
# whoever brings a library in decides here which file is its door.
EVERYWHERE = {"numpy", "polars"}
DOORS = {
    # Services
    "mlflow": {"registry"},
    "evidently": {"drift", "drift_ui"},
    "starlette": {"api", "guard"},
    "uvicorn": {"serving", "http_limits"},
    "prometheus_client": {"serve_metrics"},
    "google": {"gcs"},
    "google_crc32c": {"gcs"},
    # Only to name the errors of Google's library
    "requests": {"gcs"},
    # One for each server that is asked: Airflow, Evidently's UI, the demo's servers, MLflow
    "httpx": {"airflow_api", "drift_ui", "local_stack", "lookout", "model_files"},
    # The model: fitted, kept and scored, imported without its ballast
    "xgboost": {"fitting", "model", "lean"},
    "sklearn": {"evaluation", "fitting", "plots"},
    "matplotlib": {"plots", "overview_charts"},
    # What Evidently and MLflow's pyfunc want their tables in
    "pandas": {"drift", "pyfunc"},
    "pyarrow": {"csv_blocks", "provenance", "reading", "scored_day", "tables"},
    "orjson": {"json_log", "protocol"},
    "yaml": {"model_files"},
    "pydantic": {"settings"},
    "pydantic_settings": {"settings"},
    "rich": {"cli", "run_demo"},
}
# They, and what they import, reach no service, no disk and no clock of a server.
PURE = {
    "auc",
    "judged",
    "maturity",
    "realised",
    "ahead",
    "alerting",
    "cohort",
    "columns",
    "drift_verdict",
    "errors",
    "evaluation",
    "features",
    "intervals",
    "message",
    "promotion",
    "quality",
    "quality_loss",
    "rejections",
}
PURE_LIBRARIES = {"numpy", "polars", "sklearn"}
# Who touches the environment beside settings.py, and why.
ENVIRONMENT = {
    "settings.py": "pydantic-settings reads it; no os.environ is needed",
    "gcs.py": "sets what Google's own libraries read",
    "local_stack.py": "hands it on to the processes that it starts",
    "run_demo.py": "hands it on to the scripts that it starts",
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


def rooms(path: Path) -> set[str]:
    """The modules of loan_default that a file imports."""
    parts = [name.split(".") for name in imports(path)]
    found = {part[1] for part in parts if part[0] == "loan_default"}
    assert found <= set(ROOMS), f"{path.name} imports what is no module: {found - set(ROOMS)}"
    return found


ARROWS = {name: rooms(path) for name, path in ROOMS.items()}


def below(name: str) -> set[str]:
    """The module and everything that it imports, directly or not."""
    found, todo = set(), [name]
    while todo:
        room = todo.pop()
        if room not in found:
            found.add(room)
            todo += ARROWS[room]
    return found


def test_arrows_point_down() -> None:
    # Raises CycleError, which names the circle.
    assert set(TopologicalSorter(ARROWS).static_order()) == set(ROOMS)


def test_every_library_has_its_doors() -> None:
    found: dict[str, set[str]] = {}
    for name, path in {**SCRIPTS, **ROOMS}.items():
        for library in libraries(path) - EVERYWHERE:
            found.setdefault(library, set()).add(name)
    assert found == DOORS


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_modules_stand_on_pure_modules(name: str) -> None:
    assert below(name) <= PURE
    assert libraries(ROOMS[name]) <= PURE_LIBRARIES


def test_serving_never_reaches_mlflow() -> None:
    assert "registry" not in below("serving")


def test_scripts_import_the_package_and_never_each_other() -> None:
    for path in [*SCRIPTS.values(), *ROOMS.values()]:
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
    assert libraries(path) == {"airflow"} and not rooms(path)
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
    assert len(path.read_text().splitlines()) <= MOST_LINES_OF_A_FILE
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno
            assert node.end_lineno - node.lineno < MOST_LINES_OF_A_FUNCTION, node.name


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
