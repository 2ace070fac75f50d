"""Store delivered outcome labels and merge them into one label per loan.

Each delivery becomes one complete file, ROOT/outcomes/as_of=YYYY-MM/DIGEST.parquet, named by the
digest of its source: delivering it again changes nothing, and deliveries may come in parts. A later
delivery corrects an earlier one: that of a later as-of month or, within a month, the one that was
stored later.
"""

import json
import logging
import re
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from functools import partial

import polars as pl

from loan_default import storage
from loan_default.columns import DEFAULT, ID, ISSUE_MONTH
from loan_default.contract.contract import Contract
from loan_default.contract.matching import canonical
from loan_default.data import ids, parsing
from loan_default.data.as_of import PaymentMonths, current_month
from loan_default.data.ingest import AS_OF
from loan_default.data.readers import open_table
from loan_default.errors import InputError

log = logging.getLogger(__name__)

_SCHEMA = {ID: pl.String, DEFAULT: pl.Int8}
_COUNTS, _STORED_AT = "counts", "stored_at"
# An export ends in two lines that are not loans.
_FOOTER_LINES = 2

# A label's rank in one number: (has ended, order, default), each part below the one before.
_RANK = "rank"
_DEFAULT_STEPS = 2
# There are fewer deliveries than this.
_ORDERS = 100_000
_ENDED = _ORDERS * _DEFAULT_STEPS


@dataclass(frozen=True)
class Counts:
    """The rows of a delivery, and how many of them had no id or no known status.

    `contradictions` counts the ids that are both defaulted and repaid, which are left out;
    `corrections` the outcomes of earlier deliveries that it changed.
    """

    rows_in: int
    rows_rejected: int
    contradictions: int = 0
    corrections: int = 0


@dataclass(frozen=True)
class Delivery:
    """The content of a file of labels.

    `labels` hold id and default (1, 0, null while the loan is running), each id once. `as_of` is
    the month through which they are known, None if the file does not tell.
    """

    labels: pl.DataFrame
    as_of: date | None
    counts: Counts


@dataclass(frozen=True)
class StoredDelivery:
    """A delivery under the output root, with the field names of the JSON result.

    `as_of` is YYYY-MM; `repeated` says whether the file had been delivered before. The counts are
    those of `Counts`.
    """

    labels_path: str
    as_of: str
    rows_in: int
    rows_rejected: int
    repeated: bool
    contradictions: int
    corrections: int


@dataclass(frozen=True)
class KnownLabels:
    """The labels of all deliveries, merged: each id once; `as_of` is the latest month."""

    labels: pl.DataFrame
    as_of: date


def store(
    root: str,
    path: str,
    as_of: date | None,
    today: date,
    max_rejected_share: float,
    contract: Contract,
) -> StoredDelivery:
    """Store a file of labels under `root`, once.

    Args:
        root: output root.
        path: CSV or Parquet file with id and outcome, or a prepared file.
        as_of: month through which the labels are known. None for the month in the file
            (the contract's `known_through`, or a prepared file's own), else that of `today`.
        today: today's date.
        max_rejected_share: largest share in [0, 1] of rows without id or known outcome.
        contract: what the columns mean.

    Raises:
        InputError: the file is not a table of labels, too many rows are rejected, or the month is
            in the future.
    """
    name = f"{storage.digest(path)[:16]}.parquet"
    earlier = next((stored for stored in _files(root) if stored.endswith(name)), None)
    if earlier and as_of in (None, _month_of(earlier)):
        counts = _stored_counts(earlier) or read(path, max_rejected_share, contract).counts
        return _stored(earlier, counts, repeated=True)
    delivery = read(path, max_rejected_share, contract)
    month = as_of or delivery.as_of or today.replace(day=1)
    if month > today:
        raise InputError(
            f"{path} cannot be known through {month:%Y-%m}, which is in the future: give the month "
            "of its last payments with --labels-as-of"
        )
    target = storage.join(root, "outcomes", f"as_of={month:%Y-%m}", name)
    counts = replace(delivery.counts, corrections=_corrections(root, delivery.labels, month))
    _write(target, delivery.labels, counts)
    return _stored(target, counts, repeated=earlier is not None)


def read(path: str, max_rejected_share: float, contract: Contract) -> Delivery:
    """Read a file of labels. Raises InputError if the file cannot be used."""
    parts, payments, rows, rejected = [], PaymentMonths(contract), 0, 0
    status = contract.outcome.column
    names = {ID, contract.loan.id or ID}
    wanted = (*names, status, DEFAULT, AS_OF, ISSUE_MONTH, *contract.loan.known_through)
    with open_table(path, wanted, rename=partial(canonical, contract=contract)) as table:
        if not names & set(table.columns) or not {status, DEFAULT} & set(table.columns):
            needed = f"{contract.loan.id or ID} and {status}"
            raise InputError(f"{path} lacks the columns {needed}: labels need both")
        stated = parsing.month(table.metadata.get(AS_OF, ""))
        for block in table.blocks:
            good = _labels(block.cells, contract)
            parts.append(good)
            payments.add(block.cells)
            rows += block.cells.height + len(block.malformed)
            rejected += block.cells.height - good.height + len(block.malformed)
    if not rows:
        raise InputError(f"{path} has a header but no rows")
    if rejected > max(_FOOTER_LINES, max_rejected_share * rows):
        raise InputError(
            f"{rejected} of {rows} rows in {path} have no id or no known {status} (such as "
            f"{', '.join(list(contract.outcome.labels)[:3])}): fix them, or raise "
            "MAX_REJECTED_SHARE"
        )
    latest, findings = payments.latest(current_month())
    for finding in findings:
        log.warning("%s: %s", path, finding)
    labels, contradictions = _without_contradictions(pl.concat(parts))
    counts = Counts(rows, rejected, contradictions)
    return Delivery(labels.sort(ID), stated or latest, counts)


