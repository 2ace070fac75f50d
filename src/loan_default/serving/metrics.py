"""What the server counts, for Prometheus."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from loan_default.serving.alias_watcher import Service
from loan_default.serving.prediction_log import PredictionLog

# From half a millisecond, what one row takes, to what a client gives up at.
LATENCIES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
SCORES = tuple(tenth / 20 for tenth in range(1, 20))
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The counters of one server."""

    def __init__(self, service: Service, log: PredictionLog) -> None:
        self._all = CollectorRegistry()
        self.requests = Counter(
            "serve_requests", "Answered requests", ["path", "status"], registry=self._all
        )
        self.latency = Histogram(
            "serve_latency_seconds",
            "Time to answer /invocations",
            buckets=LATENCIES,
            registry=self._all,
        )
        self.scores = Scores()
        self._all.register(self.scores)
        self.rows = Counter("serve_rows", "Scored rows", registry=self._all)
        self.declined = Counter("serve_declined", "Declined rows", registry=self._all)
        self._version = Gauge(
            "serve_model_version", "Version in service", ["model", "alias"], registry=self._all
        )
        self._service, self._log = service, log
        for name, text, value in (
            ("serve_refused_versions", "Versions refused now", lambda: len(service.refused)),
            ("serve_ready", "Whether a model is in service", lambda: bool(service.current)),
            ("serve_gate_passed", "Whether it passed the gate", lambda: bool(service.passed_gate)),
            ("serve_registry_up", "Registry reachable", lambda: not service.registry_down),
        ):
            Gauge(name, text, registry=self._all).set_function(value)
        self._all.register(_Counted(service, log))

    def page(self) -> bytes:
        """The metrics in Prometheus's text format."""
        if current := self._service.current:
            self._version.labels(current.name, self._service.alias).set(int(current.number))
        return generate_latest(self._all)


class Scores(Collector):
    """A histogram that takes the scores of a whole request at once."""

    def __init__(self) -> None:
        self._counts = np.zeros(len(SCORES) + 1, dtype=np.int64)
        self._sum = 0.0

    def add(self, probability: NDArray[np.float64]) -> None:
        """Count default probabilities (n,)."""
        places = np.searchsorted(SCORES, probability, side="left")
        self._counts += np.bincount(places, minlength=len(self._counts))
        self._sum += float(probability.sum())

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """The histogram as it stands."""
        limits = [*map(str, SCORES), "+Inf"]
        buckets = list(zip(limits, np.cumsum(self._counts).tolist(), strict=True))
        yield HistogramMetricFamily(
            "serve_default_probability", "Scores given", buckets=buckets, sum_value=self._sum
        )


class _Counted(Collector):
    """What the watch and the prediction log count themselves."""

    def __init__(self, service: Service, log: PredictionLog) -> None:
        self._service, self._log = service, log

    def collect(self) -> Iterator[CounterMetricFamily]:
        """The counters as they stand."""
        service, log = self._service, self._log
        yield CounterMetricFamily("serve_swaps", "Versions taken into service", service.swaps)
        yield CounterMetricFamily("serve_refusals", "Versions refused", service.refusals)
        yield CounterMetricFamily("serve_logged_rows", "Rows in the prediction log", log.written)
        yield CounterMetricFamily("serve_lost_rows", "Rows the prediction log lost", log.lost)
