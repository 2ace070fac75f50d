"""Turn cells into typed application records and reject bad rows with a reason.

Every source passes through `parse`: the raw export, `data/batch_input.csv`, a prepared file and a
JSON request.
"""

import re
from datetime import date
from typing import cast

import polars as pl

from loan_default.columns import (
    CORE,
    DEFAULT,
    ID,
    ISSUE_MONTH,
    LABELS,
    NAMES,
    NUMBERS,
    POLICY_PREFIX,
    RAW_SOURCE,
    RECORD,
    STATUS,
    Column,
)
from loan_default.data.rejections import MISSING_TEXTS, SCHEMA, Parsed, explain
from loan_default.errors import InputError

EMPLOYMENT_YEARS = {"< 1 year": "0", "1 year": "1", "10+ years": "10"} | {
    f"{years} years": str(years) for years in range(2, 10)
}
AS_OF_SOURCES = ("last_pymnt_d", "last_credit_pull_d")
# The columns that `parse` reads, raw and typed.
SOURCES: tuple[str, ...] = (*NAMES, *RAW_SOURCE.values(), ID, ISSUE_MONTH, DEFAULT, STATUS)

# Numbers that the export writes in words, of few different values; the others mostly have no unit.
WORDS = frozenset({"term", "emp_length"})
PLAIN_NUMBERS = frozenset(NUMBERS) - WORDS

_MONTHS = {
    name: number
    for number, name in enumerate(
        "jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1
    )
}
_ISSUE_TEXT = "issue text"
LOG_SCALE = 25.0  # logarithms of dollars stay below it (e**25 is 72 billion), dollars do not
_MIN_ROWS_FOR_SCALE_CHECK = 20


def month(text: str) -> date | None:
    """Parse `Dec-2010`, `2010-12` or `2010-12-31` into the first day of the month; else None."""
    text = text.strip()
    if named := re.fullmatch(r"([A-Za-z]{3})-(\d{4})", text):
        number, year = _MONTHS.get(named[1].lower(), 0), int(named[2])
    elif iso := re.fullmatch(r"(\d{4})-(\d{2})(?:-\d{2}.*)?", text):
        number, year = int(iso[2]), int(iso[1])
    else:
        return None
    return date(year, number, 1) if 1 <= number <= 12 and year >= 1 else None


def require_core(
    path: str, columns: tuple[str, ...], more: tuple[tuple[str, ...], ...] = ()
) -> None:
    """Check that a table has the core columns, and a column of each group in `more`.

    Raises:
        InputError: columns are missing; the message names them and those of the table.
    """
    missing = [name for name in CORE if name not in columns]
    missing += [" or ".join(group) for group in more if not set(group) & set(columns)]
    if missing:
        raise InputError(
            f"{path} lacks the columns {', '.join(missing)}; it has "
            f"{', '.join(name[:40] for name in columns[:8]) or 'none'}"
            f"{', …' if len(columns) > 8 else ''}"
        )


def parse(
    cells: pl.DataFrame,
    run_month: date | None = None,
    labelled: bool = False,
    check_scale: bool = True,
) -> Parsed:
    """Parse cells into typed records and rejected rows.

    Args:
        cells: a column `row` and any of `SOURCES`, in any order, as text or numbers.
        run_month: end of the credit history of rows without an issue month.
        labelled: whether rows without an issue month and a known `loan_status` (or `default`) are
            rejected.
        check_scale: whether to check that dollar columns are not log-transformed.

    Raises:
        InputError: with `check_scale`, a dollar column looks log-transformed.
    """
    values = _values(cells, run_month, labelled)
    if check_scale:
        _reject_log_scale(values)
    faults = _faults(values, labelled)
    faulty = values.select(pl.any_horizontal(faults.values()).fill_null(False)).to_series()
    names = [name for name in ("row", ID, ISSUE_MONTH, DEFAULT, *NAMES) if name in values.columns]
    if not faulty.any():
        return Parsed(values.select(names), pl.DataFrame(schema=SCHEMA))
    return Parsed(
        values.filter(~faulty).select(names), explain(values.filter(faulty), faults, cells)
    )


def latest_month(cells: pl.DataFrame) -> date | None:
    """Return the latest month in `AS_OF_SOURCES`, through which the export knows payments."""
    latest = [
        _months(_text(cells[name])).max()
        for name in AS_OF_SOURCES
        if name in cells.columns and len(cells)
    ]
    return max((month for month in latest if isinstance(month, date)), default=None)


def outcomes(cells: pl.DataFrame) -> pl.Series:
    """Return per row 1 defaulted, 0 repaid, null still open, -1 unknown or missing status.

    `cells` has a column `loan_status` or `default`.
    """
    if DEFAULT in cells.columns:
        text = _text(cells[DEFAULT])
        source = text if cells[DEFAULT].dtype == pl.String else cells[DEFAULT]
        number = source.cast(pl.Float64, strict=False).fill_nan(None)
        known = number.is_in([0.0, 1.0]).fill_null(False) | text.is_null()
        return number.set(~known, -1.0).cast(pl.Int8).alias(DEFAULT)
    status = _text(cells[STATUS]).str.strip_prefix(POLICY_PREFIX).str.strip_chars()
    labels = status.replace_strict(
        list(LABELS), list(LABELS.values()), default=-1, return_dtype=pl.Int8
    )
    return labels.set(status.is_null(), -1).alias(DEFAULT)


