"""Turn cells into typed application records and reject bad rows with a reason.

Every source passes through `parse`: a raw export, a file of applications, a prepared file and a
JSON request.
"""

from collections.abc import Sequence
from datetime import date
from typing import cast

import polars as pl

from loan_default.columns import DEFAULT, ID, ISSUE_MONTH, OUTCOME_MONTH, TERM
from loan_default.contract.contract import Column, Contract
from loan_default.contract.matching import with_nearest
from loan_default.contract.texts import fold
from loan_default.data import afterwards
from loan_default.data import cells as reading
from loan_default.data import ids
from loan_default.data.dates import month, months
from loan_default.data.rejections import SCHEMA, Parsed, explain
from loan_default.errors import InputError

__all__ = ["id_column", "month", "outcomes", "parse", "plain_numbers", "require_core"]

_ISSUE_TEXT = "issue text"
_NEAR = 0.7  # difflib's ratio: a letter or a word of difference
LOG_SCALE = 25.0  # logarithms of dollars stay below it (e**25 is 72 billion), dollars do not
_MIN_ROWS_FOR_SCALE_CHECK = 20


def plain_numbers(contract: Contract) -> frozenset[str]:
    """Return the columns that files mostly fill with numbers alone, without words or a unit."""
    return frozenset(
        name
        for column in contract.record
        if column.kind == "number" and not column.words and column.name != contract.loan.term
        for name in ({column.name} if column.months_before_issue else {column.name, column.source})
    )


def require_core(
    path: str,
    columns: tuple[str, ...],
    contract: Contract,
    more: tuple[tuple[str, ...], ...] = (),
) -> None:
    """Check that a table has the core columns, and a column of each group in `more`.

    Raises:
        InputError: columns are missing; the message names them and those of the table.
    """
    groups = [(c.name, c.source) if c.is_raw else (c.source, c.name) for c in contract.record]
    missing = [
        " or ".join(dict.fromkeys(group))
        for column, group in zip(contract.record, groups, strict=True)
        if column.core and not set(group) & set(columns)
    ]
    missing += [
        " or ".join(dict.fromkeys(group)) for group in more if not set(group) & set(columns)
    ]
    if missing:
        raise InputError(
            f"{path} lacks the columns {with_nearest(missing, columns, contract, _NEAR)}; it has "
            f"{', '.join(name[:40] for name in columns[:8]) or 'none'}"
            f"{', …' if len(columns) > 8 else ''}"
        )


def parse(
    cells: pl.DataFrame,
    contract: Contract,
    run_month: date | None = None,
    labelled: bool = False,
    check_scale: bool = True,
    verbatim_ids: bool = False,
) -> Parsed:
    """Parse cells into typed records and rejected rows.

    Args:
        cells: a column `row` and any of the contract's `sources`, in any order, as text or numbers.
        contract: what the columns may hold.
        run_month: end of the credit history of rows without an issue month.
        labelled: whether rows without an issue month and a known outcome are rejected.
        check_scale: whether to check that amounts of money are not log-transformed.
        verbatim_ids: whether ids are texts to be kept as they are, which those of a CSV are not.

    Raises:
        InputError: the ids are none; or with `check_scale`, an amount looks log-transformed.
    """
    odd: set[str] = set()
    values = _values(cells, contract, run_month, labelled, verbatim_ids, odd)
    if check_scale:
        _reject_log_scale(values, contract)
    faults = _faults(values, contract, labelled)
    faulty = values.select(pl.any_horizontal(faults.values()).fill_null(False)).to_series()
    names = ("row", ID, ISSUE_MONTH, DEFAULT, *afterwards.stored(contract), *contract.stored)
    names = tuple(name for name in names if name in values.columns)
    if not faulty.any():
        records = values.select(names)
        return Parsed(records, pl.DataFrame(schema=SCHEMA), _unknown(records, contract, odd))
    records = values.filter(~faulty).select(names)
    rejected = explain(values.filter(faulty), faults, cells, contract)
    return Parsed(records, rejected, _unknown(records, contract, odd))


