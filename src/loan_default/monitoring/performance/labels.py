"""Store delivered outcome labels and merge them into one label per loan.

Each delivery becomes one complete file, ROOT/outcomes/as_of=YYYY-MM/DIGEST.parquet, named by the
digest of its source: delivering it again changes nothing, and deliveries may come in parts.
"""

import json
import logging
import re
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial

import polars as pl

from loan_default import storage
from loan_default.columns import DEFAULT, ID, ISSUE_MONTH
from loan_default.contract.contract import Contract
from loan_default.contract.matching import canonical
from loan_default.data import parsing
from loan_default.data.as_of import PaymentMonths, current_month
from loan_default.data.ingest import AS_OF
from loan_default.data.readers import open_table
from loan_default.errors import InputError

log = logging.getLogger(__name__)

_SCHEMA = {ID: pl.String, DEFAULT: pl.Int8}
_COUNTS = "counts"
_MISSING_ID = ("", "n/a", "nan", "null", "none")
# An export ends in two lines that are not loans.
_FOOTER_LINES = 2

# A label's rank in one number: (has ended, as-of month, default), each part below the one before.
_RANK = "rank"
_DEFAULT_STEPS = 2
# Months since year 0 stay below this.
_MONTH_STEPS = 100_000
_ENDED = _MONTH_STEPS * _DEFAULT_STEPS


@dataclass(frozen=True)
class Counts:
    """The rows of a delivery, and how many of them had no id or no known status."""

    rows_in: int
    rows_rejected: int


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

    `as_of` is YYYY-MM; `repeated` says whether the file had been delivered before.
    """

    labels_path: str
    as_of: str
    rows_in: int
    rows_rejected: int
    repeated: bool


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
    with storage.atomic_file(target) as partial:
        metadata = {_COUNTS: json.dumps(asdict(delivery.counts))}
        delivery.labels.write_parquet(partial, metadata=metadata)
    return _stored(target, delivery.counts, repeated=earlier is not None)


def read(path: str, max_rejected_share: float, contract: Contract) -> Delivery:
    """Read a file of labels. Raises InputError if the file cannot be used."""
    parts, payments, rows, rejected = [], PaymentMonths(contract), 0, 0
    status = contract.outcome.column
    ids = {ID, contract.loan.id or ID}
    wanted = (*ids, status, DEFAULT, AS_OF, ISSUE_MONTH, *contract.loan.known_through)
    with open_table(path, wanted, rename=partial(canonical, contract=contract)) as table:
        if not ids & set(table.columns) or not {status, DEFAULT} & set(table.columns):
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
    labels = _one_per_id(pl.concat(parts).with_columns(_months(date.min)))
    return Delivery(labels.sort(ID), stated or latest, Counts(rows, rejected))


def deliveries(root: str) -> list[str]:
    """Return the names of the deliveries under `root`: as-of month and digest."""
    return ["/".join(path.split("/")[-2:]) for path in _files(root)]


def known(root: str) -> KnownLabels:
    """Merge the labels of all deliveries under `root`; there is at least one."""
    files = _files(root)
    parts = [_read(path).with_columns(_months(_month_of(path))) for path in files]
    return KnownLabels(_one_per_id(pl.concat(parts)), max(map(_month_of, files)))


def _labels(cells: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Return id and default of the rows that have an id and a known outcome."""
    name = contract.loan.id if contract.loan.id in cells.columns else ID
    ids = cells[name or ID].cast(pl.String).str.strip_chars().alias(ID)
    labels = pl.DataFrame([ids, parsing.outcomes(cells, contract)])
    with_id = ~ids.fill_null("").str.to_lowercase().is_in(_MISSING_ID)
    return labels.filter(with_id & (pl.col(DEFAULT).fill_null(0) >= 0))


def _months(as_of: date) -> pl.Expr:
    return pl.lit(12 * as_of.year + as_of.month, pl.Int32).alias(AS_OF)


def _one_per_id(labels: pl.DataFrame) -> pl.DataFrame:
    """Select for each id (id, default, as_of in months) the label with the highest rank.

    A known outcome beats a running loan, then a later month an earlier one, then a default.
    """
    # One number for all three, streamed: sorting millions of rows by three columns takes more
    # memory than all the rest of monitoring.
    ended = pl.col(DEFAULT).is_not_null().cast(pl.Int32)
    rank = ended * _ENDED + pl.col(AS_OF) * _DEFAULT_STEPS + pl.col(DEFAULT).fill_null(0)
    default = pl.when(pl.col(_RANK) >= _ENDED).then(pl.col(_RANK) % _DEFAULT_STEPS)
    ranked = labels.lazy().select(ID, rank.alias(_RANK))
    best = ranked.group_by(ID).agg(pl.col(_RANK).max())
    return best.select(ID, default.cast(pl.Int8).alias(DEFAULT)).collect()


def _stored(path: str, counts: Counts, repeated: bool) -> StoredDelivery:
    return StoredDelivery(
        labels_path=path,
        as_of=f"{_month_of(path):%Y-%m}",
        rows_in=counts.rows_in,
        rows_rejected=counts.rows_rejected,
        repeated=repeated,
    )


def _stored_counts(path: str) -> Counts | None:
    """Return the counts of a stored delivery; None if an earlier release stored it."""
    with storage.open_input(path) as stream:
        counts = pl.read_parquet_metadata(stream).get(_COUNTS)
    return Counts(**json.loads(counts)) if counts else None


def _files(root: str) -> list[str]:
    paths = storage.files_below(storage.join(root, "outcomes"))
    return [path for path in paths if re.search(r"/as_of=\d{4}-\d{2}/[^/]+\.parquet$", path)]


def _month_of(path: str) -> date:
    match = re.search(r"/as_of=(\d{4})-(\d{2})/", path)
    assert match
    return date(int(match[1]), int(match[2]), 1)


def _read(path: str) -> pl.DataFrame:
    with storage.open_input(path) as stream:
        return pl.read_parquet(stream, schema=_SCHEMA)
