"""The form of a contract's TOML, table by table, and what must hold within a table."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from loan_default.contract.texts import DATE_FORMS, MISSING_TEXTS, fold, is_date_form

RISKS: dict[str, Literal[-1, 0, 1]] = {"up": 1, "down": -1, "free": 0}
MAX_MONTHS = 1_200
LARGEST = 1e15


def _source(text: str) -> str:
    if not text.strip():
        raise ValueError("write a column's name, or leave the key out")
    return text


def _date_form(text: str) -> str:
    if not is_date_form(text):
        raise ValueError(f"write one of {', '.join(DATE_FORMS)}, or days since YYYY-MM-DD")
    return text


Source = Annotated[str, AfterValidator(_source)]
Sources = tuple[Source, ...]
DateForm = Annotated[str, AfterValidator(_date_form)]
RiskName = Literal["up", "down", "free"]


class Table(BaseModel):
    """A table of the file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LoanTable(Table):
    """[loan]."""

    id: Source | None = None
    issued: Source
    term: str | None = None
    window_months: Annotated[int, Field(ge=1, le=MAX_MONTHS)] | None = None
    known_through: Sources = ()

    @model_validator(mode="after")
    def _has_one_end(self) -> Self:
        if (self.term is None) == (self.window_months is None):
            raise ValueError(
                "write either term, the record's column with the term in months, or "
                "window_months, after which every loan counts as finished"
            )
        return self


class DefaultMonthTable(Table):
    """default_month of [outcome]."""

    column: Source
    plus_months: Annotated[int, Field(ge=0, le=MAX_MONTHS)] = 0


class OutcomeTable(Table):
    """[outcome]."""

    column: Source
    defaulted: Annotated[tuple[str, ...], Field(min_length=1)]
    repaid: Annotated[tuple[str, ...], Field(min_length=1)]
    open: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    default_month: DefaultMonthTable | None = None

    @model_validator(mode="after")
    def _has_each_word_once(self) -> Self:
        words = (*self.defaulted, *self.repaid, *self.open)
        _refuse_missing(words, "the word")
        _refuse_twice(words, "the word")
        return self


class MoneyTable(Table):
    """[money]."""

    lent: Source
    returned: Source
    recovered: Source | None = None
    recovery_fee: Source | None = None
    amount: str | None = None
    price: str | None = None


class ColumnTable(Table):
    """[columns.NAME]."""

    source: Source | None = None
    also: Sources = ()
    kind: Literal["number", "category"] | None = None
    unit: str = ""
    range: tuple[float, float] | None = None
    usual: tuple[float, float] | None = None
    levels: tuple[str, ...] = ()
    spellings: dict[str, str] = {}
    ordered: bool = False
    core: bool = False
    risk: RiskName = "free"
    reason: Annotated[str, Field(min_length=1)] | None = None
    set_by_lender: bool = False
    words: dict[str, float] = {}
    scale: Annotated[float, Field(gt=0, le=LARGEST)] = 1
    months_before_issue: bool = False

    @field_validator("range")
    @classmethod
    def _is_upward(cls, bounds: tuple[float, float] | None) -> tuple[float, float] | None:
        if bounds and not -LARGEST <= bounds[0] < bounds[1] <= LARGEST:
            raise ValueError(
                f"{bounds[0]:g} to {bounds[1]:g} is no range: write [lowest, highest], "
                f"within {-LARGEST:g} to {LARGEST:g}"
            )
        return bounds

    @field_validator("usual")
    @classmethod
    def _is_positive(cls, bounds: tuple[float, float] | None) -> tuple[float, float] | None:
        if bounds and not 0 < bounds[0] < bounds[1] <= LARGEST:
            raise ValueError(
                f"{bounds[0]:g} to {bounds[1]:g} is no span: write [lowest, highest] of the usual "
                "values above zero"
            )
        return bounds

    @property
    def is_category(self) -> bool:
        """Return whether the column is a category; levels say so unless `kind` does."""
        return self.kind == "category" or (self.kind is None and bool(self.levels))

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if self.is_category:
            self._check_category()
        else:
            self._check_number()
        if self.set_by_lender == (self.reason is not None):
            raise ValueError(
                "write either reason, the phrase that an applicant is told, or "
                "set_by_lender = true"
            )
        return self

    def _check_category(self) -> None:
        if not self.levels:
            raise ValueError("a category needs levels = [...]; a number needs range = [...]")
        given = self.model_fields_set & {"range", "usual", "words", "scale", "months_before_issue"}
        if given or self.risk != "free":
            key = min(given, default="risk")
            raise ValueError(f"{key} is for numbers: leave it out, or the levels")
        _refuse_missing(self.levels, "the level")
        _refuse_twice(self.levels, "the level")
        known = {fold(level) for level in self.levels}
        for spelling, level in self.spellings.items():
            if level not in self.levels:
                raise ValueError(f"spellings: {spelling!r} stands for {level!r}, which is no level")
            if fold(spelling) in known:
                raise ValueError(f"spellings: {spelling!r} is a level already; leave it out")
        _refuse_twice(tuple(self.spellings), "the spelling")

    def _check_number(self) -> None:
        if self.range is None:
            raise ValueError("a number needs range = [lowest, highest]; a category needs levels")
        if self.ordered or self.spellings:
            raise ValueError("ordered and spellings are for categories: leave them out")
        _refuse_twice(tuple(self.words), "the word")


class RatioTable(Table):
    """[ratios.NAME]."""

    over: str
    under: str
    risk: RiskName = "free"
    reason: Annotated[str, Field(min_length=1)] | None = None


class NeverTable(Table):
    """[never]."""

    known_afterwards: Sources = ()
    proxies: Sources = ()
    unused: Sources = ()


class ContractFile(Table):
    """The whole file."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    loan: LoanTable
    outcome: OutcomeTable
    money: MoneyTable | None = None
    columns: Annotated[dict[str, ColumnTable], Field(min_length=1)]
    ratios: dict[str, RatioTable] = {}
    never: NeverTable = NeverTable()
    dates: DateForm = "auto"
    date_forms: dict[Source, DateForm] = {}


def _refuse_missing(texts: tuple[str, ...], what: str) -> None:
    for text in texts:
        if text.strip() in MISSING_TEXTS:
            raise ValueError(f"{what} {text!r} is read as a missing value: leave it out")


def _refuse_twice(texts: tuple[str, ...], what: str) -> None:
    seen: dict[str, str] = {}
    for text in texts:
        earlier = seen.setdefault(fold(text), text)
        if earlier is not text:
            same = "" if earlier == text else f", and as {earlier!r}, which is read alike"
            raise ValueError(f"{what} {text!r} is there twice{same}: keep one")
