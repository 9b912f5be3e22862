"""What a server tells its operators: numbers for Prometheus, spans for OpenTelemetry, lines of JSON in a log.

Never a text, a query or a secret: names of routes, ids of tokens, namespaces, counts and times.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from wayfare.memory.timing import watched

__all__ = ["Telemetry", "log_in_json", "record"]

MOST_NAMES = 200
"""Kinds, or namespaces, that have a series of their own."""
SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable with the folder in which workers keep their numbers, so that any of them can tell of all."""
QUICK = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
ACCESS = logging.getLogger("wayfare.serve")


class Telemetry:
    """Of one server. Its numbers are its own, or with several workers those of all."""

    def __init__(self) -> None:
        self._registry = own = CollectorRegistry()
        self.requests = Histogram(
            "wayfare_request_seconds", "Requests, until the last byte of the answer", ["route", "method", "status"],
            buckets=QUICK, registry=own,
        )  # fmt: skip
        self.channels = Histogram(
            "wayfare_recall_channel_seconds", "Searches of recalls", ["channel"], buckets=QUICK, registry=own
        )
        self.recalls = Counter("wayfare_recalls", "Recalls, by the side of their task", ["side"], registry=own)
        self.kinds = Counter("wayfare_recalled_memories", "Memories recalled, by kind", ["kind"], registry=own)
        self.credits = Counter("wayfare_credits", "Outcomes, by whether they count", ["counted"], registry=own)
        self.refused = Counter("wayfare_tokens_refused", "Requests refused for their token", ["why"], registry=own)
        self.in_hand = Gauge(
            "wayfare_requests_in_hand", "Requests being answered", registry=own, multiprocess_mode="livesum"
        )
        self.rho = Gauge(
            "wayfare_floor_rho", "Share of the tasks that learning has", ["namespace"], registry=own,
            multiprocess_mode="mostrecent",
        )  # fmt: skip
        self._names: dict[str, set[str]] = {"kind": set(), "namespace": set()}
        self._tracer = _tracer()

    def few(self, what: str, name: str) -> str:
        """The name itself, or `other` where there are too many for a series each."""
        known = self._names[what]
        if name in known or len(known) < MOST_NAMES:
            known.add(name)
            return name
        return "other"

    def told(self, verb: str, answer: Mapping[str, Any]) -> None:
        """Count what a verb answered."""
        if verb == "recall":
            self.recalls.labels(answer["side"]).inc()
            for item in answer["items"]:
                self.kinds.labels(self.few("kind", item["memory"]["kind"])).inc()
        elif verb == "credit":
            self.credits.labels(str(answer["counted"]).lower()).inc()

    @contextmanager
    def recalling(self) -> Iterator[None]:
        """Time the searches of the recalls meanwhile, and trace them."""

        def ended(name: str, began: int, end: int) -> None:
            self.channels.labels(name).observe((end - began) / 1e9)
            if self._tracer is not None:
                since = time.time_ns() - time.perf_counter_ns()  # read once: no part may end before it has begun
                self._tracer.start_span(f"recall {name}", start_time=since + began).end(since + end)

        with watched(ended):
            yield

    @contextmanager
    def span(self, scope: Mapping[str, Any]) -> Iterator[Any]:
        """A span about one request, a child of the caller's where it names one; None without OpenTelemetry."""
        if self._tracer is None:
            yield None
            return
        from opentelemetry import propagate, trace

        carried = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with self._tracer.start_as_current_span(
            str(scope["method"]), context=propagate.extract(carried), kind=trace.SpanKind.SERVER,
            attributes={"http.request.method": scope["method"]}, record_exception=False,
        ) as span:  # fmt: skip
            yield span

    def exposition(self) -> tuple[bytes, str]:
        """All numbers, as Prometheus reads them, and their media type."""
        registry = self._registry
        if os.environ.get(SHARED):
            from prometheus_client.multiprocess import MultiProcessCollector

            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST


def _tracer() -> Any:
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    return trace.get_tracer("wayfare.serve")


def record(level: int, message: str, **fields: Any) -> None:
    """One line of the log."""
    ACCESS.log(level, message, extra={"fields": fields})


class _AsJson(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {"time": round(record.created, 3), "level": record.levelname.lower(), "message": record.getMessage()}
        line.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__  # its message might quote a text
            frames = traceback.extract_tb(record.exc_info[2])[-12:]
            line["at"] = [f"{os.path.basename(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(line, default=str)


def log_in_json(level: int = logging.INFO) -> None:
    """Have this process's log on standard error, a JSON document a line: the server's own and uvicorn's."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_AsJson())
    for name in ("wayfare.serve", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler] if name != "uvicorn.error" else []
        logger.setLevel(level)
        logger.propagate = name == "uvicorn.error"
    told = logging.getLogger("uvicorn.access")  # it would quote addresses, and with them what was looked for
    told.handlers[:], told.propagate = [], False
