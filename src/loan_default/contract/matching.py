"""Find the contract's columns in a table, also under the other names that people write."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache

from loan_default.columns import ID, RESERVED
from loan_default.contract.contract import Contract
from loan_default.contract.texts import fold
from loan_default.errors import InputError

# Of difflib's ratio, from 0 to 1: one wrong letter in seven
_NEAR = 0.85
# Comparing takes time, which a request must not take from others
MAX_COMPARED = 200
# What the name of a column of ids ends with, and what it may be the id of
_ID_WORDS = frozenset(
    {"id", "key", "no", "nr", "num", "number", "ref", "reference", "uuid", "guid"}
)
_LOAN_WORDS = frozenset({"loan", "application", "app", "account", "contract", "agreement"})


def canonical(columns: Sequence[str], contract: Contract) -> dict[str, str]:
    """Return, by each of a table's columns that goes by another name, the contract's name for it.

    Raises:
        InputError: two columns would be read as one.
    """
    known, folded = _known(contract)
    owner = {name: name for name in columns if name in known and known[name] == name}
    found = {}
    for name in columns:
        target = known.get(name) or folded.get(fold(name))
        if not target or name == target:
            continue
        if owner.setdefault(target, name) != name:
            raise InputError(
                f"the columns {owner[target]!r} and {name!r} are both read as {target}: keep one"
            )
        found[name] = target
    return found


def is_known(name: str, contract: Contract) -> bool:
    """Return whether a column is one of the contract's, by any of its names."""
    known, folded = _known(contract)
    return name in known or fold(name) in folded


def without_id(columns: Sequence[str], contract: Contract) -> str | None:
    """Return a sentence if a table lacks the column of the ids, with the one that may hold them."""
    if not contract.loan.id or {contract.loan.id, ID} & set(columns):
        return None
    words = {name: _words(name) for name in columns}
    ids = [name for name in columns if words[name] and words[name][-1] in _ID_WORDS]
    # Rather the loan's than the customer's
    ids.sort(key=lambda name: not _LOAN_WORDS & set(words[name]))
    asked = f": is it {ids[0][:40]!r}?" if ids else ""
    return f"no column {contract.loan.id}, so outcomes cannot be joined with these rows{asked}"


def _words(name: str) -> list[str]:
    """Return the words of a column's name; `LoanID` and `loan_id` have the same two."""
    return fold(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).split()


def nearly(columns: Sequence[str], contract: Contract) -> list[str]:
    """Return a sentence for each column that is nearly one of the record's that the table lacks."""
    never = contract.never
    listed = never.known_afterwards | never.proxies | never.unused | set(RESERVED)
    missing = {
        fold(column.source): column.source
        for column in contract.record
        if not {column.name, column.source} & set(columns)
    }
    found = []
    read = contract.sources | listed
    unread = [name for name in columns if name not in read]
    for name in unread[:MAX_COMPARED]:
        if near := get_close_matches(fold(name), missing, 1, _NEAR):
            found.append(f"the column {name[:40]!r} is not read: is it {missing[near[0]]}?")
    return found


def require_half(path: str, columns: Sequence[str], contract: Contract) -> None:
    """Check that a table has at least half of the columns that the contract says are needed.

    Raises:
        InputError: it has less than half; the message names those that are missing, and the
            nearest names that are there.
    """
    needed = [column for column in contract.record if column.core] or list(contract.record)
    missing = [c.source for c in needed if not {c.name, c.source} & set(columns)]
    if not missing or 2 * len(missing) <= len(needed):
        return
    told = with_nearest(missing, columns, contract)
    raise InputError(
        f"{path} does not fit the contract of {contract.name}: it lacks {len(missing)} of "
        f"{len(needed)} columns that each row needs: {told}; name the right contract "
        "(CONTRACT) or model (MODEL_NAME), or add the names under also"
    )


def with_nearest(
    missing: Sequence[str], columns: Sequence[str], contract: Contract, ratio: float = 0.5
) -> str:
    """Return missing names in one line, each with the nearest of `columns` that is not read.

    `ratio` is difflib's, from 0 to 1, from which a name is near.
    """
    unread = [name for name in columns if name not in contract.sources]
    names = {fold(name): name for name in unread[:MAX_COMPARED]}
    near = {name: get_close_matches(fold(name), names, 1, ratio) for name in missing}
    told = [f"{name} (nearest: {names[n[0]][:40]})" if n else name for name, n in near.items()]
    return ", ".join(told)


@lru_cache(maxsize=16)
def _known(contract: Contract) -> tuple[dict[str, str], dict[str, str]]:
    """Return the contract's name for each name in use, as written and folded."""
    own = [*contract.sources, *contract.loan.known_through]
    also = {name: column.source for column in contract.record for name in column.also}
    known = also | {name: name for name in own}
    raw = {column.source for column in contract.record} | {contract.loan.id, contract.loan.issued}
    raw |= {contract.outcome.column, *contract.loan.known_through}
    # A lender's column of the name "Default" is not the platform's own "default"
    foldable = {name: t for name, t in known.items() if t in raw or t not in RESERVED}
    typed = {fold(name): target for name, target in foldable.items() if target not in raw}
    return known, typed | {fold(name): t for name, t in foldable.items() if t in raw}
