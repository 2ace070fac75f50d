"""Limits on a request's headers that uvicorn lacks: a timeout and a maximum size.

Without them a client that sends half its headers, or headers without end, holds a connection and
memory for as long as it likes. SECURITY.md promises both limits. uvicorn has no setting for either;
`http` in its configuration takes a protocol class of one's own.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER_BYTES = 64 * 1024


class LimitedProtocol(HttpToolsProtocol):
    """Close a connection whose next headers take longer than `header_seconds` or exceed 64 KiB.

    Between two requests uvicorn's own keep-alive timeout applies.
    """

    def __init__(self, header_seconds: float, **uvicorn_arguments: Any) -> None:
        super().__init__(**uvicorn_arguments)
        self._header_seconds = header_seconds
        self._timeout: asyncio.TimerHandle | None = None
        self._in_headers = False
        self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the header timeout when a client connects."""
        super().connection_made(transport)
        self._start_timeout()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the header timeout."""
        self._stop_timeout()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Start to count the bytes of a request's headers."""
        super().on_message_begin()
        self._in_headers, self._header_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Cancel the header timeout: the headers are complete."""
        self._in_headers = False
        self._stop_timeout()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Check the limits after each piece that leaves the headers incomplete."""
        super().data_received(data)
        if not self._in_headers or self.transport.is_closing():
            return
        self._header_bytes += len(data)
        if self._header_bytes > MAX_HEADER_BYTES:
            self.send_400_response("The request headers are too large.")
        else:
            # Most headers arrive in one piece: a later request starts its timeout only here.
            self._start_timeout()

    def _start_timeout(self) -> None:
        if self._timeout is None:
            self._timeout = self.loop.call_later(self._header_seconds, self._close)

    def _stop_timeout(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None

    def _close(self) -> None:
        self.transport.close()
