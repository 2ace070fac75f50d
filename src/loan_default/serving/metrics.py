"""Prometheus metrics of the scoring server."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from loan_default.serving.alias_watcher import ServingState
from loan_default.serving.prediction_log import PredictionLog

# Seconds: from half a millisecond, which one row takes, to where clients give up
LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
PROBABILITY_BUCKETS = tuple(step / 20 for step in range(1, 20))
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The metrics of one server."""

    def __init__(self, state: ServingState, log: PredictionLog) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "serve_requests", "Answered requests", ["path", "status"], registry=registry
        )
        self.latency = Histogram(
            "serve_latency_seconds",
            "Time to answer /invocations",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.scores = ScoreHistogram()
        registry.register(self.scores)
        self.rows = Counter("serve_rows", "Scored rows", registry=registry)
        self.declined = Counter("serve_declined", "Declined rows", registry=registry)
        self._version = Gauge(
            "serve_model_version", "Version in service", ["model", "alias"], registry=registry
        )
        self._state = state
        for name, text, value in (
            ("serve_refused_versions", "Versions rejected now", lambda: len(state.rejected)),
            ("serve_ready", "Whether a model is in service", lambda: bool(state.current)),
            ("serve_gate_passed", "Whether it passed the gate", lambda: bool(state.passed_gate)),
            ("serve_registry_up", "Registry reachable", lambda: not state.registry_error),
        ):
            Gauge(name, text, registry=registry).set_function(value)
        registry.register(_Counters(state, log))

    def page(self) -> bytes:
        """Return the metrics in Prometheus's text format."""
        if current := self._state.current:
            self._version.labels(current.name, self._state.alias).set(int(current.version))
        return generate_latest(self._registry)


class ScoreHistogram(Collector):
    """A histogram of default probabilities that counts a whole request at once."""

    def __init__(self) -> None:
        self._counts = np.zeros(len(PROBABILITY_BUCKETS) + 1, dtype=np.int64)
        self._sum = 0.0

    def add(self, probability: NDArray[np.float64]) -> None:
        """Count default probabilities (n,)."""
        buckets = np.searchsorted(PROBABILITY_BUCKETS, probability, side="left")
        self._counts += np.bincount(buckets, minlength=len(self._counts))
        self._sum += float(probability.sum())

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield the histogram, as Prometheus's client calls it."""
        limits = [*map(str, PROBABILITY_BUCKETS), "+Inf"]
        buckets = list(zip(limits, np.cumsum(self._counts).tolist(), strict=True))
        yield HistogramMetricFamily(
            "serve_default_probability", "Scores given", buckets=buckets, sum_value=self._sum
        )


class _Counters(Collector):
    """The counters that the alias watcher and the prediction log keep themselves."""

    def __init__(self, state: ServingState, log: PredictionLog) -> None:
        self._state, self._log = state, log

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the counters, as Prometheus's client calls it."""
        state, log = self._state, self._log
        yield CounterMetricFamily("serve_swaps", "Hot swaps", state.swaps)
        yield CounterMetricFamily("serve_refusals", "Versions rejected", state.rejections)
        yield CounterMetricFamily("serve_logged_rows", "Rows in the prediction log", log.written)
        yield CounterMetricFamily("serve_lost_rows", "Rows the prediction log lost", log.lost)
