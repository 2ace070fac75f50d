"""What all figures have in common."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_hex

from drawn_figures import LOANS, SUBTITLE, drawn, writing
from loan_default.metrics import plots


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


def test_every_figure_looks_alike(figures):
    for figure in figures.values():
        assert figure.get_figwidth() == 8
        for axes in figure.axes:
            shown = {side for side, spine in axes.spines.items() if spine.get_visible()}
            assert shown == {"left", "bottom"}
            assert axes.get_axisbelow() is True
            for side in shown:
                assert to_hex(axes.spines[side].get_edgecolor()) == plots.QUIET
            for axis in (axes.xaxis, axes.yaxis):
                assert to_hex(axis.label.get_color()) == plots.INK
                assert axis.get_tick_params()["labelcolor"] == plots.INK
                assert axis.get_tick_params()["color"] == plots.QUIET


def test_titles_start_where_subtitles_do(figures):
    for title, figure in figures.items():
        boxes = {text.get_text(): box for text, box in writing(figure).items()}
        assert boxes[title].x0 == pytest.approx(boxes[SUBTITLE].x0, abs=2)
        assert boxes[title].y0 > boxes[SUBTITLE].y1
        heading, subtitle = figure.axes[0]._left_title, figure.axes[0].texts[0]
        assert (heading.get_color(), subtitle.get_color()) == (plots.INK, plots.QUIET)


def test_models_are_solid_blue_and_references_grey_dashes(figures):
    for title, figure in figures.items():
        lines = figure.axes[0].lines
        if lines:
            styles = [(line.get_color(), line.get_linestyle()) for line in (lines[0], lines[-1])]
            assert styles == [(plots.MAIN, "-"), (plots.QUIET, "--")], title
            legend = figure.axes[0].get_legend()
            assert {to_hex(text.get_color()) for text in legend.get_texts()} == {plots.INK}


def test_legends_leave_the_curves_free(figures):
    for title, figure in figures.items():
        axes = figure.axes[0]
        if axes.lines:
            box = axes.get_legend().get_window_extent(figure.canvas.get_renderer())
            points = axes.transData.transform(axes.lines[0].get_xydata())
            assert not any(box.contains(*point) for point in points), title


def test_bars_and_cells_are_free_of_grid_lines_that_say_nothing(figures):
    grids = {
        title: tuple(
            axis.get_tick_params()["gridOn"] and axis.get_tick_params()["grid_color"]
            for axis in (figure.axes[-1].xaxis, figure.axes[-1].yaxis)
        )
        for title, figure in figures.items()
    }
    assert grids.pop("Decisions at threshold 0.2000") == (False, False)
    assert grids.pop("Feature importance") == (plots.GRID, False)
    assert set(grids.values()) == {(plots.GRID, plots.GRID)}
