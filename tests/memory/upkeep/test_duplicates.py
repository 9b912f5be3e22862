"""Near duplicates become one memory: never by a chain, never against who undid it, and nothing is lost by it."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from tests.memory.upkeep.seen import rows, standing
from wayfare.errors import BadValue
from wayfare.memory import Memory
from wayfare.memory.embedding.lexical import Lexical
from wayfare.memory.upkeep import MergeDuplicates, Step

WORDS = """account answer battery bridge button candle carrier channel clock corner cousin crystal dealer desert dinner
doctor engine evening factory father flower garden guitar hammer harbour island jacket kitchen ladder lantern market"""


def _families(draw: random.Random, count: int) -> list[str]:
    """Texts of ten words, each family a chain of small changes: neighbours are near, ends are not."""
    found = []
    for _ in range(count):
        words = draw.sample(WORDS.split(), 10)
        for _ in range(draw.randint(1, 6)):
            found.append(" ".join(words))
            words = list(words)
            words[draw.randrange(10)] = draw.choice(WORDS.split())
    return list(dict.fromkeys(found))


def _similar(texts: list[str]) -> np.ndarray[Any, Any]:
    vectors = np.array([Lexical().embed_query(text) for text in texts], np.float64)
    return vectors @ vectors.T


@pytest.mark.parametrize("seed", [1, 2])
def test_every_two_of_a_group_are_within_the_threshold_and_no_two_groups_could_be_one(
    memory: Memory, seed: int
) -> None:
    texts = _families(random.Random(seed), 12)
    memory.remember_many(texts)
    said = {record.id: record.content for record in memory.list(limit=1_000).records}
    steps = memory.upkeep(MergeDuplicates(0.8), dry_run=False).done
    assert len(steps) >= 5
    groups = [[said[id] for id in (*step.ids, str(step.into))] for step in steps]
    assert any(len(group) > 2 for group in groups)
    assert all(_similar(group).min() >= 0.8 - 1e-6 for group in groups)
    among = {text for group in groups for text in group}
    groups += [[text] for text in texts if text not in among]
    for one, other in combinations(groups, 2):
        assert _similar([*one, *other]).min() < 0.8 + 1e-6
    assert not memory.upkeep(MergeDuplicates(0.8, keep="newest")).steps  # other settings look at all of it again


def test_where_they_were_written_in_parts_no_group_is_wider_than_where_all_came_at_once(memory: Memory) -> None:
    """A chain, one link a run: by what it took in before, a memory is known to be too far from the next."""
    texts = _families(random.Random(7), 6)
    said: dict[str, str] = {}
    groups: dict[str, set[str]] = {}
    for text in texts:
        said[memory.remember(text).id] = text
        for step in memory.upkeep(MergeDuplicates(0.8, keep="newest"), dry_run=False).done:
            taken = set().union(*(groups.pop(id, {said[id]}) for id in step.ids))
            groups[str(step.into)] = groups.get(str(step.into), {said[str(step.into)]}) | taken
    assert groups
    assert all(_similar(sorted(group)).min() >= 0.8 - 1e-6 for group in groups.values())


def test_one_merge_is_undone_and_stays_undone(memory: Memory) -> None:
    one = memory.remember("the password reset needs the session cache flushed first", tags=["login"]).id
    two = memory.remember("the password reset needs the session cache flushed at first", tags=["reset"]).id
    before = standing(memory)
    (step,) = memory.upkeep("duplicates", dry_run=False).done
    assert step.into is not None and {step.into, *step.ids} == {one, two}
    assert memory.get(step.into).tags == ("login", "reset")
    assert (
        memory.recall("password", tags=["login"]).ids == memory.recall("password", tags=["reset"]).ids == (step.into,)
    )
    undone = memory.undo_merge(step.into, reason="they are two")
    assert len(undone) == 2 and standing(memory) == before
    assert set(memory.recall("password reset").ids) == {one, two}
    for job in (MergeDuplicates(), MergeDuplicates(keep="newest"), MergeDuplicates(0.5)):
        assert not memory.upkeep(job, dry_run=False).steps
    third = memory.remember("the password reset needs the session cache flushed, first").id
    (again,) = memory.upkeep("duplicates", dry_run=False).done  # with one of them, not with both
    assert {again.into, *again.ids} in ({one, third}, {two, third})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"text": "the meter in the cellar of the old house stood at 417 in the morning"},
         {"text": "the meter in the cellar of the old house stood at 418 in the morning"}),
        ({"text": "you should always call the customer back before noon on the same day"},
         {"text": "you should not always call the customer back before noon on the same day"}),
        ({"text": "ask for the order number first", "kind": "fact"},
         {"text": "ask for the order number first", "kind": "rule"}),
        ({"text": "ask for the order number first", "keys": [("intent", "refund")]},
         {"text": "ask for the order number at first", "keys": [("intent", "delivery")]}),
        ({"text": "the server of the mail was down", "subject": "ann"},
         {"text": "the server of the mail was down today", "subject": "bob"}),
        ({"text": "the server of the mail was down", "event": 1.0},
         {"text": "the server of the mail was down today", "event": 9.0}),
        ({"text": "ann is the head of the team in Bern", "valid": (1.0, 2.0)},
         {"text": "ann is the head of the team at Bern", "valid": (2.0, None)}),
    ],
)  # fmt: skip
def test_what_only_sounds_alike_is_not_merged(memory: Memory, one: Any, other: Any) -> None:
    memory.remember_many([one, other])
    assert not memory.upkeep(MergeDuplicates(0.6)).steps


def test_the_best_is_what_credit_thinks_most_of_and_what_was_learned_and_shown_stays(memory: Memory) -> None:
    worse = memory.remember("look at the log of the mail server before you restart it").id
    good = memory.remember("look at the log of the mail server before you restart").id
    with memory.task("first") as task:
        recall = memory.recall("mail server restart")
        task.credit(1.0, used=[good])
    learned = rows(memory, "SELECT * FROM utilities WHERE ns = ? ORDER BY record")
    (newest,) = memory.upkeep(MergeDuplicates(keep="newest")).steps
    (best,) = memory.upkeep(MergeDuplicates(keep="best"), dry_run=False).done
    assert best.into == good and best.ids == (worse,) and newest.into in (good, worse)
    assert rows(memory, "SELECT * FROM utilities WHERE ns = ? ORDER BY record") == learned
    assert memory.get(good).utility.mean == 1.0 and memory.credit(recall, 1.0, used=[good]).repeated
    memory.credit("first", 0.5, source="human", used=[worse])  # late, and of one that has been taken in
    assert memory.get(worse).utility.mean == 0.5


def test_without_vectors_words_say_how_alike_two_texts_are(new_memory: Callable[..., Memory]) -> None:
    memory = new_memory(embedder="none")
    memory.remember_many(["one two of the many ways to say a thing", "one two of many ways to say a thing", "another"])
    (step,) = memory.upkeep(MergeDuplicates(0.8)).steps
    assert len(step.ids) == 1 and "near duplicates" in step.reason


def test_only_the_kinds_that_are_named_are_merged(memory: Memory) -> None:
    for kind in ("fact", "rule"):
        memory.remember_many(
            [{"text": f"always ask {who} before you sign a thing", "kind": kind} for who in ("ann", "ann!")]
        )
    steps: tuple[Step, ...] = memory.upkeep(MergeDuplicates(kinds=("rule",))).steps
    assert {memory.get(id).kind for step in steps for id in step.ids} == {"rule"}


@pytest.mark.parametrize(
    ("field", "given"),
    [("threshold", {"threshold": 0}), ("threshold", {"threshold": 1.1}), ("threshold", {"threshold": "high"}),
     ("keep", {"keep": "oldest"}), ("kinds", {"kinds": "fact"})],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(field: str, given: Any) -> None:
    with pytest.raises(BadValue, match=field):
        MergeDuplicates(**given)
