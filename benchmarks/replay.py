"""Replay training at each quarter's start with what was known then, and test on that quarter.

Compares two ways to learn from running loans, default within a window of issue and the hazard of
default over every month observed, with the price alone: AUC by quarter, and the mean with the
paired bootstrap interval of each difference. Needs a contract with a month of default.

The hazard model has one row a loan: a Poisson count of defaults with the log of the cumulative
baseline hazard at the loan's last observed month as offset (Holford 1980, Biometrics 36:299).
Repaid loans stay under observation, so that it estimates the cumulative incidence (Fine and Gray
1999, JASA 94:496).
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import xgboost as xgb
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

from loan_default import cli
from loan_default.columns import DEFAULT, ID, ISSUE_MONTH, TERM
from loan_default.contract.contract import Contract
from loan_default.contract.load import LENDINGCLUB, load
from loan_default.data.dates import months
from loan_default.data.ingest import open_loans
from loan_default.model import features
from loan_default.model.artifact import dmatrix
from loan_default.settings import Settings, settings

Integers = NDArray[np.int64]
Scores = NDArray[np.floating[Any]]
Learner = Callable[["Loans", int, Integers], Scores]
FOLDS, RESAMPLES = 5, 500


@dataclass(frozen=True)
class Loans:
    """All loans, arrays (n,) in file order; months are numbers, 12 a year."""

    matrix: features.Matrix
    price: Scores
    issued: Integers
    term: Integers
    default: Integers
    defaulted_in: Integers
    contract: Contract
    config: Settings

    def train(
        self, rows: Integers, target: Scores, parameters: dict[str, Any], offset: Scores
    ) -> Any:
        """Return a booster of the rounds that cross-validation chooses."""
        data = dmatrix(self.matrix[rows], self.contract, self.contract.features, target, 1)
        data.set_base_margin(offset)
        history: Any = xgb.cv(
            parameters,
            data,
            self.config.xgb_max_rounds,
            nfold=FOLDS,
            early_stopping_rounds=self.config.xgb_early_stopping_rounds,
            as_pandas=False,
            seed=self.config.random_seed,
        )
        rounds = len(next(iter(history.values())))
        return xgb.train(parameters, data, num_boost_round=rounds)


def read(path: str, contract: Contract, config: Settings) -> Loans:
    """Read an export whose outcomes are all known."""
    rule = contract.outcome.default_month
    if rule is None:
        raise SystemExit("the contract does not say in which month a loan defaulted")
    with open_loans(path, contract, labelled=True) as reader:
        loans = pl.concat([block.records for block in reader])
    loans = loans.filter(pl.col(DEFAULT).is_not_null())
    raw = pl.read_csv(path, columns=[ID, rule.column], infer_schema=False)
    last = months(raw[rule.column].str.strip_chars(), contract.date_form(rule.column))
    known = loans.join(raw.select(ID, last.alias("last")), on=ID, how="left", maintain_order="left")
    issued = _numbers(known[ISSUE_MONTH])
    paid = np.maximum(_numbers(known["last"].fill_null(known[ISSUE_MONTH])), issued)
    return Loans(
        features.matrix(loans, contract),
        loans[contract.price[0]].to_numpy(),
        issued,
        loans[TERM].cast(pl.Int64).to_numpy(),
        loans[DEFAULT].cast(pl.Int64).to_numpy(),
        paid + rule.plus_months,
        contract,
        config,
    )


def window(loans: Loans, known: int, test: Integers) -> Scores:
    """Score by default within 18 months of issue, learned from loans whose window has passed."""
    rows = np.flatnonzero(loans.issued + 18 <= known)
    late = loans.defaulted_in[rows] - loans.issued[rows] > 18
    target = np.where(late, 0, loans.default[rows]).astype(float)
    booster = loans.train(rows, target, _parameters(loans), np.zeros(len(rows)))
    return _margin(booster, loans, test)


def hazard(loans: Loans, known: int, test: Integers) -> Scores:
    """Score by the hazard of default through the term, learned from every loan issued before."""
    rows = np.flatnonzero(loans.issued < known)
    followed = np.minimum(known - loans.issued[rows], loans.term[rows])
    event = (loans.default[rows] == 1) & (loans.defaulted_in[rows] <= known)
    age = np.minimum(
        np.where(event, loans.defaulted_in[rows] - loans.issued[rows], followed), followed
    )
    at_risk = np.cumsum(np.bincount(age)[::-1])[::-1]
    baseline = np.cumsum(np.bincount(age[event], minlength=len(at_risk)) / at_risk)
    poisson = {"objective": "count:poisson", "eval_metric": "poisson-nloglik", "base_score": 1.0}
    offset = np.log(baseline[age].clip(1e-4))
    booster = loans.train(rows, event.astype(float), _parameters(loans) | poisson, offset)
    # Beyond the oldest loan the hazard of its last year goes on
    year = min(12, len(baseline) - 1)
    beyond = np.arange(1, loans.term.max() + 1) * (baseline[-1] - baseline[-1 - year]) / year
    whole = np.concatenate([baseline, baseline[-1] + beyond])
    scores: Scores = _margin(booster, loans, test) + np.log(whole[loans.term[test]])
    return scores


def price(loans: Loans, known: int, test: Integers) -> Scores:
    """Score by the lender's price alone."""
    return loans.price[test]


