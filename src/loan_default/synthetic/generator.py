"""Generate any number of LendingClub-shaped loans with their true default probability.

Loans come in chunks, each with its own random stream: memory does not grow with their number, and
equal rows and seed give equal bytes. Since every loan's true probability is known, so is the
AUC that no model can beat (`Tally`).
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from loan_default.metrics.auc import auc
from loan_default.synthetic.applications import applications
from loan_default.synthetic.layout import EXPORT, Flags, Numbers, Places, month_index, to_frame
from loan_default.synthetic.outcomes import AS_OF, afterwards, default_probability, draw_fate

CHUNK_ROWS = 50_000
FIRST_ID = 1_000_000
FIRST_MONTH = month_index(2007, 6)
TRUTH_HEADER = b"id,default_probability\n"

# Loans issued by LendingClub by year, from June 2007 on.
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

    Attributes:
        frame: the 151 columns as they are written.
        default_probability: the true probability, in (0, 1), from which the outcome was drawn.
        defaults: the outcome, even if it is still in the future.
        issue_month: month index (year * 12 + month - 1).
        matured: whether the loan was due to end by the as-of month, March 2019.
    """

    frame: pl.DataFrame
    default_probability: Numbers
    defaults: Flags
    issue_month: Places
    matured: Flags


def generate(rows: int, seed: int) -> Iterator[Chunk]:
    """Generate `rows` (>= 1) loans from `seed` (>= 0), in chunks of `CHUNK_ROWS`."""
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
    """Return the export's header line."""
    return ",".join(EXPORT).encode() + b"\n"


def csv_lines(frame: pl.DataFrame) -> bytes:
    """Return a chunk's frame as lines of CSV, without a header."""
    buffer = io.BytesIO()
    # None of the layout's texts needs quotes.
    frame.write_csv(buffer, include_header=False, quote_style="never")
    return buffer.getvalue()


def csv_footer(funded: int) -> bytes:
    """Return the two lines of totals at the end of the export; `funded` is in dollars."""
    empty = "," * (len(EXPORT) - 1)
    totals = ((1, funded), (2, 0))
    return "".join(
        f"Total amount funded in policy code {code}: {dollars}{empty}\n" for code, dollars in totals
    ).encode()


def truth_lines(chunk: Chunk) -> bytes:
    """Return a chunk's ids and true default probabilities as lines of CSV, without a header."""
    truth = pl.Series("default_probability", chunk.default_probability)
    return csv_lines(pl.DataFrame([chunk.frame["id"], truth]))


class Tally:
    """Count loans over chunks, and compute the best possible AUC on the matured ones.

    Matured loans are counted by issue month, probability bin and outcome, so the size is fixed.
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
        """Return the share of the matured loans that defaulted; None if none has matured."""
        paid, defaulted = self.matured.sum(axis=(0, 1))
        return float(defaulted / (paid + defaulted)) if paid + defaulted else None

    def best_auc(self) -> float | None:
        """Return the AUC of the true probability on matured loans; None without both outcomes."""
        return auc(*self.matured.sum(axis=0).T.astype(float))

    def best_auc_newest(self, share: float = 0.2) -> float | None:
        """Return the best AUC on the newest `share` of the loans in complete months.

        A month is complete once every loan issued in it has matured.
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
    """Return the issue months, newest first, and the number of loans issued from each month on."""
    volumes = np.array(list(_VOLUMES.values()), float)
    middles = month_index(min(_VOLUMES), 1) + 12 * np.arange(len(volumes)) + 5.5
    months = np.arange(FIRST_MONTH, month_index(max(_VOLUMES) + 1, 1))
    shape = np.exp(np.interp(months, middles, np.log(volumes)))
    year = months // 12 - min(_VOLUMES)
    loans = shape * (volumes / np.bincount(year, shape))[year]
    until = np.rint(rows * np.cumsum(loans[::-1]) / loans.sum()).astype(np.intp)
    return months[::-1], until
