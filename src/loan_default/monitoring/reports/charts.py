"""The charts of the overview as SVG for a page, small enough for a phone.

Each function takes rows of the history (oldest first) or tables of the realised performance, and
returns an SVG element.
"""

import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast

import matplotlib
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from loan_default.metrics.intervals import Metric
from loan_default.metrics.plots import BASELINE, GRID, INK, MAIN, QUIET, SECOND
from loan_default.monitoring.performance.realised_metrics import BandMetrics, MonthMetrics

# Matplotlib draws dates but types its axes for numbers.
MatplotlibDate = Any
# In inches of 96 pixels: as wide as a phone shows without shrinking the text.
SIZE = (3.75, 2.5)
# The interval of a band with fewer loans is so wide that it would fill the whole scale.
MIN_LOANS = 20
BAND: dict[str, Any] = {"color": MAIN, "linewidth": 0}
LINE: dict[str, Any] = {"color": MAIN, "linewidth": 1.8, "marker": "o", "markersize": 2.5}
BARS: dict[str, Any] = {"fmt": "o", "color": MAIN, "markersize": 4, "linewidth": 1.2}
VERSION: dict[str, Any] = {
    "xycoords": ("data", "axes fraction"),
    "xytext": (2, -8),
    "textcoords": "offset points",
    "color": SECOND,
    "fontsize": 8,
}
LEGEND: dict[str, Any] = {"frameon": False, "fontsize": 9, "labelcolor": INK, "handlelength": 1.4}
ABOVE: dict[str, Any] = LEGEND | {"loc": "lower left", "bbox_to_anchor": (-0.02, 1.0), "ncols": 3}


def drift_share(rows: pl.DataFrame, threshold: float) -> str:
    """Plot the share of drifted columns by day, as used for alerts and against the reference."""
    figure, axes = _canvas()
    days, drifted = rows["run_date"], rows.filter(pl.col("drift"))
    reference = rows["reference_drift_share"]
    axes.plot(days, reference, label="vs reference", **LINE | {"color": "#9aa5b1", "markersize": 2})
    axes.plot(days, rows["drift_share"], label="for alerts", **LINE)
    axes.plot(
        drifted["run_date"],
        drifted["drift_share"],
        "o",
        color=SECOND,
        markersize=6,
        label="drift",
        zorder=3,
    )
    axes.axhline(threshold, **BASELINE)
    highest = [value for value in (*reference, *rows["drift_share"]) if value is not None]
    axes.set_ylim(0, max(1.15 * max(highest, default=0), 1.4 * threshold))
    return _dated(figure, axes, days)


def scores(rows: pl.DataFrame) -> str:
    """Plot the distribution of the predicted default probability by day, marking new versions."""
    figure, axes = _canvas()
    days = rows["run_date"]
    axes.fill_between(days, rows["score_p05"], rows["score_p95"], alpha=0.15, label="90%", **BAND)
    axes.fill_between(days, rows["score_p25"], rows["score_p75"], alpha=0.3, label="50%", **BAND)
    axes.plot(days, rows["score_p50"], label="median", **LINE)
    for day, version in _version_changes(rows):
        axes.axvline(day, color=SECOND, linewidth=1)
        axes.annotate(f"v{version}", (day, 1), **VERSION)
    axes.set_ylim(bottom=0)
    return _dated(figure, axes, days)


def auc_by_month(months: Sequence[MonthMetrics]) -> str:
    """Plot the realised AUC of each matured cohort with its interval."""
    aucs = {month.month: auc for month in months if (auc := month.metrics.AUC)}
    figure, axes = _canvas()
    days = _first_days(aucs)
    _intervals(axes, days, list(aucs.values()), "realised, 95% interval")
    axes.axhline(0.5, **BASELINE)
    return _dated(figure, axes, days, percent=False)


def estimated_auc(rows: pl.DataFrame) -> str:
    """Plot the AUC by day that calibrated scores imply."""
    figure, axes = _canvas()
    hollow = LINE | {"linestyle": ":", "markerfacecolor": "white"}
    axes.plot(rows["run_date"], rows["estimated_AUC"], label="estimate, no outcomes yet", **hollow)
    axes.axhline(0.5, **BASELINE)
    axes.set_ylim(0.45, 1)
    return _dated(figure, axes, rows["run_date"], percent=False)


