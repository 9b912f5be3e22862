"""Overviews of a memory: true to what recall, credit and the floor have done, and without a trace."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from wayfare.errors import BadValue, NoSuchRecord, NoSuchTask
from wayfare.memory import Memory


@pytest.fixture(scope="module")
def lived(shared_address: str) -> Iterator[Memory]:
    """A memory with tasks of every kind: corrected, voided, of several sources, capped, frozen, without an outcome."""
    draws, now = random.Random(3), [1_000_000.0]
    with Memory(shared_address, namespace="surveyed", synchronous="NORMAL", clock=lambda: now[0]) as memory:
        for i in range(12):
            memory.remember(f"Note {i}: flush cache number {i % 4}", kind="strategy", tags=[f"n{i % 3}"])
        for turn in range(24):
            now[0] += 3_600.0
            with memory.task(f"t{turn}") as task:
                for _ in range(1 + turn % 2):
                    found = memory.recall(f"flush cache number {turn % 4}", k=2)
                if turn % 5:
                    memory.credit(task, draws.random(), used=found.ids[:1], actor="ann" if turn % 2 else "bob")
        memory.credit("t1", 0.1, correct=True, actor="ann")
        memory.credit("t2", 1.0, source="human")
        memory.credit("t3", 0.5, source="guess", rank="implicit", used=[])
        memory.credit("t4", 0.7, source="wrong")
        memory.void(source="wrong", reason="a broken probe")
        memory.freeze(reason="release")
        memory.credit("t5", 0.9, source="late")
        yield memory


def test_a_search_finds_what_recall_chooses_from_and_leaves_no_trace(lived: Memory) -> None:
    before = lived.stats(), lived.receipts(limit=1)[0].seq
    found = lived.search("flush cache number 2", limit=50)
    assert (lived.stats(), lived.receipts(limit=1)[0].seq) == before
    recall = lived.recall("flush cache number 2", k=2)
    assert recall.receipt is not None and recall.receipt.candidates is not None
    assert [each.record.id for each in found] == list(recall.receipt.candidates.ids)
    assert [each.relevance for each in found] == pytest.approx(recall.receipt.candidates.relevance.tolist(), rel=1e-6)
    assert lived.search("flush cache number 2", limit=1)[0].record == found[0].record
    assert {each.record.tags for each in lived.search("flush cache", tags=["n1"])} == {("n1",)}
    assert lived.search("zebra") == [] and lived.search("flush cache", kinds=["fact"]) == []
    for wrong in (
        {"query": " "},
        {"query": "x", "limit": 0},
        {"query": "x", "limit": 51},
        {"query": "x", "kinds": "a"},
    ):
        with pytest.raises(BadValue):
            lived.search(**wrong)  # type: ignore[arg-type]


def test_tasks_are_paged_by_their_last_recall_and_each_comes_once(lived: Memory) -> None:
    whole = lived.tasks(limit=1_000)
    assert [task.last for task in whole] == sorted((task.last for task in whole), reverse=True)
    pages, before = [], None
    while page := lived.tasks(before=before, limit=5):
        pages += page
        before = page[-1].last
    assert pages == whole and len({task.id for task in whole}) == len(whole)
    for task in whole:
        assert task == lived.task_seen(task.id)
        receipts = lived.receipts(task=task.id)
        assert (task.receipts, task.last, task.query) == (len(receipts), receipts[0].seq, receipts[0].query)
        assert task.side in task.shares and task.shown == len(receipts[0].shown)
    with pytest.raises(NoSuchTask):
        lived.task_seen("nobody's")
    with pytest.raises(BadValue):
        lived.tasks(before=0)


def test_of_several_outcomes_the_one_that_counts_is_told_and_the_others_say_why_not(lived: Memory) -> None:
    assert lived.task_seen("t2").reward == 1.0 and lived.task_seen("t5").reward is not None
    assert lived.task_seen("t1").reward == 0.1 and lived.task_seen("t4").reward != 0.7
    first, second = lived.outcomes("t1")
    assert first.replaced == second.seq and (first.counted, second.counted) == (False, True)
    harness, human = lived.outcomes("t2")
    assert (harness.source, harness.counted, human.source, human.counted) == ("harness", False, "human", True)
    assert [each.counted for each in lived.outcomes("t3")] == [True, True]  # implicit ones teach beside it
    assert [each.voided is not None for each in lived.outcomes("t4")] == [False, True]
    (late,) = lived.outcomes("t5")
    assert not late.counted and all(granted == 0 for _, granted in late.credits.values())  # frozen
    for task in lived.tasks(limit=1_000):
        for outcome in lived.outcomes(task.id):
            shares = [base for base, _ in outcome.credits.values()]
            assert not shares or sum(shares) == pytest.approx(1)
            if outcome.used is not None:
                assert set(outcome.credits) <= set(outcome.used)
    assert lived.outcomes("nobody's") == []


def test_the_course_of_a_utility_ends_at_the_utility(lived: Memory) -> None:
    credited = [record for record in lived.list().records if record.utility.n]
    assert credited
    for record in credited:
        course = lived.course(record.id)
        last = course[-1]
        assert (last.n, last.mean, last.q) == (record.utility.n, record.utility.mean, record.utility.q)
        assert [point.seq for point in course] == sorted(point.seq for point in course)
        few = lived.course(record.id, points=2)
        assert len(few) <= 2 and few[-1] == last and set(few) <= set(course)
    untouched = [record for record in lived.list().records if not record.utility.n]
    assert all(lived.course(record.id) == [] for record in untouched)
    with pytest.raises(NoSuchRecord):
        lived.course("nothing")


def test_a_memory_says_where_it_was_recalled_however_far_back_one_looks(
    lived: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = lived.receipts(limit=1_000)
    for record in lived.list().records:
        showed = [receipt.id for receipt in every if record.id in dict(receipt.shown)]
        assert len(showed) == record.utility.recalled
        for reach in (5_000, 7):
            monkeypatch.setattr("wayfare.memory.surveying.REACH", reach)
            for limit in (3, 1_000):
                found, before = [], None
                while True:
                    page = lived.recalls(record.id, before=before, limit=limit)
                    assert len(page.receipts) <= limit
                    found += [receipt.id for receipt in page.receipts]
                    before = page.next
                    if before is None:
                        break
                assert found == showed
    with pytest.raises(NoSuchRecord):
        lived.recalls("%")


def test_the_candidates_of_a_recall_are_told_with_the_chances_that_it_drew_with(lived: Memory) -> None:
    for bare in lived.receipts(limit=20):
        receipt = lived.receipt(bare.id)
        told = lived.considered(receipt)
        assert receipt.candidates is not None and len(told) == len(receipt.candidates)
        shown = sorted((each for each in told if each.place is not None), key=lambda each: each.place or 0)
        assert [(each.id, each.version) for each in shown] == list(receipt.shown)
        assert [each.chance for each in shown] == pytest.approx(list(receipt.inclusion))
        assert sum(each.chance for each in told) == pytest.approx(len(shown))
        assert all(each.chances.keys() == receipt.shares.keys() for each in told)
        assert all(each.record is not None and each.record.id == each.id for each in told)
        assert all(each.features["words"] <= 1 and each.width > 0 for each in told)


def test_the_history_of_the_floor_tells_the_shares_of_every_task_and_what_was_done(lived: Memory) -> None:
    history = lived.floor_history(limit=1_000)
    tasks = [task for task in lived.tasks(limit=1_000) if task.side != "fixed"]
    assert sum(step.tasks for step in history.steps) == len(tasks)
    for step in history.steps:
        of_step = [task for task in tasks if (task.epoch, task.shares) == (step.epoch, step.shares)]
        assert (len(of_step), sum(task.closed_at is not None for task in of_step)) == (step.tasks, step.credited)
        assert (step.since, step.until) == (
            min(task.opened_at for task in of_step), max(task.opened_at for task in of_step),
        )  # fmt: skip
    assert [(event.op, event.reason) for event in history.events if event.op != "FLOOR"] == [
        ("FREEZE", "release"), ("VOID", "a broken probe"),
    ]  # fmt: skip
    assert [event.seq for event in history.events] == sorted((each.seq for each in history.events), reverse=True)
    (first,) = lived.floor_history(limit=1).events
    rest = lived.floor_history(before=first.seq, limit=1_000).events
    assert (first, *rest) == history.events


def test_an_overview_tells_nothing_of_another_namespace(lived: Memory, shared_address: str) -> None:
    known = lived.list().records[0].id
    receipt = lived.receipt(lived.receipts(limit=1)[0].id)
    with Memory(shared_address, namespace="stranger", synchronous="NORMAL") as stranger:
        assert stranger.search("flush cache") == [] and stranger.tasks() == [] and stranger.outcomes("t1") == []
        assert stranger.floor_history().steps == () and stranger.floor_history().events == ()
        for look in (stranger.course, stranger.recalls):
            with pytest.raises(NoSuchRecord):
                look(known)
        with pytest.raises(NoSuchTask):
            stranger.task_seen("t1")
        assert all(each.record is None for each in stranger.considered(receipt))


def test_a_page_may_begin_with_the_newest(lived: Memory) -> None:
    oldest = [record.id for record in lived.list(limit=100).records]
    found, after = [], None
    while True:
        page = lived.list(newest=True, limit=5, after=after)
        found += [record.id for record in page.records]
        after = page.next
        if after is None:
            break
    assert found == oldest[::-1]
