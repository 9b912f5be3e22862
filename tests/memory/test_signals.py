"""What an agent's output says of the memories that it was shown."""

from __future__ import annotations

import pytest

from wayfare.errors import BadValue
from wayfare.memory import Memory

CACHE, TOKEN = "Flush the session cache before a reset", "Reissue the token of the service account"


@pytest.fixture
def memory(address):
    with Memory(address, synchronous="NORMAL", policy="similarity") as memory:
        memory.remember_many([CACHE, TOKEN, "reset"])
        yield memory


def test_what_the_output_repeats_is_credited_with_a_quarter_and_is_no_evidence(memory) -> None:
    with memory.task("t") as task:
        recall = memory.recall("session cache reset, token of the service account", k=5)
        texts = {item.record.content: item.id for item in recall}
        done = task.observe("I flushed the session caches before the reset, as asked.")
        assert done is not None and done.shares == {texts[CACHE]: 0.25}
        task.credit(0.0)
    cached, token = memory.get(texts[CACHE]).utility, memory.get(texts[TOKEN]).utility
    assert cached.n == pytest.approx(0.25 + 1 / len(recall)) and cached.total == 0.25
    assert token.total == 0.0 and token.n == pytest.approx(1 / len(recall))
    with pytest.raises(BadValue):
        memory.evaluate("similarity")


def test_another_output_replaces_and_void_takes_it_out(memory) -> None:
    with memory.task("t") as task:
        recall = memory.recall("session cache reset, token of the service account", k=5)
        task.observe("flush the session cache before")
        task.observe("reissue the token of the service account")
    texts = {item.record.content: item.id for item in recall}
    assert memory.get(texts[CACHE]).utility.n == 0 and memory.get(texts[TOKEN]).utility.n == 0.25
    memory.void(source="output")
    assert memory.get(texts[TOKEN]).utility.n == 0


def test_a_lone_word_or_another_order_is_no_sign(memory) -> None:
    with memory.task("t") as task:
        memory.recall("session cache reset, token of the service account", k=5)
        assert task.observe("reset") is None
        assert task.observe("a cache, a session, a service, a token") is None
        for wrong in ("", "a\0b", 3):
            with pytest.raises(BadValue, match="output"):
                task.observe(wrong)
    assert memory.stats()["floor"]["outcomes_seen"] == 0