def calibration_by_month(months: Sequence[MonthMetrics]) -> str:
    """Plot predicted and observed default rate of each matured cohort."""
    rates = {month.month: rate for month in months if (rate := month.metrics.default_rate)}
    predicted: list[Any] = [m.metrics.mean_probability for m in months if m.month in rates]
    figure, axes = _canvas()
    days = _first_days(rates)
    axes.plot(days, predicted, label="predicted", **LINE | {"color": SECOND})
    _intervals(axes, days, list(rates.values()), "observed")
    axes.set_ylim(bottom=0)
    return _dated(figure, axes, days)


def calibration_by_band(bands: Sequence[BandMetrics]) -> str:
    """Plot the observed default rate against the predicted probability by score band."""
    large = [band.metrics for band in bands if band.metrics.outcomes >= MIN_LOANS]
    predicted = [m.mean_probability for m in large if m.mean_probability is not None]
    rates = [m.default_rate for m in large if m.default_rate is not None]
    figure, axes = _canvas()
    top = 1.05 * max([*predicted, *(rate.high or 0 for rate in rates)], default=1)
    axes.plot([0, top], [0, top], **BASELINE, label="perfect")
    _intervals(axes, predicted, rates, "observed, 95% interval")
    axes.set(xlim=(0, top), ylim=(0, top))
    axes.set_xlabel("predicted", color=INK, fontsize=9)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(**ABOVE)
    return _svg(figure)


def rejected(rows: pl.DataFrame) -> str:
    """Plot the share of rejected rows by day."""
    figure, axes = _canvas()
    axes.plot(rows["run_date"], rows["rejected_share"], label="rejected", **LINE)
    shares = [share for share in rows["rejected_share"] if share is not None]
    axes.set_ylim(0, max(0.01, 1.15 * max(shares, default=0)))
    return _dated(figure, axes, rows["run_date"])


def _canvas() -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE)
    figure.set_layout_engine("constrained", w_pad=0.03, h_pad=0.03)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(QUIET)
    axes.tick_params(color=QUIET, labelcolor=INK, labelsize=9)
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    return figure, axes


def _dated(
    figure: Figure, axes: Axes, days: Sequence[Any] | pl.Series, percent: bool = True
) -> str:
    # Matplotlib does not type its date locators.
    locator = cast(Any, AutoDateLocator)(minticks=2, maxticks=5)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(cast(Any, ConciseDateFormatter)(locator))
    axes.xaxis.get_offset_text().set(fontsize=9, color=INK)
    if len(set(days)) == 1:
        # One day has no span for a locator to divide.
        axes.set_xticks(list(days)[:1], [f"{list(days)[0]:%Y-%m-%d}"])
    if percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.legend(**ABOVE)
    return _svg(figure)


def _intervals(axes: Axes, x: Sequence[Any], metrics: Sequence[Metric], label: str) -> None:
    """Plot values with their intervals; an unknown end of an interval is drawn as the value."""
    values = [metric.value for metric in metrics]
    lows = [metric.value if metric.low is None else metric.low for metric in metrics]
    highs = [metric.value if metric.high is None else metric.high for metric in metrics]
    lengths = np.abs(np.subtract([lows, highs], values))
    axes.errorbar(x, values, lengths, label=label, capsize=2, **BARS)


def _first_days(months: Iterable[str]) -> list[MatplotlibDate]:
    return [datetime.strptime(month, "%Y-%m") for month in months]


def _version_changes(rows: pl.DataFrame) -> list[tuple[MatplotlibDate, str]]:
    """Return the days on which another version scored than on the day before, with the version."""
    before = pl.col("model_version").shift()
    changed = rows.filter(before != pl.col("model_version"))
    return changed.select("run_date", "model_version").rows()


def _svg(figure: Figure) -> str:
    """Render the figure as an SVG element with text as text; deterministic."""
    out = io.StringIO()
    options: Any = {"svg.fonttype": "none", "svg.hashsalt": "overview"}
    with matplotlib.rc_context(options):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
