"""The counts over all rows of a scored day. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self


@dataclass(frozen=True)
class CellCounts:
    """A column's cells that were missing, held an unknown category, or got their row rejected."""

    missing: int
    unknown: int
    rejected: int


@dataclass(frozen=True)
class RejectionCount:
    """Rejected rows with the same code (`Fault`) and column; None where the whole row is at
    fault."""

    code: str
    column: str | None
    rows: int


@dataclass(frozen=True)
class DayCounts:
    """The counts of a scored day.

    `mean_probability` in [0, 1] is the mean over all scored rows, None without any.
    `rejected_by_reason` counts rows by sentence, `rejections` by code; the latter is None in a
    manifest of an earlier release. `columns` holds the counts by column.
    """

    rows_in: int
    rows_scored: int
    rows_rejected: int
    rows_declined: int
    mean_probability: float | None
    rejected_by_reason: Mapping[str, int]
    rejections: tuple[RejectionCount, ...] | None
    columns: Mapping[str, CellCounts]

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> Self:
        """Read the counts from the manifest of a batch run."""
        rejections = manifest.get("rejections")
        return cls(
            rows_in=manifest["rows_in"],
            rows_scored=manifest["rows_scored"],
            rows_rejected=manifest["rows_rejected"],
            rows_declined=manifest["rows_declined"],
            mean_probability=manifest["mean_probability"],
            rejected_by_reason=manifest["rejected_by_reason"],
            rejections=(
                None
                if rejections is None
                else tuple(
                    RejectionCount(kind["code"], kind["column"], kind["rows"])
                    for kind in rejections
                )
            ),
            columns={
                name: CellCounts(cells["missing"], cells["unknown"], cells["rejected"])
                for name, cells in manifest["columns"].items()
            },
        )

    @property
    def rejected_share(self) -> float | None:
        """The share of rejected rows in [0, 1]; None if no rows arrived."""
        return self.rows_rejected / self.rows_in if self.rows_in else None

    @property
    def declined_share(self) -> float | None:
        """The share of the scored rows that were declined, in [0, 1]; None without scored rows."""
        return self.rows_declined / self.rows_scored if self.rows_scored else None

    def plus(self, other: Self) -> Self:
        """Add the counts of `other`, a further run or the online log of the day."""
        rows = self.rows_scored + other.rows_scored
        totals = [(part.mean_probability or 0) * part.rows_scored for part in (self, other)]
        return replace(
            self,
            rows_in=self.rows_in + other.rows_in,
            rows_scored=rows,
            rows_rejected=self.rows_rejected + other.rows_rejected,
            rows_declined=self.rows_declined + other.rows_declined,
            mean_probability=sum(totals) / rows if rows else None,
            rejected_by_reason=dict(
                Counter(self.rejected_by_reason) + Counter(other.rejected_by_reason)
            ),
            rejections=_sum_of(self.rejections, other.rejections),
            columns={
                name: CellCounts(
                    cells.missing + other.columns[name].missing,
                    cells.unknown + other.columns[name].unknown,
                    cells.rejected + other.columns[name].rejected,
                )
                for name, cells in self.columns.items()
            },
        )


def _sum_of(
    some: tuple[RejectionCount, ...] | None, more: tuple[RejectionCount, ...] | None
) -> tuple[RejectionCount, ...] | None:
    """Add rejections of the same kind; None if either is not known."""
    if some is None or more is None:
        return None
    rows: Counter[tuple[str, str | None]] = Counter()
    for kind in (*some, *more):
        rows[kind.code, kind.column] += kind.rows
    return tuple(RejectionCount(*kind, count) for kind, count in rows.most_common())