def _unknown(records: pl.DataFrame, contract: Contract, odd: set[str]) -> dict[str, dict[str, int]]:
    """Return how often the categories in `odd` hold each text that is none of their levels."""
    found = {
        name: reading.unknown(contract.by_name[name], records[name])
        for name in contract.categories
        if name in odd
    }
    return {name: texts for name, texts in found.items() if texts}


def id_column(columns: Sequence[str], contract: Contract) -> str | None:
    """Return the column that holds the ids: the contract's, else `id`; None if there is none."""
    return next((name for name in (contract.loan.id, ID) if name and name in columns), None)


def outcomes(cells: pl.DataFrame, contract: Contract) -> pl.Series:
    """Return per row 1 defaulted, 0 repaid, null still open, -1 unknown or missing outcome.

    `cells` has the contract's outcome column, or `default`.
    """
    outcome = contract.outcome
    is_word = outcome.column == DEFAULT and ISSUE_MONTH not in cells.columns
    if DEFAULT in cells.columns and not is_word:
        text = reading.text(cells[DEFAULT])
        source = text if cells[DEFAULT].dtype == pl.String else cells[DEFAULT]
        number = source.cast(pl.Float64, strict=False).fill_nan(None)
        known = number.is_in([0.0, 1.0]).fill_null(False) | text.is_null()
        return number.set(~known, -1.0).cast(pl.Int8).alias(DEFAULT)
    words = reading.text(_without_fraction(cells[outcome.column]))
    distinct = words.unique().drop_nulls()
    known_words = {fold(word): label for word, label in outcome.labels.items()}
    prefixes = [fold(prefix) for prefix in outcome.prefixes]
    labels = pl.Series([_label(word, known_words, prefixes) for word in distinct], dtype=pl.Int8)
    label = words.replace_strict(distinct, labels, default=-1, return_dtype=pl.Int8)
    return label.set(words.is_null(), -1).alias(DEFAULT)


def _label(word: str, known: dict[str, int | None], prefixes: list[str]) -> int | None:
    folded = fold(word)
    for prefix in prefixes:
        folded = folded.removeprefix(prefix).strip()
    return known.get(folded, -1)


def _without_fraction(series: pl.Series) -> pl.Series:
    """Return whole numbers that were read as floats as whole numbers again."""
    if not series.dtype.is_float():
        return series
    number = series.fill_nan(None)
    whole = number.cast(pl.Int64, strict=False)
    return whole if (whole.cast(pl.Float64) == number).all() else number


def _values(
    cells: pl.DataFrame,
    contract: Contract,
    run_month: date | None,
    labelled: bool,
    verbatim_ids: bool,
    odd: set[str],
) -> pl.DataFrame:
    """Return every column typed; NaN marks numbers that could not be parsed.

    Adds to `odd` the categories that hold a text that is none of their levels.
    """
    issued, form = _issue_text(cells, contract)
    issue_months = months(issued, form).alias(ISSUE_MONTH)
    columns = [cells["row"], _ids(cells, contract, verbatim_ids), issued, issue_months]
    if labelled:
        outcome = outcomes(cells, contract)
        columns += [outcome, *afterwards.read(cells, contract, issue_months, outcome)]
    for column in contract.record:
        if column.months_before_issue and column.name not in cells.columns:
            until = issue_months.fill_null(run_month) if run_month else issue_months
            columns.append(_months_before(until, column, cells, contract))
        else:
            columns.append(_value(cells, column, odd))
    values = pl.DataFrame(columns)
    loan = contract.loan
    if loan.term is None:
        return values.with_columns(pl.lit(float(loan.window_months or 0)).alias(TERM))
    return values if loan.term == TERM else values.with_columns(values[loan.term].alias(TERM))


def _value(cells: pl.DataFrame, column: Column, odd: set[str]) -> pl.Series:
    name, scale = column.name, 1.0
    if name not in cells.columns and column.source in cells.columns:
        name, scale = column.source, column.scale
    if name not in cells.columns:
        return _empty(
            column.name, pl.String if column.kind == "category" else pl.Float64, cells.height
        )
    if column.kind == "category":
        texts = reading.text(_without_fraction(cells[name]))
        levels, has_odd = reading.categories(column, texts)
        if has_odd:
            odd.add(column.name)
        return levels.alias(column.name)
    number = _number(cells[name], column)
    return (number if scale == 1 else number * scale).alias(column.name)


