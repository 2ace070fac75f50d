"""The overview, `reports/index.html`: one self-contained page over all monitored days.

From the top: today's state, the trends as charts, then the days and the promotions as tables.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Literal

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from loan_default import storage
from loan_default.metrics.intervals import Metric
from loan_default.monitoring.days import history
from loan_default.monitoring.performance.realised_metrics import RealisedPerformance
from loan_default.monitoring.reports import charts

MAX_DAYS, MAX_LISTED_DAYS = 90, 14
_MAX_COLUMNS, _MAX_FINDINGS = 3, 2
Mood = Literal["good", "bad", "plain"]
# A row of the history, or a promotion event, by name
Row = Mapping[str, Any]

VERDICTS: dict[bool | None, tuple[str, Mood]] = {
    True: ("Drift", "bad"),
    False: ("No drift", "good"),
    None: ("No verdict", "plain"),
}


@dataclass(frozen=True)
class Card:
    """A fact about today: a title, the value in large letters, a line of detail, a colour."""

    title: str
    value: str
    detail: str
    mood: Mood = "plain"


@dataclass(frozen=True)
class Chart:
    """A chart with its title. The page shows `svg` unescaped: Matplotlib has escaped its text."""

    title: str
    svg: str


@dataclass(frozen=True)
class DayRow:
    """A day in the table of days."""

    day: date
    verdict: str
    mood: Mood
    columns: str
    version: str
    decision: str


@dataclass(frozen=True)
class PromotionRow:
    """A promotion or rollback in the table of promotions."""

    day: str
    event: str
    version: str
    by: str


def write(root: str, realised: RealisedPerformance | None, share_threshold: float) -> str:
    """Write the page from the history under `root` and return its path.

    Args:
        root: output root.
        realised: performance on outcomes; None before there are any.
        share_threshold: share of drifted columns from which a run drifts, in [0, 1].
    """
    path = storage.join(root, "reports", "index.html")
    text = page(history.read(root), realised, promotions(root), share_threshold)
    storage.write_text(path, text)
    return path


def promotions(root: str) -> list[Row]:
    """Return the events under ROOT/promotions, newest first."""
    files = storage.files_below(storage.join(root, "promotions"))
    events = [json.loads(storage.read_text(path)) for path in files if path.endswith(".json")]
    return sorted(events, key=lambda event: str(event["time"]), reverse=True)


def page(
    rows: pl.DataFrame,
    realised: RealisedPerformance | None,
    events: Sequence[Row],
    share_threshold: float,
) -> str:
    """Return the page as HTML; `rows` is the history, with at least one row."""
    shown = rows.tail(MAX_DAYS)
    today = shown.row(-1, named=True)
    listed = shown.tail(MAX_LISTED_DAYS).reverse()
    if realised and not realised.metrics.outcomes:
        realised = None
    return _template().render(
        model=today["model_name"] or "",
        first_day=shown["run_date"][0],
        day=today["run_date"],
        cards=_cards(today, realised),
        charts=_charts(shown, realised, share_threshold),
        days=[_day_row(row) for row in listed.iter_rows(named=True)],
        promotions=[_promotion_row(event) for event in events[:MAX_LISTED_DAYS]],
    )


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("loan_default.monitoring.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("overview.html.j2")


def _cards(today: Row, realised: RealisedPerformance | None) -> list[Card]:
    verdict, mood = VERDICTS[today["drift"]]
    columns = _worst_columns(today) or "no column drifted"
    performance = _realised_cards(realised) if realised else _estimate_cards(today)
    return [
        Card("Drift", verdict, f"{today['reason'] or ''}: {columns}", mood),
        *performance,
        _data_card(today),
        Card("Model", f"Version {today['model_version']}", _scored(today)),
        Card("Decision", _decision(today), today["decision"] or ""),
    ]


def _data_card(today: Row) -> Card:
    findings = today["findings"] or []
    rejected = f"{_count(today['rows_rejected'])} of {_count(today['rows_in'])} rows rejected"
    detail = "; ".join([*findings[:_MAX_FINDINGS], rejected])
    if not findings:
        return Card("Data", "As usual", detail, "good")
    return Card("Data", f"{len(findings)} finding{'s' * (len(findings) > 1)}", detail, "bad")


def _scored(today: Row) -> str:
    return (
        f"{_count(today['rows_scored'])} scored, mean probability "
        f"{_percent(today['mean_probability'])}, {_percent(today['declined_share'])} declined"
    )


def _estimate_cards(today: Row) -> list[Card]:
    basis = "estimated from the scores: no matured outcome yet"
    auc, rate = today["estimated_AUC"], today["estimated_default_rate"]
    return [
        Card("AUC, estimated", _decimal(auc), basis),
        Card("Default rate, estimated", _percent(rate), basis),
    ]


def _realised_cards(realised: RealisedPerformance) -> list[Card]:
    """Return the cards of the realised performance, which has outcomes."""
    metrics = realised.metrics
    basis = f"{_count(metrics.outcomes)} matured outcomes through {realised.as_of}"
    auc = metrics.AUC
    low, high = (auc.low, auc.high) if auc else (None, None)
    rate, predicted = metrics.default_rate, metrics.mean_probability
    return [
        Card(
            "AUC, realised",
            _decimal(auc.value if auc else None),
            f"{_decimal(low)} to {_decimal(high)}; {basis}",
        ),
        Card(
            "Default rate, realised",
            _percent(rate.value if rate else None),
            f"predicted {_percent(predicted)}; 95% interval {_interval(rate)}",
            "good" if _within(predicted, rate) else "bad",
        ),
    ]


def _charts(
    rows: pl.DataFrame, realised: RealisedPerformance | None, threshold: float
) -> list[Chart]:
    performance = {"AUC, estimated from the scores": charts.estimated_auc(rows)}
    if realised:
        performance = {
            "AUC by cohort month": charts.auc_by_month(realised.by_month),
            "Default rate by cohort month": charts.calibration_by_month(realised.by_month),
            "Default rate by score band": charts.calibration_by_band(realised.by_band),
        }
    svgs = {
        "Share of columns that drifted": charts.drift_share(rows, threshold),
        "Predicted default probability": charts.scores(rows),
        **performance,
        "Rejected rows": charts.rejected(rows),
    }
    return [Chart(title, svg) for title, svg in svgs.items()]


def _day_row(row: Row) -> DayRow:
    verdict, mood = VERDICTS[row["drift"]]
    return DayRow(
        day=row["run_date"],
        verdict=verdict,
        mood=mood,
        columns=_worst_columns(row),
        version=row["model_version"] or "",
        decision=row["decision"] or "",
    )


def _promotion_row(event: Row) -> PromotionRow:
    forced = ", forced" if event.get("forced") else ""
    return PromotionRow(
        day=str(event["time"])[:10],
        event=f"{event.get('event', '')}{forced}",
        version=str(event.get("model_version", "")),
        by=str(event.get("triggered_by", "")),
    )


def _worst_columns(row: Row) -> str:
    return ", ".join((row["drifted_columns"] or [])[:_MAX_COLUMNS])


def _decision(today: Row) -> str:
    if today["retrain"]:
        return "Retraining"
    return "Alert" if today["alert"] else "Nothing"


def _within(value: float | None, metric: Metric | None) -> bool:
    if value is None or metric is None or metric.low is None or metric.high is None:
        return False
    return metric.low <= value <= metric.high


def _interval(metric: Metric | None) -> str:
    low, high = (metric.low, metric.high) if metric else (None, None)
    return f"{_percent(low)} to {_percent(high)}"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"


def _decimal(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"
