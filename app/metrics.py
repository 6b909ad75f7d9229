"""Prometheus metrics of one API process; every label has few possible values."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_METHODS = {"GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS"}
_FAST = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SLOW = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 13, 21, 34, 60)


class Metrics:
    """The counters, in a registry of their own so that two apps in one process don't collide."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "sidra_http_requests_total", "Requests by route", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "sidra_http_request_seconds", "Time to the first byte", ["route"], buckets=_FAST, registry=self.registry
        )
        self._recommend = Histogram(
            "sidra_recommend_seconds", "Time of one recommend call", ["model"], buckets=_FAST, registry=self.registry
        )
        self._beam = Histogram(
            "sidra_beam_width",
            "Width of the beams used",
            buckets=(1, 5, 10, 20, 35, 50, 100, 200, 500, 1000),
            registry=self.registry,
        )
        self._narrowed = Counter("sidra_beams_narrowed_total", "Beams narrowed under load", registry=self.registry)
        self._batch = Histogram(
            "sidra_recommend_batch",
            "Requests answered together, as each of them met it",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self._turns = Counter("sidra_turns_total", "Conversation turns", ["outcome"], registry=self.registry)
        self._first_cards = Histogram(
            "sidra_first_cards_seconds", "Time to the first cards of a turn", buckets=_SLOW, registry=self.registry
        )
        self._first_words = Histogram(
            "sidra_first_words_seconds", "Time to the first words of a turn", buckets=_SLOW, registry=self.registry
        )
        self._feedback = Counter("sidra_feedback_total", "Thumbs", ["value"], registry=self.registry)
        self._ready = Gauge("sidra_ready", "1 when the API can answer", registry=self.registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One HTTP request; `route` is a template, never a path with ids in it."""
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route, f"{status // 100}xx").inc()
        self._seconds.labels(route).observe(seconds)

    def recommend(self, model: str, seconds: float) -> None:
        """One call of the recommender."""
        self._recommend.labels(model).observe(seconds)

    def searched(self, asked: int, beam: int | None, batch: int) -> None:
        """How one call of the recommender was searched: the beam asked for and used, and the size of its batch."""
        self._batch.observe(batch)
        if beam is not None:
            self._beam.observe(beam)
            if beam < asked:
                self._narrowed.inc()

    def turn(self, outcome: str) -> None:
        """One finished turn: ok, degraded, error or cancelled."""
        self._turns.labels(outcome).inc()

    def first_cards(self, seconds: float) -> None:
        """Seconds from request to the first cards."""
        self._first_cards.observe(seconds)

    def first_words(self, seconds: float) -> None:
        """Seconds from request to the first words."""
        self._first_words.observe(seconds)

    def feedback(self, value: int) -> None:
        """One thumb: -1, 0 or 1."""
        self._feedback.labels({-1: "down", 0: "cleared", 1: "up"}[value]).inc()

    def render(self, ready: bool) -> bytes:
        """The text Prometheus reads."""
        self._ready.set(1 if ready else 0)
        return generate_latest(self.registry)
