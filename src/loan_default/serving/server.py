"""Puts the scoring server together and runs it until it is told to stop."""

import gc
import logging
import os
import signal
import socket
from functools import partial
from typing import Any

import uvicorn

from loan_default.errors import InputError
from loan_default.model import xgboost_import
from loan_default.registry.alias_lookup import Look
from loan_default.serving import app, json_log
from loan_default.serving.alias_watcher import Service, Watch
from loan_default.serving.http_limits import LimitedProtocol
from loan_default.serving.metrics import Metrics
from loan_default.serving.model_cache import ModelCache
from loan_default.serving.prediction_log import PredictionLog
from loan_default.settings import Settings

SECONDS_TO_FINISH = 30
# Longer than load balancers keep a connection (60 s is usual): closing first fails a request now
# and then.
SECONDS_KEPT_ALIVE = 75
# One row takes one thread: more would cost more than they give.
THREADS = 1

log = logging.getLogger("serve")


def run(settings: Settings, look: Look, cache: ModelCache) -> dict[str, Any]:
    """Serve until SIGTERM or SIGINT; returns the address and the version served last.

    Raises InputError where the port is taken.
    """
    xgboost_import.import_xgboost()
    with _listen(settings.serve_host, settings.serve_port) as listening:
        server = _server(settings, look, cache)
        host, port = listening.getsockname()[:2]
        json_log.start()
        log.info("listening", extra={"host": host, "port": port})
        _uvicorn(server).run(sockets=[listening])
    current = server.service.current
    return {"host": host, "port": port, "model_version": current.number if current else None}


def _server(settings: Settings, look: Look, cache: ModelCache) -> app.Server:
    service = Service(settings.model_name, settings.serve_alias)
    watch = Watch(
        service,
        look,
        cache,
        settings.serve_poll_seconds,
        THREADS,
        on_swap=lambda _: _settle(),
    )
    predictions = PredictionLog(
        settings.output_path,
        settings.serve_log_share,
        settings.serve_log_seconds,
        settings.serve_log_rows,
    )
    return app.Server(settings, service, watch, predictions, Metrics(service, predictions))


def _settle() -> None:
    """Keep the collector from walking through what a loaded model leaves: it would show in the
    slowest answers."""
    gc.collect()
    gc.freeze()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
    try:
        socket.getaddrinfo(host, port, family)
        return socket.create_server((host, port), family=family, backlog=2048, dualstack_ipv6=both)
    except socket.gaierror:
        raise InputError(f"cannot listen on {host}: no address of this machine") from None
    except OSError as error:
        raise InputError(
            f"cannot listen on {host}:{port} ({os.strerror(error.errno or 0)}): stop what does, or "
            "give --port"
        ) from None


def _uvicorn(server: app.Server) -> uvicorn.Server:
    config = uvicorn.Config(
        app.app(server),
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        http=partial(LimitedProtocol, server.settings.serve_body_seconds),  # type: ignore[arg-type]
        timeout_keep_alive=SECONDS_KEPT_ALIVE,
        timeout_graceful_shutdown=SECONDS_TO_FINISH,
    )
    # uvicorn raises the signal again once it has finished; the end of the script is then its own.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return uvicorn.Server(config)
