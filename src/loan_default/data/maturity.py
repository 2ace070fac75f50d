"""The maturity rule: a loan is matured once its whole term has passed.

Of younger loans only the early ends are known, charge-offs and prepayments, which are not like the
rest. Training and monitoring both count matured loans only.
"""

import polars as pl

from loan_default.columns import TERM


def maturity_month(issued: str) -> pl.Expr:
    """Return the month in which each loan's term ends: the month `issued` + `term` (months).

    `issued` names a date column of first days of months. Null where the month or the term is.
    """
    return pl.col(issued).dt.offset_by(pl.format("{}mo", pl.col(TERM).cast(pl.Int64)))
