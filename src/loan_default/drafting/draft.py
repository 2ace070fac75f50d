"""Write a first contract from a sample, for a person to edit, and a table that says why."""

import json
import math
from dataclasses import dataclass
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from loan_default import storage
from loan_default.columns import RESERVED
from loan_default.contract import load as contracts
from loan_default.contract.texts import fold
from loan_default.drafting import sample, suspicion
from loan_default.drafting.sample import Facts, tokens
from loan_default.drafting.suspicion import Suspicion
from loan_default.errors import InputError

RESERVED_SUFFIX = "_given"
_AMOUNT = frozenset("amount principal lent".split())
_FRACTIONS = frozenset("rate apr ratio share pct percent util utilization".split())


@dataclass(frozen=True)
class Drafted:
    """One column: what it holds, what speaks against it, and its table if nothing does."""

    source: str
    holds: str
    missing: dict[int, float]
    suspicion: Suspicion | None
    table: str = ""
    form: str = "auto"
    is_later_date: bool = False


def draft(input_path: str, output_path: str, given: dict[str, str | None]) -> dict[str, Any]:
    """Draft the contract of the loans in `input_path` into `output_path`, and print the table.

    `given` holds what the person answers: `sample.guess` names the keys.

    Returns the script's JSON result. Raises InputError if the file cannot be used, something
    cannot be guessed, or `output_path` exists.
    """
    if not output_path.endswith(".toml"):
        raise InputError(f"cannot write {output_path}: name a .toml file")
    if storage.exists(output_path):
        raise InputError(f"{output_path} exists: it may hold your edits; name another file")
    cells = sample.read(input_path)
    facts = sample.guess(cells, given)
    columns = _columns(cells, facts)
    text = _toml(input_path, facts, columns)
    contract = contracts.parse(text, output_path)
    storage.write_text(output_path, text)
    _print(columns)
    apart = {
        place: [c.source for c in columns if c.suspicion and c.suspicion.place == place]
        for place in ("known_afterwards", "proxies", "unused")
    }
    return {
        "contract_path": output_path,
        "rows": cells.height,
        "features": list(contract.names),
        **apart,
        "outcome": facts.words,
    }


def _columns(cells: pl.DataFrame, facts: Facts) -> list[Drafted]:
    issued = sample.issue_months(cells, facts.issued)[0]
    default = sample.defaults(cells, facts)
    if {0, 1} - set(default.tolist()):
        raise InputError(f"the sample holds no loans of both outcomes in {facts.outcome}")
    day_form = facts.issued_form if facts.issued_form.startswith("days") else None
    found = []
    for name in cells.columns:
        if name in (facts.id, facts.issued, facts.outcome):
            continue
        texts = cells[name]
        near = day_form if _may_be_days(texts, cells[facts.issued], day_form) else None
        dated = sample.dates(texts, near)
        values = None if dated else sample.numbers(texts)
        months, form = dated or (None, "auto")
        suspected = suspicion.judge(name, texts, values, months, issued, default)
        if name == facts.term:
            suspected = None
        missing = suspicion.missing_by_year(texts, issued)
        later = bool(dated and suspected and "after the issue" in suspected.why)
        holds = "dates" if dated else "numbers" if values is not None else "texts"
        table = "" if suspected else _table(name, texts, values, months is not None, facts)
        found.append(Drafted(name, holds, missing, suspected, table, form, later))
    return found


def _may_be_days(texts: pl.Series, issued: pl.Series, day_form: str | None) -> bool:
    """Return whether whole numbers lie where the issue dates' day numbers lie."""
    if not day_form:
        return False
    values, around = sample.numbers(texts), sample.numbers(issued)
    if values is None or around is None or not values.count():
        return False
    low, high = _quantile(around, 0), _quantile(around, 1)
    given = values.drop_nulls()
    near = given.is_between(low - 20_000, high + 10_000)
    small = given.is_between(-1_200, 1_200)
    return bool((given % 1 == 0).all() and near.all() and not small.any())


def record_name(source: str) -> str:
    """Return a name for the record: the source's words in lower case."""
    return "_".join(tokens(source)) or "column"


