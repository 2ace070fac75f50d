"""Waiting for what another process does."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_for(found: Callable[[], Found], seconds: float = 60, pause: float = 0.1) -> Found:
    """What `found` gives once it gives something."""
    until = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < until, f"waited {seconds} s in vain"
        time.sleep(pause)
    return value
