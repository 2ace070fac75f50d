"""Compare training recipes out of time, on your own loans: the metrics behind ADR 3.

Computes, for each recipe and each of three first test months, the evaluation model's AUC from that
month on. The last line of stdout is a JSON object with every AUC.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from loan_default import cli
from loan_default.contract.load import LENDINGCLUB, load

CONTRACT = load(LENDINGCLUB)

RECIPES: dict[str, dict[str, Any]] = {
    "as set": {},
    "no monotone constraints": {"monotone": False},
    "depth 3": {"xgb_max_depth": 3},
    "depth 6": {"xgb_max_depth": 6},
    "every row and feature in each tree": {"xgb_subsample": 1.0, "xgb_colsample_bytree": 1.0},
}
TEST_SHARES = (0.15, 0.3, 0.5)


def compare(flags: argparse.Namespace) -> dict[str, Any]:
    """Return the AUC by recipe and first test month."""
    import polars as pl
    from rich.console import Console
    from rich.table import Table

    from loan_default.data.ingest import open_loans
    from loan_default.settings import settings
    from loan_default.training import cohorts

    with open_loans(flags.data_path, CONTRACT, labelled=True) as reader:
        loans = pl.concat([block.records for block in reader]).drop("row")
    assert reader.as_of
    splits = [cohorts.split(loans, reader.as_of, share) for share in TEST_SHARES]
    months = [f"from {split.test_from:%Y-%m} ({split.test.height:,})" for split in splits]
    table = Table("recipe", *months)
    found = {}
    for name, change in RECIPES.items():
        scores = [_auc(split, settings(), dict(change)) for split in splits]
        found[name] = dict(zip(months, scores, strict=True))
        table.add_row(name, *(f"{score:.4f}" for score in scores))
    Console(stderr=True).print(table)
    return found


def _auc(split: Any, config: Any, change: dict[str, Any]) -> float:
    from loan_default.metrics import classification
    from loan_default.model import features
    from loan_default.training import fitting, training_set

    contract = CONTRACT if change.pop("monotone", True) else _without_risks(CONTRACT)
    config = config.model_copy(update=change)
    data = training_set.training_sets(split, contract, config).evaluation
    rounds = fitting.cross_validate(data, contract, config).rounds
    booster = fitting.fit(data, contract, config, rounds)
    margin = booster.inplace_predict(features.matrix(split.test, contract))
    return classification.metrics(split.test["default"].to_numpy(), margin, 0.5)["AUC"]


def _without_risks(contract: Any) -> Any:
    record = tuple(replace(column, risk=0) for column in contract.record)
    ratios = tuple(replace(ratio, risk=0) for ratio in contract.ratios)
    return replace(contract, record=record, ratios=ratios)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    flags = cli.parser(__doc__)
    flags.add_argument("--data-path", required=True, help="export or prepared file with outcomes")
    return cli.run(flags, compare, argv)


if __name__ == "__main__":
    sys.exit(main())
