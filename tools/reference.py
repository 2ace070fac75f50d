"""Write the reference pages from the code that they describe: `make docs`."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from loan_default import columns
from loan_default.columns import BY_NAME, EXPORT, KNOWN_AFTERWARDS, PROXIES, RAW_SOURCE, Column
from loan_default.data import parsing, rejections
from loan_default.model import features
from loan_default.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
NOTE = "<!-- Written by tools/reference.py: change the code and run `make docs`. -->"
DIRECTION = {1: "up", -1: "down", 0: ""}
TYPED = {raw: typed for typed, raw in RAW_SOURCE.items()}
# By Compose service, how the settings table calls those whose settings it passes on.
SERVICES = {"airflow-scheduler": "tasks", "serve": "serving"}


def pages() -> dict[str, str]:
    """The text of every generated page, by its file name in docs."""
    return {"data-contract.md": data_contract(), "settings.md": settings()}


def data_contract() -> str:
    """Every column of the export and of a request, in Markdown."""
    inputs = [name for name in EXPORT if TYPED.get(name, name) in BY_NAME]
    derived = [
        (f"`{ratio.name}`", f"`{ratio.over}` / `{ratio.under}`", DIRECTION[ratio.risk])
        for ratio in features.RATIOS
    ]
    statuses = [(f"`{status}`", _outcome(label)) for status, label in columns.LABELS.items()]
    return _DATA_CONTRACT.format(
        note=NOTE,
        count=len(EXPORT),
        features=len(inputs),
        afterwards=len(KNOWN_AFTERWARDS),
        proxies=_names(sorted(PROXIES)),
        export=_table(
            ("column", "role", "kind", "unit", "range or values", "risk", "reason"),
            map(_export_row, EXPORT),
        ),
        derived=_table(("feature", "computed as", "risk"), derived),
        statuses=_table(("`loan_status`", "outcome"), statuses),
        prefix=columns.POLICY_PREFIX,
        core=_names(columns.CORE),
        optional=len(columns.NAMES) - len(columns.CORE),
        raw=_names(sorted(set(parsing.SOURCES) - set(columns.NAMES))),
        missing=", ".join(f"`{text}`" for text in rejections.MISSING_TEXTS if text),
        years=", ".join(f"`{text}`" for text in parsing.EMPLOYMENT_YEARS),
    )


def settings() -> str:
    """Every setting of the scripts and of the Docker stack, in Markdown."""
    compose = (ROOT / "docker-compose.yaml").read_text()
    own = [
        (
            f"`{name.upper()}`",
            _code(field.default),
            _allowed(field),
            field.description,
            _reach(name.upper(), compose),
        )
        for name, field in Settings.model_fields.items()
    ]
    example = re.findall(r"# (.+)\n# ([A-Z0-9_]+)=(.*)\n", (ROOT / ".env.example").read_text())
    others = [
        (f"`{name}`", _code(default), meaning)
        for meaning, name, default in example
        if name.lower() not in Settings.model_fields
    ]
    return _SETTINGS.format(
        note=NOTE,
        own=_table(("setting", "default", "allowed", "meaning", "Docker stack"), own),
        others=_table(("variable", "default", "meaning"), others),
    )


def _export_row(name: str) -> Sequence[str]:
    typed = TYPED.get(name, name)
    column = BY_NAME.get(typed)
    if column is None:
        return f"`{name}`", _role_of_no_feature(name), "", "", "", "", ""
    role = "core feature" if column.core else "feature"
    if typed != name:
        role += f", becomes `{typed}`"
    kind = "ranks" if column.ordered else column.kind
    reason = column.reason or "never: the lender set it"
    return f"`{name}`", role, kind, column.unit, _range(column), DIRECTION[column.risk], reason


def _role_of_no_feature(name: str) -> str:
    if name == columns.ID:
        return "identifier: names the row, never a feature"
    if name == columns.STATUS:
        return "**target**; known only after the loan"
    if name in parsing.AS_OF_SOURCES:
        return "known only after the loan; tells through which month outcomes are known"
    if name in KNOWN_AFTERWARDS:
        return "known only after the loan"
    if name in PROXIES:
        return "never a feature: stands in for who the applicant is"
    if name in TYPED:
        return f"becomes `{TYPED[name]}`: cohort and split, never a feature"
    return "not used"


def _range(column: Column) -> str:
    if column.kind == "category":
        return ", ".join(column.levels)
    return f"{column.low:,.15g} to {column.high:,.15g}"


def _outcome(label: int | None) -> str:
    return {1: "1, defaulted", 0: "0, paid", None: "none yet: the loan is running"}[label]


def _allowed(field: Any) -> str:
    """The bounds of a number or the choices of a text, as a reader would write them."""
    choices = getattr(field.annotation, "__args__", None)
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    signs = {"ge": "≥ ", "gt": "> ", "le": "≤ ", "lt": "< "}
    bounds = [
        f"{sign}{getattr(bound, name):g}"
        for bound in field.metadata
        for name, sign in signs.items()
        if hasattr(bound, name)
    ]
    return ", ".join(bounds)


def _reach(name: str, compose: str) -> str:
    """Which parts of the Docker stack get the setting from `.env`."""
    services = yaml.safe_load(compose)["services"]
    given = {called: services[service]["environment"] for service, called in SERVICES.items()}
    reached = [
        called
        for called, variables in given.items()
        if name in variables and (variables[name] is None or f"${{{name}" in variables[name])
    ]
    if not reached and f"${{{name}:" in compose:
        return "this machine's side"
    return ", ".join(reached) or "set by the stack"


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _code(value: object) -> str:
    return f"`{value}`" if value != "" else ""


def _table(head: Sequence[str], rows: Any) -> str:
    def lines() -> Iterator[str]:
        for row in (head, ["---"] * len(head), *rows):
            yield "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |"

    return "\n".join(lines())


_DATA_CONTRACT = """# The data contract

