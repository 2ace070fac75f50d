"""Columns that have failed: gone, much emptier than usual, constant, or with values never seen."""

import math

import polars as pl

from loan_default.columns import TERM
from loan_default.contract.contract import Column
from loan_default.plausibility.expected import Expected
from loan_default.plausibility.finding import Code, Finding, Severity
from loan_default.plausibility.units import lower

# A rise of the missing share that no day of the same portfolio shows
_MISSING_RISE = 0.3
# Without a reference, so few equal values say nothing
_MIN_ROWS = 20
# A chance below it is none: with 50 columns a day, one false finding in 50 years
_CHANCE = 1e-6
_SHOWN = 3


def missing(column: Column, count: int, rows: int, expected: Expected) -> Finding | None:
    """Return a finding about the missing cells of a column; None without any.

    Args:
        count: missing cells of all `rows` accepted rows.
    """
    if not count:
        return None
    name, share, usual = column.name, count / rows, expected.missing
    code, severity, told = Code.MISSING, Severity.NOTE, f"{share:.1%} of the rows lack {name}"
    if usual is not None and count == rows and usual**rows < _CHANCE:
        code, severity = Code.VANISHED, Severity.WARNING
        told = f"{name} has no values: {1 - usual:.0%} of the reference's rows have one"
    elif usual is not None and lower(share, rows) > usual + _MISSING_RISE:
        severity, told = Severity.WARNING, f"{told}; usually {usual:.0%} do"
    return Finding(code, severity, told, name, count, share)


def constant(column: Column, cells: pl.Series, expected: Expected, rows: int) -> Finding | None:
    """Return a finding if a column that usually varies holds one value.

    Args:
        cells: a sample of the column.
        rows: the filled rows of the whole file.
    """
    filled = cells.drop_nulls()
    if len(filled) < 2 or filled.n_unique() > 1:
        return None
    value = f"{filled[0]:.6g}" if column.kind == "number" else str(filled[0])[:40]
    told, usual = f"{column.name} holds {value} in every row", expected.commonest
    if usual is None:
        if len(filled) < _MIN_ROWS:
            return None
        # A term may well be the only one, an income not
        varies = column.usual is not None and column.name != TERM
    # That n rows are alike by chance is at most the commonest value's share to the power of n - 1
    elif (len(filled) - 1) * math.log(usual) > math.log(_CHANCE):
        return None
    else:
        told, varies = f"{told}; the commonest value usually is in {usual:.0%} of them", True
    return Finding(
        Code.CONSTANT,
        Severity.WARNING if varies else Severity.NOTE,
        told,
        column.name,
        rows,
        1.0,
        value,
    )


def never_seen(column: Column, cells: pl.Series, expected: Expected, rows: int) -> Finding | None:
    """Return a finding if a category or the term holds values that the reference does not.

    `cells` is a sample, `rows` the filled rows of the whole file. Unknown categories, which no
    contract lists, are findings of their own.
    """
    if expected.values is None:
        return None
    known = column.levels if column.kind == "category" else None
    counts = cells.drop_nulls().value_counts(sort=True, name="rows")
    new = [
        (value, n)
        for value, n in counts.rows()
        if value not in expected.values and (known is None or value in known)
    ]
    if not new:
        return None
    share = sum(n for _, n in new) / max(len(cells.drop_nulls()), 1)
    shown = [f"{value:g}" if column.kind == "number" else str(value) for value, _ in new]
    return Finding(
        Code.NEVER_SEEN,
        Severity.WARNING,
        f"{column.name} holds {', '.join(shown[:_SHOWN])} in {share:.1%} of the rows, of which "
        "the reference has none",
        column.name,
        round(share * rows),
        share,
        shown[0],
    )
