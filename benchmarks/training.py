"""Measure a training's time by part, and its fit step against a bare `xgboost.train`.

Runs `train_with_mlflow.py` in this process and times its parts. Then times in turns the fit on all
matured loans, from the feature matrix to the booster, and `xgboost.train` on a matrix already in
XGBoost's own format, with the same parameters and rounds.
"""

import argparse
import builtins
import functools
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from loan_default.contract.load import LENDINGCLUB, load
from measured import Workplace

CONTRACT = load(LENDINGCLUB)


class Clock:
    """Measure seconds by part; time in a nested part counts for that part only."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since = time.perf_counter()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time of the block as `name`."""
        self._book()
        self._open.append(name)
        try:
            yield
        finally:
            self._book()
            self._open.pop()

    def on(self, owner: Any, method: str, name: str) -> None:
        """Count the time of every call of `owner.method` as `name`."""
        found = getattr(owner, method)

        @functools.wraps(found)
        def counted(*given: Any, **named: Any) -> Any:
            with self.part(name):
                return found(*given, **named)

        setattr(owner, method, counted)

    def _book(self) -> None:
        now = time.perf_counter()
        self.seconds[self._open[-1] if self._open else "all the rest"] += now - self._since
        self._since = now


def profile(data: str) -> dict[str, float]:
    """Return the seconds of a training by part."""
    clock = Clock()
    with clock.part("imports"):
        import train_with_mlflow as script
        from loan_default.metrics import classification
        from loan_default.model import features
        from loan_default.pipelines import train as pipeline
        from loan_default.promotion import gate
        from loan_default.registry.mlflow_client import MlflowConnection
        from loan_default.registry.tracking import Run
        from loan_default.registry.versions import Registry
        from loan_default.training import benchmarks, cohorts, fitting, model_card, provenance
    clock.on(builtins, "__import__", "imports")
    clock.on(pipeline, "read", "reading and cleaning")
    clock.on(cohorts, "split", "splitting by month")
    clock.on(provenance, "data_digest", "digest of the data")
    clock.on(features, "matrix", "feature matrix")
    clock.on(fitting, "cross_validate", "cross-validation, twice")
    clock.on(fitting, "fit", "fitting, three times")
    for name in ("calibrate", "threshold"):
        clock.on(fitting, name, "calibration and threshold")
    clock.on(classification, "metrics", "metrics")
    for name in ("linear_score", "compare"):
        clock.on(benchmarks, name, "the price and a linear model")
    clock.on(model_card, "write", "plots and model card")
    clock.on(gate, "evaluate", "the gate")
    clock.on(MlflowConnection, "check", "MLflow")
    for name in ("register", "log", "log_curve", "log_data"):
        clock.on(Run, name, "MLflow")
    for name in ("find_by_tag", "set_alias"):
        clock.on(Registry, name, "MLflow")
    if script.main(["--data-path", data]):
        raise SystemExit("training failed")
    return dict(clock.seconds)


def fits(data: str, rounds: int, repeats: int) -> tuple[list[float], list[float]]:
    """Return the seconds of the fit step and of a bare `xgboost.train`, run in turns."""
    import polars as pl
    import xgboost as xgb

    from loan_default.data.ingest import open_loans
    from loan_default.model.artifact import dmatrix
    from loan_default.settings import settings
    from loan_default.training import cohorts, fitting, training_set

    with open_loans(data, CONTRACT, labelled=True) as reader:
        loans = pl.concat([block.records for block in reader])
    assert reader.as_of
    config = settings()
    split = cohorts.split(loans.drop("row"), reader.as_of, config.test_share)
    data = training_set.training_sets(split, CONTRACT, config).served
    parameters = fitting.parameters(config, CONTRACT, data.names, data.offset is not None)

    def bare() -> Callable[[], Any]:
        ready = dmatrix(data.matrix, CONTRACT, data.names, data.label, config.threads)
        if data.offset is not None:
            ready.set_base_margin(data.offset)
        return lambda: xgb.train(parameters, ready, num_boost_round=rounds)

    ours, theirs = [], []
    for _ in range(repeats):
        ours.append(_seconds(lambda: fitting.fit(data, CONTRACT, config, rounds)))
        theirs.append(_seconds(bare()))
    print(f"{len(data.label):,} loans, {data.matrix.shape[1]} features, {rounds} rounds")
    return ours, theirs


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=300, help="boosting rounds of the fits")
    parser.add_argument("--repeats", type=int, default=3)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = Workplace(Path(temporary))
        os.environ.update(place.environment)
        os.chdir(temporary)
        made = ("--rows", str(flags.rows), "--seed", "1", "--output-path", "loans.csv")
        place.script("make_loans", *made)
        ours, theirs = fits("loans.csv", flags.rounds, flags.repeats)
        parts = profile("loans.csv")
    total = sum(parts.values())
    table = Table("part", "seconds", "share")
    for name, seconds in sorted(parts.items(), key=lambda part: -part[1]):
        table.add_row(name, f"{seconds:.1f}", f"{seconds / total:.1%}")
    Console().print(table)
    fit, bare = statistics.median(ours), statistics.median(theirs)
    print(f"fit {fit:.1f} s, bare xgboost.train {bare:.1f} s: {fit / bare:.2f} times")


if __name__ == "__main__":
    main()
