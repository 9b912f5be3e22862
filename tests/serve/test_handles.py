"""A bounded number of memories is open, and none is closed while somebody has it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from wayfare.errors import BadValue, Unavailable
from wayfare.serve.handles import Handles
from wayfare.serve.tokens import Grant


def grant(namespace: str, name: str = "ann", also_read: tuple[str, ...] = ()) -> Grant:
    """Somebody's."""
    return Grant("0" * 16, name, namespace, also_read, frozenset({"read"}), None)


def test_the_longest_unused_is_closed_and_opened_again_when_it_is_asked_for(address: str) -> None:
    handles = Handles(address, most=2, synchronous="NORMAL")
    for i in range(5):
        with handles.lent(grant(f"n{i}")) as memory:
            memory.remember(f"text {i}")
        assert len(handles) <= 2
    assert [each.namespace for each in handles.places()] == ["n3", "n4"]
    with handles.lent(grant("n0")) as memory:
        assert [each.content for each in memory.list().records] == ["text 0"]
    handles.close()


def test_what_is_lent_is_not_closed_however_many_are_asked_for(address: str) -> None:
    handles = Handles(address, most=1, synchronous="NORMAL")
    with ExitStack() as stack:
        lent = [stack.enter_context(handles.lent(grant(f"n{i}"))) for i in range(4)]
        for i, memory in enumerate(lent):
            memory.remember(f"text {i}")
        handles.close()
        assert [memory.list().records[0].content for memory in lent] == [f"text {i}" for i in range(4)]
        with pytest.raises(Unavailable), handles.lent(grant("n9")):
            pass
    with pytest.raises(Unavailable):
        lent[0].list()


def test_tokens_of_one_namespace_share_a_memory_and_are_actors_of_their_own(address: str) -> None:
    handles = Handles(address, synchronous="NORMAL")

    def writes(i: int) -> str:
        with handles.lent(grant("team", f"actor {i % 3}")) as memory:
            return memory.remember(f"text {i}").id

    with ThreadPoolExecutor(6) as threads:
        ids = list(threads.map(writes, range(12)))
    assert len(handles) == 1
    with handles.lent(grant("team", "reader")) as memory:
        assert [memory.history(id)[0].actor for id in ids] == [f"actor {i % 3}" for i in range(12)]
    handles.close()


def test_a_memory_that_cannot_be_opened_leaves_nothing_behind(address: str) -> None:
    handles = Handles(address, synchronous="NORMAL", policy="no such policy")
    for _ in range(2):
        with pytest.raises(BadValue, match="policy"), handles.lent(grant("n")):
            pass
        assert len(handles) == 0
    handles.close()
