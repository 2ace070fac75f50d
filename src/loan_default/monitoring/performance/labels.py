"""What became of scored loans: delivered labels are kept as they come, and known is what they say.

Each delivery becomes one whole file, ROOT/outcomes/as_of=YYYY-MM/DIGEST.parquet, named by the bytes
of its source: deliver it again and nothing changes, deliver a part and the rest can follow.
"""

import json
import re
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from loan_default import storage
from loan_default.columns import DEFAULT, ID, STATUS
from loan_default.data import parsing
from loan_default.data.ingest import AS_OF
from loan_default.data.readers import open_table
from loan_default.errors import InputError

_SCHEMA = {ID: pl.String, DEFAULT: pl.Int8}
_COUNTS = "counts"
_MISSING_ID = ("", "n/a", "nan", "null", "none")


@dataclass(frozen=True)
class Delivery:
    """A file of labels: `labels` (id, default: 1, 0 or null while running), as-of month, counts."""

    labels: pl.DataFrame
    as_of: date | None
    rows_in: int
    rows_rejected: int


@dataclass(frozen=True)
class Known:
    """Every label of every delivery: `labels` hold an id once; `as_of` is the latest month."""

    labels: pl.DataFrame
    as_of: date


def keep(
    root: str, path: str, as_of: date | None, today: date, max_rejected_share: float
) -> dict[str, Any]:
    """Keep the labels at `path` (CSV or Parquet with id and loan_status) under `root`.

    They hold through `as_of`, else through the month that the file names (`last_pymnt_d`,
    `last_credit_pull_d`, a prepared file's own), else through `today`'s. The same file is kept
    once. Raises InputError where the file is none, too many of its rows name no outcome, or the
    month lies ahead.
    """
    name = f"{storage.digest(path)[:16]}.parquet"
    earlier = [kept for kept in _files(root) if kept.endswith(name)]
    repeated = bool(earlier) and as_of in (None, _month_of(earlier[0]))
    counts = _counts(earlier[0]) if repeated else None
    if counts is None:
        delivery = read(path, max_rejected_share)
        counts = {"rows_in": delivery.rows_in, "rows_rejected": delivery.rows_rejected}
    if repeated:
        kept = earlier[0]
    else:
        through = as_of or delivery.as_of or today.replace(day=1)
        if through > today:
            raise InputError(
                f"{path} cannot hold through {through:%Y-%m}, which has not come: give the month "
                "of the last payments it knows with --labels-as-of"
            )
        kept = storage.join(root, "outcomes", f"as_of={through:%Y-%m}", name)
        with storage.atomic_file(kept) as partial:
            delivery.labels.write_parquet(partial, metadata={_COUNTS: json.dumps(counts)})
    as_of_month = f"{_month_of(kept):%Y-%m}"
    return {"labels_path": kept, "as_of": as_of_month, **counts, "repeated": bool(earlier)}


def read(path: str, max_rejected_share: float) -> Delivery:
    """The labels in a file, ids once each. Raises InputError that says what is wrong with it."""
    parts, months, rows, rejected = [], [], 0, 0
    with open_table(path, (ID, STATUS, DEFAULT, AS_OF, *parsing.AS_OF_SOURCES)) as table:
        if ID not in table.columns or not {STATUS, DEFAULT} & set(table.columns):
            raise InputError(f"{path} lacks the columns id and loan_status: labels need both")
        months.append(parsing.month(table.metadata.get(AS_OF, "")))
        for block in table.blocks:
            ids = block.cells[ID].cast(pl.String).str.strip_chars()
            found = pl.DataFrame([ids, parsing.outcomes(block.cells)])
            named = ~ids.fill_null("").str.to_lowercase().is_in(_MISSING_ID)
            good = found.filter(named & (pl.col(DEFAULT).fill_null(0) >= 0))
            parts.append(good)
            months.append(parsing.latest_month(block.cells))
            rows += block.cells.height + len(block.malformed)
            rejected += block.cells.height - good.height + len(block.malformed)
    if not rows:
        raise InputError(f"{path} has a header but no rows")
    # The export's two footer lines are no loans, however short the file.
    if rejected > max(2, max_rejected_share * rows):
        raise InputError(
            f"{rejected} of {rows} rows in {path} have no id or no loan_status that is known "
            "(such as Fully Paid, Charged Off, Current): mend them, or raise MAX_REJECTED_SHARE"
        )
    known = max((month for month in months if month), default=None)
    labels = _once(pl.concat(parts).with_columns(_months(date.min)))
    return Delivery(labels.sort(ID), known, rows, rejected)


def deliveries(root: str) -> list[str]:
    """The names of the deliveries under `root`: as-of month and digest."""
    return ["/".join(path.split("/")[-2:]) for path in _files(root)]


def known(root: str) -> Known:
    """What the deliveries under `root`, at least one, say together."""
    files = _files(root)
    parts = [_read(path).with_columns(_months(_month_of(path))) for path in files]
    return Known(_once(pl.concat(parts)), max(map(_month_of, files)))


def _months(as_of: date) -> pl.Expr:
    return pl.lit(12 * as_of.year + as_of.month, pl.Int32).alias(AS_OF)


def _once(labels: pl.DataFrame) -> pl.DataFrame:
    """Of the rows of one id (id, default, as_of in months) the one that says most.

    A known outcome beats a running loan, then a later month an earlier one, then a default.
    """
    # One number for all three, streamed: sorting millions of rows by three columns takes more
    # memory than all the rest of monitoring.
    ended = pl.col(DEFAULT).is_not_null().cast(pl.Int32)
    says = (ended * 100_000 + pl.col(AS_OF)) * 2 + pl.col(DEFAULT).fill_null(0)
    default = pl.when(pl.col("says") >= 200_000).then(pl.col("says") % 2)
    ranked = labels.lazy().select(ID, says.alias("says"))
    best = ranked.group_by(ID).agg(pl.col("says").max())
    return best.select(ID, default.cast(pl.Int8).alias(DEFAULT)).collect()


def _counts(path: str) -> dict[str, int] | None:
    """The rows of the delivery that was kept at `path`; None in a file of an earlier release."""
    with storage.open_input(path) as stream:
        counts = pl.read_parquet_metadata(stream).get(_COUNTS)
    return json.loads(counts) if counts else None


def _files(root: str) -> list[str]:
    found = storage.files_below(storage.join(root, "outcomes"))
    return [path for path in found if re.search(r"/as_of=\d{4}-\d{2}/[^/]+\.parquet$", path)]


def _month_of(path: str) -> date:
    found = re.search(r"/as_of=(\d{4})-(\d{2})/", path)
    assert found
    return date(int(found[1]), int(found[2]), 1)


def _read(path: str) -> pl.DataFrame:
    with storage.open_input(path) as stream:
        return pl.read_parquet(stream, schema=_SCHEMA)
