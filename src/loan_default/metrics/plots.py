"""Plots of one model. Each function returns a Figure, drawn without pyplot or global state.

`default` is an array (n,) of 0 and 1, both present, and `probability` an array (n,) in [0, 1] for
the same loans. `subtitle` names the model and the months shown.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator, PercentFormatter, StrMethodFormatter

from loan_default.metrics.auc import Floats, Integers
from loan_default.metrics.classification import brier, calibration_error, calibration_table

INK, QUIET, GRID = "#1f2933", "#616e7c", "#e4e7eb"
MAIN, SECOND = "#1f5fa8", "#c8511b"
CURVE: dict[str, Any] = {"color": MAIN, "linewidth": 2, "clip_on": False}
BASELINE: dict[str, Any] = {"color": QUIET, "linewidth": 1.2, "linestyle": "--"}
LEGEND: dict[str, Any] = {"labelcolor": INK, "facecolor": "white", "edgecolor": "none"}
TITLE: dict[str, Any] = {"loc": "left", "pad": 26, "fontsize": 14, "fontweight": "bold"}
SUBTITLE: dict[str, Any] = {"xytext": (0, 9), "textcoords": "offset points", "color": QUIET}
BAND: dict[str, Any] = {"color": MAIN, "alpha": 0.15, "linewidth": 0}
MARKS: dict[str, Any] = LEGEND | {"ncols": 3, "handlelength": 3}
STYLES = ("--", ":", "-.", (0, (6, 2)), (0, (1, 3)))
PADDING = {"w_pad": 0.15, "h_pad": 0.12}
CLASSES = ("paid in full", "default")
# No plot is wide enough to show more points of a curve
MAX_POINTS = 2000


@dataclass(frozen=True)
class Panel:
    """A measure by threshold (k,): shares, or with an interval amounts."""

    label: str
    values: Floats
    low: Floats | None = None
    high: Floats | None = None


def roc(default: Integers, probability: Floats, subtitle: str) -> Figure:
    """Plot the true against the false positive rate over all thresholds, with the AUC."""
    from sklearn.metrics import roc_auc_score, roc_curve

    figure, axes = _canvas("ROC curve", subtitle)
    auc = roc_auc_score(default, probability)
    fpr, tpr, _ = roc_curve(default, probability)
    axes.plot(*_thinned(fpr, tpr), label=f"model (AUC {auc:.4f})", **CURVE)
    axes.plot([0, 1], [0, 1], label="no skill (AUC 0.5000)", **BASELINE)
    _share_axes(axes, "share of paid loans declined", "share of defaults caught")
    axes.legend(loc="lower right", **LEGEND)
    return figure


def precision_recall(default: Integers, probability: Floats, subtitle: str) -> Figure:
    """Plot precision against recall over all thresholds, with the average precision (AP)."""
    from sklearn.metrics import average_precision_score, precision_recall_curve

    figure, axes = _canvas("Precision and recall", subtitle)
    rate, average = default.mean(), average_precision_score(default, probability)
    # The last point, precision 1 at recall 0, belongs to no threshold
    precision, recall = (curve[:-1] for curve in precision_recall_curve(default, probability)[:2])
    axes.plot(*_thinned(recall, precision), label=f"model (AP {average:.4f})", **CURVE)
    axes.plot([0, 1], [rate, rate], label=f"no skill (AP {rate:.4f})", **BASELINE)
    _share_axes(axes, "recall: share of defaults caught", "precision: defaults among the declined")
    axes.legend(loc="upper right", **LEGEND)
    return figure


def calibration(default: Integers, probability: Floats, subtitle: str, bins: int = 10) -> Figure:
    """Plot the observed default rate against the predicted probability, above a histogram of it."""
    figure = _figure(7)
    above, below = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    _dress(above, "Calibration", subtitle)
    _dress(below)
    table = calibration_table(default, probability, bins)
    predicted = [row["mean_probability"] for row in table]
    observed = [row["default_rate"] for row in table]
    metrics = f"Brier {brier(default, probability):.4f}"
    metrics += f", calibration error {calibration_error(default, probability):.4f}"
    above.plot(predicted, observed, marker="o", label=f"model ({metrics})", **CURVE)
    top = 1.05 * max(float(probability.max()), *observed)
    above.plot([0, top], [0, top], label="perfect calibration", **BASELINE)
    _share_axes(above, "", "observed default rate", top)
    above.legend(loc="upper left", **LEGEND)
    below.hist(probability, bins=50, range=(0, top), color=MAIN)
    below.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    below.set(xlabel="predicted default probability", ylabel="loans")
    return figure


def confusion_matrix(
    default: Integers, probability: Floats, threshold: float, subtitle: str
) -> Figure:
    """Plot the loans by outcome (rows) and prediction at `threshold` (columns)."""
    figure, axes = _canvas(f"Decisions at threshold {threshold:.4f}", subtitle)
    cell = 2 * default.astype(int) + (probability >= threshold)
    counts = np.bincount(cell, minlength=4).reshape(2, 2)
    shares = counts / counts.sum(axis=1, keepdims=True)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.grid(False)
    axes.tick_params(length=0)
    for row, column in np.ndindex(2, 2):
        text = f"{counts[row, column]:,}\n{shares[row, column]:.1%} of the row"
        color = "white" if shares[row, column] > 0.65 else INK
        axes.text(column, row, text, ha="center", va="center", fontsize=13, color=color)
    axes.set_xticks((0, 1), CLASSES)
    axes.set_yticks((0, 1), CLASSES, rotation=90, va="center")
    axes.set(xlabel="predicted", ylabel="observed")
    return figure


def feature_importance(
    names: Sequence[str], gains: Sequence[float], subtitle: str, top: int = 25
) -> Figure:
    """Plot the `top` features by their share of the booster's total gain, largest first.

    `gains` (n,) are the total gains (>= 0) of the features in `names` (n,).
    """
    # A booster without any split has no gain
    shares = np.asarray(gains) / (np.sum(gains) or 1)
    order = np.argsort(-shares, kind="stable")[:top]
    figure, axes = _canvas("Feature importance", subtitle, height=1.8 + 0.26 * len(order))
    bars = axes.barh([names[i] for i in order], shares[order], color=MAIN)
    axes.bar_label(bars, [f"{share:.1%}" for share in shares[order]], padding=4, color=QUIET)
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.margins(x=0.12, y=0.01)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel(f"share of the total gain (top {len(order)} of {len(names)} features)")
    return figure


def loss_curves(
    train: Sequence[float], validation: Sequence[float], best_round: int, subtitle: str
) -> Figure:
    """Plot the log loss (nats) by boosting round; `best_round`, from 1, is the last round kept."""
    figure, axes = _canvas("Log loss by boosting round", subtitle)
    rounds = range(1, len(train) + 1)
    for name, losses, color in (("train", train, MAIN), ("validation", validation, SECOND)):
        label = f"{name} ({losses[best_round - 1]:.4f} at the best round)"
        axes.plot(rounds, losses, label=label, **CURVE | {"color": color})
    axes.axvline(best_round, label=f"best round: {best_round}", **BASELINE)
    axes.margins(x=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="boosting round", ylabel="log loss")
    axes.legend(loc="upper right", **LEGEND)
    return figure


def thresholds(
    threshold: Floats,
    panels: Sequence[Panel],
    marks: Mapping[str, float],
    subtitle: str,
) -> Figure:
    """Plot what each decision threshold (k,) does, a panel for each measure.

    `marks` are the thresholds of the strategies by name, drawn as vertical lines.
    """
    figure = _figure(2.4 + 2.1 * len(panels))
    every = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for panel, axes in zip(panels, every, strict=True):
        _dress(axes)
        axes.plot(threshold, panel.values, **CURVE)
        if panel.low is not None and panel.high is not None:
            axes.fill_between(threshold, panel.low, panel.high, label="95% interval", **BAND)
        shares = panel.low is None
        form = PercentFormatter(1) if shares else EngFormatter(sep="")
        axes.yaxis.set_major_formatter(form)
        axes.set_ylabel(panel.label)
        axes.margins(x=0)
        for (name, place), style in zip(marks.items(), itertools.cycle(STYLES)):
            line = BASELINE | {"color": SECOND, "linestyle": style}
            axes.axvline(place, label=f"{name} {place:.4f}", **line)
    _dress(every[0], "What each threshold does", subtitle)
    every[-1].set_xlabel("threshold: minimum default probability that is declined")
    figure.legend(*every[0].get_legend_handles_labels(), loc="outside lower left", **MARKS)
    return figure


def save(figure: Figure, path: str | Path) -> None:
    """Write a PNG to a local path; without date and software, equal figures give equal bytes."""
    figure.savefig(path, format="png", dpi=144, metadata={"Software": None})


def _figure(height: float) -> Figure:
    figure = Figure(figsize=(8, height))
    figure.set_layout_engine("constrained", **PADDING)
    return figure


def _canvas(title: str, subtitle: str, height: float = 6) -> tuple[Figure, Axes]:
    figure = _figure(height)
    axes = figure.subplots()
    _dress(axes, title, subtitle)
    return figure, axes


def _dress(axes: Axes, title: str = "", subtitle: str = "") -> None:
    if title:
        axes.set_title(title, color=INK, **TITLE)
        axes.annotate(subtitle, (0, 1), xycoords="axes fraction", **SUBTITLE)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(QUIET)
    axes.tick_params(color=QUIET, labelcolor=INK)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.grid(color=GRID)
    axes.set_axisbelow(True)


def _share_axes(axes: Axes, across: str, up: str, top: float = 1) -> None:
    axes.set(xlabel=across, ylabel=up, xlim=(0, top), ylim=(0, 1.01 * top))


def _thinned(*curves: Floats) -> list[Floats]:
    """Thin the curves, each (n,), to at most MAX_POINTS points, keeping both ends."""
    n = len(curves[0])
    places = np.linspace(0, n - 1, min(n, MAX_POINTS)).astype(int)
    return [curve[places] for curve in curves]
