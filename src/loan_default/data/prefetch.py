"""Work one item ahead: while one block is scored, the next is read on another core."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
_END: Any = object()


@contextmanager
def prefetch(items: Iterator[T]) -> Iterator[Iterator[T]]:
    """`items`, each made in another thread while its predecessor is used.

    What making an item raises is raised in its turn. At the end of the block nothing works on them
    any more, so that what they are read from can be closed.
    """
    with ThreadPoolExecutor(1) as thread:

        def made() -> Iterator[T]:
            coming = thread.submit(next, items, _END)
            while (item := coming.result()) is not _END:
                coming = thread.submit(next, items, _END)
                yield item

        yield made()
