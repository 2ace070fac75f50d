"""A sample of loans with unknown columns: read, told apart by what they hold, and the outcome."""

import re
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loan_default.contract.contract import Column
from loan_default.contract.texts import DATE_FORMS, fold
from loan_default.data import cells as reading
from loan_default.data.dates import months
from loan_default.data.readers import open_table
from loan_default.errors import InputError

MAX_ROWS = 200_000
_MOSTLY = 0.95
_NUMBER = Column("", "number")
_DAY_FORMS = ("days since 1970-01-01", "days since 1899-12-30")
_YEARS = (date(1980, 1, 1), date(2050, 1, 1))
DEFAULTED = {"charged off", "chargedoff", "default", "defaulted", "bad", "loss", "written off"}
REPAID = {"fully paid", "paid", "repaid", "completed", "good", "paid in full", "paid off"}
OPEN = {"current", "open", "active", "running", "late", "in grace period", "issued", "cancelled"}


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
    parts, rows = [], 0
    with open_table(path, names) as table:
        for block in table.blocks:
            parts.append(block.cells.select(pl.col(names).cast(pl.String)))
            rows += block.cells.height
            if rows >= MAX_ROWS:
                break
    if not rows:
        raise InputError(f"{path} has a header but no rows")
    cells = pl.concat(parts)
    return pl.DataFrame([reading.text(cells[name]) for name in names])


def tokens(name: str) -> list[str]:
    """Return the words of a column's name in lower case: AnnualInc_2 is annual, inc and 2."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return [word for word in re.split(r"[^a-z0-9]+", spaced.lower()) if word]


def numbers(texts: pl.Series) -> pl.Series | None:
    """Return the cells as numbers; None unless nearly all filled cells are."""
    read = reading.numbers(_NUMBER, texts)
    filled = texts.count()
    return (
        read.fill_nan(None) if filled and read.fill_nan(None).count() >= _MOSTLY * filled else None
    )


def dates(texts: pl.Series, day_form: str | None = None) -> tuple[pl.Series, str] | None:
    """Return the months of dates and their form; None unless nearly all filled cells are dates.

    `day_form` is the form of day numbers, for portfolios that write dates so.
    """
    filled = texts.count()
    if not filled:
        return None
    is_number = numbers(texts.head(1_000)) is not None
    compact = is_number and bool(texts.drop_nulls().str.contains(r"^(19|20)\d{6}$").all())
    forms = DATE_FORMS if compact or not is_number else ((day_form,) if day_form else ())
    for form in forms:
        found = months(texts, form)
        plausible = found.is_between(date(1900, 1, 1), _YEARS[1]).sum()
        if plausible >= _MOSTLY * filled:
            return found, form
    return None


def issue_months(cells: pl.DataFrame, name: str) -> tuple[pl.Series, str]:
    """Return the months of the issue column and how they are written.

    Raises InputError if it does not hold dates.
    """
    found = dates(cells[name])
    for form in () if found else _DAY_FORMS:
        given = months(cells[name], form)
        if given.is_between(*_YEARS).sum() >= _MOSTLY * max(1, cells[name].count()):
            found = given, form
            break
    if not found:
        raise InputError(f"--issued {name}: it holds no dates; name the date of the loan")
    return found


def guess(cells: pl.DataFrame, given: dict[str, str | None]) -> Facts:
    """Answer what the person left open.

    Args:
        cells: the sample.
        given: `id`, `issued`, `term`, `outcome` and `default_when`, None if not answered.

    Raises InputError if a named column is missing, or something cannot be guessed.
    """
    for flag in ("id", "issued", "outcome"):
        if given[flag] and given[flag] not in cells.columns:
            raise InputError(f"--{flag} {given[flag]}: there is no such column")
    outcome = given["outcome"] or _named(cells, {"status", "outcome", "result"}, _has_outcomes)
    issued = given["issued"] or _named(
        cells, {"issue", "issued", "origination", "originated", "opened", "granted", "creation"}
    )
    if not outcome or not issued:
        raise InputError(f"give --{'issued' if outcome else 'outcome'} COLUMN: it is not plain")
    term, window = _term(cells, given["term"])
    name = given["id"] or _named(cells, {"id", "number", "nr", "key"}, _is_unique)
    words = _words(cells[outcome], outcome, given["default_when"])
    form = issue_months(cells, issued)[1]
    return Facts(name, issued, term, window, outcome, words, form)


def defaults(cells: pl.DataFrame, facts: Facts) -> NDArray[np.int8]:
    """Return per row 1 defaulted, 0 repaid, -1 open or unknown."""
    labels = {fold(word): label for word, label in facts.words.items()}
    of = {text: labels.get(fold(text)) for text in cells[facts.outcome].unique().drop_nulls()}
    known = [-1 if of.get(text) is None else of[text] for text in cells[facts.outcome]]
    return np.array(known, dtype=np.int8)


def _named(cells: pl.DataFrame, words: set[str], fits: object = None) -> str | None:
    for name in cells.columns:
        if set(tokens(name)) & words and (not callable(fits) or fits(cells[name])):
            return name
    return None


def _has_outcomes(texts: pl.Series) -> bool:
    words = {fold(text) for text in texts.unique().drop_nulls().head(50)}
    return bool(words & DEFAULTED and words & REPAID)


def _is_unique(texts: pl.Series) -> bool:
    return not texts.has_nulls() and texts.n_unique() == len(texts)


def _term(cells: pl.DataFrame, given: str | None) -> tuple[str | None, int | None]:
    if given and given.isdigit():
        return None, int(given)
    name = given or _named(cells, {"term", "tenor", "tenure", "duration"})
    if not name:
        raise InputError("give --term COLUMN (in months), or --term MONTHS if all are alike")
    if name not in cells.columns:
        raise InputError(f"--term {name}: there is no such column, nor is it a number of months")
    if numbers(cells[name]) is None:
        raise InputError(f"--term {name}: it holds no numbers of months")
    return name, None


def _words(texts: pl.Series, name: str, default_when: str | None) -> dict[str, int | None]:
    counted = [text for text, _ in texts.drop_nulls().value_counts(sort=True).head(30).rows()]
    chosen = {fold(word) for word in (default_when or "").split(",") if word.strip()}
    missing = chosen - {fold(text) for text in counted}
    if missing:
        raise InputError(f"--default-when {min(missing)}: {name} holds {', '.join(counted[:8])}")
    labels: dict[str, int | None] = {}
    for text in counted:
        folded = fold(text)
        is_default = folded in (chosen or DEFAULTED)
        is_open = folded in OPEN or folded.startswith("late")
        labels[text] = 1 if is_default else None if is_open else 0
    if set(labels.values()) >= {0, 1} and (chosen or len(labels) == 2 or _has_outcomes(texts)):
        return labels
    raise InputError(f"give --default-when WORD: {name} holds {', '.join(counted[:8])}")
