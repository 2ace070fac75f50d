"""What the decision thresholds do, as a run keeps it: JSON, a picture, tables of the card."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from loan_default.contract.contract import Contract
from loan_default.metrics import plots
from loan_default.metrics.intervals import Metric
from loan_default.training.thresholds import APPROVE_ALL, Measured, Measures, Thresholds

HEAD = (
    "strategy",
    "threshold",
    "declined",
    "default rate of the approved",
    "expected profit",
    "realised profit",
    "over approving all",
)
AMONG = "loans that were once approved"
# Above it lie a few loans that would stretch the picture
_SHOWN = 0.999


def as_json(chosen: Thresholds, tested: Measured) -> dict[str, Any]:
    """Return what `thresholds.json` holds.

    Args:
        chosen: of the served model, on out-of-fold probabilities.
        tested: of the evaluation model, on the test months.
    """
    return {
        "strategy": chosen.strategy,
        "threshold": chosen.chosen,
        "reason": chosen.reason,
        "among": AMONG,
        "why_no_money": chosen.why_no_money,
        "recoveries_counted": chosen.recoveries,
        "cost_ratio": _plain(chosen.cost_ratio),
        "best_over_approving_all": _plain(chosen.best),
        "beats_approving_all": chosen.beats_approving_all,
        "economics": asdict(chosen.economics) if chosen.economics else None,
        "out_of_fold": _rows(chosen.measured),
        "test_months": _rows(tested),
    }


def draw(chosen: Thresholds, subtitle: str, path: Path) -> None:
    """Plot profit, approvals and the default rate among them by threshold, on the same loans."""
    curve = chosen.measured.curve
    marks = {name: place for name, place in chosen.values.items() if name != APPROVE_ALL}
    # The last is 1, which no loan reaches
    top = float(np.interp(_SHOWN, curve.approved_share, curve.threshold))
    shown = curve.threshold <= max([top, *(mark for mark in marks.values() if mark < 1)])
    panels = [
        plots.Panel("approved", curve.approved_share[shown]),
        plots.Panel("default rate of the approved", curve.default_rate[shown]),
    ]
    if chosen.economics:
        ends = curve.profit_low[shown], curve.profit_high[shown]
        panels.insert(0, plots.Panel("profit of the approved", curve.profit[shown], *ends))
    marks = {name: place for name, place in marks.items() if place < 1}
    plots.save(plots.thresholds(curve.threshold[shown], panels, marks, subtitle), path)


def unit(contract: Contract) -> str:
    """Return what profits are told in: "thousand dollars" by the contract's unit of the amount."""
    column = contract.by_name.get((contract.money and contract.money.amount) or "")
    return f"thousand {column.unit.split(' ')[0] if column else ''}".strip()


def cells(measures: Measures) -> list[str]:
    """Return the cells of a strategy's row below `HEAD`, after its name; profits in thousands."""
    threshold = "each its own"
    if measures["threshold"]:
        threshold = _shown(measures["threshold"], lambda value: f"{value:.4f}")
    shares = [
        _shown(measures[name], lambda value: f"{value:.1%}")
        for name in ("declined_share", "default_rate")
    ]
    profits = ("expected_profit", "realised_profit", "over_approving_all")
    return [threshold, *shares, *(amount(measures[name]) for name in profits)]


def amount(metric: Metric | None) -> str:
    """Return an amount of money with its interval, in thousands."""
    return _shown(metric, lambda value: f"{value / 1000:,.0f}")


def ratio(metric: Metric | None) -> str:
    """Return a ratio with its interval."""
    return _shown(metric, lambda value: f"{value:.2f}")


def _shown(metric: Metric | None, form: Any) -> str:
    if metric is None:
        return "not known"
    if metric.low is None or metric.high is None or metric.low == metric.high == metric.value:
        return str(form(metric.value))
    return f"{form(metric.value)} [{form(metric.low)}, {form(metric.high)}]"


def _rows(measured: Measured) -> dict[str, Any]:
    return {
        "loans": measured.loans,
        "loans_without_money": measured.left_out,
        "strategies": {
            name: {measure: _plain(metric) for measure, metric in row.items()}
            for name, row in measured.table.items()
        },
    }


def _plain(metric: Metric | None) -> dict[str, float | None] | None:
    return asdict(metric) if metric else None
