"""The data contract of a portfolio: its columns, its outcome, and what must never be a feature.

A *typed application record* holds the columns of `Contract.record`: numbers in everyday units,
categories as strings. All but the core columns may be missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from loan_default.columns import DEFAULT, ID, ISSUE_MONTH, TERM

Kind = Literal["number", "category"]
Risk = Literal[-1, 0, 1]


@dataclass(frozen=True)
class Column:
    """One column of the typed application record.

    Attributes:
        name: the column's typed name.
        kind: number or category.
        unit: the unit of a number, in words.
        low: smallest allowed number.
        high: largest allowed number.
        usual: span in which 98% of the numbers above zero lie; None if it is not known.
        levels: known values of a category; others count as missing.
        ordered: whether the levels are encoded by rank.
        core: whether a row without the column is rejected.
        risk: direction in which a number may move the default probability: +1 up, -1 down, 0 free.
        reason: phrase for the adverse-action notice when the column counted against the applicant;
            None if the lender set the value.
        source: its name in the lender's files.
        also: further names in use there.
        spellings: further spellings of the levels, each with its level.
        words: texts that stand for a number, such as "< 1 year".
        scale: factor from the number in the source to the one in the record.
        months_before_issue: whether the source is a date, from which the months to the issue month
            are counted.
    """

    name: str
    kind: Kind
    unit: str = ""
    low: float = 0
    high: float = 0
    usual: tuple[float, float] | None = None
    levels: tuple[str, ...] = ()
    ordered: bool = False
    core: bool = False
    risk: Risk = 0
    reason: str | None = None
    source: str = ""
    also: tuple[str, ...] = ()
    spellings: Mapping[str, str] = field(default_factory=dict, hash=False)
    words: Mapping[str, float] = field(default_factory=dict, hash=False)
    scale: float = 1
    months_before_issue: bool = False

    @property
    def is_money(self) -> bool:
        """Return whether the unit is a currency, of which nobody writes logarithms on purpose."""
        return self.unit.split(" ")[0] in ("dollars", "euros", "pounds")

    @property
    def is_raw(self) -> bool:
        """Return whether the source holds something else than the record."""
        return self.months_before_issue or self.scale != 1


@dataclass(frozen=True)
class Ratio:
    """A feature that divides one number by another; `risk` and `reason` are as in `Column`."""

    name: str
    over: str
    under: str
    risk: Risk
    reason: str | None


@dataclass(frozen=True)
class Loan:
    """What says which loan it is, when it was issued and when it has finished.

    Attributes:
        id: the source column of the id; None if the files have none.
        issued: the source column of the issue date.
        term: the record column of the term in months; None if every loan has the same window.
        window_months: months after which every loan counts as finished, without `term`.
        known_through: source columns of dates whose latest month tells through which month
            outcomes are known.
    """

    id: str | None
    issued: str
    term: str | None
    window_months: int | None
    known_through: tuple[str, ...]


@dataclass(frozen=True)
class DefaultMonth:
    """The month of default: that of a source column of dates, and `plus_months`."""

    column: str
    plus_months: int = 0


@dataclass(frozen=True)
class Outcome:
    """The outcome: its source column and the label of each of its words.

    Attributes:
        column: the source column.
        labels: by word, 1 defaulted, 0 repaid, None still open.
        prefixes: texts before a word that do not change its meaning.
        default_month: how the month of default is known; None if it is not.
    """

    column: str
    labels: Mapping[str, int | None]
    prefixes: tuple[str, ...] = ()
    default_month: DefaultMonth | None = None


@dataclass(frozen=True)
class Money:
    """Amounts of money; None if the files lack one.

    Attributes:
        lent: what the lender paid out.
        returned: everything that came back: principal, interest, fees and recoveries.
        recovered: the part of `returned` that came back after the default.
        recovery_fee: what collecting the recoveries cost.
        amount: the record's column of the amount asked for.
        price: the record's column of the yearly interest rate.

    The first four are source columns, for evaluation only.
    """

    lent: str
    returned: str
    recovered: str | None = None
    recovery_fee: str | None = None
    amount: str | None = None
    price: str | None = None


@dataclass(frozen=True)
class Never:
    """Source columns that are never features, by the reason why.

    Attributes:
        known_afterwards: known only after the loan was granted. A model trained on one of these
            reaches an AUC of 0.99 and predicts nothing.
        proxies: stand in for protected characteristics (ECOA, 12 CFR 1002.4).
        unused: the file's other columns.
    """

    known_afterwards: frozenset[str] = frozenset()
    proxies: frozenset[str] = frozenset()
    unused: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Contract:
    """A portfolio's data contract; equal only to itself, so that it can be a key of caches.

    Attributes:
        name: what people call the portfolio.
        text: the TOML that it was read from.
        digest: SHA-256 of its content; comments and layout do not change it.
        record: the columns of the typed application record.
        ratios: features computed from two of them.
        price: the names of the record's columns that the lender set.
        date_forms: by source column, how its dates are written; "" is the form of all others.
    """

    name: str
    text: str
    digest: str
    record: tuple[Column, ...]
    ratios: tuple[Ratio, ...]
    price: tuple[str, ...]
    loan: Loan
    outcome: Outcome
    money: Money | None
    never: Never
    date_forms: Mapping[str, str]

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """The record's columns by their typed names."""
        return {column.name: column for column in self.record}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The typed names of the record's columns."""
        return tuple(self.by_name)

    @cached_property
    def core(self) -> tuple[str, ...]:
        """The columns without which a row is rejected."""
        return tuple(column.name for column in self.record if column.core)

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """The columns that hold numbers."""
        return tuple(column.name for column in self.record if column.kind == "number")

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """The columns that hold categories."""
        return tuple(column.name for column in self.record if column.kind == "category")

    @cached_property
    def raw_source(self) -> dict[str, str]:
        """By typed name, the source column of another name."""
        others = {ISSUE_MONTH: self.loan.issued, ID: self.loan.id or ID}
        others |= {column.name: column.source for column in self.record}
        return {name: source for name, source in others.items() if name != source}

    @cached_property
    def sources(self) -> frozenset[str]:
        """Every column that parsing reads, under its typed name and its source's."""
        typed = {*self.names, ID, ISSUE_MONTH, DEFAULT, TERM}
        return frozenset({*typed, *self.raw_source.values(), self.outcome.column})

    @cached_property
    def stored(self) -> tuple[str, ...]:
        """The columns of a stored record: the typed names, and the term if it is none of them."""
        return self.names if TERM in self.by_name else (TERM, *self.names)

    @cached_property
    def features(self) -> tuple[str, ...]:
        """The names of all features: the record's columns, then the ratios."""
        return (*self.names, *(ratio.name for ratio in self.ratios))

    @cached_property
    def ratio_of(self) -> dict[str, Ratio]:
        """The ratios by their names."""
        return {ratio.name: ratio for ratio in self.ratios}

    @cached_property
    def levels(self) -> dict[str, tuple[str, ...]]:
        """By category, its levels in the order of their codes."""
        return {column.name: column.levels for column in self.record if column.kind == "category"}

    @cached_property
    def reasons(self) -> dict[str, str | None]:
        """By feature, the phrase for an applicant; None if the lender set the value."""
        parts: list[Column | Ratio] = [*self.record, *self.ratios]
        return {part.name: part.reason for part in parts}

    @cached_property
    def risks(self) -> dict[str, Risk]:
        """By feature, the direction in which it may move the default probability."""
        parts: list[Column | Ratio] = [*self.record, *self.ratios]
        return {part.name: part.risk for part in parts}

    @cached_property
    def unordered(self) -> frozenset[str]:
        """The categories without an order."""
        return frozenset(name for name in self.categories if not self.by_name[name].ordered)

    def date_form(self, source: str) -> str:
        """Return how the dates of a source column are written."""
        return self.date_forms.get(source, self.date_forms.get("", "auto"))
