"""The model behind MLflow's predict signature, as `mlflow.pyfunc.load_model` returns it.

This module does not import MLflow.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loan_default import columns
from loan_default.columns import ID
from loan_default.contract.contract import Contract
from loan_default.contract.matching import canonical, nearly
from loan_default.data import parsing
from loan_default.errors import InputError
from loan_default.model import artifact, scoring

if TYPE_CHECKING:
    import pandas as pd

DECISION, FULL = "decision", "full"


class Predictor:
    """Predicts decisions for typed application records."""

    def __init__(self, loaded: artifact.Model) -> None:
        self.model = loaded

    def predict(
        self, model_input: "pd.DataFrame", params: dict[str, Any] | None = None
    ) -> "NDArray[np.int64] | pd.DataFrame":
        """Return decisions (n,), 1 declined, or with `{"return": "full"}` a table of n rows.

        The table holds default_probability, prediction, threshold, reasons, expected_loss,
        expected_return and, under unknown, what was not read. Raises InputError, which names the
        row and the column, if a row breaks the data contract.
        """
        contract = self.model.contract
        records = _records(model_input, contract)
        full = (params or {}).get("return", DECISION) == FULL
        scored = scoring.score(records, self.model, "", "all" if full else "none")
        if not full:
            return scored[columns.PREDICTION].cast(pl.Int64).to_numpy()
        unknown = pl.Series(_unknown(records, model_input, contract), dtype=pl.List(pl.String))
        return (
            scored.drop(ID, columns.VERSION)
            .with_columns(threshold=pl.lit(self.model.facts.threshold), unknown=unknown)
            .to_pandas()
        )


def _records(frame: "pd.DataFrame", contract: Contract) -> pl.DataFrame:
    frame = frame.rename(columns=canonical(list(frame.columns), contract))
    names = [name for name in frame.columns if name in contract.sources]
    cells = {name: _cells(frame[name]) for name in names}
    rows = pl.Series("row", range(1, len(frame) + 1), pl.Int64)
    parsing.require_core("the request", tuple(names), contract)
    parsed = parsing.parse(pl.DataFrame(cells).insert_column(0, rows), contract)
    if not parsed.rejected.is_empty():
        row, reason = parsed.rejected.select("row", "reason").row(0)
        raise InputError(f"row {row}: {reason}")
    return parsed.records


def _unknown(records: pl.DataFrame, frame: "pd.DataFrame", contract: Contract) -> list[list[str]]:
    """Return for each row what was not read, as the server says it."""
    new = canonical(list(frame.columns), contract)
    columns = nearly([new.get(name, name) for name in frame.columns], contract)
    odd: list[list[str]] = [[] for _ in range(records.height)]
    for name in contract.categories:
        levels = contract.levels[name]
        for row, text in enumerate(records[name]):
            if text is not None and text not in levels:
                odd[row].append(f"{name} {text[:40]!r}")
    return [found + columns for found in odd]


def _cells(column: "pd.Series[Any]") -> pl.Series:
    if column.dtype.kind in "iuf":
        return pl.Series(column.to_numpy())
    return pl.Series([None if v is None or v != v else str(v) for v in column], dtype=pl.String)


def _load_pyfunc(path: str) -> Predictor:
    """Load the saved model in the folder `path`: MLflow calls this."""
    return Predictor(artifact.load(Path(path)))
