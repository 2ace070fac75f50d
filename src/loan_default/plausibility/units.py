"""Suspect that a whole column is in another unit: fractions for percent, monthly for yearly.

Judged by the share of values outside the column's usual span (1st to 99th percentile) that lie
inside once multiplied by a unit's factor. `benchmarks/plausibility.py` shows how seldom that is so
of loans in the right unit, and how often of loans in a wrong one.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loan_default.contract.contract import Column
from loan_default.plausibility.finding import Code, Finding, Severity

# Lower ends of the 95% interval of that share
NOTE_ABOVE, WARN_ABOVE, REFUSE_ABOVE = 0.03, 0.1, 0.4
# The same of the share of values outside the span, whatever the unit
UNLIKE_ABOVE = 0.5
# So few values are suspicious at most
MIN_ROWS_TO_REFUSE, MIN_ROWS = 20, 3
_Z = 1.959964


class Unit(NamedTuple):
    """Another unit that people use for a column: its name, and what turns it into the right one."""

    name: str
    factor: float


_MONEY = (Unit("thousands", 1_000), Unit("cents", 0.01))
_UNITS = {
    "percent": (Unit("fractions instead of percent", 100), Unit("hundredths of a percent", 0.01)),
    "months": (Unit("years instead of months", 12), Unit("days instead of months", 1 / 30.4)),
    "years": (Unit("months instead of years", 1 / 12),),
}
_PER_YEAR = (Unit("monthly amounts", 12), Unit("weekly amounts", 52))
_PER_MONTH = (Unit("yearly amounts", 1 / 12),)


def others(column: Column) -> tuple[Unit, ...]:
    """Return the other units that people use for a column."""
    if column.is_money:
        per_year, per_month = "a year" in column.unit, "a month" in column.unit
        return _MONEY + (_PER_YEAR if per_year else _PER_MONTH if per_month else ())
    return _UNITS.get(column.unit.partition(" ")[0].rstrip(","), ())


def of_value(column: Column, value: float) -> str | None:
    """Return the unit in which a value out of range would be a usual one; None if there is none."""
    if not column.usual:
        return None
    low, high = column.usual
    fits = (unit for unit in others(column) if low <= value * unit.factor <= high)
    unit = next(fits, None)
    return unit.name if unit else None


def suspect(
    column: Column, values: NDArray[np.float64], usual: tuple[float, float], rows: int
) -> Finding | None:
    """Return a finding if a column looks like one of another unit or of another column.

    Args:
        column: what it should hold.
        values: (n,) values of a sample, without missing ones.
        usual: 1st and 99th percentile of the values above zero where all is well.
        rows: the filled rows of the whole file, to estimate a count.
    """
    values = values[values > 0]
    if len(values) < MIN_ROWS:
        return None
    outside = (values < usual[0]) | (values > usual[1])
    best, share = _best(column, values[outside], usual, len(values))
    of_unit = None
    if best and lower(share, len(values)) > _least(len(values)):
        of_unit = _finding(column, values[outside], best, share, len(values), rows)
    share = float(outside.mean())
    unlike = lower(share, len(values)) > UNLIKE_ABOVE
    if not unlike or (of_unit and of_unit.severity != Severity.NOTE):
        return of_unit
    return Finding(
        Code.UNLIKE_REFERENCE,
        Severity.WARNING,
        f"{column.name}: {share:.0%} of the values lie outside {usual[0]:,.4g} to "
        f"{usual[1]:,.4g} {column.unit}, where 98% usually lie (such as "
        f"{_example(values[outside])}): is it the right column?",
        column.name,
        round(share * rows),
        share,
        _example(values[outside]),
    )


def lower(share: float, count: int) -> float:
    """Return the lower end of Wilson's 95% interval (1927, JASA 22:209) of a share of `count`."""
    spread = _Z * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    return (share + _Z**2 / (2 * count) - spread) / (1 + _Z**2 / count)


def _best(
    column: Column, outside: NDArray[np.float64], usual: tuple[float, float], count: int
) -> tuple[Unit | None, float]:
    """Return the unit that brings most values inside, and their share of all `count` values."""
    shares = {unit: _inside(outside * unit.factor, usual) / count for unit in others(column)}
    if not shares or not len(outside):
        return None, 0.0
    # Several may fit: 5,000 a month is 60,000 a year, and 260,000 if it were a week
    most, middle = max(shares.values()), math.log(usual[0] * usual[1]) / 2
    typical = math.log(float(np.median(outside)))
    near: Sequence[Unit] = [unit for unit, share in shares.items() if share >= 0.9 * most]
    best = min(near, key=lambda unit: abs(typical + math.log(unit.factor) - middle))
    return best, shares[best]


def _inside(values: NDArray[np.float64], usual: tuple[float, float]) -> int:
    return int(((values >= usual[0]) & (values <= usual[1])).sum())


def _finding(
    column: Column,
    outside: NDArray[np.float64],
    unit: Unit,
    share: float,
    count: int,
    rows: int,
) -> Finding:
    return Finding(
        Code.UNIT,
        _severity(lower(share, count), count),
        f"{column.name} looks like {unit.name} in {share:.0%} of the rows (such as "
        f"{_example(outside)}): give {column.unit}, that is multiply by {unit.factor:.4g}",
        column.name,
        round(share * rows),
        share,
        _example(outside),
    )


def _least(count: int) -> float:
    """Return the share above which `count` values are worth a finding."""
    return NOTE_ABOVE if count >= MIN_ROWS_TO_REFUSE else WARN_ABOVE


def _severity(share: float, count: int) -> Severity:
    if share > REFUSE_ABOVE and count >= MIN_ROWS_TO_REFUSE:
        return Severity.REFUSED
    return Severity.WARNING if share > WARN_ABOVE else Severity.NOTE


def _example(values: NDArray[np.float64]) -> str:
    return f"{float(np.sort(values)[len(values) // 2]):.6g}"
