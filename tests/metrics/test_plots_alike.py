"""What all figures have in common."""

import itertools

import numpy as np
import pytest

from drawn_figures import LOANS, SUBTITLE, drawn, writing
from loan_default.metrics import plots


def thresholds():
    """Thresholds of which two lie close to each other."""
    steps = np.linspace(0.01, 0.5, 50)
    amounts = plots.Panel("profit of the approved", 1e6 * steps, 9e5 * steps, 11e5 * steps)
    panels = [amounts, plots.Panel("approved", steps), plots.Panel("default rate", steps)]
    marks = {"cost": 0.291, "profit": 0.5, "f1": 0.164, "rate": 0.29, "number": 0.2}
    return plots.thresholds(steps, panels, marks, SUBTITLE)


@pytest.fixture(scope="module")
def figures():
    """One of each, drawn, by its title."""
    names = [f"a_rather_long_feature_name_{i}" for i in range(30)]
    every = {
        "ROC curve": plots.roc(*LOANS, SUBTITLE),
        "Precision and recall": plots.precision_recall(*LOANS, SUBTITLE),
        "Calibration": plots.calibration(*LOANS, SUBTITLE),
        "Decisions at threshold 0.2000": plots.confusion_matrix(*LOANS, 0.2, SUBTITLE),
        "Feature importance": plots.feature_importance(names, np.arange(30), SUBTITLE),
        "Log loss by boosting round": plots.loss_curves([0.6, 0.5], [0.6, 0.55], 2, SUBTITLE),
        "What each threshold does": thresholds(),
    }
    return {title: drawn(figure) for title, figure in every.items()}


def test_every_figure_says_what_it_shows_and_on_which_months(figures):
    for title, figure in figures.items():
        axes = figure.axes[0]
        assert axes.get_title(loc="left") == title
        assert SUBTITLE in [text.get_text() for text in axes.texts]
        assert figure.axes[-1].get_xlabel()


def test_every_figure_has_its_writing_inside_and_apart(figures):
    for title, figure in figures.items():
        boxes = writing(figure)
        assert {title, SUBTITLE} < {text.get_text() for text in boxes}
        for text, box in boxes.items():
            assert figure.bbox.x0 < box.x0 and box.x1 < figure.bbox.x1, text
            assert figure.bbox.y0 < box.y0 and box.y1 < figure.bbox.y1, text
        for (one, box), (other, second) in itertools.combinations(boxes.items(), 2):
            assert not box.overlaps(second), (one, other)


def test_titles_start_where_subtitles_do(figures):
    for title, figure in figures.items():
        boxes = {text.get_text(): box for text, box in writing(figure).items()}
        assert boxes[title].x0 == pytest.approx(boxes[SUBTITLE].x0, abs=2)
        assert boxes[title].y0 > boxes[SUBTITLE].y1


def test_model_and_reference_can_be_told_apart_without_colours(figures):
    for title, figure in figures.items():
        lines = figure.axes[0].lines
        if lines:
            assert lines[0].get_linestyle() != lines[-1].get_linestyle(), title


def test_legends_leave_the_curves_free(figures):
    for title, figure in figures.items():
        axes = figure.axes[0]
        if axes.lines:
            legend = axes.get_legend() or figure.legends[0]
            box = legend.get_window_extent(figure.canvas.get_renderer())
            points = axes.transData.transform(axes.lines[0].get_xydata())
            assert not any(box.contains(*point) for point in points), title
