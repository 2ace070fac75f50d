"""Say in one line what is wrong in a contract: file, line, key, and what to write instead."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from loan_default.contract import schema

_HEADER = re.compile(r"\s*\[\[?([^\]]+)\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')\s*(?:\.[^=]*)?=")
_TABLES: dict[str, type[BaseModel]] = {
    "loan": schema.LoanTable,
    "outcome": schema.OutcomeTable,
    "money": schema.MoneyTable,
    "columns": schema.ColumnTable,
    "ratios": schema.RatioTable,
    "never": schema.NeverTable,
}
_NAMED = ("columns", "ratios")
_EXAMPLES = {
    "name": 'name = "Our loans"',
    "loan": '[loan] with issued = "COLUMN" and term or window_months',
    "outcome": '[outcome] with column = "COLUMN", defaulted = ["WORD"] and repaid = ["WORD"]',
    "columns": "[columns.NAME] for each column that a model may use",
    "issued": 'issued = "COLUMN", the date of the loan',
    "column": 'column = "COLUMN"',
    "defaulted": 'defaulted = ["WORD"]',
    "repaid": 'repaid = ["WORD"]',
    "lent": 'lent = "COLUMN"',
    "returned": 'returned = "COLUMN"',
    "over": 'over = "COLUMN"',
    "under": 'under = "COLUMN"',
}


def explain(path: str, text: str, error: ValidationError) -> str:
    """Return the first problem of a contract in one line."""
    first = error.errors()[0]
    place = tuple(str(part) for part in first["loc"])
    return sentence(path, text, place, _told(place, first))


def sentence(path: str, text: str, place: Sequence[str], told: str) -> str:
    """Return a problem in one line; `place` is the path of the key at fault."""
    line = line_of(text, place)
    where = f"{path} line {line}" if line else path
    key = " ".join(".".join(part for part in place if not part.isdigit()).split())
    return f"{where}: {key + ': ' if key else ''}{told}"


def line_of(text: str, place: Sequence[str]) -> int | None:
    """Return the number of the line, from 1, that holds the key or, without it, its table."""
    lines = dict(_keys(text))
    for length in range(len(place), 0, -1):
        if line := lines.get(tuple(place[:length])):
            return line
    return None


def _keys(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield the path of each table and key with its line."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if (header := _HEADER.fullmatch(line)) and "=" not in line and "," not in line:
            table = tuple(part.strip().strip("\"'") for part in header[1].split("."))
            yield table, number
        elif key := _KEY.match(line):
            yield (*table, key[1].strip("\"'")), number


def _told(place: tuple[str, ...], error: Mapping[str, Any]) -> str:
    key = place[-1] if place else ""
    if error["type"] == "missing":
        return f"is missing: write {_EXAMPLES.get(key, key)}"
    if error["type"] == "extra_forbidden":
        return _unknown(place)
    if error["type"] == "value_error":
        return str(error["msg"]).removeprefix("Value error, ")
    if key == "range":
        return f"{str(error['input'])[:40]!r} is no range: write [lowest, highest]"
    if error["type"] == "tuple_type":
        return f'{str(error["input"])[:40]!r} is no list: write ["TEXT"]'
    if error["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return f"{str(error['input'])[:40]!r} is no table: write {_table(place)}"
    if error["type"] == "string_type":
        return f'{str(error["input"])[:40]!r} is no text: write "{error["input"]}"'
    message = str(error["msg"]).removeprefix("Input should be ")
    return f"{str(error['input'])[:40]!r} should be {message}"


def not_toml(path: str, error: tomllib.TOMLDecodeError) -> str:
    """Return in one line what keeps a text from being TOML."""
    told = " ".join(str(error).split())
    if not (found := re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", told)):
        return f"{path} is not TOML: {told}; close every quote and bracket"
    return (
        f"{path} line {found[2]}: this is not TOML: {found[1]} (column {found[3]}); look at this "
        'line and the one above it: texts stand in "quotes", lists in [brackets], and each key and '
        "table is there once"
    )


def _table(place: tuple[str, ...]) -> str:
    """Return how the table at the path is written."""
    if place[0] == "outcome":
        return '{ column = "COLUMN", plus_months = 3 }'
    if len(place) > 2:
        return '{ "TEXT IN THE FILE" = VALUE }'
    if place[0] in _NAMED:
        return f"[{place[0]}.{place[1] if len(place) > 1 else 'NAME'}] and its keys below"
    return f"[{'.'.join(place)}] and its keys below"


def _unknown(place: tuple[str, ...]) -> str:
    table = _TABLES.get(place[0]) if len(place) > 1 else schema.ContractFile
    if place[0] == "outcome" and len(place) > 2:
        table = schema.DefaultMonthTable
    assert table
    known = list(table.model_fields)
    near = get_close_matches(place[-1], known, 1)
    return "there is no such key; " + (
        f"write {near[0]}" if near else f"write one of {', '.join(known)}, or leave it out"
    )
