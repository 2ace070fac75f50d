"""The maturity rule: a loan has matured once its whole term has passed.

Of younger loans only early outcomes are known, charge-offs and prepayments, which are not
representative. Training and monitoring both count matured loans only.
"""

import polars as pl

from loan_default.columns import TERM


def maturity_month(issued: str) -> pl.Expr:
    """Return the month in which each loan's term ends: the month `issued` + `term` (months).

    `issued` names a date column of first days of months. Null if the month or the term is null.
    """
    return pl.col(issued).dt.offset_by(pl.format("{}mo", pl.col(TERM).cast(pl.Int64)))
