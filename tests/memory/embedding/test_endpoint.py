"""Vectors from a server of OpenAI's /v1/embeddings, against a local one."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest

from tests.memory.embedding.embeddings_server import Server, serving
from tests.memory.stores import Store
from wayfare.errors import BadValue, Unavailable
from wayfare.memory import Memory
from wayfare.memory.embedding import embedder_from
from wayfare.memory.embedding.endpoint import Endpoint
from wayfare.memory.embedding.lexical import Lexical

TEXTS = [f"text number {i}" for i in range(7)]


@pytest.fixture
def embeddings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serving() as found:
        yield found


def endpoint(embeddings: Server, **given: object) -> tuple[Endpoint, list[float]]:
    """And the seconds that it waited."""
    waited: list[float] = []
    return Endpoint("words", embeddings.url, sleep=waited.append, **given), waited  # type: ignore[arg-type]


def test_vectors_come_in_batches_in_the_order_of_the_texts_with_length_one(embeddings: Server) -> None:
    found = endpoint(embeddings, batch=3)[0].embed(TEXTS)
    assert [len(texts) for texts in embeddings.asked] == [3, 3, 1]
    assert found == pytest.approx(Lexical(32).embed(TEXTS), abs=1e-6) and found.dtype == np.float32


def test_the_dimension_is_asked_for_once_and_no_vector_of_another_is_taken(embeddings: Server) -> None:
    asking, _ = endpoint(embeddings)
    assert asking.dimension == 32 == asking.dimension and len(embeddings.asked) == 1
    assert asking.embed([]).shape == (0, 32) and len(embeddings.asked) == 1
    embeddings.model = Lexical(64)
    with pytest.raises(BadValue, match="32"):
        asking.embed(["x"])


def test_a_busy_or_broken_server_is_asked_again_later_each_time(embeddings: Server) -> None:
    asking, waited = endpoint(embeddings)
    embeddings.refuse, embeddings.broken = 1, 2
    assert asking.embed_query("x").shape == (32,) and waited == [0.5, 1.0, 2.0]
    waited.clear()
    embeddings.refuse, embeddings.retry_after = 1, "7"
    asking.embed_query("x")
    assert waited == [7.0]


def test_a_server_that_does_not_answer_is_named(embeddings: Server) -> None:
    asking, waited = endpoint(embeddings, attempts=2)
    embeddings.broken = 2
    with pytest.raises(Unavailable, match=r"2 attempts.*500: broken"):
        asking.embed(["x"])
    embeddings.shutdown()
    embeddings.server_close()
    with pytest.raises(Unavailable, match="no vectors"):
        asking.embed(["x"])
    assert waited == [0.5, 0.5]


@pytest.mark.parametrize(
    "said",
    [
        b"<html>", b"{}", b"[]", b'{"data": [{"index": 0}]}', b'{"data": [{"index": 1, "embedding": [1.0]}]}',
        b'{"data": []}', b'{"data": [{"index": 0, "embedding": [NaN, 1.0]}]}',
        b'{"data": [{"index": 0, "embedding": "abc"}]}', b'{"data": [{"index": 0, "embedding": []}]}',
    ],
)  # fmt: skip
def test_an_answer_of_another_form_is_refused(embeddings: Server, said: bytes) -> None:
    embeddings.said = said
    with pytest.raises(BadValue):
        endpoint(embeddings)[0].embed(["x"])
    assert len(embeddings.asked) == 1


def test_a_refusal_is_passed_on_at_once_with_what_the_server_said(embeddings: Server) -> None:
    with pytest.raises(BadValue, match="404: no such model"):
        Endpoint("letters", embeddings.url).embed(["x"])
    assert len(embeddings.asked) == 1


def test_the_key_is_read_when_it_is_needed_and_stands_in_no_file(
    embeddings: Server, monkeypatch: pytest.MonkeyPatch, store: Store, address: str
) -> None:
    with Memory(address, embedder=f"openai:words@{embeddings.url}") as memory:
        memory.remember("a text")
        assert set(embeddings.keys) == {None}
        monkeypatch.setenv("OPENAI_API_KEY", "secret-4711")
        memory.recall("a text")
        assert embeddings.keys[-1] == "Bearer secret-4711"
        assert b"a text" in store.contents(address) and b"secret-" not in store.contents(address)


def test_a_memory_opens_again_with_the_server_that_it_wrote_down(embeddings: Server, address: str) -> None:
    with Memory(address, embedder=f"openai:words@{embeddings.url}") as memory:
        memory.remember_many(TEXTS)
        model = memory.stats()["embedder"]
    assert model == f"openai:words@{embeddings.url}" and json.dumps(model)
    again = embedder_from(model)
    assert isinstance(again, Endpoint) and again.url == embeddings.url
    with Memory(address) as memory:
        found = memory.recall("number 3", policy="similarity")
        assert found.items[0].record.content == "text number 3" and found.items[0].by["vectors"] > 0


def test_a_memory_whose_server_is_gone_can_still_be_read_and_listed(embeddings: Server, address: str) -> None:
    with Memory(address, embedder=f"openai:words@{embeddings.url}") as memory:
        id = memory.remember("a text").id
    asked = len(embeddings.asked)
    with Memory(address) as memory:
        assert memory.get(id).content == "a text" and memory.stats()["memories"] == {"active": 1}
        assert memory.history(id) and memory.list().records
    assert len(embeddings.asked) == asked


@pytest.mark.parametrize(
    ("name", "url", "given"),
    [
        ("", "http://x", {}), ("m", "ftp://x", {}), ("m", "", {}), ("m", "http://x", {"batch": 0}),
        ("m", "http://x", {"attempts": 0}), ("m", "http://x", {"timeout": 0.0}),
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(name: str, url: str, given: dict[str, int]) -> None:
    with pytest.raises(BadValue):
        Endpoint(name, url, **given)  # type: ignore[arg-type]