def _values(cells: pl.DataFrame, run_month: date | None, labelled: bool) -> pl.DataFrame:
    """Return every column typed; NaN marks numbers that could not be parsed."""
    issued = _issue_text(cells)
    columns = [cells["row"], _ids(cells), issued, _months(issued).alias(ISSUE_MONTH)]
    if labelled:
        columns.append(outcomes(cells))
    for column in RECORD:
        source = _source(cells, column)
        columns.append(source if column.kind == "category" else _number(column, source))
    values = pl.DataFrame(columns)
    if "credit_history_months" not in cells.columns and "earliest_cr_line" in cells.columns:
        values = values.with_columns(
            _credit_history(values[ISSUE_MONTH], cells["earliest_cr_line"], run_month)
        )
    return values


def _source(cells: pl.DataFrame, column: Column) -> pl.Series:
    if column.name not in cells.columns:
        return _empty(
            column.name, pl.String if column.kind == "category" else pl.Float64, cells.height
        )
    series = cells[column.name]
    if column.kind == "number" and series.dtype.is_numeric():
        number = series.cast(pl.Float64)
        return number.fill_nan(None) if number.is_nan().any() else number
    return _text(series)


def _empty(name: str, dtype: type[pl.DataType], rows: int) -> pl.Series:
    return pl.Series(name, [], dtype).extend_constant(None, rows)


def _text(series: pl.Series) -> pl.Series:
    text = series.cast(pl.String).str.strip_chars()
    missing = text.is_in(MISSING_TEXTS)
    return text.set(missing, None) if missing.any() else text


def _number(column: Column, source: pl.Series) -> pl.Series:
    """Parse numbers; unparseable text becomes NaN and is rejected later, quoting the text."""
    if source.dtype != pl.String:
        return source
    if column.name in WORDS:
        words = source.unique().drop_nulls()
        return source.replace_strict(words, _number_of(column, words), default=None)
    return _number_of(column, source)


def _number_of(column: Column, source: pl.Series) -> pl.Series:
    if column.name == "emp_length":
        source = source.replace(EMPLOYMENT_YEARS)
    plain = source.str.strip_suffix(
        "months" if column.name == "term" else "%"
    ).str.strip_chars_end()
    number = plain.cast(pl.Float64, strict=False)
    return number.set(number.is_null() & source.is_not_null(), float("nan"))


def _ids(cells: pl.DataFrame) -> pl.Series:
    """Return each row's id, or `row-` and its number in the file if it has none."""
    texts = _text(cells[ID]) if ID in cells.columns else _empty(ID, pl.String, cells.height)
    if not texts.has_nulls():
        return texts
    return texts.fill_null("row-" + cells["row"].cast(pl.String))


def _issue_text(cells: pl.DataFrame) -> pl.Series:
    for name in (ISSUE_MONTH, RAW_SOURCE[ISSUE_MONTH]):
        if name in cells.columns:
            return _text(cells[name]).alias(_ISSUE_TEXT)
    return _empty(_ISSUE_TEXT, pl.String, cells.height)


def _months(texts: pl.Series) -> pl.Series:
    """Parse months into their first days; other text becomes null."""
    distinct = texts.unique().drop_nulls()
    parsed = pl.Series([month(text) for text in distinct], dtype=pl.Date)
    return texts.replace_strict(distinct, parsed, default=None, return_dtype=pl.Date)


def _credit_history(issued: pl.Series, source: pl.Series, run_month: date | None) -> pl.Series:
    """Return the months from the earliest credit line to the issue month; NaN if unreadable."""
    until = issued.fill_null(run_month) if run_month else issued
    texts = _text(source)
    opened = _months(texts)
    months = (until.dt.year().cast(pl.Int32) - opened.dt.year()) * 12 + (
        until.dt.month().cast(pl.Int32) - opened.dt.month()
    )
    unreadable = opened.is_null() & texts.is_not_null()
    return months.cast(pl.Float64).set(unreadable, float("nan")).alias("credit_history_months")


def _reject_log_scale(values: pl.DataFrame) -> None:
    for column in RECORD:
        if not column.unit.startswith("dollars"):
            continue
        dollars = values[column.name].drop_nulls().drop_nans()
        if len(dollars) < _MIN_ROWS_FOR_SCALE_CHECK:
            continue
        largest = cast(float, dollars.max())
        if largest >= LOG_SCALE:
            continue
        median = cast(float, dollars.median())
        if median > 1:
            raise InputError(
                f"{column.name} looks log-transformed (median {median:.1f}, "
                f"largest {largest:.1f}): give plain {column.unit}; the model does its own "
                "transformations"
            )


def _faults(values: pl.DataFrame, labelled: bool) -> dict[str, pl.Expr]:
    """Return for each column an expression that is true if a row breaks the contract there.

    NaN counts as out of range because Polars orders it above every number.
    """
    faults = {}
    for column in RECORD:
        value = pl.col(column.name)
        if column.kind == "number":
            inside = value.is_between(column.low, column.high)
            faults[column.name] = ~inside | value.is_null() if column.core else ~inside
    unreadable = pl.col(ISSUE_MONTH).is_null()
    faults[ISSUE_MONTH] = unreadable if labelled else unreadable & pl.col(_ISSUE_TEXT).is_not_null()
    if labelled:
        faults[DEFAULT] = pl.col(DEFAULT) == -1
    return faults
