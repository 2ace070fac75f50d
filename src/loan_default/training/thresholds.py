"""Choose the decision threshold, and measure every way to choose it.

All of it holds among loans that were once approved: nothing is known of those that were declined.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from loan_default.contract.contract import Contract
from loan_default.errors import InputError
from loan_default.metrics import classification, money
from loan_default.metrics.intervals import LEVEL, Metric
from loan_default.metrics.money import Rule
from loan_default.model.artifact import Model, Vector
from loan_default.model.economics import Economics
from loan_default.settings import Settings
from loan_default.training import book
from loan_default.training.book import Book

APPROVE_ALL = "approve all"
# No threshold: each loan whose expected return is not negative, by its own amount and price
BY_RETURN = "expected return"
# More points no picture can show
CURVE_POINTS = 200

Measures = dict[str, Metric | None]


@dataclass(frozen=True)
class Curve:
    """What each threshold does, for a picture; arrays (k,), the profit with its interval."""

    threshold: Vector
    approved_share: Vector
    default_rate: Vector
    profit: Vector
    profit_low: Vector
    profit_high: Vector


@dataclass(frozen=True)
class Measured:
    """What each strategy does to the same loans.

    Attributes:
        loans: how many there are.
        table: by strategy, the measures of `money.measures`; without money the profits are None.
            Where prices are known, `BY_RETURN` is among them, which has no threshold.
        curve: the same by threshold.
        left_out: loans of which no money is known, where that of others is.
    """

    loans: int
    table: dict[str, Measures]
    curve: Curve
    left_out: int


@dataclass(frozen=True)
class Thresholds:
    """The chosen threshold, and how each strategy would have chosen.

    Attributes:
        chosen: the minimum default probability that is declined; 1 declines nobody.
        strategy: cost, profit, f1, rate, or number.
        reason: why this strategy, in a sentence.
        why_no_money: why no profit is known; None if it is.
        cost_ratio: what a missed default loses over what a repaid loan earns; None without money.
        best: what the most profitable threshold earns over approving all; None without money.
        economics: what the loans lost and earned; None without money.
        measured: the strategies on the loans that the threshold was chosen on.
        recoveries: whether what was recovered after a default counts.
    """

    chosen: float
    strategy: str
    reason: str
    why_no_money: str | None
    cost_ratio: Metric | None
    best: Metric | None
    economics: Economics | None
    measured: Measured
    recoveries: bool = True

    @property
    def values(self) -> dict[str, float]:
        """Return the threshold of each strategy."""
        rows = self.measured.table.items()
        return {name: row["threshold"].value for name, row in rows if row["threshold"]}

    @property
    def beats_approving_all(self) -> bool:
        """Return whether some threshold is shown to earn more than approving all loans."""
        return self.best is not None and self.best.low is not None and self.best.low > 0

    def put_into(self, model: Model) -> Model:
        """Return the model with the chosen threshold, and with what its loans lost and earned."""
        facts = replace(model.facts, threshold=self.chosen, economics=self.economics)
        return replace(model, facts=facts)


def check(
    loans: pl.DataFrame, settings: Settings, contract: Contract, recoveries: bool = True
) -> None:
    """Raise InputError if the strategy needs money that the loans do not tell."""
    why = book.why_no_money(loans, contract, recoveries)
    strategy = settings.threshold_strategy
    needs = strategy == "profit" or (strategy == "cost" and settings.cost_ratio == "auto")
    if needs and why:
        named = "profit" if strategy == "profit" else "cost with COST_RATIO=auto"
        number = "" if strategy == "profit" else "COST_RATIO to a number, or "
        raise InputError(
            f"THRESHOLD_STRATEGY={named} needs the money of finished loans, but {why}: set "
            f"{number}THRESHOLD_STRATEGY=f1"
        )


def choose(
    loans: pl.DataFrame,
    probability: Vector,
    settings: Settings,
    contract: Contract,
    recoveries: bool = True,
) -> Thresholds:
    """Choose the threshold as the settings say, and measure the other strategies beside it.

    Args:
        loans: n finished loans of complete cohorts, with outcome and, where known, money.
        probability: (n,) their default probabilities, of models that were not trained on them.
        recoveries: whether what was recovered after a default counts; not where it may have come
            later than is known.

    Raises InputError as `check` does.
    """
    check(loans, settings, contract, recoveries)
    why = book.why_no_money(loans, contract, recoveries)
    known = why is None
    kept = (
        book.with_money(loans, probability, contract, recoveries)
        if known
        else book.without_money(loans, probability)
    )
    strategy, rules = _strategy(settings, known), _rules(settings, known)
    exact = money.sums(kept.outcomes, _given(settings), max_bands=None)
    values = {name: float(rule(exact)[0]) for name, rule in rules.items()}
    actual, draws = _sums(kept, list(values.values()), settings.random_seed)
    return Thresholds(
        chosen=values[strategy],
        strategy=strategy,
        reason=_reason(settings, strategy, why),
        why_no_money=why,
        cost_ratio=_interval(float(exact.cost_ratio), draws.cost_ratio) if known else None,
        best=money.beats_approving_all(actual, draws) if known else None,
        economics=kept.economics,
        measured=_measured(kept, rules, exact, actual, draws, settings.random_seed),
        recoveries=recoveries,
    )


def evaluate(
    chosen: Thresholds,
    loans: pl.DataFrame,
    probability: Vector,
    settings: Settings,
    contract: Contract,
    recoveries: bool = True,
) -> Measured:
    """Measure each strategy's threshold on n loans that it was not chosen on.

    Expected profits are by what the loans lost and earned that the threshold was chosen on.
    """
    kept = (
        book.with_money(loans, probability, contract, recoveries, chosen.economics)
        if chosen.economics
        else book.without_money(loans, probability)
    )
    rules = {name: money.fixed(value) for name, value in chosen.values.items()}
    actual, draws = _sums(kept, list(chosen.values.values()), settings.random_seed)
    return _measured(kept, rules, actual, actual, draws, settings.random_seed)


def _strategy(settings: Settings, known: bool) -> str:
    if settings.threshold_strategy != "auto":
        named = settings.threshold_strategy
        return named if isinstance(named, str) else "number"
    return "cost" if known or settings.cost_ratio != "auto" else "f1"


def _rules(settings: Settings, known: bool) -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    ratio, strategy = settings.cost_ratio, settings.threshold_strategy
    if ratio != "auto":
        rules["cost"] = money.fixed(classification.cost_threshold(ratio))
    elif known:
        rules["cost"] = money.by_cost
    if known:
        rules["profit"] = money.by_profit
    rules |= {"f1": money.by_f1, "rate": money.by_share(settings.decline_share)}
    if not isinstance(strategy, str):
        rules["number"] = money.fixed(strategy)
    return rules | {APPROVE_ALL: money.fixed(1.0)}


def _given(settings: Settings) -> list[float]:
    ratio, strategy = settings.cost_ratio, settings.threshold_strategy
    given = [] if ratio == "auto" else [classification.cost_threshold(ratio)]
    return given if isinstance(strategy, str) else [*given, strategy]


def _reason(settings: Settings, strategy: str, why_no_money: str | None) -> str:
    asked = settings.threshold_strategy != "auto"
    reason = f"THRESHOLD_STRATEGY={settings.threshold_strategy}"
    if strategy == "rate":
        return f"{reason}, DECLINE_SHARE={settings.decline_share:g}"
    if strategy == "cost":
        reason += f", COST_RATIO={settings.cost_ratio}"
    if asked:
        return reason
    if strategy == "f1":
        return f"{reason}: the best F1, since {why_no_money}"
    return f"{reason}: the least cost"


def _sums(kept: Book, thresholds: list[float], seed: int) -> tuple[money.Sums, money.Sums]:
    return money.sums(kept.outcomes, thresholds), money.resampled(kept.outcomes, thresholds, seed)


def _measured(
    kept: Book,
    rules: dict[str, Rule],
    exact: money.Sums,
    actual: money.Sums,
    draws: money.Sums,
    seed: int,
) -> Measured:
    table = {name: money.measures(rule, exact, draws) for name, rule in rules.items()}
    if kept.economics and kept.economics.priced:
        table[BY_RETURN] = _by_return(kept, seed)
    if kept.economics is None:
        profits = ("expected_profit", "realised_profit", "over_approving_all")
        table = {name: row | dict.fromkeys(profits) for name, row in table.items()}
    return Measured(len(kept.outcomes.default), table, _curve(actual, draws), kept.left_out)


def _by_return(kept: Book, seed: int) -> Measures:
    """Return what it does to decline each loan whose expected return is negative."""
    declined = (kept.outcomes.expected < 0).astype(np.float64)
    asked = replace(kept, outcomes=replace(kept.outcomes, probability=declined))
    return money.measures(money.fixed(0.5), *_sums(asked, [0.5], seed)) | {"threshold": None}


def _curve(actual: money.Sums, draws: money.Sums) -> Curve:
    places = np.unique(np.linspace(0, len(actual.thresholds) - 1, CURVE_POINTS).astype(int))
    ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.quantile(draws.profit[:, places], ends, axis=0)
    return Curve(
        threshold=actual.thresholds[places],
        approved_share=1 - actual.declined_share[places],
        default_rate=actual.default_rate[places],
        profit=actual.profit[places],
        profit_low=low,
        profit_high=high,
    )


def _interval(value: float, draws: Vector) -> Metric:
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Metric(value, float(low), float(high))
