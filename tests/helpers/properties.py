"""How many examples a property is tested with."""

import os

import hypothesis

# make fuzz tries so many times the usual number of generated examples.
FUZZ_FACTOR = int(os.environ.get("FUZZ_FACTOR", "1"))


def tries(usual: int) -> hypothesis.settings:
    """How a property is tested: with `usual` examples, or FUZZ_FACTOR times as many, however long
    one takes."""
    return hypothesis.settings(max_examples=usual * FUZZ_FACTOR, deadline=None)
