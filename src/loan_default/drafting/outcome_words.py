"""The words of an outcome: which mean a default, which a repaid loan, and which one that runs."""

import re

import polars as pl

from loan_default.contract.texts import fold
from loan_default.errors import InputError

DEFAULTED = {"charged off", "chargedoff", "default", "defaulted", "bad", "loss", "written off"}
REPAID = {
    "fully paid", "paid", "repaid", "completed", "good", "paid in full", "paid off", "settled",
    "ok", "bezahlt",
}  # fmt: skip
OPEN = {
    "current", "open", "active", "running", "live", "ongoing", "performing", "in grace period",
    "issued", "cancelled", "in arrears", "delinquent", "laufend", "en cours", "vigente", "lopend",
}  # fmt: skip
MAX_WORDS = 30


def are_outcomes(texts: pl.Series) -> bool:
    """Return whether the words for both outcomes are among the cells."""
    words = {fold(text) for text in texts.unique().drop_nulls().head(50)}
    return bool(words & DEFAULTED and words & REPAID)


def labels(
    texts: pl.Series, name: str, default_when: str | None, open_when: str | None
) -> dict[str, int | None]:
    """Return by word 1 defaulted, 0 repaid, None still open.

    Args:
        texts: the cells of the outcome.
        name: its column.
        default_when: the person's words for a default, separated by commas; None if not answered.
        open_when: those for a loan that still runs.

    Raises InputError if a word is not there, or what it means is not plain.
    """
    if texts.n_unique() > MAX_WORDS:
        raise InputError(
            f"--outcome {name}: it holds {texts.n_unique()} different texts, more than "
            f"{MAX_WORDS}; name the column of the outcome"
        )
    counted = dict(texts.drop_nulls().value_counts(sort=True).rows())
    bad = _chosen("--default-when", default_when, counted, name)
    running = _chosen("--open-when", open_when, counted, name)
    found: dict[str, int | None] = {
        text: _label(_plain(text), bad, running, guessed=open_when is None) for text in counted
    }
    told = ", ".join(f"{text} ({rows})" for text, rows in list(counted.items())[:8])
    if not set(found.values()) >= {0, 1} or not (bad or are_outcomes(texts)):
        raise InputError(f"give --default-when WORD: {name} holds {told}")
    repaid = [text for text, label in found.items() if label == 0]
    unclear = [text for text in repaid if fold(text) not in REPAID]
    if unclear and len(repaid) > 1 and open_when is None:
        raise InputError(
            f"give --open-when WORD, or --open-when '' if no loan still runs: {name} holds {told}, "
            f"and what {' and '.join(unclear[:3])} mean{'s' if len(unclear) == 1 else ''} is not "
            "plain"
        )
    return found


def _label(word: str, bad: set[str], running: set[str], guessed: bool) -> int | None:
    if word in bad:
        return 1
    if word in running or (guessed and _is_open(word)):
        return None
    return int(not bad and word in DEFAULTED)


def _plain(text: str) -> str:
    """Return the text as it is compared: the number 1.0 is 1."""
    return re.sub(r"^(\d+) 0+$", r"\1", fold(text)) if "." in text else fold(text)


def _is_open(word: str) -> bool:
    return word in OPEN or word.startswith(("late", "past due"))


def _chosen(flag: str, given: str | None, counted: dict[str, int], name: str) -> set[str]:
    chosen = {_plain(word) for word in (given or "").split(",") if word.strip()}
    missing = chosen - {_plain(text) for text in counted}
    if missing:
        raise InputError(f"{flag} {min(missing)}: {name} holds {', '.join(list(counted)[:8])}")
    return chosen
