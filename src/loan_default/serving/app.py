"""The scoring server's endpoints; only this module and `middleware.py` import Starlette."""

import asyncio
import contextlib
import hmac
import importlib.metadata
import math
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from loan_default.contract import load as contracts
from loan_default.contract.contract import Contract
from loan_default.contract.matching import is_known
from loan_default.errors import InputError
from loan_default.serving import protocol
from loan_default.serving.alias_watcher import AliasWatcher, ServingState
from loan_default.serving.loaded_model import LoadedModel, Scores
from loan_default.serving.metrics import CONTENT_TYPE, Metrics
from loan_default.serving.middleware import Rejected, RequestMiddleware, error_response
from loan_default.serving.prediction_log import Entry, PredictionLog
from loan_default.serving.protocol import ScoringRequest, UnsupportedMediaType
from loan_default.serving.schemas import ErrorStatus, NotReady, Ready
from loan_default.settings import Settings

KEY_HEADER = "x-api-key"
# Parsed and scored on the event loop; more would delay other requests.
MAX_LOOP_ROWS, MAX_LOOP_BYTES = 64, 100_000
# The reasons of one row take about as long as the scores of this many rows.
REASONS_COST = 16
CLOSE = {"Connection": "close"}


@dataclass(frozen=True)
class Endpoints:
    """The endpoints and the state that they share."""

    settings: Settings
    state: ServingState
    watcher: AliasWatcher
    predictions: PredictionLog
    metrics: Metrics

    @property
    def current(self) -> LoadedModel:
        """Return the model in service; reject the request if there is none."""
        if self.state.current is None:
            raise Rejected(ErrorStatus.NO_MODEL, self._why_not_ready(), self.retry_after)
        return self.state.current

    @property
    def retry_after(self) -> dict[str, str]:
        """Return the header that says when to retry while there is no model in service."""
        return {"Retry-After": str(math.ceil(self.settings.serve_poll_seconds))}

    def _why_not_ready(self) -> str:
        state = self.state
        if state.registry_error:
            return f"no model in service yet: {state.registry_error}"
        if state.loading:
            return f"no model in service yet: version {state.loading} is being loaded"
        if state.rejected:
            version, reason = next(iter(state.rejected.items()))
            return f"no model in service: version {version} was rejected: {reason}"
        return f"no model in service yet: {state.name} has no version with the alias {state.alias}"

    async def invocations(self, request: Request) -> Response:
        """POST /invocations."""
        started = time.perf_counter()
        self._check_key(request)
        current = self.current
        body = await self._body(request)
        try:
            parsed = await self._parse(request.headers.get("content-type", ""), body, current)
            scores = await self._score(current, parsed, len(body))
        except UnsupportedMediaType as error:
            raise Rejected(ErrorStatus.UNSUPPORTED_TYPE, str(error)) from None
        except InputError as error:
            raise Rejected(ErrorStatus.INVALID, str(error)) from None
        content = protocol.predictions(current.predictions(scores, parsed.full))
        self._record(request, current, parsed, scores, len(body))
        self.metrics.latency.observe(time.perf_counter() - started)
        headers = {"X-Model-Version": current.version}
        return Response(content, media_type="application/json", headers=headers)

    async def _parse(self, content_type: str, body: bytes, current: LoadedModel) -> ScoringRequest:
        known = partial(is_known, contract=current.contract)
        if len(body) <= MAX_LOOP_BYTES:
            return protocol.parse_request(content_type, body, known, current.reader.id_at)
        return await asyncio.to_thread(
            protocol.parse_request, content_type, body, known, current.reader.id_at
        )

    async def _score(self, current: LoadedModel, parsed: ScoringRequest, size: int) -> Scores:
        today = datetime.now(UTC).date()
        cost = len(parsed.table.rows) * (REASONS_COST if parsed.full else 1)
        if cost <= MAX_LOOP_ROWS and size <= MAX_LOOP_BYTES:
            return current.score(parsed.table, parsed.full, today)
        return await asyncio.to_thread(current.score, parsed.table, parsed.full, today)

    def _check_key(self, request: Request) -> None:
        expected = self.settings.serve_api_key
        key = request.headers.get(KEY_HEADER, "")
        # Starlette decodes headers as Latin-1: encode back to the bytes that were sent.
        if expected and not hmac.compare_digest(key.encode("latin-1"), expected.encode()):
            raise Rejected(ErrorStatus.UNAUTHORIZED, "the X-API-Key header is missing or wrong")

    async def _body(self, request: Request) -> bytes:
        limit = int(self.settings.serve_max_body_mb * 2**20)
        with contextlib.suppress(ValueError):
            if int(request.headers.get("content-length", "0")) > limit:
                raise _too_large(limit)
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.settings.serve_body_seconds):
                async for part in request.stream():
                    parts.append(part)
                    size += len(part)
                    if size > limit:
                        raise _too_large(limit)
        except TimeoutError:
            raise Rejected(
                ErrorStatus.TOO_SLOW, "the request took too long to arrive", CLOSE
            ) from None
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _record(
        self,
        request: Request,
        current: LoadedModel,
        parsed: ScoringRequest,
        scores: Scores,
        size: int,
    ) -> None:
        """Count the rows and queue them for the prediction log; `size` is the body's in bytes."""
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
                    current.version,
                    current.contract,
                    parsed.table,
                    scores.probability,
                    scores.decision,
                    size,
                )
            )

    async def ready(self, request: Request) -> Response:
        """GET /ready."""
        state, current = self.state, self.state.current
        ready = Ready(
            ready=current is not None,
            model_name=state.name,
            alias=state.alias,
            model_version=current.version if current else None,
            passed_gate=state.passed_gate,
            registry=state.registry_error or "up",
            refused=state.rejected,
        )
        if current:
            return JSONResponse(asdict(ready))
        not_ready = NotReady(**asdict(ready), message=self._why_not_ready())
        return JSONResponse(asdict(not_ready), ErrorStatus.NO_MODEL, headers=self.retry_after)

    @property
    def contract(self) -> Contract:
        """Return the contract of the model in service; that of the settings if there is none."""
        if self.state.current:
            return self.state.current.contract
        return contracts.load(self.settings.contract)

    async def openapi(self, request: Request) -> Response:
        """GET /openapi.json."""
        return JSONResponse(await asyncio.to_thread(_document, self.contract))

    async def docs(self, request: Request) -> Response:
        """GET /docs."""
        return HTMLResponse(await asyncio.to_thread(_docs_page, self.contract))

    async def show_metrics(self, request: Request) -> Response:
        """GET /metrics."""
        return Response(self.metrics.page(), media_type=CONTENT_TYPE)


