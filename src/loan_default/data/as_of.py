"""The as-of month of a file: the month through which it knows payments, and so outcomes.

One mistyped date must not move it: every loan whose term ends before a wrong as-of month would
count as matured.
"""

from collections import Counter
from datetime import date
from math import ceil

import polars as pl

from loan_default.contract.contract import Contract
from loan_default.data import cells as reading
from loan_default.data.dates import months

# Rows at or after a month that it takes to believe it: a thousandth of the dated rows; in small
# files five rows, or a fiftieth.
MIN_SHARE = 0.001
FEW_ROWS, FEW_SHARE = 5, 0.02


def current_month() -> date:
    """Return the first day of this month."""
    return date.today().replace(day=1)


class PaymentMonths:
    """Count the months in the columns of dates through which a file knows payments."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._counts: dict[str, Counter[date]] = {}

    def add(self, cells: pl.DataFrame) -> None:
        """Count the dates of a block of cells."""
        for name in self._contract.loan.known_through:
            if name not in cells.columns:
                continue
            counts = reading.text(cells[name]).drop_nulls().value_counts(name="rows")
            parsed = months(counts[name], self._contract.date_form(name))
            column = self._counts.setdefault(name, Counter())
            for month, rows in zip(parsed, counts["rows"], strict=True):
                if month:
                    column[month] += rows

    def latest(self, current: date) -> tuple[date | None, list[str]]:
        """Return the as-of month, None without dates, and a sentence about ignored dates.

        `current` is the first day of this month; later months are never believed.
        """
        found = (newest(counts, current) for counts in self._counts.values())
        latest = max((month for month in found if month), default=None)
        if latest is None:
            return None, []
        ignored = {
            name: sum(rows for month, rows in counts.items() if month > latest)
            for name, counts in self._counts.items()
        }
        return latest, [
            f"{name}: {rows} rows with a later date than {latest:%Y-%m} do not move the month "
            f"through which payments are known (the latest is {max(self._counts[name]):%Y-%m})"
            for name, rows in ignored.items()
            if rows
        ]


def newest(counts: Counter[date], current: date) -> date | None:
    """Return the newest month with enough rows at or after it; None if there is none.

    Args:
        counts: rows by month (first days).
        current: months after it do not count.
    """
    dated = counts.total()
    needed = max(ceil(MIN_SHARE * dated), min(FEW_ROWS, ceil(FEW_SHARE * dated)))
    at_or_after = 0
    for month in sorted((month for month in counts if month <= current), reverse=True):
        at_or_after += counts[month]
        if at_or_after >= needed:
            return month
    return None
