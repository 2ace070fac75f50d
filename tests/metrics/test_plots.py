import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread
from sklearn import metrics as sklearn_metrics

from drawn_figures import LOANS, SUBTITLE, drawn, labels, only_axes, tick_labels
from loan_default.metrics import plots


def test_roc():
    axes = only_axes(plots.roc(*LOANS, SUBTITLE))
    auc = sklearn_metrics.roc_auc_score(*LOANS)
    assert labels(axes) == [f"model (AUC {auc:.4f})", "no skill (AUC 0.5000)"]
    curve, baseline = axes.lines
    x, y = curve.get_data()
    assert np.trapezoid(y, x) == pytest.approx(auc, abs=1e-3)
    assert baseline.get_xydata().tolist() == [[0, 0], [1, 1]]
    assert axes.get_xlabel() == "share of paid loans declined"
    assert axes.get_ylabel() == "share of defaults caught"


def test_precision_recall():
    axes = only_axes(plots.precision_recall(*LOANS, SUBTITLE))
    rate, average = LOANS[0].mean(), sklearn_metrics.average_precision_score(*LOANS)
    assert labels(axes) == [f"model (AP {average:.4f})", f"no skill (AP {rate:.4f})"]
    curve, baseline = axes.lines
    recall, precision = curve.get_data()
    assert (recall[0], precision[0]) == (1, pytest.approx(rate))
    assert -np.trapezoid(precision, recall) == pytest.approx(average, abs=5e-3)
    assert baseline.get_xydata() == pytest.approx(np.array([[0, rate], [1, rate]]))
    assert axes.get_xlabel() == "recall: share of defaults caught"
    assert axes.get_ylabel() == "precision: defaults among the declined"


def test_precision_recall_ends_at_the_highest_score():
    default, probability = np.array([0, 1, 0, 1]), np.array([0.9, 0.8, 0.1, 0.2])
    curve = only_axes(plots.precision_recall(default, probability, SUBTITLE)).lines[0]
    points = [[1, 0.5], [1, 2 / 3], [0.5, 0.5], [0, 0]]
    assert curve.get_xydata() == pytest.approx(np.array(points))


def test_calibration():
    default, probability = LOANS
    above, below = plots.calibration(default, probability, SUBTITLE).axes
    brier = sklearn_metrics.brier_score_loss(default, probability)
    # Ten groups of as many loans each, by their score: numpy's own quantiles
    groups = np.array_split(np.argsort(probability, kind="stable"), 10)
    said = np.array([probability[group].mean() for group in groups])
    happened = np.array([default[group].mean() for group in groups])
    error = np.abs(said - happened).mean()
    assert labels(above) == [
        f"model (Brier {brier:.4f}, calibration error {error:.4f})",
        "perfect calibration",
    ]
    points, diagonal = above.lines
    assert points.get_xydata() == pytest.approx(np.column_stack([said, happened]))
    # Nothing lies outside, and what is exact lies on the diagonal
    for x, y in (*points.get_xydata(), *diagonal.get_xydata()):
        assert 0 <= x <= above.get_xlim()[1] and 0 <= y <= above.get_ylim()[1]
    assert [x == y for x, y in diagonal.get_xydata()] == [True, True]
    assert above.get_xlim() == below.get_xlim()
    assert sum(bar.get_height() for bar in below.patches) == 3000
    assert below.patches[-1].get_corners()[1][0] >= probability.max()
    assert (above.get_ylabel(), below.get_ylabel()) == ("observed default rate", "loans")
    assert (above.get_xlabel(), below.get_xlabel()) == ("", "predicted default probability")


def test_calibration_has_the_bins_asked_for_and_room_for_the_highest_rate():
    points = plots.calibration(*LOANS, SUBTITLE, bins=4).axes[0].lines[0]
    assert len(points.get_xdata()) == 4
    above = plots.calibration(np.array([0, 1]), np.array([0.1, 0.2]), SUBTITLE).axes[0]
    assert above.get_ylim()[1] > 1


def test_calibration_separates_thousands():
    default, probability = (np.tile(values, 2) for values in LOANS)
    figure = plots.calibration(default, np.round(probability), SUBTITLE)
    drawn(figure)
    assert "2,000" in tick_labels(figure.axes[1].yaxis)


def test_confusion_matrix():
    default = np.array([0] * 1500 + [1] * 500)
    probability = np.concatenate([np.full(1200, 0.1), np.full(650, 0.3), np.full(150, 0.2)])
    axes = only_axes(plots.confusion_matrix(default, probability, 0.3, SUBTITLE))
    cells = {text.get_position(): text for text in axes.texts if text.get_text() != SUBTITLE}
    assert {place: text.get_text() for place, text in cells.items()} == {
        (0, 0): "1,200\n80.0% of the row",
        (1, 0): "300\n20.0% of the row",
        (0, 1): "150\n30.0% of the row",
        (1, 1): "350\n70.0% of the row",
    }
    (image,) = axes.images
    assert image.get_array().tolist() == [[0.8, 0.2], [0.3, 0.7]]
    # A number can be read on its cell: dark on light or light on dark
    for (column, row), cell in cells.items():
        behind = image.cmap(image.norm(image.get_array()[row, column]))[:3]
        assert abs(np.mean(to_rgb(cell.get_color())) - np.mean(behind)) > 0.3
    assert tick_labels(axes.xaxis) == tick_labels(axes.yaxis) == ["paid in full", "default"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "observed")


