"""Write the [columns.NAME] table of a feature: its name, unit, range or levels, and reason."""

import json
import math

import polars as pl

from loan_default.columns import RESERVED
from loan_default.contract.texts import fold
from loan_default.drafting.columns import Column
from loan_default.drafting.names import is_price, named, record_name, tokens

RESERVED_SUFFIX = "_given"
_AMOUNT = frozenset("amount amnt principal lent".split())
_FRACTIONS = frozenset("rate apr ratio share pct percent util utilization utilisation".split())
_MONTHLY = frozenset("monthly month pm".split())
_YEARLY_IF_MONTHLY = frozenset(
    "income inc turnover revenue revenues sales salary wage wages".split()
)
_CURRENCIES = ("dollars", "euros", "pounds")
_UNITS = {
    "percent": "pct percent percentage",
    "months": "months mths mos",
    "years": "years yrs",
    "days": "days",
    "dollars": "usd dollars",
    "euros": "eur euro euros",
    "pounds": "gbp pounds",
}


def quoted(value: object) -> str:
    """Return a text or a list of texts as TOML writes it."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def table(column: Column, is_term: bool, taken: set[str]) -> tuple[str, str]:
    """Return a feature's name in the record and the lines of its table.

    Args:
        column: the feature.
        is_term: whether it is the loan's term.
        taken: the names that other features have.
    """
    name, lines = _number(column, is_term) if column.holds == "numbers" else _other(column)
    if is_term:
        name = "term"
    elif name in RESERVED:
        name += RESERVED_SUFFIX
    name = next(n for n in (name, *(f"{name}_{i}" for i in range(2, 10_000))) if n not in taken)
    head = [f"[columns.{name}]"]
    if name != column.name:
        head.append(f"source = {quoted(column.name)}")
    return name, "\n".join([*head, *lines, _reason(column, is_term)])


def _number(column: Column, is_term: bool) -> tuple[str, list[str]]:
    assert column.values is not None
    words, name = tokens(column.name), record_name(column.name)
    unit, scale, values = _unit(column, is_term), 1, column.values
    if set(words) & _FRACTIONS and 0 <= _quantile(values, 0.001) and _quantile(values, 0.99) <= 1.5:
        name, unit, scale = f"{name}_percent", "percent", 100
    elif set(words) & _MONTHLY and set(words) & _YEARLY_IF_MONTHLY:
        rest = [word for word in words if word not in _MONTHLY]
        name, scale = "yearly_" + "_".join(rest), 12
        unit = f"{unit} a year" if unit in _CURRENCIES else unit
    low, high = _range(values, scale)
    low, high = (1.0, max(high, 1_200.0)) if is_term else (low, high)
    lines = [f"scale = {scale}"] if scale != 1 else []
    lines += [f"unit = {quoted(unit)}"] if unit else []
    lines.append(f"range = [{low:.12g}, {high:.12g}]")
    rare = 0.001 * len(column.texts)
    is_core = is_term or (set(words) & _AMOUNT and column.texts.null_count() <= rare)
    return name, [*lines, *(["core = true"] if is_core else [])]


def _other(column: Column) -> tuple[str, list[str]]:
    name = record_name(column.name)
    if column.months is not None:
        lines = ["months_before_issue = true", 'unit = "months"', "range = [0, 1200]"]
        return f"{name}_months", lines
    return name, [f"levels = {quoted(_levels(column.texts))}"]


def _reason(column: Column, is_term: bool) -> str:
    if is_price(column.name):
        return "set_by_lender = true"
    words = " ".join(tokens(column.name)).capitalize() or column.name
    return f"reason = {quoted('Length of the loan requested' if is_term else words)}"


def _unit(column: Column, is_term: bool) -> str:
    if is_term:
        return "months"
    of_name = (unit for unit, words in _UNITS.items() if named(column.name, set(words.split())))
    return column.unit or next(of_name, "")


def _levels(texts: pl.Series) -> list[str]:
    found: dict[str, str] = {}
    for text, _ in texts.drop_nulls().value_counts(sort=True).rows():
        found.setdefault(fold(text), text)
    return sorted(found.values())


def _quantile(values: pl.Series, share: float) -> float:
    return float(values.quantile(share) or 0.0)


def _range(values: pl.Series, scale: float) -> tuple[float, float]:
    """Return a range ten times as wide as the inner 99.8%, in round numbers."""
    low, high = _quantile(values, 0.001) * scale, _quantile(values, 0.999) * scale
    top = 10.0 ** math.ceil(math.log10(max(abs(low), abs(high), 1) * 10))
    return (0.0 if low >= 0 else -top), top