def deliveries(root: str) -> list[str]:
    """Return the names of the deliveries under `root`: as-of month and digest."""
    return ["/".join(path.split("/")[-2:]) for path in _files(root)]


def known(root: str) -> KnownLabels:
    """Merge the labels of all deliveries under `root`; there is at least one."""
    files = _in_order(root)
    return KnownLabels(_labels_of(_ranks(files)), max(map(_month_of, files)))


def stored(path: str) -> pl.DataFrame:
    """Return the labels of a stored delivery: id and default, each id once."""
    with storage.open_input(path) as stream:
        labels = pl.read_parquet(stream, schema=_SCHEMA)
    # Earlier releases kept the numbers of rows without an id, and the `.0` of floats
    labels = labels.filter(~ids.is_none(labels[ID]))
    return labels.with_columns(ids.for_joins(labels[ID]))


def _labels(cells: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Return id and default of the rows that have an id and a known outcome."""
    name = parsing.id_column(cells.columns, contract) or ID
    loans = ids.of_column(name, cells[name], cells["row"]).alias(ID)
    labels = pl.DataFrame([loans, parsing.outcomes(cells, contract)])
    return labels.filter(~ids.is_none(loans) & (pl.col(DEFAULT).fill_null(0) >= 0))


def _without_contradictions(labels: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Return one label per id, and how many ids were both 1 and 0: those are left out.

    A known outcome beats a running loan.
    """
    extremes = (pl.col(DEFAULT).min().alias("low"), pl.col(DEFAULT).max().alias("high"))
    by_id = labels.lazy().group_by(ID).agg(extremes).collect()
    clear = by_id.filter((pl.col("low") == pl.col("high")).fill_null(True))
    return clear.select(ID, pl.col("high").alias(DEFAULT)), by_id.height - clear.height


def _ranks(files: list[str]) -> pl.DataFrame:
    """Return for each id (id, rank) the highest rank of its labels; `files` are in order.

    A known outcome beats a running loan, then a later delivery an earlier one.
    """
    ranked = [_ranked(stored(path), order) for order, path in enumerate(files)]
    # One number, streamed: sorting millions of rows by several columns takes more memory than all
    # the rest of monitoring.
    return pl.concat(ranked).lazy().group_by(ID).agg(pl.col(_RANK).max()).collect()


def _ranked(labels: pl.DataFrame, order: int) -> pl.DataFrame:
    ended = pl.col(DEFAULT).is_not_null().cast(pl.Int32)
    rank = ended * _ENDED + order * _DEFAULT_STEPS + pl.col(DEFAULT).fill_null(0)
    return labels.select(ID, rank.cast(pl.Int32).alias(_RANK))


def _labels_of(ranks: pl.DataFrame) -> pl.DataFrame:
    default = pl.when(pl.col(_RANK) >= _ENDED).then(pl.col(_RANK) % _DEFAULT_STEPS)
    return ranks.select(ID, default.cast(pl.Int8).alias(DEFAULT))


def _corrections(root: str, labels: pl.DataFrame, month: date) -> int:
    """Count the known outcomes that change with a new delivery, the last one of its month."""
    files = _in_order(root)
    if not files:
        return 0
    order = sum(_month_of(path) <= month for path in files)
    both = _ranked(labels, order).join(_ranks(files), on=ID, suffix="_before")
    rank, before = pl.col(_RANK), pl.col(f"{_RANK}_before")
    ended = (rank >= _ENDED) & (before >= _ENDED)
    wins = before < _ENDED + order * _DEFAULT_STEPS
    differs = rank % _DEFAULT_STEPS != before % _DEFAULT_STEPS
    return both.filter(ended & wins & differs).height


def _write(path: str, labels: pl.DataFrame, counts: Counts) -> None:
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    metadata = {_COUNTS: json.dumps(asdict(counts)), _STORED_AT: now}
    with storage.atomic_file(path) as partial:
        labels.write_parquet(partial, metadata=metadata)


def _stored(path: str, counts: Counts, repeated: bool) -> StoredDelivery:
    return StoredDelivery(
        labels_path=path,
        as_of=f"{_month_of(path):%Y-%m}",
        rows_in=counts.rows_in,
        rows_rejected=counts.rows_rejected,
        contradictions=counts.contradictions,
        corrections=counts.corrections,
        repeated=repeated,
    )


def _stored_counts(path: str) -> Counts | None:
    """Return the counts of a stored delivery; None if an earlier release stored it."""
    counts = _metadata(path).get(_COUNTS)
    return Counts(**json.loads(counts)) if counts else None


def _metadata(path: str) -> dict[str, str]:
    with storage.open_input(path) as stream:
        return pl.read_parquet_metadata(stream)


def _in_order(root: str) -> list[str]:
    """Return the deliveries, each after those that it corrects.

    Those of earlier releases, which did not record when they were stored, come first in a month.
    """
    times = {path: _metadata(path).get(_STORED_AT, "") for path in _files(root)}
    return sorted(times, key=lambda path: (_month_of(path), times[path], path))


def _files(root: str) -> list[str]:
    paths = storage.files_below(storage.join(root, "outcomes"))
    return [path for path in paths if re.search(r"/as_of=\d{4}-\d{2}/[^/]+\.parquet$", path)]


def _month_of(path: str) -> date:
    match = re.search(r"/as_of=(\d{4})-(\d{2})/", path)
    assert match
    return date(int(match[1]), int(match[2]), 1)
