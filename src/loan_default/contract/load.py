"""Read a contract: a built-in one by its name, or a file by its path."""

import hashlib
import json
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from loan_default import storage
from loan_default.contract import problems
from loan_default.contract.contract import (
    Column,
    Contract,
    DefaultMonth,
    Loan,
    Money,
    Never,
    Outcome,
    Ratio,
)
from loan_default.contract.contradictions import contradictions
from loan_default.contract.schema import (
    RISKS,
    ColumnTable,
    ContractFile,
    OutcomeTable,
)
from loan_default.errors import InputError

BUILT_IN = Path(__file__).parents[1] / "contracts"
LENDINGCLUB = "lendingclub"


def built_in() -> list[str]:
    """Return the names of the built-in contracts."""
    return sorted(path.stem for path in BUILT_IN.glob("*.toml"))


def load(name: str) -> Contract:
    """Read a contract.

    Args:
        name: that of a built-in contract, or the path of a TOML file, local or gs://.

    Raises:
        InputError: there is no such contract, or it is wrong; the message names file, line and key
            and says what to write instead.
    """
    if name in built_in():
        return parse((BUILT_IN / f"{name}.toml").read_text(encoding="utf-8"), f"{name}.toml")
    if not name.endswith(".toml"):
        raise InputError(
            f"no contract {name!r}: name a built-in one ({', '.join(built_in())}) or a .toml file"
        )
    with storage.open_input(name) as stream:
        content = stream.read()
    try:
        return parse(content.decode("utf-8-sig"), name)
    except UnicodeDecodeError:
        raise InputError(f"{name} is not text in UTF-8: save it as UTF-8") from None


def before_files() -> Contract:
    """Return the contract of the versions that were registered before contracts were files."""
    path = BUILT_IN / "earlier" / f"{LENDINGCLUB}.toml"
    return parse(path.read_text(encoding="utf-8"), path.name)


@lru_cache(maxsize=16)
def parse(text: str, path: str) -> Contract:
    """Parse the text of a contract; `path` is its file's name for messages.

    Raises:
        InputError: as of `load`.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(problems.not_toml(path, error)) from None
    try:
        file = ContractFile.model_validate(raw)
    except ValidationError as error:
        raise InputError(problems.explain(path, text, error)) from None
    if wrong := contradictions(file):
        raise InputError(problems.sentence(path, text, *wrong[0]))
    return _contract(file, text, raw)


def _contract(file: ContractFile, text: str, raw: dict[str, Any]) -> Contract:
    never = file.never
    content = json.dumps(raw, sort_keys=True, default=str)
    return Contract(
        name=file.name,
        text=text,
        digest=hashlib.sha256(content.encode()).hexdigest(),
        record=tuple(_column(name, table) for name, table in file.columns.items()),
        ratios=tuple(
            Ratio(name, table.over, table.under, RISKS[table.risk], table.reason)
            for name, table in file.ratios.items()
        ),
        price=tuple(name for name, table in file.columns.items() if table.set_by_lender),
        loan=Loan(**file.loan.model_dump()),
        outcome=_outcome(file.outcome),
        money=Money(**file.money.model_dump()) if file.money else None,
        never=Never(
            known_afterwards=frozenset(never.known_afterwards) | {file.outcome.column},
            proxies=frozenset(never.proxies),
            unused=frozenset(never.unused),
        ),
        date_forms={"": file.dates} | file.date_forms,
    )


def _column(name: str, table: ColumnTable) -> Column:
    low, high = table.range or (0.0, 0.0)
    return Column(
        name=name,
        kind="category" if table.is_category else "number",
        unit=table.unit,
        low=low,
        high=high,
        usual=table.usual,
        levels=table.levels,
        ordered=table.ordered,
        core=table.core,
        risk=RISKS[table.risk],
        reason=table.reason,
        source=table.source or name,
        also=table.also,
        spellings=table.spellings,
        words=table.words,
        scale=table.scale,
        months_before_issue=table.months_before_issue,
    )


def _outcome(table: OutcomeTable) -> Outcome:
    month = table.default_month
    return Outcome(
        column=table.column,
        labels=dict.fromkeys(table.repaid, 0)
        | dict.fromkeys(table.defaulted, 1)
        | dict.fromkeys(table.open),
        prefixes=table.prefixes,
        default_month=DefaultMonth(month.column, month.plus_months) if month else None,
    )