def _too_large(limit: int) -> Rejected:
    return Rejected(ErrorStatus.TOO_LARGE, f"the request is larger than {limit:,} bytes")


async def _ping(request: Request) -> Response:
    return Response("\n", media_type="application/json")


async def _version(request: Request) -> Response:
    return Response(importlib.metadata.version("mlflow-skinny"), media_type="application/json")


# Imported when first requested: neither the start nor the memory of a server that nobody asks for
# its documentation should pay for it. In a thread, because building it takes a while.
def _document(contract: Contract) -> dict[str, Any]:
    from loan_default.serving import openapi

    return openapi.document(contract)


def _docs_page(contract: Contract) -> str:
    from loan_default.serving import api_docs

    return api_docs.page(contract)


def create_app(endpoints: Endpoints) -> ASGIApp:
    """Return the ASGI application; its lifespan runs the alias watcher and the prediction log."""
    routes = [
        Route("/invocations", endpoints.invocations, methods=["POST"]),
        Route("/ping", _ping),
        Route("/health", _ping),
        Route("/version", _version),
        Route("/ready", endpoints.ready),
        Route("/metrics", endpoints.show_metrics),
        Route("/openapi.json", endpoints.openapi),
        Route("/docs", endpoints.docs),
    ]
    handlers: dict[Any, Any] = {
        HTTPException: lambda _, error: error_response(
            Rejected(error.status_code, error.detail, error.headers)
        ),
    }
    inner = Starlette(routes=routes, lifespan=_lifespan(endpoints), exception_handlers=handlers)
    return RequestMiddleware(
        inner, endpoints.invocations, endpoints.state, endpoints.metrics, routes
    )


def _lifespan(endpoints: Endpoints) -> Any:
    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        endpoints.predictions.start()
        watching = asyncio.create_task(endpoints.watcher.run())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await asyncio.to_thread(endpoints.predictions.close)

    return lifespan