def _number(series: pl.Series, column: Column) -> pl.Series:
    """Parse numbers; unparseable text becomes NaN and is rejected later, quoting the text."""
    if series.dtype.is_numeric():
        number = series.cast(pl.Float64)
        return number.fill_nan(None) if number.is_nan().any() else number
    return reading.numbers(column, reading.text(series))


def _empty(name: str, dtype: type[pl.DataType], rows: int) -> pl.Series:
    return pl.Series(name, [], dtype).extend_constant(None, rows)


def _ids(cells: pl.DataFrame, contract: Contract, verbatim: bool) -> pl.Series:
    """Return each row's id, null if it has none."""
    name = id_column(cells.columns, contract)
    if name is None:
        return _empty(ID, pl.String, cells.height)
    if verbatim:
        return reading.text(cells[name]).alias(ID)
    return ids.of_column(name, cells[name], cells["row"]).alias(ID)


def _issue_text(cells: pl.DataFrame, contract: Contract) -> tuple[pl.Series, str]:
    """Return the texts of the issue dates, and how they are written."""
    source = contract.loan.issued
    for name, form in ((ISSUE_MONTH, "auto"), (source, contract.date_form(source))):
        if name in cells.columns:
            return reading.text(cells[name]).alias(_ISSUE_TEXT), form
    return _empty(_ISSUE_TEXT, pl.String, cells.height), "auto"


def _months_before(
    until: pl.Series, column: Column, cells: pl.DataFrame, contract: Contract
) -> pl.Series:
    """Return the months from a date to the issue month; NaN if unreadable."""
    if column.source not in cells.columns:
        return _empty(column.name, pl.Float64, cells.height)
    texts = reading.text(cells[column.source])
    since = months(texts, contract.date_form(column.source))
    passed = (until.dt.year().cast(pl.Int32) - since.dt.year()) * 12 + (
        until.dt.month().cast(pl.Int32) - since.dt.month()
    )
    unreadable = since.is_null() & texts.is_not_null()
    return passed.cast(pl.Float64).set(unreadable, float("nan")).alias(column.name)


def _reject_log_scale(values: pl.DataFrame, contract: Contract) -> None:
    for column in contract.record:
        if not column.is_money:
            continue
        amounts = values[column.name].drop_nulls().drop_nans()
        if len(amounts) < _MIN_ROWS_FOR_SCALE_CHECK:
            continue
        largest = cast(float, amounts.max())
        if largest >= LOG_SCALE:
            continue
        median = cast(float, amounts.median())
        if median > 1:
            raise InputError(
                f"{column.name} looks log-transformed (median {median:.1f}, "
                f"largest {largest:.1f}): give plain {column.unit}; the model does its own "
                "transformations"
            )


def _faults(values: pl.DataFrame, contract: Contract, labelled: bool) -> dict[str, pl.Expr]:
    """Return for each column an expression that is true if a row breaks the contract there.

    NaN counts as out of range because Polars orders it above every number.
    """
    faults = {}
    for column in contract.record:
        value = pl.col(column.name)
        if column.kind == "number":
            inside = value.is_between(column.low, column.high)
            faults[column.name] = ~inside | value.is_null() if column.core else ~inside
        elif column.core:
            faults[column.name] = value.is_null()
    unreadable = pl.col(ISSUE_MONTH).is_null()
    faults[ISSUE_MONTH] = unreadable if labelled else unreadable & pl.col(_ISSUE_TEXT).is_not_null()
    if labelled:
        faults[DEFAULT] = pl.col(DEFAULT) == -1
    if OUTCOME_MONTH in values.columns:
        text = pl.col(afterwards.OUTCOME_TEXT)
        known = pl.col(DEFAULT).is_in([0, 1]) & text.is_not_null()
        faults[OUTCOME_MONTH] = known & pl.col(OUTCOME_MONTH).is_null()
    return faults
