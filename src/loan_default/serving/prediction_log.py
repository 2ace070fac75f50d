"""The log of served predictions: off the request path, by day, as Parquet that monitoring reads.

Requests leave their rows in a bounded queue; a thread reads them as typed records and writes a file
every so often to ROOT/online/date=YYYY-MM-DD/. What finds the queue full or could not be written is
counted as lost, never waited for.
"""

import logging
import random
import threading
import uuid
from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loan_default import columns, storage
from loan_default.columns import ID, PREDICTION, PROBABILITY, VERSION
from loan_default.serving.request_features import Table, records

TIME, REQUEST = "time", "request_id"
# What waits is bounded in bytes too: a row may carry anything beside the application.
MOST_BYTES = 64 * 2**20
REST = 1.0

log = logging.getLogger("serve")


@dataclass(frozen=True)
class Entry:
    """One answered request: n rows and their scores; `size` is what its body took, in bytes."""

    request_id: str
    time: datetime
    version: str
    table: Table
    probability: NDArray[np.float64]
    decision: NDArray[np.int64]
    size: int


class PredictionLog:
    """Keeps a share of the answered requests below `root`.

    `rows` bounds what waits; `written` and `lost` count rows. A file is written every `seconds`,
    and before that when half of the room is taken.
    """

    def __init__(self, root: str, share: float, seconds: float, rows: int) -> None:
        self.written = self.lost = 0
        self._root, self._share, self._seconds, self._limit = root, share, seconds, rows
        self._queue: deque[Entry] = deque()
        self._waiting = self._bytes = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)

    def start(self) -> None:
        """Start the thread that writes."""
        self._thread.start()

    def add(self, entry: Entry) -> None:
        """Leave a request to be logged; never waits."""
        if self._share < 1 and random.random() >= self._share:
            return
        rows = len(entry.table.rows)
        with self._lock:
            if self._waiting + rows > self._limit or self._bytes + entry.size > MOST_BYTES:
                self.lost += rows
                return
            self._waiting += rows
            self._bytes += entry.size
            self._queue.append(entry)
            if max(self._waiting / self._limit, self._bytes / MOST_BYTES) >= 0.5:
                self._wake.set()

    def close(self) -> None:
        """Write what waits and stop."""
        self._closed.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._wake.wait(self._seconds)
            self._wake.clear()
            self.flush()
            # Writing takes the interpreter from the requests: a tenth of the time at most.
            self._closed.wait(REST)
        # What came while a file was being written when the end was called for.
        self.flush()

    def flush(self) -> None:
        """Write what waits now, one file for each day."""
        with self._lock:
            entries, self._queue = list(self._queue), deque()
            self._waiting = self._bytes = 0
        days: dict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            days[f"{entry.time:%Y-%m-%d}"].append(entry)
        for day, of_day in days.items():
            self._write(day, of_day)

    def _write(self, day: str, entries: list[Entry]) -> None:
        rows = sum(len(entry.table.rows) for entry in entries)
        name = f"{datetime.now(UTC):%H%M%S}-{uuid.uuid4().hex[:8]}.parquet"
        path = storage.join(self._root, "online", f"date={day}", name)
        try:
            frame = pl.concat([_frame(group) for group in _alike(entries)])
            with storage.atomic_file(path) as partial:
                frame.write_parquet(partial)
        # Whatever fails here, storage or a row, must not stop the next file: it is counted.
        except Exception:
            with self._lock:
                self.lost += rows
            log.exception("prediction log lost rows", extra={"rows": rows})
        else:
            self.written += rows


def _alike(entries: list[Entry]) -> list[list[Entry]]:
    """Entries with the same columns together, for one pass each."""
    groups: dict[tuple[str, ...], list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.table.columns].append(entry)
    return list(groups.values())


def _frame(entries: list[Entry]) -> pl.DataFrame:
    """The entries' typed records, (n, id, record, scores, version, request, time)."""
    table = Table(entries[0].table.columns, [row for e in entries for row in e.table.rows])
    # Each request has been judged by itself; what it may not hold depends on its own rows alone.
    typed = records(table, entries[0].time.date(), check_scale=False)
    # A row without an id was numbered among these rows, which tells nobody anything.
    own = typed[ID] != "row-" + typed["row"].cast(pl.String)
    ids = typed[ID].zip_with(own, pl.Series(_request_rows(entries)))
    spread = [
        (p, d, entry.version, entry.request_id, entry.time)
        for entry in entries
        for p, d in zip(entry.probability.tolist(), entry.decision.tolist(), strict=True)
    ]
    scores = pl.DataFrame(
        spread,
        orient="row",
        schema={
            PROBABILITY: pl.Float64,
            PREDICTION: pl.Int8,
            VERSION: pl.String,
            REQUEST: pl.String,
            TIME: pl.Datetime("us", "UTC"),
        },
    )
    return typed.select(columns.NAMES).insert_column(0, ids).hstack(scores)


def _request_rows(entries: list[Entry]) -> list[str]:
    return [
        f"{entry.request_id}-{row}"
        for entry in entries
        for row in range(1, len(entry.table.rows) + 1)
    ]
