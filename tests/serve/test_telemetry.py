"""What operators are told: enough to see how it goes, and no text, query or secret."""

from __future__ import annotations

import io
import json
import logging
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.serve.serving import Served
from wayfare.serve.telemetry import log_in_json

SECRETS = ("xyzzy-text", "xyzzy-query", "xyzzy-reason", "xyzzy-tag")


@pytest.fixture(scope="module")
def spans() -> InMemorySpanExporter:
    """Everything that is traced from here on. A process has one provider."""
    exporter = InMemorySpanExporter()
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider())
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the server writes to its log."""
    log_in_json()
    handler = logging.getLogger("wayfare.serve").handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    before, said = handler.stream, io.StringIO()
    handler.setStream(said)
    yield said
    handler.setStream(before)


def _busy(running: Served, namespace: str) -> str:
    """A few requests with texts that must not be told, and one that is refused; the token's text."""
    text, _ = running.token("ann", namespace=namespace, scopes=["read", "write", "credit"])
    client = running.bare(Authorization=f"Bearer {text}")
    said = {"text": "xyzzy-text", "reason": "xyzzy-reason", "tags": ["xyzzy-tag"], "kind": "strategy"}
    client.post("/v1/remember", json=said).raise_for_status()
    client.post("/v1/recall", json={"query": "xyzzy-query xyzzy-text", "task": "t"}).raise_for_status()
    client.post("/v1/credit", json={"task": "t", "reward": 1}).raise_for_status()
    assert client.post("/v1/remember", json={"text": "xyzzy-text", "kind": "x" * 300}).status_code == 422
    assert client.get("/v1/memories", params={"tags": "xyzzy-tag"}).status_code == 200
    assert client.post("/v1/freeze", json={}).status_code == 403
    assert running.bare(Authorization="Bearer wayfare_xyzzy").get("/v1/stats").status_code == 401
    return text


def _told(log: io.StringIO, many: int) -> list[dict[str, Any]]:
    """The lines about requests, once there are so many: an answer may arrive before the log tells of it."""
    while True:
        lines = [json.loads(line) for line in log.getvalue().splitlines()]
        told = [line for line in lines if line["message"] == "request"]
        if len(told) >= many:
            return told
        time.sleep(0.01)


def test_the_log_tells_of_each_request_in_json_and_of_no_text_or_secret(running: Served, log: io.StringIO) -> None:
    text = _busy(running, "logged")
    told = _told(log, 7)
    assert [line["status"] for line in told] == [200, 200, 200, 422, 200, 403, 401]
    assert told[1]["route"] == "/v1/recall" and told[1]["namespace"] == "logged" and told[1]["ms"] > 0
    assert {line.get("token") for line in told} == {text.split("_")[1], None}
    assert len({line["request_id"] for line in told}) == len(told)
    assert not [secret for secret in (*SECRETS, text, text.split("_", 2)[2]) if secret in log.getvalue()]


def test_the_numbers_say_how_long_what_took_what_was_recalled_and_how_far_learning_is(running: Served) -> None:
    def number(name: str) -> float:
        found = re.findall(rf"^{re.escape(name)} (\S+)$", running.bare().get("/metrics").text, re.MULTILINE)
        return float(found[0]) if found else 0.0

    names = [
        'wayfare_request_seconds_count{method="POST",route="/v1/recall",status="200"}',
        'wayfare_recall_channel_seconds_count{channel="words"}', 'wayfare_recalls_total{side="baseline"}',
        'wayfare_recalled_memories_total{kind="strategy"}', 'wayfare_credits_total{counted="true"}',
        'wayfare_tokens_refused_total{why="token"}', 'wayfare_tokens_refused_total{why="scope"}',
    ]  # fmt: skip
    before = {name: number(name) for name in names}
    _busy(running, "counted/baseline")
    after = {name: number(name) for name in names}
    sides = 'wayfare_recalls_total{side="incumbent"}'
    more = {name: after[name] - before[name] for name in names if "side" not in name}
    assert set(more.values()) == {1.0} and after[names[2]] + number(sides) > before[names[2]]
    assert number('wayfare_floor_rho{namespace="counted/baseline"}') == pytest.approx(0.2)
    page = running.bare().get("/metrics").text
    assert not [secret for secret in SECRETS if secret in page]


def test_a_request_is_a_span_of_its_callers_trace_and_its_searches_are_spans_of_it(
    running: Served, spans: InMemorySpanExporter
) -> None:
    client = running.client(namespace="traced")
    client.post("/v1/remember", json={"text": "xyzzy-text"}).raise_for_status()
    spans.clear()
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    client.post("/v1/recall", json={"query": "xyzzy-query"}, headers={"traceparent": parent}).raise_for_status()
    while "POST /v1/recall" not in (found := {span.name: span for span in spans.get_finished_spans()}):
        time.sleep(0.01)  # an answer may arrive before its span has ended
    request = found["POST /v1/recall"]
    assert request.parent is not None and f"{request.context.trace_id:032x}" == parent.split("-")[1]
    assert request.attributes is not None and request.attributes["http.response.status_code"] == 200
    for name in ("recall words", "recall vectors", "recall links"):
        inner = found[name]
        assert inner.parent is not None and inner.parent.span_id == request.context.span_id
        assert (inner.end_time or 0) >= (inner.start_time or 0) >= (request.start_time or 0)
    assert not [secret for secret in SECRETS if any(secret in span.to_json() for span in found.values())]


def test_a_fault_is_a_problem_with_its_id_in_the_log_and_no_more(running: Served, log: io.StringIO) -> None:
    client = running.client(namespace="faults")
    working = running.doors.do

    async def broken(*_: object) -> None:
        raise RuntimeError("xyzzy-text of a memory")

    running.doors.do = broken  # type: ignore[method-assign, assignment]
    try:
        answer = client.get("/v1/stats")
    finally:
        running.doors.do = working  # type: ignore[method-assign]
    assert answer.status_code == 500 and answer.json()["type"] == "urn:wayfare:internal-error"
    assert "xyzzy" not in answer.text and "xyzzy" not in log.getvalue()
    _told(log, 1)
    (fault,) = [line for line in map(json.loads, log.getvalue().splitlines()) if line["message"] == "a fault"]
    assert fault["request_id"] == answer.json()["request_id"] and fault["error"] == "RuntimeError" and fault["at"]
    assert client.get("/v1/stats").status_code == 200