def _parameters(loans: Loans) -> dict[str, Any]:
    from loan_default.training import fitting

    return fitting.parameters(loans.config, loans.contract)


def _margin(booster: Any, loans: Loans, test: Integers) -> Scores:
    margin: Scores = booster.inplace_predict(loans.matrix[test], predict_type="margin")
    return margin


def _numbers(column: pl.Series) -> Integers:
    found: Integers = (12 * column.dt.year().cast(pl.Int64) + column.dt.month() - 1).to_numpy()
    return found


def _mean_auc(outcomes: list[Integers], scores: list[Scores], drawn: list[Integers]) -> float:
    areas = [
        roc_auc_score(default[rows], score[rows])
        for default, score, rows in zip(outcomes, scores, drawn, strict=True)
    ]
    return float(np.mean(areas))


def main() -> None:
    """Replay the quarters and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-path", required=True, help="export with final outcomes")
    parser.add_argument("--first", type=cli.month, default=date(2010, 1, 1), help="YYYY-MM")
    parser.add_argument("--quarters", type=int, default=4)
    flags = parser.parse_args()
    loans = read(flags.data_path, load(LENDINGCLUB), settings())
    start = 12 * flags.first.year + flags.first.month - 1
    starts = [start + 3 * quarter for quarter in range(flags.quarters)]
    tests = [np.flatnonzero((loans.issued >= s) & (loans.issued < s + 3)) for s in starts]
    outcomes = [loans.default[test] for test in tests]
    learners: dict[str, Learner] = {"price alone": price, "window": window, "hazard": hazard}
    found = {
        name: [learn(loans, s - 1, test) for s, test in zip(starts, tests, strict=True)]
        for name, learn in learners.items()
    }
    _show(found, outcomes, [f"{s // 12}Q{s % 12 // 3 + 1}" for s in starts])


def _show(found: dict[str, list[Scores]], outcomes: list[Integers], quarters: list[str]) -> None:
    rng = np.random.default_rng(0)
    draws = [[rng.integers(len(o), size=len(o)) for o in outcomes] for _ in range(RESAMPLES)]
    everyone = [np.arange(len(o)) for o in outcomes]
    table = Table("learned from", *quarters, "mean", "over the price alone (95%)")
    base = np.array([_mean_auc(outcomes, found["price alone"], draw) for draw in draws])
    for name, scores in found.items():
        areas = [float(roc_auc_score(o, s)) for o, s in zip(outcomes, scores, strict=True)]
        gain = np.array([_mean_auc(outcomes, scores, draw) for draw in draws]) - base
        low, high = np.quantile(gain, [0.025, 0.975])
        mean = _mean_auc(outcomes, scores, everyone)
        shown = [f"{area:.3f}" for area in (*areas, mean)]
        table.add_row(name, *shown, f"{low:+.4f} to {high:+.4f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
