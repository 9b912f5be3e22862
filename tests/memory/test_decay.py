"""Relevance may fall with age, by a setting: when something is recalled, and in no row."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator

import pytest

from wayfare.errors import BadValue
from wayfare.memory import Memory
from wayfare.memory.decay import Decay

DAY = 86_400.0


@pytest.fixture
def opened(shared_address: str, request: pytest.FixtureRequest) -> Iterator[Callable[..., Memory]]:
    made: list[Memory] = []
    now = [1_000_000_000.0]

    def new(decay: Decay | None = None, later: float = 0.0) -> Memory:
        given = {"decay": decay, "policy": "similarity", "synchronous": "NORMAL", "clock": lambda: now[0] + later}
        made.append(Memory(shared_address, namespace=request.node.name, **given))  # type: ignore[arg-type]
        return made[-1]

    yield new
    for each in made:
        each.close()


def _relevance(memory: Memory) -> dict[str, float]:
    return {item.record.content: item.relevance for item in memory.recall("the gateway is down", k=5)}


def test_relevance_halves_with_each_half_life_of_a_kind_and_pinned_kinds_keep_theirs(
    opened: Callable[..., Memory],
) -> None:
    memory = opened()
    texts = {"episode": "the gateway is down today", "rule": "the gateway is down: restart it", "fact": "a gateway"}
    for kind, text in texts.items():
        memory.remember(text, kind=kind)
    plain = _relevance(memory)
    assert _relevance(opened(later=90 * DAY)) == pytest.approx(plain)  # by default nothing fades
    decay = Decay(60 * DAY, {"episode": 30 * DAY}, pinned=("rule",))
    faded = _relevance(opened(decay, later=30 * DAY))
    assert faded[texts["episode"]] == pytest.approx(plain[texts["episode"]] / 2)
    assert faded[texts["rule"]] == pytest.approx(plain[texts["rule"]])
    assert faded[texts["fact"]] == pytest.approx(plain[texts["fact"]] * 0.5**0.5)
    assert _relevance(opened(decay)) == pytest.approx(plain)


def test_what_is_old_gives_way_and_what_has_faded_is_not_recalled(opened: Callable[..., Memory]) -> None:
    memory = opened()
    memory.remember("the gateway is down again", kind="episode")
    memory.remember("a gateway is a door", kind="fact")
    assert memory.recall("the gateway is down").items[0].record.kind == "episode"
    late = opened(Decay(kinds={"episode": DAY}), later=3 * DAY)
    assert late.recall("the gateway is down").items[0].record.kind == "fact"
    later = opened(Decay(DAY), later=30 * DAY)
    assert not later.recall("the gateway is down")
    assert memory.list().records[0].version == 1  # no row has changed


def test_age_runs_from_when_it_happened(opened: Callable[..., Memory]) -> None:
    memory = opened(Decay(DAY))
    memory.remember("the gateway is down", event=1_000_000_000.0 - 2 * DAY)
    assert next(iter(_relevance(memory).values())) == pytest.approx(0.25, rel=1e-3)


def test_a_decay_is_a_value(opened: Callable[..., Memory]) -> None:
    decay = Decay(DAY, {"episode": 2 * DAY}, pinned=["rule", "a"])  # type: ignore[arg-type]
    assert pickle.loads(pickle.dumps(decay)) == decay and decay.pinned == ("a", "rule")
    assert decay.fades and not Decay().fades and not Decay(kinds={"a": DAY}, pinned=("a",)).fades
    assert decay.recency("rule", 9 * DAY) == 1.0 and decay.recency("episode", -5.0) == 1.0
    with pytest.raises(BadValue, match="decay"):
        opened(30 * DAY)
