"""What was made from something that has changed since is found, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from wayfare.errors import BadValue
from wayfare.memory import Memory
from wayfare.memory.operations import Add, AddLink, Merge, Supersede
from wayfare.memory.records import Link, Provenance, Record
from wayfare.memory.upkeep import MergeDuplicates, SweepStale


def _from(memory: Memory, text: str, *sources: str) -> str:
    """A lesson that follows from these."""
    return memory.apply([Add(text, kind="lesson", provenance=(Provenance(parents=sources),))])[0].id


def _stale(memory: Memory, **settings: Any) -> dict[str, str]:
    """id -> why"""
    return {id: step.reason for step in memory.upkeep(SweepStale(**settings)).steps for id in step.ids}


@pytest.fixture
def source(memory: Memory) -> str:
    return memory.remember("the token lives an hour").id


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda memory, id: memory.revise(id, "the token lives a day"), "revised"),
        (lambda memory, id: memory.forget(id), "forgotten"),
        (lambda memory, id: memory.forget(id, purge=True), "forgotten"),
        (lambda memory, id: memory.apply([Supersede(id, Add("the token lives a week"))]), "superseded"),
    ],
)
def test_a_source_that_changed_after_makes_stale_and_one_that_changed_before_does_not(
    memory: Memory, source: str, change: Any, cause: str
) -> None:
    after = _from(memory, "refresh it within the hour", source)
    assert not _stale(memory)
    change(memory, source)
    found = _stale(memory)
    assert list(found) == [after] and f"was {cause} since" in found[after]
    assert not _stale(memory, **{cause: "leave"})
    if cause == "revised":
        _from(memory, "refresh it daily", source)
        assert list(_stale(memory)) == [after]


def test_what_leaves_what_a_source_says_as_it_is_makes_nothing_stale(memory: Memory, source: str) -> None:
    _from(memory, "refresh it within the hour", source)
    memory.revise(source, tags=["token"], meta={"seen": True})
    memory.revise(source, "for a moment it said something else")
    memory.revise(source, "the token lives an hour")
    memory.archive(source)
    assert not _stale(memory)


def test_a_source_that_was_merged_stands_on_in_what_took_it_in(memory: Memory, source: str) -> None:
    twin = memory.remember("the token lives an hour!").id
    child = _from(memory, "refresh it within the hour", source)
    other = _from(memory, "log in again after an hour", twin)
    (step,) = memory.upkeep(MergeDuplicates(keep="newest"), dry_run=False).done
    assert step.into == twin and not memory.upkeep("stale", dry_run=False).steps
    memory.revise(twin, "the token lives a day")
    assert set(_stale(memory)) == {child, other}
    assert memory.upkeep("stale", dry_run=False).done and not _stale(memory)


def test_what_a_merge_has_made_is_not_stale_by_its_own_sources(memory: Memory, source: str) -> None:
    other = memory.remember("tokens live for an hour").id
    memory.apply([Merge((source, other), Add("a token lives for an hour"))])
    assert not _stale(memory)


def test_a_deletion_takes_what_follows_with_it_down_the_line_and_says_so_before(memory: Memory, source: str) -> None:
    ids = [source]
    for i in range(4):
        ids.append(_from(memory, f"what follows, step {i}", ids[-1]))
    beside = _from(memory, "what follows from a lesson alone", ids[2])
    memory.forget(source)
    job = SweepStale(forgotten="delete")
    said = [step.ids[0] for step in memory.upkeep(job).steps]
    assert said[:2] == ids[1:3] and set(said) == {*ids[1:], beside}
    assert [step.ids[0] for step in memory.upkeep(job, dry_run=False).done] == said
    assert not memory.list().records
    memory_only = SweepStale(forgotten="archive")
    assert not memory.upkeep(memory_only).steps


def test_what_is_derived_anew_rests_on_what_its_sources_say_now_and_so_does_what_follows(
    memory: Memory, source: str
) -> None:
    second = memory.remember("the mail server is slow").id
    child = _from(memory, "lesson from an hour", source, second)
    grandchild = _from(memory, "lesson from the lesson", child)
    newer = memory.apply([Supersede(source, Add("the token lives a day"))])[0].id
    seen: list[tuple[str, tuple[str, ...]]] = []

    def again(record: Record, sources: Any) -> str:
        seen.append((record.id, tuple(each.content for each in sources)))
        return "lesson: " + " and ".join(each.content for each in sources)

    job = SweepStale(superseded="rederive", revised="rederive", rederive=again)
    assert [step.does for step in memory.upkeep(job).steps] == ["rederive"] * 2 and not seen
    assert len(memory.upkeep(job, dry_run=False).done) == 2
    assert seen[0] == (child, ("the mail server is slow", "the token lives a day"))
    assert seen[1] == (grandchild, ("lesson: the mail server is slow and the token lives a day",))
    assert newer in {link.target for link in memory.links(child, types=["derived_from"])}
    assert not memory.upkeep(job, dry_run=False).steps and not _stale(memory) and len(seen) == 2
    memory.revise(newer, "the token lives a week")
    assert memory.upkeep(job, dry_run=False).done[0].ids == (child,)


def test_a_line_of_derivations_is_followed_to_its_end_also_in_pieces(memory: Memory, source: str) -> None:
    job = SweepStale(revised="rederive", rederive=lambda record, sources: f"by {sources[0].content}, {record.kind}")
    ids = [source]
    for i in range(3):
        ids.append(_from(memory, f"step {i}", ids[-1]))
    assert not memory.upkeep(job, dry_run=False).steps  # from here on only what changes is looked at
    memory.revise(source, "the token lives a day")
    for id in ids[1:]:
        assert memory.upkeep(job, dry_run=False, limit=1).done[0].ids == (id,)
    assert not memory.upkeep(job, dry_run=False).steps
    assert memory.get(ids[3]).content == "by by by the token lives a day, lesson, lesson, lesson"


def test_what_comes_out_the_same_is_not_asked_for_again(memory: Memory, source: str) -> None:
    child = _from(memory, "refresh it in time", source)
    memory.revise(source, "the token lives a day")
    calls: list[str] = []

    def same(record: Record, sources: Any) -> str:
        calls.append(record.id)
        return record.content

    job = SweepStale(revised="rederive", rederive=same)
    assert memory.upkeep(job, dry_run=False).done and memory.get(child).version == 1
    assert not memory.upkeep(job, dry_run=False).steps and not _stale(memory) and calls == [child]


def test_what_cannot_be_derived_anew_is_archived_and_a_text_that_is_there_already_is_left(
    memory: Memory, source: str
) -> None:
    child, other = _from(memory, "one lesson", source), _from(memory, "another lesson", source)
    memory.revise(source, "the token lives a day")
    job = SweepStale(revised="rederive", rederive=lambda record, _: None if record.id == child else "one more")
    memory.remember("one more", kind="lesson")
    done = memory.upkeep(job, dry_run=False)
    assert memory.get(child).status == "archived" and "cannot be derived anew" in memory.history(child)[-1].reason
    assert memory.get(other).content == "another lesson" and "already says" in done.left[0].left


def test_what_is_derived_anew_passes_the_redactor(new_memory: Callable[..., Memory]) -> None:
    memory = new_memory(redact=lambda text: text.replace("secret", "[taken out]"))
    source = memory.remember("the token lives an hour").id
    child = _from(memory, "a lesson", source)
    memory.revise(source, "the token lives a day")
    job = SweepStale(revised="rederive", rederive=lambda *_: "it is a secret")
    assert memory.upkeep(job, dry_run=False).done and memory.get(child).content == "it is a [taken out]"
    assert not memory.upkeep(job, dry_run=False).steps


def test_a_source_that_changes_while_the_text_is_made_leaves_the_memory_as_it_is(memory: Memory, source: str) -> None:
    child = _from(memory, "refresh it in time", source)
    memory.revise(source, "the token lives a day")

    def slow(record: Record, sources: Any) -> str:
        if len(memory.history(source)) == 2:
            memory.revise(source, "the token lives a year")
        return f"by {sources[0].content}"

    job = SweepStale(revised="rederive", rederive=slow)
    (step,) = memory.upkeep(job, dry_run=False).left
    assert "version 3" in step.left and memory.get(child).version == 1
    assert memory.upkeep(job, dry_run=False).done and memory.get(child).content == "by the token lives a year"


def test_a_circle_of_derivations_has_an_end(memory: Memory, source: str) -> None:
    one = _from(memory, "one", source)
    two = _from(memory, "two", one)
    memory.apply([AddLink(Link(one, two, "derived_from"))])
    memory.forget(source)
    assert set(_stale(memory, forgotten="delete")) == {one, two}
    memory.upkeep(SweepStale(forgotten="delete"), dry_run=False)
    assert not memory.list().records


@pytest.mark.parametrize(
    ("field", "given"),
    [("revised", {"revised": "burn"}), ("rederive", {"revised": "rederive"}), ("rederive", {"rederive": "f"})],
)
def test_settings_that_make_no_sense_are_refused(field: str, given: Any) -> None:
    with pytest.raises(BadValue, match=field):
        SweepStale(**given)
