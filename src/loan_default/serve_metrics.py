"""What the server counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from loan_default.prediction_log import PredictionLog
from loan_default.watch import Service

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
        self.scores = Histogram(
            "serve_default_probability",
            "Scores given",
            buckets=SCORES,
            registry=self._all,
        )
        self.rows = Counter("serve_rows", "Scored rows", registry=self._all)
        self.declined = Counter("serve_declined", "Declined rows", registry=self._all)
        self._version = Gauge(
            "serve_model_version", "Version in service", ["model", "alias"], registry=self._all
        )
        self._service, self._log = service, log
        for name, text, value in (
            ("serve_swaps", "Versions taken into service", lambda: service.swaps),
            ("serve_refused_versions", "Versions refused now", lambda: len(service.refused)),
            ("serve_ready", "Whether a model is in service", lambda: bool(service.current)),
            ("serve_gate_passed", "Whether it passed the gate", lambda: bool(service.passed_gate)),
            ("serve_registry_up", "Registry reachable", lambda: not service.registry_down),
            ("serve_logged_rows", "Rows in the prediction log", lambda: log.written),
            ("serve_lost_rows", "Rows the prediction log lost", lambda: log.lost),
        ):
            Gauge(name, text, registry=self._all).set_function(value)

    def page(self) -> bytes:
        """The metrics in Prometheus's text format."""
        if current := self._service.current:
            self._version.labels(current.name, self._service.alias).set(int(current.number))
        return generate_latest(self._all)
