"""Measure what scoring and serving save by not importing MLflow, pandas and scikit-learn.

ADR 17 and 18 quote the figures. First the imports alone, in this environment and in those given
with `--python`, such as the serving image's: `python3 -m venv /tmp/serve` and
`/tmp/serve/bin/pip install --require-hashes -r requirements.serve.txt`. Then whole runs on a
registry in an SQLite file: `batch_predict.py`, and `fetch_model.py`, which the server starts for
each version; as they are, with a plain import of XGBoost, and with MLflow's client. Last, the
memory of the tracking server that could stand in front of such a file. Everything runs in turn, in
a process of its own; medians, and the maximum of the memory.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from unittest import mock

from rich.console import Console
from rich.table import Table

from measured import ROOT, Cost, Workplace, median

OURS = "from loan_default"
IMPORTS = {
    "XGBoost": "import xgboost",
    "XGBoost alone": f"{OURS}.model.xgboost_import import import_xgboost; import_xgboost()",
    "MLflow's client": "from mlflow import MlflowClient",
    "alias look-up": f"{OURS}.registry.alias_lookup import create_lookup",
}
QUICK = {"XGB_MAX_ROUNDS": "100", "CV_FOLDS": "3", "XGB_LEARNING_RATE": "0.1"}
AS_IT_IS, PLAIN_IMPORT, MLFLOW_CLIENT = "as it is", "plain import", "MLflow's client"
NAME = "loan_default_model"


def imports(place: Workplace, pythons: list[str], rounds: int) -> None:
    """Print the cost of each import in each environment."""
    found: dict[tuple[str, str], list[Cost]] = {}
    for _ in range(rounds):
        for python in pythons:
            for name, code in IMPORTS.items():
                code = f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); {code}"
                found.setdefault((python, name), []).append(place.run(python, "-c", code))
    _show("environment", "import", found)


def runs(place: Workplace, rows: int, rounds: int) -> None:
    """Print the cost of whole runs."""
    place.script("make_loans", "--rows", str(rows), "--seed", "1", "--output-path", "raw.csv")
    place.script("train_with_mlflow", "--data-path", "raw.csv")
    scored = ("--reasons", "none", "--rescore", "--output-path", "scored")
    work = {
        f"batch_predict, {rows:,} rows": ("batch_predict", *scored, "--input-path", "raw.csv"),
        "fetch_model": ("fetch_model", "--model-name", NAME, "--version", "1", "--folder", "files"),
    }
    found: dict[tuple[str, str], list[Cost]] = {}
    for _ in range(rounds):
        for name, script in work.items():
            for way in (AS_IT_IS, PLAIN_IMPORT, MLFLOW_CLIENT):
                cost = place.peer("start_up", "--as", way, *script)
                found.setdefault((name, way), []).append(cost)
    _show("script", "way", found)


def run_as(way: str, script: str, given: list[str]) -> int:
    """Run a script in this process with another way of importing; return its exit code."""
    from loan_default.errors import ServiceError
    from loan_default.model import xgboost_import
    from loan_default.registry import artifacts, resolve

    def plain() -> None:
        import xgboost  # noqa: F401

    patches = {
        PLAIN_IMPORT: [mock.patch.object(xgboost_import, "import_xgboost", plain)],
        MLFLOW_CLIENT: [
            mock.patch.object(resolve, "create_lookup", side_effect=ServiceError("not asked")),
            mock.patch.object(artifacts, "fetch", return_value=False),
        ],
    }
    for patch in patches.get(way, []):
        patch.start()
    return int(__import__(script).main(given))


def tracking_server(place: Workplace) -> None:
    """Print the memory of `mlflow server` once it answers."""
    from serve import Bench, running, wait_for

    bench = Bench(place.folder)
    with running(bench.registry):
        wait_for(f"{bench.uri}/health")
        print(f"mlflow server, one worker: {bench.registry.memory():,.0f} MiB")


def _show(first: str, second: str, found: dict[tuple[str, str], list[Cost]]) -> None:
    table = Table(first, second, "seconds", "CPU seconds", "peak MiB")
    for names, costs in found.items():
        cost = median(costs)
        table.add_row(*names, f"{cost.seconds:.2f}", f"{cost.processor:.2f}", f"{cost.memory:,.0f}")
    Console(width=110).print(table)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", nargs="*", default=[], help="of other environments")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--as", nargs=argparse.REMAINDER, dest="way", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.way:
        way, script, *given = flags.way
        return run_as(way, script, given)
    with tempfile.TemporaryDirectory() as temporary:
        place = Workplace(Path(temporary), **QUICK)
        imports(place, [sys.executable, *flags.python], flags.rounds)
        runs(place, flags.rows, flags.rounds)
        tracking_server(place)
    return 0


if __name__ == "__main__":
    sys.exit(main())
