"""Single loans in text, and what parsing makes of them."""

from datetime import date

import polars as pl

from lendingclub import CONTRACT
from loan_default.data.parsing import parse

APPLICATION = {
    "loan_amnt": "10000",
    "term": " 36 months",
    "int_rate": "13.5%",
    "annual_inc": "60000",
}
LOAN = APPLICATION | {"issue_d": "Dec-2010", "loan_status": "Fully Paid"}


def frame(*rows: dict, **more: object) -> pl.DataFrame:
    cells = pl.DataFrame(rows, infer_schema_length=None).with_columns(**more)
    return cells.insert_column(
        0, pl.int_range(1, cells.height + 1, dtype=pl.Int64, eager=True).alias("row")
    )


def record(run_month: date | None = None, labelled: bool = False, **cells: object) -> dict:
    """The record of one application (with `labelled`, one loan) that has these cells."""
    base = LOAN if labelled else APPLICATION
    parsed = parse(frame(base | cells), CONTRACT, run_month, labelled)
    assert parsed.rejected.is_empty(), parsed.rejected["reason"][0]
    return parsed.records.to_dicts()[0]


def rejection(run_month: date | None = None, labelled: bool = False, **cells: object) -> tuple:
    """The column at fault and the reason."""
    base = LOAN if labelled else APPLICATION
    parsed = parse(frame(base | cells), CONTRACT, run_month, labelled)
    assert parsed.records.is_empty() and parsed.rejected.height == 1
    return parsed.rejected.select("column", "reason").row(0)
