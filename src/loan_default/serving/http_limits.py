"""uvicorn's HTTP protocol with what it lacks: limits on a request's head, in time and in size.

Without them a client that sends half a head, or one without an end, holds a connection and memory
for as long as it likes.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES = 64 * 1024


class LimitedProtocol(HttpToolsProtocol):
    """Closes a connection whose next request's head is not there after `head_seconds`, or is larger
    than 64 KiB. Between two requests uvicorn's own keep-alive limit holds."""

    def __init__(self, head_seconds: float, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._head_seconds = head_seconds
        self._timer: asyncio.TimerHandle | None = None
        self._in_head = False
        self._size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A first request is due."""
        super().connection_made(transport)
        self._due()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is due any more."""
        self._arrived()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head, self._size = True, 0

    def on_headers_complete(self) -> None:
        """Its head is there."""
        self._arrived()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Most heads come whole; the clock runs for the others only."""
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        self._size += len(data)
        if self._size > MOST_HEAD_BYTES:
            self.send_400_response("The head of the request is too large.")
        else:
            self._due()

    def _due(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self._head_seconds, self._too_late)

    def _arrived(self) -> None:
        self._in_head = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        self.transport.close()
