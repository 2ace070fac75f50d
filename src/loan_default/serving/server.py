"""Assemble the scoring server and run it until it is stopped."""

import gc
import logging
import os
import signal
import socket
from functools import partial
from typing import Any

import uvicorn

from loan_default import storage
from loan_default.errors import InputError
from loan_default.model import xgboost_import
from loan_default.registry.alias_lookup import Lookup
from loan_default.serving import json_log
from loan_default.serving.alias_watcher import AliasWatcher, ServingState
from loan_default.serving.app import Endpoints, create_app
from loan_default.serving.http_limits import LimitedProtocol
from loan_default.serving.metrics import Metrics
from loan_default.serving.model_cache import ModelCache
from loan_default.serving.prediction_log import PredictionLog
from loan_default.settings import Settings

SHUTDOWN_SECONDS = 30
# Longer than load balancers keep idle connections (usually 60 s): if the server closed first, a
# request would fail now and then.
KEEP_ALIVE_SECONDS = 75
# One row needs one thread; starting more would cost more than they gain.
THREADS = 1

log = logging.getLogger(__name__)


def run(settings: Settings, lookup: Lookup, cache: ModelCache) -> dict[str, Any]:
    """Serve until SIGTERM or SIGINT; return the address and the version served last.

    Raises InputError if the server cannot listen on the address, or would log its predictions where
    another model's are.
    """
    xgboost_import.import_xgboost()
    with _listen(settings.serve_host, settings.serve_port) as listening:
        endpoints = _endpoints(settings, lookup, cache)
        host, port = listening.getsockname()[:2]
        json_log.log_as_json()
        log.info("listening", extra={"host": host, "port": port})
        _uvicorn(endpoints).run(sockets=[listening])
    current = endpoints.state.current
    return {"host": host, "port": port, "model_version": current.version if current else None}


def _endpoints(settings: Settings, lookup: Lookup, cache: ModelCache) -> Endpoints:
    state = ServingState(settings.model_name, settings.serve_alias)
    watcher = AliasWatcher(
        state, lookup, cache, settings.serve_poll_seconds, THREADS, on_swap=_freeze_memory
    )
    predictions = PredictionLog(
        settings.output_path,
        settings.serve_log_share,
        settings.serve_log_seconds,
        settings.serve_log_rows,
        settings.model_name,
    )
    # A bucket that is away must not keep the server from starting: it is asked before a write
    if not storage.is_remote(settings.output_path):
        predictions.require_own_root()
    return Endpoints(settings, state, watcher, predictions, Metrics(state, predictions))


def _freeze_memory() -> None:
    """Exclude a loaded model's objects from garbage collection, which would slow some requests."""
    gc.collect()
    gc.freeze()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    dual_stack = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
    try:
        socket.getaddrinfo(host, port, family)
        return socket.create_server(
            (host, port), family=family, backlog=2048, dualstack_ipv6=dual_stack
        )
    except socket.gaierror:
        raise InputError(f"cannot listen on {host}: not an address of this machine") from None
    except OSError as error:
        raise InputError(
            f"cannot listen on {host}:{port} ({os.strerror(error.errno or 0)}): stop the program "
            "that uses it, or give another --port"
        ) from None


def _uvicorn(endpoints: Endpoints) -> uvicorn.Server:
    protocol = partial(LimitedProtocol, endpoints.settings.serve_body_seconds)
    config = uvicorn.Config(
        create_app(endpoints),
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        http=protocol,  # type: ignore[arg-type]  # It takes any factory, and names the class only
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    # After a graceful shutdown uvicorn raises the signal again, which would end the script before
    # it prints its result.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return uvicorn.Server(config)
