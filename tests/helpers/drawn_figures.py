"""What is to be seen on a figure."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

_GENERATOR = np.random.default_rng(0)
_PROBABILITY = _GENERATOR.beta(2, 10, 3000)
LOANS = (_GENERATOR.random(3000) < _PROBABILITY).astype(np.int8), _PROBABILITY
SUBTITLE = "evaluation model, tested on 2010-07 to 2010-12"


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def tick_labels(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


def only_axes(figure):
    (axes,) = figure.axes
    return axes


def drawn(figure):
    FigureCanvasAgg(figure).draw()
    return figure


def beyond_the_limits(axis):
    low, high = sorted(axis.get_view_interval())
    return {tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}


def writing(figure):
    """Each text that is seen on a figure, and its box in pixels."""
    texts = set(figure.findobj(lambda it: isinstance(it, Text) and it.get_visible()))
    for axes in figure.axes:
        texts -= beyond_the_limits(axes.xaxis) | beyond_the_limits(axes.yaxis)
    return {text: text.get_window_extent() for text in texts if text.get_text()}