def test_confusion_matrix_where_nothing_is_predicted_to_default():
    figure = plots.confusion_matrix(np.array([0.0, 1.0]), np.array([0.1, 0.2]), 0.5, SUBTITLE)
    assert [text.get_text()[0] for text in only_axes(figure).texts[1:]] == ["1", "0", "1", "0"]


def test_feature_importance_shows_the_largest_shares_first():
    figure = plots.feature_importance(["a", "b", "c"], [1.0, 6.0, 3.0], SUBTITLE, top=2)
    axes = only_axes(figure)
    assert tick_labels(axes.yaxis) == ["b", "c"]
    assert axes.yaxis_inverted()
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.6, 0.3])
    assert [text.get_text() for text in axes.texts[1:]] == ["60.0%", "30.0%"]
    assert axes.get_xlabel() == "share of the total gain (top 2 of 3 features)"
    drawn(figure)
    assert tick_labels(axes.xaxis)[:2] == ["0%", "10%"]


def test_features_of_equal_gain_keep_their_order():
    names = [str(i) for i in range(60)]
    axes = only_axes(plots.feature_importance(names, [1, 2] * 30, SUBTITLE, top=40))
    assert tick_labels(axes.yaxis) == names[1::2] + names[:20:2]


def test_feature_importance_shows_at_most_25_and_grows_with_them():
    names = [str(i) for i in range(40)]
    many = plots.feature_importance(names, range(40), SUBTITLE)
    assert len(only_axes(many).patches) == 25
    few = plots.feature_importance(names[:5], range(5), SUBTITLE)
    assert few.get_figheight() < many.get_figheight()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("names", [[], ["a", "b"]])
def test_a_booster_that_gained_nothing_still_gives_a_figure(names, tmp_path):
    figure = plots.feature_importance(names, [0.0] * len(names), SUBTITLE)
    assert [bar.get_width() for bar in only_axes(figure).patches] == [0] * len(names)
    plots.save(figure, tmp_path / "gain.png")


def test_loss_curves():
    axes = only_axes(plots.loss_curves([0.6, 0.5, 0.4], [0.61, 0.52, 0.53], 2, SUBTITLE))
    assert labels(axes) == [
        "train (0.5000 at the best round)",
        "validation (0.5200 at the best round)",
        "best round: 2",
    ]
    train, validation, best = axes.lines
    assert train.get_xydata().tolist() == [[1, 0.6], [2, 0.5], [3, 0.4]]
    assert validation.get_xydata().tolist() == [[1, 0.61], [2, 0.52], [3, 0.53]]
    assert best.get_xdata() == [2, 2]
    assert train.get_color() != validation.get_color()
    assert all(tick == round(tick) for tick in axes.get_xticks())
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("boosting round", "log loss")


def test_a_curve_of_many_loans_is_light_and_still_the_same_curve():
    generator = np.random.default_rng(1)
    probability = generator.random(100_000)
    default = generator.random(100_000) < probability
    areas = {
        plots.roc: sklearn_metrics.roc_auc_score(default, probability),
        plots.precision_recall: sklearn_metrics.average_precision_score(default, probability),
    }
    for draw, area in areas.items():
        x, y = only_axes(draw(default, probability, SUBTITLE)).lines[0].get_data()
        assert 500 < len(x) <= 5_000
        assert sorted((x[0], x[-1])) == pytest.approx([0, 1], abs=1e-4), "both ends are kept"
        assert np.all(np.diff(x) >= 0) or np.all(np.diff(x) <= 0)
        assert abs(np.trapezoid(y, x)) == pytest.approx(area, abs=1e-3)


def test_saving_twice_gives_the_same_png_without_date_or_software(tmp_path):
    for name in ("one.png", "two"):
        plots.save(plots.roc(*LOANS, SUBTITLE), tmp_path / name)
    first, second = (tmp_path / "one.png").read_bytes(), (tmp_path / "two").read_bytes()
    assert first == second
    assert not any(word in first for word in (b"tEXt", b"iTXt", b"tIME", b"Software"))
    height, width, _ = imread(tmp_path / "one.png").shape
    assert width > height > 600


def test_drawing_leaves_pyplot_alone():
    import matplotlib.pyplot

    drawn(plots.roc(*LOANS, SUBTITLE))
    assert matplotlib.pyplot.get_fignums() == []
