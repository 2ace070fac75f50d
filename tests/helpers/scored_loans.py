"""Outcomes and scores of loans."""

import numpy as np
from hypothesis import strategies as st


def loans(n=2000, seed=0, decimals=2):
    """Calibrated probabilities, many of them tied, and outcomes drawn from them."""
    generator = np.random.default_rng(seed)
    probability = generator.beta(2, 8, n).round(decimals)
    return (generator.random(n) < probability).astype(np.int8), probability


# Few distinct scores, so that ties are the rule; both classes always there.
outcomes_and_scores = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 6)), min_size=2, max_size=40
).filter(lambda rows: 0 < sum(default for default, _ in rows) < len(rows))


def arrays(rows, top=6):
    default, score = np.array(rows).T
    return default, score / top
