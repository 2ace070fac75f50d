"""An even sample of a file's rows, typed and as they were read, while its blocks pass by."""

import numpy as np
import polars as pl

from loan_default.contract.contract import Contract

ROWS_OF_A_BLOCK, MAX_ROWS = 1_000, 20_000


class RowSample:
    """Collect a sample of rows in bounded memory.

    Attributes:
        seen: the rows so far.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract, self.seen = contract, 0
        self._parts: list[tuple[pl.DataFrame, pl.DataFrame]] = []
        self._thin = 1
        loan = contract.loan
        dates = {c.source for c in contract.record if c.months_before_issue}
        self.date_sources = tuple(sorted(dates | {loan.issued, *loan.known_through}))

    def add(self, records: pl.DataFrame, cells: pl.DataFrame) -> None:
        """Take some of a block's accepted records, and the dates in the cells of these rows."""
        self.seen += records.height
        if not records.height:
            return
        step = max(1, records.height // (ROWS_OF_A_BLOCK // self._thin))
        # A third of the time that gather_every takes
        places = np.arange(0, records.height, step)
        taken = records[places]
        raw = cells.select("row", *(name for name in self.date_sources if name in cells.columns))
        if raw.height == records.height:
            raw = raw[places]
        else:
            raw = raw.filter(pl.col("row").is_in(taken["row"].implode()))
        self._parts.append((taken, raw))
        if sum(part.height for part, _ in self._parts) > MAX_ROWS:
            self._halve()

    def parts(self) -> list[pl.DataFrame]:
        """Return the sampled records by block, in the order of the file."""
        return [part for part, _ in self._parts]

    def records(self) -> pl.DataFrame:
        """Return the sampled records; no rows if none has passed."""
        parts = [part for part, _ in self._parts]
        return pl.concat(parts, how="vertical_relaxed") if parts else pl.DataFrame()

    def dates(self, name: str) -> pl.Series:
        """Return the sampled cells of a source column of dates, as texts, in the records' order."""
        return pl.concat(
            [
                (
                    raw[name].cast(pl.String)
                    if name in raw.columns
                    else pl.Series(name, [None] * raw.height, pl.String)
                )
                for _, raw in self._parts
            ]
        )

    def _halve(self) -> None:
        self._thin = min(2 * self._thin, ROWS_OF_A_BLOCK)
        self._parts = [(taken.gather_every(2), raw.gather_every(2)) for taken, raw in self._parts]
