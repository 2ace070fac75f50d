"""The pictures of the overview, as SVG that a page can hold: small, to be read on a phone too.

Each takes rows of the history (oldest first) or figures of `realised.realised`.
"""

import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

import matplotlib
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from loan_default.metrics.plots import BASELINE, GRID, INK, MAIN, QUIET, SECOND

# In inches at 96 pixels: what a phone shows without shrinking the letters.
SIZE = (3.75, 2.5)
# A band of fewer loans tells nothing and takes the whole scale.
LEAST_LOANS = 20
BAND: dict[str, Any] = {"color": MAIN, "linewidth": 0}
LINE: dict[str, Any] = {"color": MAIN, "linewidth": 1.8, "marker": "o", "markersize": 2.5}
BARS: dict[str, Any] = {"fmt": "o", "color": MAIN, "markersize": 4, "linewidth": 1.2}
VERSION: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "xytext": (2, -8)} | {
    "textcoords": "offset points",
    "color": SECOND,
    "fontsize": 8,
}
LEGEND: dict[str, Any] = {"frameon": False, "fontsize": 9, "labelcolor": INK, "handlelength": 1.4}
ABOVE: dict[str, Any] = LEGEND | {"loc": "lower left", "bbox_to_anchor": (-0.02, 1.0), "ncols": 3}


def drift_share(rows: pl.DataFrame, threshold: float) -> str:
    """The share of drifted columns by day, what alerts go by and against the reference."""
    figure, axes = _canvas()
    days, drifted = rows["run_date"], rows.filter(pl.col("drift"))
    reference = rows["reference_drift_share"]
    axes.plot(days, reference, label="vs reference", **LINE | {"color": "#9aa5b1", "markersize": 2})
    axes.plot(days, rows["drift_share"], label="alerts go by", **LINE)
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
    """The distribution of the predicted default probability by day; a line where the version
    changed."""
    figure, axes = _canvas()
    days = rows["run_date"]
    axes.fill_between(days, rows["score_p05"], rows["score_p95"], alpha=0.15, label="90 %", **BAND)
    axes.fill_between(days, rows["score_p25"], rows["score_p75"], alpha=0.3, label="half", **BAND)
    axes.plot(days, rows["score_p50"], label="median", **LINE)
    for day, version in _changes(rows):
        axes.axvline(day, color=SECOND, linewidth=1)
        axes.annotate(f"v{version}", (day, 1), **VERSION)
    axes.set_ylim(bottom=0)
    return _dated(figure, axes, days)


def auc_by_month(months: Sequence[dict[str, Any]]) -> str:
    """The realised AUC of each matured cohort with its interval."""
    known = [month for month in months if month["AUC"]]
    figure, axes = _canvas()
    _bars(axes, _months(known), [month["AUC"] for month in known], "realised, 95 % interval")
    axes.axhline(0.5, **BASELINE)
    return _dated(figure, axes, _months(known), percent=False)


def estimated_auc(rows: pl.DataFrame) -> str:
    """The AUC by day that the scores promise if they are calibrated."""
    figure, axes = _canvas()
    hollow = LINE | {"linestyle": ":", "markerfacecolor": "white"}
    axes.plot(rows["run_date"], rows["estimated_AUC"], label="estimate, no outcomes yet", **hollow)
    axes.axhline(0.5, **BASELINE)
    axes.set_ylim(0.45, 1)
    return _dated(figure, axes, rows["run_date"], percent=False)


def calibration_by_month(months: Sequence[dict[str, Any]]) -> str:
    """Predicted beside observed default rate of each matured cohort."""
    known = [month for month in months if month["default_rate"]]
    figure, axes = _canvas()
    said = [month["mean_probability"] for month in known]
    axes.plot(_months(known), said, label="predicted", **LINE | {"color": SECOND})
    _bars(axes, _months(known), [month["default_rate"] for month in known], "observed")
    axes.set_ylim(bottom=0)
    return _dated(figure, axes, _months(known))


def calibration_by_band(bands: Sequence[dict[str, Any]]) -> str:
    """Observed default rate against predicted probability by score band."""
    known = [band for band in bands if band["outcomes"] >= LEAST_LOANS]
    figure, axes = _canvas()
    said = [band["mean_probability"] for band in known]
    top = 1.05 * max([*said, *(band["default_rate"]["high"] for band in known)], default=1)
    axes.plot([0, top], [0, top], **BASELINE, label="perfect")
    _bars(axes, said, [band["default_rate"] for band in known], "observed, 95 % interval")
    axes.set(xlim=(0, top), ylim=(0, top))
    axes.set_xlabel("predicted", color=INK, fontsize=9)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(**ABOVE)
    return _svg(figure)


def rejected(rows: pl.DataFrame) -> str:
    """The share of rejected rows by day."""
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


def _bars(axes: Axes, x: Sequence[Any], figures: Sequence[dict[str, Any]], label: str) -> None:
    values = [figure["value"] for figure in figures]
    ends = [[f["value"] if f[end] is None else f[end] for f in figures] for end in ("low", "high")]
    spread = np.abs(np.subtract(ends, values))
    axes.errorbar(x, values, spread, label=label, capsize=2, **BARS)


def _months(rows: Sequence[dict[str, Any]]) -> list[Any]:
    return [datetime.strptime(row["month"], "%Y-%m") for row in rows]


def _changes(rows: pl.DataFrame) -> list[tuple[Any, str]]:
    """The days on which another version scored than the day before."""
    before = rows.with_columns(pl.col("model_version").shift().alias("before"))
    changed = before.filter(pl.col("before") != pl.col("model_version"))
    return [(row["run_date"], row["model_version"]) for row in changed.iter_rows(named=True)]


def _svg(figure: Figure) -> str:
    """The figure as an SVG element; the same figure gives the same text. Letters stay letters."""
    out = io.StringIO()
    look: Any = {"svg.fonttype": "none", "svg.hashsalt": "overview"}
    with matplotlib.rc_context(look):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
