"""A sample of loans with unknown columns: read it, and answer what the person left open."""

from collections.abc import Callable, Set
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loan_default.contract.texts import fold
from loan_default.data import cells as reading
from loan_default.data.dates import months
from loan_default.data.readers import open_table
from loan_default.drafting import columns, outcome_words
from loan_default.drafting.names import tokens
from loan_default.errors import InputError

MAX_ROWS = 200_000
_MOSTLY = 0.95
_DAY_FORMS = ("days since 1970-01-01", "days since 1899-12-30")
_FIRST_DAY = date(1980, 1, 1)
_ID = frozenset("id number nr no key ref reference".split())
_OUTCOME = frozenset("status outcome result".split())
_ISSUED = frozenset(
    "issue issued origination originated opened granted creation booked disbursed disbursement "
    "drawdown funded".split()
)
_TERM = frozenset("term tenor tenure duration".split())


@dataclass(frozen=True)
class Facts:
    """What a person answers, or was guessed: columns, months, and the words for default."""

    id: str | None
    issued: str
    term: str | None
    window_months: int | None
    outcome: str
    words: dict[str, int | None]
    issued_form: str


def read(path: str) -> pl.DataFrame:
    """Read up to `MAX_ROWS` rows as texts without the texts that mean missing.

    Raises InputError if the file cannot be used.
    """
    with open_table(path, ()) as table:
        names = [name for name in table.columns if name]
    _refuse_alike(names)
    parts, rows = [], 0
    with open_table(path, names) as table:
        for block in table.blocks:
            parts.append(block.cells.select(_text(block.cells[name]) for name in names))
            rows += block.cells.height
            if rows >= MAX_ROWS:
                break
    if not rows:
        raise InputError(f"{path} has a header but no rows")
    cells = pl.concat(parts)
    return pl.DataFrame([reading.text(cells[name]) for name in names])


def issue_months(cells: pl.DataFrame, name: str) -> tuple[pl.Series, str]:
    """Return the months of the issue column and how they are written.

    Raises InputError if it does not hold dates.
    """
    if found := columns.dates(cells[name]):
        return found
    today, filled = date.today(), max(1, cells[name].count())
    for form in _DAY_FORMS:
        given = months(cells[name], form)
        if given.is_between(_FIRST_DAY, today).sum() >= _MOSTLY * filled:
            return given, form
    raise InputError(f"--issued {name}: it holds no dates up to today; name the date of the loan")


def guess(cells: pl.DataFrame, given: dict[str, str | None]) -> Facts:
    """Answer what the person left open.

    Args:
        cells: the sample.
        given: `id`, `issued`, `term`, `outcome`, `default_when` and `open_when`, None if not
            answered.

    Raises InputError if a named column is missing, or something cannot be guessed.
    """
    for flag in ("id", "issued", "outcome"):
        if given[flag] and given[flag] not in cells.columns:
            raise InputError(
                f"--{flag} {given[flag]}: there is no such column; there are "
                f"{', '.join(cells.columns[:12])}{', …' if cells.width > 12 else ''}"
            )
    outcome = given["outcome"] or _named(cells, _OUTCOME, outcome_words.are_outcomes)
    issued = given["issued"] or _named(cells, _ISSUED, _are_dates)
    if not outcome or not issued:
        raise InputError(f"give --{'issued' if outcome else 'outcome'} COLUMN: it is not plain")
    term, window = _term(cells, given["term"])
    name = given["id"] or _named(cells, _ID, _is_unique)
    words = outcome_words.labels(
        cells[outcome], outcome, given["default_when"], given.get("open_when")
    )
    form = issue_months(cells, issued)[1]
    return Facts(name, issued, term, window, outcome, words, form)


def defaults(cells: pl.DataFrame, facts: Facts) -> NDArray[np.int8]:
    """Return per row 1 defaulted, 0 repaid, -1 open or unknown."""
    labels = {fold(word): label for word, label in facts.words.items()}
    of = {text: labels.get(fold(text)) for text in cells[facts.outcome].unique().drop_nulls()}
    known = [-1 if of.get(text) is None else of[text] for text in cells[facts.outcome]]
    return np.array(known, dtype=np.int8)


def _text(series: pl.Series) -> pl.Series:
    """Return cells as texts; whole numbers without the fraction that floats write."""
    if series.dtype.is_float() and (series.fill_nan(None).drop_nulls() % 1 == 0).all():
        series = series.fill_nan(None).cast(pl.Int64, strict=False)
    return series.cast(pl.String)


def _refuse_alike(names: list[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        earlier = seen.setdefault(fold(name), name)
        if earlier != name:
            raise InputError(
                f"the columns {earlier!r} and {name!r} are read alike: rename one of them"
            )


def _named(cells: pl.DataFrame, words: Set[str], fits: Callable[[pl.Series], bool]) -> str | None:
    for name in cells.columns:
        if set(tokens(name)) & words and fits(cells[name]):
            return name
    return None


def _are_dates(texts: pl.Series) -> bool:
    return columns.dates(texts) is not None


def _is_unique(texts: pl.Series) -> bool:
    return not texts.has_nulls() and texts.n_unique() == len(texts)


def _term(cells: pl.DataFrame, given: str | None) -> tuple[str | None, int | None]:
    if given and given.isdigit():
        if not 1 <= int(given) <= 1_200:
            raise InputError(f"--term {given}: give 1 to 1200 months, or a column")
        return None, int(given)
    name = given or _named(cells, _TERM, lambda texts: columns.numbers(texts) is not None)
    if not name:
        raise InputError("give --term COLUMN (in months), or --term MONTHS if all are alike")
    if name not in cells.columns:
        raise InputError(f"--term {name}: there is no such column, nor is it a number of months")
    if columns.numbers(cells[name]) is None:
        raise InputError(f"--term {name}: it holds no numbers of months")
    return name, None