{note}

The code: [`columns.py`](../src/loan_default/columns.py) says what is there,
[`data/parsing.py`](../src/loan_default/data/parsing.py) reads it. A typed application record holds
the features below. A row of a file that breaks the contract is set aside with its reason; a
request with such a row is refused with it.

## The export: {count} columns

{features} columns become features. {afterwards} are known only after the loan was granted, and
{proxies} stand in for who the applicant is: a test over every column shows that neither they nor
the unused ones reach the model. **risk** is the direction in which a feature may move the default
probability (a monotone constraint), empty where it is free; **reason** is what an applicant is
told when it counted against them. A number outside its range is refused; a category that is not
listed counts as missing. Values of a rank go from the best to the worst.

{export}

## Features computed from others

{derived}

Missing where either part is missing or the lower one is not above 0.

## The outcome

{statuses}

A status may begin with `{prefix}`. Only loans whose whole term has passed teach and judge a
model.

## What a request may hold

The columns of the record by their typed names, and {raw} of the export; other columns are
ignored. Required: {core}. The other {optional} may be null or left out. Each value may be:

- a number, or a text that holds one: with `months` behind it in `term`, with `%` in any other
  number;
- for `emp_length` also {years};
- for a month (`issue_d`, `earliest_cr_line`) `Dec-2010`, `2010-12` or `2010-12-31`;
- missing: null, empty, {missing}.

`credit_history_months` runs from `earliest_cr_line` to the issue month or, without one, to the
current month (in a batch: the run date's). Dollars are dollars: columns of logarithms are
refused, in files and in requests of 20 rows or more.
"""

_SETTINGS = """# Settings

{note}

Every flag of a script comes before the environment, that before `.env`, that before the default;
an empty variable means the default. [`.env.example`](../.env.example) is the same list, to be
copied to `.env`. The last column says which parts of the Docker stack take the setting from
`.env`: the *tasks* that Airflow runs, or *serving*; what the stack sets itself cannot be changed
there. `SERVE_PORT` is the port of this machine; in its container the server listens on 5001.

## Of the scripts

{own}

With `GCS_BUCKET` set, `OUTPUT_PATH`, `PREPARED_DATA_PATH` and `MLFLOW_ARTIFACT_ROOT` lie in that
bucket unless they are given.

## Of the Docker stack and Airflow

{others}

What each secret protects and how to change it: [operations](operations.md#secrets).
"""

if __name__ == "__main__":
    for name, page in pages().items():
        (ROOT / "docs" / name).write_text(page)
