"""Assess a file that has been read: the findings of its plausibility report."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import polars as pl

from loan_default.columns import ISSUE_MONTH
from loan_default.contract.contract import Column, Contract
from loan_default.data import cells as reading
from loan_default.data.dates import months
from loan_default.data.rejections import Fault, RejectionKind
from loan_default.data.row_sample import RowSample
from loan_default.plausibility import columns, instants, units
from loan_default.plausibility.expected import Expectations, Expected
from loan_default.plausibility.finding import Code, Finding, Severity

# A larger share of loans that were paid, say, before their issue month refuses the file
_MAX_DISORDER = 0.05
_SHOWN = 8
_ROW = "row"
_UNKNOWN = Expected()


def of_empty(filled: Mapping[str, int], contract: Contract) -> Iterator[Finding]:
    """Yield a finding if columns of the record have no value in any of the loans to train on."""
    empty = [column.name for column in contract.record if not filled.get(column.name)]
    if not empty:
        return
    shown = ", ".join(empty[:_SHOWN]) + (", …" if len(empty) > _SHOWN else "")
    told = f"{len(empty)} of {len(contract.record)} columns of the contract have no value"
    yield Finding(
        Code.VANISHED,
        Severity.WARNING,
        f"{told}, so that a model cannot use them: {shown}",
        share=len(empty) / len(contract.record),
        example=empty[0],
    )


def of_columns(
    parts: Sequence[pl.DataFrame],
    rows: int,
    missing: Mapping[str, int],
    contract: Contract,
    expectations: Expectations,
) -> Iterator[Finding]:
    """Yield what the record's columns show.

    Args:
        parts: samples of typed records, each of one part of the file: one quarter among several may
            be in another unit than the rest.
        rows: all rows that it stands for, and `missing` their missing cells by column.
        expectations: what the columns usually hold.
    """
    if not (parts and rows):
        return
    records = pl.concat(parts, how="vertical_relaxed")
    for column in contract.record:
        if column.name not in records.columns:
            continue
        expected = expectations.get(column.name, _UNKNOWN)
        if finding := columns.missing(column, missing.get(column.name, 0), rows, expected):
            yield finding
        filled = rows - missing.get(column.name, 0)
        cells = records[column.name]
        constant = columns.constant(column, cells, expected, filled)
        unit = None if constant else _unit(column, parts, cells, expected, filled)
        never = columns.never_seen(column, cells, expected, filled)
        yield from (finding for finding in (constant, never, unit) if finding)


def _unit(
    column: Column, parts: Sequence[pl.DataFrame], cells: pl.Series, expected: Expected, rows: int
) -> Finding | None:
    """Return a finding about the whole column, or about the first part that it refuses."""
    usual = expected.usual
    if column.kind != "number" or not usual:
        return None
    whole = units.suspect(column, cells.drop_nulls().to_numpy(), usual, rows)
    if len(parts) < 2 or (whole and whole.severity == Severity.REFUSED):
        return whole
    for part in parts:
        values = part[column.name].drop_nulls().to_numpy()
        found = units.suspect(column, values, usual, len(values))
        if found and found.severity == Severity.REFUSED and _ROW in part.columns:
            first, last = part[_ROW][0], part[_ROW][-1]
            return replace(found, message=f"{found.message} (in rows {first} to {last})")
    return whole


def of_dates(sample: RowSample, contract: Contract, labelled: bool) -> Iterator[Finding]:
    """Yield what the dates show: instants of another time zone, payments before the issue."""
    if not sample.seen:
        return
    for name in sample.date_sources:
        texts = reading.text(sample.dates(name))
        rows = round(sample.seen * (1 - texts.null_count() / len(texts))) if len(texts) else 0
        if finding := instants.suspect(name, texts, rows):
            yield finding
        if labelled and name in contract.loan.known_through:
            yield from _disorder(name, texts, sample, contract)


def _disorder(
    name: str, texts: pl.Series, sample: RowSample, contract: Contract
) -> Iterator[Finding]:
    paid = months(texts, contract.date_form(name))
    early = (paid < sample.records()[ISSUE_MONTH]).fill_null(False)
    count, filled = int(early.sum()), len(paid) - paid.null_count()
    if not count:
        return
    share, example = count / filled, texts.filter(early)[0]
    yield Finding(
        Code.DATE_ORDER,
        Severity.REFUSED if share > _MAX_DISORDER else Severity.WARNING,
        f"{name} is before the issue month in {share:.1%} of the rows, such as {example!r}: "
        f"correct {name} or {contract.loan.issued}",
        name,
        round(share * sample.seen),
        share,
        example,
    )


def of_rejections(
    rejected: Counter[RejectionKind],
    first: Mapping[RejectionKind, tuple[int, str]],
    rows: int,
    contract: Contract,
) -> Iterator[Finding]:
    """Yield a finding for each column with values out of range, of `rows` rows of loans.

    `first` holds row number and reason of each kind's first rejection.
    """
    for kind, count in rejected.items():
        if kind.code != Fault.OUT_OF_RANGE or kind.column is None:
            continue
        derived = contract.by_name[kind.column].months_before_issue
        yield Finding(
            Code.DATE_ORDER if derived else Code.OUT_OF_RANGE,
            Severity.WARNING if derived else Severity.NOTE,
            f"{kind.sentence(contract)} in {count} rows, which are rejected: {first[kind][1]}",
            kind.column,
            count,
            count / rows,
            first[kind][1],
        )


def of_unknown(unknown: Mapping[str, Counter[str]], filled: Mapping[str, int]) -> Iterator[Finding]:
    """Yield a finding for each category with unknown texts, of its `filled` cells."""
    for name, texts in unknown.items():
        rows = texts.total()
        yield Finding(
            Code.UNKNOWN,
            Severity.WARNING,
            f"{name} holds unknown values in {rows} rows, taken as missing",
            name,
            rows,
            rows / filled[name],
            texts.most_common(1)[0][0][:40],
        )
