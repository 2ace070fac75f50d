"""Draft a first contract from a sample, for a person to edit, and print why it is so."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from loan_default import storage
from loan_default.contract import load as contracts
from loan_default.drafting import columns, leaks, money, report, sample, suspicion, tables, toml
from loan_default.drafting.columns import Column
from loan_default.drafting.leaks import Loans
from loan_default.drafting.report import Judged
from loan_default.drafting.sample import Facts
from loan_default.drafting.toml import Guesses
from loan_default.errors import InputError


@dataclass(frozen=True)
class _Read:
    facts: Facts
    issued: pl.Series
    columns: list[Column]
    loans: Loans


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
    read = _read(cells, given)
    judged = _judge(read)
    guesses = _guesses(read, judged)
    text = toml.write(input_path, read.facts, judged, guesses)
    contract = contracts.parse(text, output_path)
    storage.write_text(output_path, text)
    report.show(judged)
    apart = {
        place: [one.source for one in judged if one.suspicion and one.suspicion.place == place]
        for place in ("known_afterwards", "proxies", "unused")
    }
    return {
        "contract_path": output_path,
        "rows": cells.height,
        "issued": read.issued.drop_nulls().sort().dt.strftime("%Y-%m").gather([0, -1]).to_list(),
        "features": list(contract.names),
        "look_again": [one.name for one in judged if one.look],
        **apart,
        "outcome": read.facts.words,
    }


def _read(cells: pl.DataFrame, given: dict[str, str | None]) -> _Read:
    facts = sample.guess(cells, given)
    issued = sample.issue_months(cells, facts.issued)[0]
    default = sample.defaults(cells, facts)
    if {0, 1} - set(default.tolist()):
        raise InputError(f"the sample holds no loans of both outcomes in {facts.outcome}")
    found = [
        columns.read(name, cells[name], cells[facts.issued], facts.issued_form)
        for name in cells.columns
        if name not in (facts.id, facts.issued, facts.outcome)
    ]
    term = next((column.numbers for column in found if column.name == facts.term), None)
    months = np.zeros(cells.height) if term is None else np.nan_to_num(term)
    loans = Loans(leaks.month_numbers(issued), default, months)
    guessed = money.default_month(found, loans)
    end = guessed[0] if guessed else None
    life = next((leaks.life(column, loans) for column in found if column.name == end), None)
    price = leaks.price(found, loans)
    return _Read(facts, issued, found, replace(loans, end=end, life=life, price=price))


def _judge(read: _Read) -> list[Judged]:
    judged: list[Judged] = []
    taken: set[str] = set()
    for column in read.columns:
        is_term = column.name == read.facts.term
        found = None if is_term else suspicion.judge(column, read.loans)
        name, table = ("", "") if found else tables.table(column, is_term, taken)
        taken.add(name)
        missing = suspicion.missing_by_year(column.texts, read.issued)
        alone = 0.0 if found else leaks.alone(column, read.loans)
        judged.append(
            Judged(column.name, column.holds, missing, found, name, table, alone, column.form)
        )
    return judged


def _guesses(read: _Read, judged: list[Judged]) -> Guesses:
    set_apart = {one.source for one in judged if one.suspicion}
    apart = [column for column in read.columns if column.name in set_apart]
    features = [column for column in read.columns if column.name not in set_apart]
    names = {one.source: one.name for one in judged if not one.suspicion}
    return Guesses(
        known_through=money.known_through(apart, read.loans),
        default_month=money.default_month(apart, read.loans),
        money=money.money(features, apart, read.loans),
        price=names.get(money.yearly_rate(features, read.loans) or ""),
        names=names,
    )
