"""The log of served predictions, written off the request path as Parquet that monitoring reads.

Requests leave their rows in a bounded queue; a thread parses them into typed records and
periodically writes a file per day to ROOT/online/date=YYYY-MM-DD/. Rows that find the queue full or
cannot be written are counted as lost; a request never waits.
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

from loan_default import storage
from loan_default.batch import own_root
from loan_default.columns import ID, PREDICTION, PROBABILITY, VERSION
from loan_default.contract.contract import Contract
from loan_default.data import ids
from loan_default.serving.request_features import RequestTable, typed_records

TIME, REQUEST = "time", "request_id"
# The queue is bounded in bytes as well: a row may carry any cells besides the application's.
MAX_BYTES = 64 * 2**20
PAUSE_SECONDS = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One answered request: n rows and their scores, by the contract of the version that scored.

    `size` is the body's size in bytes.
    """

    request_id: str
    time: datetime
    version: str
    contract: Contract
    table: RequestTable
    probability: NDArray[np.float64]
    decision: NDArray[np.int64]
    size: int


class PredictionLog:
    """Log a share of the answered requests below `root`.

    A file is written every `seconds`, and earlier once the queue is half full. The queue holds at
    most `max_rows` rows. `written` and `lost` count rows. Nothing is written to a root that holds
    the runs of another model than `model_name`.
    """

    def __init__(
        self, root: str, share: float, seconds: float, max_rows: int, model_name: str
    ) -> None:
        self.written = self.lost = 0
        self._model_name, self._owns_root = model_name, False
        self._root, self._share, self._seconds, self._max_rows = root, share, seconds, max_rows
        self._queue: deque[Entry] = deque()
        self._queued_rows = self._queued_bytes = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)

    def start(self) -> None:
        """Start the thread that writes."""
        self._thread.start()

    def require_own_root(self) -> None:
        """Raise InputError if rows would be written to a root that holds another model's runs."""
        if self._share > 0 and not self._owns_root:
            own_root.require(self._root, self._model_name)
            self._owns_root = True

    def add(self, entry: Entry) -> None:
        """Queue a request; never waits."""
        if self._share < 1 and random.random() >= self._share:
            return
        rows = len(entry.table.rows)
        with self._lock:
            if (
                self._queued_rows + rows > self._max_rows
                or self._queued_bytes + entry.size > MAX_BYTES
            ):
                self.lost += rows
                return
            self._queued_rows += rows
            self._queued_bytes += entry.size
            self._queue.append(entry)
            if max(self._queued_rows / self._max_rows, self._queued_bytes / MAX_BYTES) >= 0.5:
                self._wake.set()

    def close(self) -> None:
        """Write the queued rows and stop the thread."""
        self._closed.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._wake.wait(self._seconds)
            self._wake.clear()
            self.flush()
            # Writing competes with requests for the interpreter: limit it to a tenth of the time.
            self._closed.wait(PAUSE_SECONDS)
        # Rows that arrived while the last file was being written
        self.flush()

    def flush(self) -> None:
        """Write the queued rows now, one file per day."""
        with self._lock:
            entries, self._queue = list(self._queue), deque()
            self._queued_rows = self._queued_bytes = 0
        days: dict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            days[f"{entry.time:%Y-%m-%d}"].append(entry)
        for day, entries_of_day in days.items():
            self._write(day, entries_of_day)

    def _write(self, day: str, entries: list[Entry]) -> None:
        rows = sum(len(entry.table.rows) for entry in entries)
        name = f"{datetime.now(UTC):%H%M%S}-{uuid.uuid4().hex[:8]}.parquet"
        path = storage.join(self._root, "online", f"date={day}", name)
        try:
            self.require_own_root()
            frame = pl.concat(
                [_frame(group) for group in _by_columns(entries)], how="diagonal_relaxed"
            )
            with storage.atomic_file(path) as partial:
                frame.write_parquet(partial, metadata={own_root.MODEL_NAME: self._model_name})
        # A failure of storage or of a row must not stop the next file; it is logged and counted.
        except Exception:
            with self._lock:
                self.lost += rows
            log.exception("prediction log lost rows", extra={"rows": rows})
        else:
            self.written += rows


def _by_columns(entries: list[Entry]) -> list[list[Entry]]:
    """Group entries of one contract with the same columns, to parse each group in one pass."""
    groups: dict[tuple[Contract, tuple[str, ...]], list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.contract, entry.table.columns].append(entry)
    return list(groups.values())


def _frame(entries: list[Entry]) -> pl.DataFrame:
    """Return n rows: id, the typed record, score, decision, version, request id and time."""
    together = RequestTable(
        entries[0].table.columns, [row for e in entries for row in e.table.rows]
    )
    # Each request passed the scale check by itself, which depends on its own rows alone.
    contract = entries[0].contract
    records = typed_records(together, contract, entries[0].time.date(), check_scale=False)
    loans = records[ID].zip_with(records[ID].is_not_null(), pl.Series(_request_rows(entries)))
    scored = [
        (probability, decision, entry.version, entry.request_id, entry.time)
        for entry in entries
        for probability, decision in zip(
            entry.probability.tolist(), entry.decision.tolist(), strict=True
        )
    ]
    scores = pl.DataFrame(
        scored,
        orient="row",
        schema={
            PROBABILITY: pl.Float64,
            PREDICTION: pl.Int8,
            VERSION: pl.String,
            REQUEST: pl.String,
            TIME: pl.Datetime("us", "UTC"),
        },
    )
    return records.select(contract.stored).insert_column(0, loans.alias(ID)).hstack(scores)


def _request_rows(entries: list[Entry]) -> list[str]:
    """Return a text per row that no other row has, for those without an id.

    The time is part of it because clients may send a request id of their own, and send it twice.
    """
    return [
        f"{ids.NONE}{entry.time:%Y%m%dT%H%M%S.%fZ}/{entry.request_id}/{row}"
        for entry in entries
        for row in range(1, len(entry.table.rows) + 1)
    ]