def _table(
    source: str, texts: pl.Series, values: pl.Series | None, is_date: bool, facts: Facts
) -> str:
    words = set(tokens(source))
    name = record_name(source)
    lines = []
    if is_date:
        name += "_months"
        lines += ["months_before_issue = true", 'unit = "months"', "range = [0, 1200]"]
    elif values is not None:
        fraction = (
            words & _FRACTIONS
            and 0 <= _quantile(values, 0.001)
            and (_quantile(values, 0.99) <= 1.5)
        )
        if fraction:
            name += "_percent"
            lines += ["scale = 100", 'unit = "percent"']
        low, high = _range(values, 100 if fraction else 1)
        low, high = (1.0, max(high, 1_200.0)) if source == facts.term else (low, high)
        lines.append(f"range = [{low:.12g}, {high:.12g}]")
    else:
        levels = _levels(texts)
        lines.append(f"levels = {json.dumps(levels, ensure_ascii=False)}")
    if source == facts.term:
        name = "term"
        lines.append("core = true")
    elif words & _AMOUNT and values is not None and not texts.has_nulls():
        lines.append("core = true")
    elif name in RESERVED:
        name += RESERVED_SUFFIX
    if words & suspicion.PRICE:
        lines.append("set_by_lender = true")
    else:
        lines.append(f"reason = {json.dumps(' '.join(tokens(source)).capitalize() or source)}")
    head = [f"[columns.{name}]"]
    if name != source:
        head.append(f"source = {json.dumps(source, ensure_ascii=False)}")
    return "\n".join(head + lines)


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


def _toml(path: str, facts: Facts, columns: list[Drafted]) -> str:
    quoted = _quoted
    later = [c.source for c in columns if c.is_later_date]
    by_label = {
        key: [word for word, label in facts.words.items() if label == value]
        for key, value in (("defaulted", 1), ("repaid", 0), ("open", None))
    }
    term = 'term = "term"' if facts.term else f"window_months = {facts.window_months}"
    forms = {c.source: c.form for c in columns if c.form != "auto"}
    forms |= {facts.issued: facts.issued_form} if facts.issued_form != "auto" else {}
    lines = [
        f"# A first contract, drafted from {path.rsplit('/', 1)[-1]}: check every line.",
        'name = "My loans"',
    ]
    if forms:
        pairs = ", ".join(f"{quoted(name)} = {quoted(form)}" for name, form in forms.items())
        lines.append(f"date_forms = {{ {pairs} }}")
    lines += ["", "[loan]", *([f"id = {quoted(facts.id)}"] if facts.id else [])]
    lines += [f"issued = {quoted(facts.issued)}", term]
    lines += [f"known_through = {quoted(later)}"] if later else []
    lines += ["", "[outcome]", f"column = {quoted(facts.outcome)}"]
    lines += [f"{key} = {quoted(words)}" for key, words in by_label.items() if words]
    for column in columns:
        if column.table:
            lines += ["", f"# {_missing(column.missing)}", column.table]
    lines += ["", "# Move a line from here to a [columns.NAME] of its own only if you know better"]
    lines.append("[never]")
    for place in ("known_afterwards", "proxies", "unused"):
        lines.append(f"{place} = [")
        for column in columns:
            if column.suspicion and column.suspicion.place == place:
                lines.append(f"  {quoted(column.source)}, # {column.suspicion.why}")
        lines.append("]")
    return "\n".join(lines) + "\n"


def _quoted(value: object) -> str:
    """Return a text or a list of texts as TOML writes it."""
    return json.dumps(value, ensure_ascii=False)


def _missing(by_year: dict[int, float]) -> str:
    shares = sorted(set(by_year.values()))
    if not shares or shares[-1] == 0:
        return "never missing"
    return "missing: " + ", ".join(f"{share:.0%} in {year}" for year, share in by_year.items())


def _print(columns: list[Drafted]) -> None:
    table = Table(title="What the columns hold")
    for heading in ("column", "holds", "becomes", "why", "missing"):
        table.add_column(heading, overflow="fold")
    for column in sorted(columns, key=lambda c: (c.suspicion is None, c.source)):
        found = column.suspicion
        becomes = found.place.replace("_", " ") if found else "feature"
        why = found.why if found else ""
        table.add_row(column.source, column.holds, becomes, why, _missing(column.missing))
    Console(stderr=True).print(table)
