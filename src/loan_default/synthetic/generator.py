"""LendingClub-shaped loans of any number, seeded, with their true default probability.

Loans come in chunks, each with its own random stream, so memory does not grow with their number and
the same rows and seed always give the same bytes. Because the true probability of every loan is
known, so is the AUC that no model can beat (`Tally`).
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from loan_default.columns import EXPORT
from loan_default.metrics.auc import auc
from loan_default.synthetic.applications import applications
from loan_default.synthetic.layout import Flags, Numbers, Places, month_index, to_frame
from loan_default.synthetic.outcomes import AS_OF, afterwards, default_probability, draw_fate

CHUNK_ROWS = 50_000
FIRST_ID = 1_000_000
FIRST_MONTH = month_index(2007, 6)
TRUTH_HEADER = b"id,default_probability\n"

# Loans that LendingClub issued, from June 2007 on, by year.
_VOLUMES = {
    2007: 603,
    2008: 2_393,
    2009: 5_281,
    2010: 12_537,
    2011: 21_721,
    2012: 53_367,
    2013: 134_814,
    2014: 235_629,
    2015: 421_095,
    2016: 434_407,
    2017: 443_579,
    2018: 495_242,
}
_BINS = 4_000


@dataclass(frozen=True)
class Chunk:
    """Consecutive loans of the export, newest issue month first; arrays of shape (rows,).

    `frame` holds the 151 columns as they are written. `default_probability` in (0, 1) is the truth
    that the outcome was drawn from and `defaults` that outcome, also where it still lies ahead.
    `issue_month` counts months (year * 12 + month - 1); `matured` loans were due to end by March
    2019, the as-of month.
    """

    frame: pl.DataFrame
    default_probability: Numbers
    defaults: Flags
    issue_month: Places
    matured: Flags


def generate(rows: int, seed: int) -> Iterator[Chunk]:
    """Make `rows` loans (at least 1), in chunks of `CHUNK_ROWS`, from `seed` (at least 0)."""
    months, last_rows = _calendar(rows)
    for number, start in enumerate(range(0, rows, CHUNK_ROWS)):
        places = np.arange(start, min(start + CHUNK_ROWS, rows))
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
        issued = months[np.searchsorted(last_rows, places, side="right")]
        yield _chunk(rng, issued, FIRST_ID + rows - 1 - places)


def _chunk(rng: np.random.Generator, issued: Places, ids: Places) -> Chunk:
    cells = applications(rng, issued)
    truth = default_probability(cells)
    fate = draw_fate(rng, cells, truth)
    cells |= {"id": ids} | afterwards(rng, cells, fate)
    matured = issued + fate.term <= AS_OF
    return Chunk(to_frame(cells, len(ids)), truth, fate.defaults, issued, matured)


def csv_header() -> bytes:
    """The export's first line."""
    return ",".join(EXPORT).encode() + b"\n"


def csv_lines(frame: pl.DataFrame) -> bytes:
    """A chunk's frame as lines of CSV, without header."""
    buffer = io.BytesIO()
    # No text of the layout needs quotes.
    frame.write_csv(buffer, include_header=False, quote_style="never")
    return buffer.getvalue()


def csv_footer(funded: int) -> bytes:
    """The two lines of totals that close the export; `funded` in dollars."""
    empty = "," * (len(EXPORT) - 1)
    totals = ((1, funded), (2, 0))
    return "".join(
        f"Total amount funded in policy code {code}: {dollars}{empty}\n" for code, dollars in totals
    ).encode()


def truth_lines(chunk: Chunk) -> bytes:
    """A chunk's ids and true default probabilities as lines of CSV, without header."""
    truth = pl.Series("default_probability", chunk.default_probability)
    return csv_lines(pl.DataFrame([chunk.frame["id"], truth]))


class Tally:
    """Counts over chunks: what was made, and the best AUC within reach on the matured loans.

    Holds matured loans by issue month, probability bin and outcome, so its size is fixed.
    """

    def __init__(self) -> None:
        months = AS_OF - FIRST_MONTH
        self.funded = 0
        self.made = np.zeros(months, np.int64)
        self.matured = np.zeros((months, _BINS, 2), np.int64)

    def add(self, chunk: Chunk) -> None:
        """Count a chunk's loans."""
        self.funded += int(chunk.frame["funded_amnt"].sum())
        month = chunk.issue_month - FIRST_MONTH
        self.made += np.bincount(month, minlength=len(self.made))
        place = np.floor(chunk.default_probability * _BINS).astype(np.intp)
        cell = (month * _BINS + place) * 2 + chunk.defaults
        counts = np.bincount(cell[chunk.matured], minlength=self.matured.size)
        self.matured += counts.reshape(self.matured.shape)

    def default_rate(self) -> float | None:
        """Share of the matured loans that defaulted; None when none has matured."""
        paid, defaulted = self.matured.sum(axis=(0, 1))
        return float(defaulted / (paid + defaulted)) if paid + defaulted else None

    def best_auc(self) -> float | None:
        """AUC of the true probability on all matured loans; None when they lack an outcome."""
        return auc(*self.matured.sum(axis=0).T.astype(float))

    def best_auc_newest(self, share: float = 0.2) -> float | None:
        """The same on the newest complete months that hold `share` of the loans in such months.

        A month is complete when every loan issued in it has matured.
        """
        loans = self.matured.sum(axis=(1, 2))
        loans[loans < self.made] = 0
        newest_first = np.cumsum(loans[::-1])
        if not newest_first[-1]:
            return None
        first = len(loans) - 1 - int(np.searchsorted(newest_first, share * newest_first[-1]))
        complete = (np.arange(len(loans)) >= first) & (loans > 0)
        return auc(*self.matured[complete].sum(axis=0).T.astype(float))


def _calendar(rows: int) -> tuple[Places, Places]:
    """Issue months, newest first, and how many of `rows` loans are issued from each on."""
    volumes = np.array(list(_VOLUMES.values()), float)
    middles = month_index(min(_VOLUMES), 1) + 12 * np.arange(len(volumes)) + 5.5
    months = np.arange(FIRST_MONTH, month_index(max(_VOLUMES) + 1, 1))
    shape = np.exp(np.interp(months, middles, np.log(volumes)))
    year = months // 12 - min(_VOLUMES)
    loans = shape * (volumes / np.bincount(year, shape))[year]
    until = np.rint(rows * np.cumsum(loans[::-1]) / loans.sum()).astype(np.intp)
    return months[::-1], until
