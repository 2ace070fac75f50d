"""Write the drafted contract as TOML, with a comment where a person must look."""

from dataclasses import dataclass

from loan_default.drafting.money import Money
from loan_default.drafting.report import Judged, missing_shares
from loan_default.drafting.sample import Facts
from loan_default.drafting.tables import quoted

PLACES = ("known_afterwards", "proxies", "unused")


@dataclass(frozen=True)
class Guesses:
    """What a person must check before anything else.

    Attributes:
        known_through: columns of dates that tell through which month outcomes are known.
        default_month: the column of the month of default, and months to add; None if unknown.
        money: the columns of [money]; None if unknown.
        price: the record's column of the yearly interest rate; None if unknown.
        names: the record's name of each feature by its source.
    """

    known_through: list[str]
    default_month: tuple[str, int] | None
    money: Money | None
    price: str | None
    names: dict[str, str]


def write(path: str, facts: Facts, judged: list[Judged], guesses: Guesses) -> str:
    """Return the contract's text."""
    name = path.rsplit("/", 1)[-1].replace("\n", " ")
    lines = [f"# A first contract, drafted from {name}: check every line.", 'name = "My loans"']
    lines += _date_forms(facts, judged)
    lines += _loan(facts, guesses) + _outcome(facts, guesses) + _money(guesses)
    for one in judged:
        if one.table:
            lines += ["", f"# {missing_shares(one.missing)}"]
            if one.look:
                lines.append(f"# {one.look}")
            lines.append(one.table)
    lines += ["", "# Move a line from here to a [columns.NAME] of its own only if you know better"]
    lines.append("[never]")
    for place in PLACES:
        lines += [f"{place} = [", *(_apart(one) for one in judged if _is_in(one, place)), "]"]
    return "\n".join(lines) + "\n"


def _date_forms(facts: Facts, judged: list[Judged]) -> list[str]:
    forms = {one.source: one.form for one in judged if one.form != "auto"}
    forms |= {facts.issued: facts.issued_form} if facts.issued_form != "auto" else {}
    if len(set(forms.values())) == 1 and len(forms) > 1:
        return [f"dates = {quoted(facts.issued_form)}"] if facts.issued in forms else _each(forms)
    return _each(forms)


def _each(forms: dict[str, str]) -> list[str]:
    pairs = ", ".join(f"{quoted(name)} = {quoted(form)}" for name, form in forms.items())
    return [f"date_forms = {{ {pairs} }}"] if forms else []


def _loan(facts: Facts, guesses: Guesses) -> list[str]:
    lines = ["", "[loan]", *([f"id = {quoted(facts.id)}"] if facts.id else [])]
    lines.append(f"issued = {quoted(facts.issued)}")
    lines.append('term = "term"' if facts.term else f"window_months = {facts.window_months}")
    if guesses.known_through:
        lines.append(f"known_through = {quoted(guesses.known_through)}")
    return lines


def _outcome(facts: Facts, guesses: Guesses) -> list[str]:
    lines = ["", "[outcome]", f"column = {quoted(facts.outcome)}"]
    for key, label in (("defaulted", 1), ("repaid", 0), ("open", None)):
        if words := [word for word, found in facts.words.items() if found == label]:
            lines.append(f"{key} = {quoted(words)}")
    if guesses.default_month:
        name, plus = guesses.default_month
        months = f", plus_months = {plus}" if plus else ""
        lines.append("# A guess: how many months after this date is a loan in default?")
        lines.append(f"default_month = {{ column = {quoted(name)}{months} }}")
    return lines


def _money(guesses: Guesses) -> list[str]:
    money = guesses.money
    if money is None:
        return []
    given = {
        "lent": money.lent,
        "returned": money.returned,
        "recovered": money.recovered,
        "recovery_fee": money.recovery_fee,
        "amount": guesses.names.get(money.lent),
        "price": guesses.price,
    }
    lines = ["", "# A guess: what was paid out and all that came back, and the record's columns of"]
    lines += ["# the amount and the yearly rate", "[money]"]
    return lines + [f"{key} = {quoted(name)}" for key, name in given.items() if name]


def _is_in(one: Judged, place: str) -> bool:
    return one.suspicion is not None and one.suspicion.place == place


def _apart(one: Judged) -> str:
    assert one.suspicion
    why = "".join(letter if letter.isprintable() else " " for letter in one.suspicion.why)
    return f"  {quoted(one.source)}, # {why}"
