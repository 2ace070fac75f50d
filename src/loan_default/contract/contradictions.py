"""What must hold between the tables of a contract. Pure."""

import re
from typing import Any

from loan_default.columns import RESERVED, TERM
from loan_default.contract.schema import ContractFile, Sources
from loan_default.contract.texts import fold

# A key's path, and what is wrong with it
Problem = tuple[tuple[str, ...], str]
# XGBoost takes no brackets in a feature's name, and reports no control characters
_NAME = re.compile(r"[^\W][\w .()/%+-]{0,79}")


def contradictions(file: ContractFile) -> list[Problem]:
    """Return what is wrong between the tables: the key's path, and a sentence."""
    numbers = {("loan", "term"): file.loan.term}
    if money := file.money:
        numbers |= {("money", "amount"): money.amount, ("money", "price"): money.price}
    found: list[Problem] = [
        (path, f"{name!r} is no number of the record: name one of {_list(file.columns)}")
        for path, name in numbers.items()
        if name is not None and (name not in file.columns or file.columns[name].is_category)
    ]
    found += [*_names(file), *_ratios(file), *_roles(file), *_sources(file), *_features(file)]
    return found


def _names(file: ContractFile) -> list[Problem]:
    found: list[Problem] = []
    for table, names in (("columns", file.columns), ("ratios", file.ratios)):
        for name in names:
            if not _NAME.fullmatch(name):
                told = (
                    f"{name[:40]!r} is no name: write letters, digits, blanks, _ - . ( ) / % only"
                )
                found.append(((table, name), told))
            if name in RESERVED and not (name == TERM == file.loan.term):
                told = f"{name!r} is a name of the platform's own: choose another"
                found.append(((table, name), told))
            if table == "ratios" and name in file.columns:
                found.append(((table, name), f"{name!r} is a column already: choose another name"))
    return found


def _ratios(file: ContractFile) -> list[Problem]:
    found: list[Problem] = []
    for name, ratio in file.ratios.items():
        for key, part in (("over", ratio.over), ("under", ratio.under)):
            if part not in file.columns or file.columns[part].is_category:
                told = f"{part!r} is no number of the record: name one of {_list(file.columns)}"
                found.append((("ratios", name, key), told))
    return found


def _roles(file: ContractFile) -> list[Problem]:
    """Find a column that is two of outcome, issue date and id."""
    roles = {"the outcome": file.outcome.column, "the issue date": file.loan.issued}
    if file.loan.id is None:
        return [] if len(set(roles.values())) == 2 else [_both(file, roles)]
    roles["the id"] = file.loan.id
    return [] if len(set(roles.values())) == 3 else [_both(file, roles)]


def _both(file: ContractFile, roles: dict[str, str]) -> Problem:
    names = list(roles.values())
    name = next(name for name in names if names.count(name) > 1)
    what = " and ".join(role for role, column in roles.items() if column == name)
    key = ("loan", "id") if name == file.loan.id else ("loan", "issued")
    return key, f"{name!r} is {what}: name another column"


def _sources(file: ContractFile) -> list[Problem]:
    found: list[Problem] = []
    owner: dict[str, tuple[str, str]] = {}
    for name, column in file.columns.items():
        if column.source is None and (column.scale != 1 or column.months_before_issue):
            key = "scale" if column.scale != 1 else "months_before_issue"
            told = "needs source = ..., since the record holds something else than the file"
            found.append((("columns", name, key), told))
        source = column.source or name
        changed = column.scale != 1 or column.months_before_issue
        if changed and fold(source) == fold(name):
            told = f"name the record's column otherwise than its source {source!r}"
            found.append((("columns", name), told))
        for text in (name, source, *column.also):
            earlier, other = owner.setdefault(fold(text), (name, text))
            if earlier != name:
                alike = "" if other == text else f", which is read like {other!r},"
                told = f"{text!r}{alike} is the source of {earlier!r} already"
                found.append((("columns", name), told))
    return found


def _features(file: ContractFile) -> list[Problem]:
    """Find columns that must not be a feature but are one."""
    outcome = file.outcome
    roles: dict[str, Sources] = {
        "the outcome": (outcome.column,),
        "the issue date": (file.loan.issued,),
    }
    if file.loan.id:
        roles["the id"] = (file.loan.id,)
    roles["known afterwards"] = file.never.known_afterwards
    roles["a proxy"] = file.never.proxies
    roles["unused"] = file.never.unused
    if file.money:
        money = file.money
        given = (money.returned, money.recovered, money.recovery_fee)
        roles["known afterwards"] += tuple(name for name in given if name)
    roles["known afterwards"] += file.loan.known_through
    if outcome.default_month:
        roles["known afterwards"] += (outcome.default_month.column,)
    role_of = {fold(text): role for role, names in reversed(roles.items()) for text in names}
    found: list[Problem] = []
    for name, column in file.columns.items():
        for text in (column.source or name, *column.also):
            if role := role_of.get(fold(text)):
                told = f"{text!r} is {role} and a feature: keep one of the two"
                found.append((("columns", name), told))
    return found


def _list(names: Any) -> str:
    shown = list(names)[:8]
    return ", ".join(shown) + (", …" if len(names) > 8 else "")
