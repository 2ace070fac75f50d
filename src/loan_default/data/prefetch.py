"""Prefetch one item in a background thread, so that reading overlaps with scoring."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
_END: Any = object()


@contextmanager
def prefetch(items: Iterator[T]) -> Iterator[Iterator[T]]:
    """Yield an iterator over `items` that produces each one while its predecessor is in use.

    An exception raised while producing an item is re-raised when that item is consumed. On exit the
    thread has stopped, so that the source of `items` can be closed.
    """
    with ThreadPoolExecutor(1) as thread:

        def prefetched() -> Iterator[T]:
            upcoming = thread.submit(next, items, _END)
            while (item := upcoming.result()) is not _END:
                upcoming = thread.submit(next, items, _END)
                yield item

        yield prefetched()
