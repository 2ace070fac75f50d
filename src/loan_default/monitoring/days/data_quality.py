"""Data quality of a scored day: rejected rows, missing and unknown values, unusual row counts.

Pure. Based on the counts over all rows; only the names of new categories come from the sample.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

import polars as pl

from loan_default.columns import ID
from loan_default.contract.contract import Contract
from loan_default.data.rejections import Fault
from loan_default.monitoring.days.day_counts import CellCounts, DayCounts

_MIN_PAST_DAYS = 4
# A row count is unusual at twice or half the median, unless days differ that much anyway: Iglewicz
# and Hoaglin (1993, How to detect and handle outliers) call a modified z-score above 3.5 an
# outlier. 1.4826 makes the median absolute deviation estimate a normal standard deviation.
_FACTOR, _MAX_Z, _DEVIATIONS_PER_MAD = 2.0, 3.5, 1.4826
_MAX_NEW_CATEGORIES = 5
_MAX_LETTERS = 40


@dataclass(frozen=True)
class RowCount:
    """The rows of a day compared with earlier days.

    `usual` is the median of the `days` that are compared with. `odd` says whether `rows` is
    unusual; None with fewer than 4 days to compare with.
    """

    rows: int
    usual: float | None
    days: int
    odd: bool | None


@dataclass(frozen=True)
class ColumnQuality:
    """Unusable cells of a column.

    `missing`, `missing_reference` (None if the reference lacks the column) and `unknown` (a
    category that the model does not know) are shares in [0, 1] of the scored rows. `rejected`
    counts the rows that were rejected because of the column.
    """

    missing: float
    missing_reference: float | None
    unknown: float
    rejected: int


@dataclass(frozen=True)
class DataQuality:
    """The data quality of a scored day.

    `rejected_share` is in [0, 1]. `out_of_range` (rejected rows by column) and `duplicates` (rows
    that repeat an id) are None if the manifest has no rejection codes. `new_categories` holds, by
    column, the most frequent new values with their count in the sample. `columns` leaves out
    columns without unusable cells. `findings` has one sentence for each thing that stands out.
    """

    rows_in: int
    rows_scored: int
    rejected_share: float
    rejected_by_reason: Mapping[str, int]
    out_of_range: Mapping[str, int] | None
    duplicates: int | None
    new_categories: Mapping[str, Mapping[str, int]]
    row_count: RowCount
    columns: Mapping[str, ColumnQuality]
    findings: list[str]


def quality(
    counts: DayCounts,
    reference: pl.DataFrame,
    sample: pl.DataFrame,
    past_rows: Sequence[int],
    contract: Contract,
) -> DataQuality:
    """Summarise the data quality of a day.

    Args:
        counts: the counts over all rows of the day.
        reference: the model's reference sample, for the missing shares to compare with.
        sample: the day's sample of scored rows, for the names of new categories.
        past_rows: the rows that arrived on each of the days before.
        contract: that of the version that scored the day.
    """
    summary = DataQuality(
        rows_in=counts.rows_in,
        rows_scored=counts.rows_scored,
        rejected_share=counts.rejected_share or 0.0,
        rejected_by_reason=counts.rejected_by_reason,
        out_of_range=_rows_by_column(counts, Fault.OUT_OF_RANGE),
        duplicates=_rows(counts, Fault.DUPLICATE_ID),
        new_categories=_new_categories(sample, contract),
        row_count=row_count(counts.rows_in, past_rows),
        columns={
            name: _column_quality(cells, counts.rows_scored, reference, name)
            for name, cells in counts.columns.items()
            if cells.missing or cells.unknown or cells.rejected
        },
        findings=[],
    )
    return replace(summary, findings=_findings(summary, contract))


def row_count(rows: int, past: Sequence[int]) -> RowCount:
    """Compare the `rows` of a day with those of the `past` days; days without rows are ignored."""
    past = [count for count in past if count > 0]
    usual = median(past) if past else None
    if usual is None or len(past) < _MIN_PAST_DAYS:
        return RowCount(rows, usual, len(past), None)
    spread = _DEVIATIONS_PER_MAD * median(abs(math.log(count / usual)) for count in past)
    limit = max(math.log(_FACTOR), _MAX_Z * spread)
    odd = not rows or abs(math.log(rows / usual)) > limit
    return RowCount(rows, usual, len(past), odd)


def _rows_by_column(counts: DayCounts, code: Fault) -> dict[str, int] | None:
    if counts.rejections is None:
        return None
    return {kind.column or "": kind.rows for kind in counts.rejections if kind.code == code}


def _rows(counts: DayCounts, code: Fault) -> int | None:
    by_column = _rows_by_column(counts, code)
    return None if by_column is None else sum(by_column.values())


def _column_quality(
    cells: CellCounts, scored: int, reference: pl.DataFrame, name: str
) -> ColumnQuality:
    in_reference = name in reference.columns and reference.height
    return ColumnQuality(
        missing=cells.missing / scored if scored else 0.0,
        missing_reference=(
            reference[name].null_count() / reference.height if in_reference else None
        ),
        unknown=cells.unknown / scored if scored else 0.0,
        rejected=cells.rejected,
    )


def _new_categories(sample: pl.DataFrame, contract: Contract) -> dict[str, dict[str, int]]:
    by_column = {}
    for column in contract.record:
        if column.kind == "category" and column.name in sample.columns:
            cells = sample[column.name].cast(pl.String).drop_nulls()
            new = cells.filter(~cells.is_in(column.levels)).value_counts().rows()
            if new:
                most_frequent = sorted(new, key=lambda row: (-row[1], row[0]))[:_MAX_NEW_CATEGORIES]
                by_column[column.name] = {
                    value[:_MAX_LETTERS]: count for value, count in most_frequent
                }
    return by_column


def _findings(quality: DataQuality, contract: Contract) -> list[str]:
    """One sentence for each thing that people should know, the row count first."""
    rows, sentences = quality.row_count, []
    if rows.odd:
        sentences.append(
            f"{rows.rows:,} rows arrived; {rows.usual:,.0f} is usual (median of {rows.days} days)"
        )
    if quality.duplicates:
        sentences.append(f"{quality.duplicates:,} rows repeat an id")
    with_id = quality.columns.get(ID)
    if contract.loan.id and with_id and (share := with_id.missing):
        sentences.append(f"{share:.1%} of the rows have no id: outcomes cannot be joined with them")
    for name, count in (quality.out_of_range or {}).items():
        sentences.append(f"{name} is outside its range in {count:,} rows")
    for name, values in quality.new_categories.items():
        share = quality.columns[name].unknown
        sentences.append(
            f"{name} has new categories in {share:.1%} of the rows: {', '.join(values)}"
        )
    return sentences
