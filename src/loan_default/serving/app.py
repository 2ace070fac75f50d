"""The scoring server's endpoints; with `guard.py` the only importer of the web framework."""

import asyncio
import contextlib
import hmac
import importlib.metadata
import math
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from loan_default.errors import InputError
from loan_default.serving import openapi, protocol
from loan_default.serving.alias_watcher import Service, Watch
from loan_default.serving.loaded_model import Scores, Served
from loan_default.serving.metrics import CONTENT_TYPE, Metrics
from loan_default.serving.middleware import Guard, Refused, refusal
from loan_default.serving.prediction_log import Entry, PredictionLog
from loan_default.serving.protocol import UnsupportedType
from loan_default.settings import Settings

KEY_HEADER = "x-api-key"
# What is read and scored on the event loop; more would keep other requests waiting.
FEW_ROWS, SMALL_BODY = 64, 100_000
# A row's reasons cost about as much as the scores of so many rows.
REASONS_COST = 16
CLOSE = {"Connection": "close"}


@dataclass(frozen=True)
class Server:
    """What the endpoints work with."""

    settings: Settings
    service: Service
    watch: Watch
    predictions: PredictionLog
    metrics: Metrics

    @property
    def current(self) -> Served:
        """The version in service; refuses while there is none."""
        if self.service.current is None:
            raise Refused(503, self._why_not_ready(), self.retry_after)
        return self.service.current

    @property
    def retry_after(self) -> dict[str, str]:
        """When to ask again while no model is there."""
        return {"Retry-After": str(math.ceil(self.settings.serve_poll_seconds))}

    def _why_not_ready(self) -> str:
        service = self.service
        if service.registry_down:
            return f"no model in service yet: {service.registry_down}"
        if service.taking:
            return f"no model in service yet: version {service.taking} is being loaded"
        if service.refused:
            number, why = next(iter(service.refused.items()))
            return f"no model in service: version {number} was refused: {why}"
        return (
            f"no model in service yet: {service.name} has no version with the alias {service.alias}"
        )

    async def invocations(self, request: Request) -> Response:
        """POST /invocations."""
        started = time.perf_counter()
        self._refuse_strangers(request)
        current = self.current
        body = await self._body(request)
        try:
            asked = await self._read(request.headers.get("content-type", ""), body)
            scores = await self._score(current, asked, len(body))
        except UnsupportedType as error:
            raise Refused(415, str(error)) from None
        except InputError as error:
            raise Refused(400, str(error)) from None
        answer = protocol.predictions(current.answer(scores, asked.full))
        self._note(request, current, asked, scores, len(body))
        self.metrics.latency.observe(time.perf_counter() - started)
        headers = {"X-Model-Version": current.number}
        return Response(answer, media_type="application/json", headers=headers)

    async def _read(self, content_type: str, body: bytes) -> protocol.Request:
        if len(body) <= SMALL_BODY:
            return protocol.read(content_type, body)
        return await asyncio.to_thread(protocol.read, content_type, body)

    async def _score(self, current: Served, asked: protocol.Request, size: int) -> Scores:
        today = datetime.now(UTC).date()
        cost = len(asked.table.rows) * (REASONS_COST if asked.full else 1)
        if cost <= FEW_ROWS and size <= SMALL_BODY:
            return current.score(asked.table, asked.full, today)
        return await asyncio.to_thread(current.score, asked.table, asked.full, today)

    def _refuse_strangers(self, request: Request) -> None:
        key = self.settings.serve_api_key
        given = request.headers.get(KEY_HEADER, "")
        # Starlette reads headers as Latin-1: back to the bytes that were sent.
        if key and not hmac.compare_digest(given.encode("latin-1"), key.encode()):
            raise Refused(401, "the X-API-Key header is missing or wrong")

    async def _body(self, request: Request) -> bytes:
        limit = int(self.settings.serve_max_body_mb * 2**20)
        too_large = Refused(413, f"the request is larger than {limit:,} bytes")
        with contextlib.suppress(ValueError):
            if int(request.headers.get("content-length", "0")) > limit:
                raise too_large
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.settings.serve_body_seconds):
                async for part in request.stream():
                    parts.append(part)
                    size += len(part)
                    if size > limit:
                        raise too_large
        except TimeoutError:
            raise Refused(408, "the request took too long to arrive", CLOSE) from None
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _note(
        self,
        request: Request,
        current: Served,
        asked: protocol.Request,
        scores: Scores,
        size: int,
    ) -> None:
        rows = len(scores.decision)
        self.metrics.rows.inc(rows)
        self.metrics.declined.inc(int(scores.decision.sum()))
        self.metrics.scores.add(scores.probability)
        request.scope["rows"] = rows
        if rows:
            self.predictions.add(
                Entry(
                    request.scope["request_id"],
                    datetime.now(UTC),
                    current.number,
                    asked.table,
                    scores.probability,
                    scores.decision,
                    size,
                )
            )

    async def ready(self, request: Request) -> Response:
        """GET /ready."""
        service, current = self.service, self.service.current
        state = {
            "ready": current is not None,
            "model_name": service.name,
            "alias": service.alias,
            "model_version": current.number if current else None,
            "passed_gate": service.passed_gate,
            "registry": service.registry_down or "up",
            "refused": service.refused,
        }
        if current:
            return JSONResponse(state)
        why = {"message": self._why_not_ready()}
        return JSONResponse(state | why, 503, headers=self.retry_after)

    async def show_metrics(self, request: Request) -> Response:
        """GET /metrics."""
        return Response(self.metrics.page(), media_type=CONTENT_TYPE)


async def _ping(request: Request) -> Response:
    return Response("\n", media_type="application/json")


async def _version(request: Request) -> Response:
    return Response(importlib.metadata.version("mlflow-skinny"), media_type="application/json")


async def _openapi(request: Request) -> Response:
    return JSONResponse(openapi.document())


async def _docs(request: Request) -> Response:
    return HTMLResponse(openapi.page())


def app(server: Server) -> ASGIApp:
    """The ASGI application; its lifespan runs the watch and the prediction log."""
    routes = [
        Route("/invocations", server.invocations, methods=["POST"]),
        Route("/ping", _ping),
        Route("/health", _ping),
        Route("/version", _version),
        Route("/ready", server.ready),
        Route("/metrics", server.show_metrics),
        Route("/openapi.json", _openapi),
        Route("/docs", _docs),
    ]
    handlers: dict[Any, Any] = {
        HTTPException: lambda _, found: refusal(
            Refused(found.status_code, found.detail, found.headers)
        ),
    }
    inner = Starlette(routes=routes, lifespan=_lifespan(server), exception_handlers=handlers)
    return Guard(inner, server.invocations, server.service, server.metrics, routes)


def _lifespan(server: Server) -> Any:
    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        server.predictions.start()
        watching = asyncio.create_task(server.watch.run())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await asyncio.to_thread(server.predictions.close)

    return lifespan
