"""What holds of every job: said before it is done, done as said, once, and whoever kills it loses nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.memory.upkeep.seen import everything, log, standing
from wayfare.errors import BadValue, ReadOnly
from wayfare.memory import Memory
from wayfare.memory.records import Record
from wayfare.memory.upkeep import Evict, Expire, MergeDuplicates, SweepStale, running

DAY = 86_400.0
THINGS = ("cache", "invoice", "printer", "gateway", "ledger")


def _again(record: Record, sources: Any) -> str:
    return f"again: {record.content} from {', '.join(source.content for source in sources)}"


JOBS = {
    "duplicates": MergeDuplicates(0.9),
    "expire": Expire(kinds={"episode": DAY}, then="delete"),
    "evict": Evict(4),
    "stale": SweepStale(forgotten="delete", revised="delete"),
    "rederive": SweepStale(forgotten="rederive", revised="rederive", rederive=_again),
}


@pytest.fixture(params=list(JOBS))
def job(request: pytest.FixtureRequest) -> Any:
    return JOBS[request.param]


def _filled(memory: Memory, clock: Any) -> Memory:
    """Near duplicates, old episodes, and lessons that follow from what was revised and forgotten."""
    said = [f"before anything else somebody has to look at the {thing} of the day before" for thing in THINGS]
    memory.remember_many([{"text": text, "tags": ["first"]} for text in said])
    memory.remember_many([{"text": f"{text} again", "tags": ["twice"]} for text in said])
    for i, thing in enumerate(THINGS[:2]):
        source = memory.get(memory.remember(f"the {thing} was broken and nobody knew", kind="episode").id)
        lesson = memory.get(memory.remember(f"ask who knows the {thing}", kind="lesson", source=source).id)
        memory.remember(f"nobody knows everything, least of all of the {thing}", kind="rule", source=lesson)
        if i:
            memory.revise(source.id, f"the {thing} was whole all the time")
        else:
            memory.forget(source.id)
    memory.remember_many([{"text": f"the {thing} made a noise", "kind": "episode"} for thing in THINGS])
    clock.now += 2 * DAY
    return memory


def test_a_dry_run_changes_nothing_and_what_follows_does_exactly_what_it_said(
    memory: Memory, clock: Any, job: Any
) -> None:
    before = everything(_filled(memory, clock))
    said = memory.upkeep(job)
    assert said.dry_run and len(said.steps) >= 2 and not said.done and everything(memory) == before
    assert str(said).startswith(f"{job.name}: {len(said.steps)} to do; nothing is changed yet")
    seqs = len(log(memory))
    done = memory.upkeep(job, dry_run=False)
    assert [(s.does, s.ids, s.into, s.reason) for s in done.steps] == [
        (s.does, s.ids, s.into, s.reason) for s in said.steps
    ]
    assert len(done.done) == len(said.steps) and not done.left
    for step in done.done:
        for id in step.ids:
            last = memory.history(id)[-1]
            assert last.actor == "keeper" and last.reason == step.reason
    assert all(actor == "keeper" and reason for _, _, actor, reason in log(memory)[seqs:])


def test_a_second_run_finds_nothing_and_leaves_no_trace_in_the_log(memory: Memory, clock: Any, job: Any) -> None:
    _filled(memory, clock)
    assert memory.upkeep(job, dry_run=False).done
    before = everything(memory)
    again = memory.upkeep(job, dry_run=False)
    assert not again.steps and again.looked == 0 and everything(memory) == before
    memory.recall("who looked at the printer")
    assert memory.upkeep(job, dry_run=False).looked == 0  # a recall gives no job anything to do
    assert memory.upkeep(job).looked == 0


def test_a_run_cut_in_pieces_ends_where_a_whole_one_does(new_memory: Callable[..., Memory], job: Any) -> None:
    clocks = [type(new_memory().engine.clock)() for _ in range(2)]
    whole, cut = (_filled(new_memory(clock=each), each) for each in clocks)
    whole.upkeep(job, dry_run=False)
    runs = 0
    while True:
        runs += 1
        done = cut.upkeep(job, dry_run=False, limit=1)
        assert len(done.steps) <= 1
        if not done.more:
            break
    assert runs > 1 and standing(cut) == standing(whole)
    assert not cut.upkeep(job, dry_run=False).steps and cut.upkeep(job).looked == 0


def test_a_run_that_is_killed_within_a_step_is_finished_by_the_next(
    new_memory: Callable[..., Memory], shared_address: str, job: Any
) -> None:
    """SIGKILL before the second of its transactions is committed."""
    clocks = [type(new_memory().engine.clock)() for _ in range(2)]
    whole, killed = (_filled(new_memory(clock=each), each) for each in clocks)
    namespace = killed.engine.namespace
    killed.close()
    child = os.fork()
    if not child:
        try:
            _killed_in(shared_address, namespace, clocks[1], job)
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    resumed = new_memory(namespace, clock=clocks[1])
    rest = resumed.upkeep(job, dry_run=False)
    whole.upkeep(job, dry_run=False)
    assert rest.done and standing(resumed) == standing(whole)
    versions = [len(resumed.history(id)) for step in rest.done for id in step.ids]
    assert max(versions) <= 3  # written, perhaps revised, and dealt with once
    assert not resumed.upkeep(job, dry_run=False).steps


def _killed_in(address: str, namespace: str, clock: Any, job: Any) -> None:
    memory, write, calls = Memory(address, namespace=namespace, clock=clock), running.write_watermark, [0]

    def deadly(*given: Any) -> None:
        calls[0] += 1
        if calls[0] == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        write(*given)

    running.write_watermark = deadly  # type: ignore[assignment]
    running.TOGETHER = 1
    memory.upkeep(job, dry_run=False)


def test_what_has_moved_on_between_plan_and_step_is_left_alone_and_looked_at_by_the_next_run(
    memory: Memory, clock: Any, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _filled(memory, clock)
    together = running._together

    def meanwhile(steps: Any) -> Any:
        for step in steps[:1]:
            memory.revise(step.step.ids[0], "it says something else by now")
        return together(steps)

    monkeypatch.setattr(running, "_together", meanwhile)
    done = memory.upkeep(job, dry_run=False)
    monkeypatch.undo()
    first = done.steps[0]
    assert first.left and not first.done and done.done
    assert memory.get(first.ids[0]).status == "active"
    assert memory.get(first.ids[0]).content == "it says something else by now"
    assert memory.upkeep(job).looked > 0 or job.name == "evict"  # which has all the room it wanted


def test_a_change_by_another_wakes_the_next_run_and_the_runs_own_do_not(memory: Memory, clock: Any) -> None:
    _filled(memory, clock)
    job = MergeDuplicates(0.9)
    first = memory.upkeep(job, dry_run=False)
    assert first.looked == len([op for op, *_ in log(memory) if op == "ADD"]) - 1  # one is forgotten
    said = memory.list(limit=1).records[0].content
    memory.remember(f"{said}!")
    second = memory.upkeep(job, dry_run=False)
    assert second.looked == 1 and len(second.done) == 1  # only what is new is looked at
    assert memory.upkeep(job, dry_run=False).looked == 0


def test_what_others_write_between_the_steps_is_all_that_the_next_run_looks_at(
    memory: Memory, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _filled(memory, clock)
    apply, others = running._Running.apply, iter(["one", "two", "three", "four", "five", "six"])

    def between(self: Any, together: Any) -> Any:
        memory.remember(f"what {next(others)} has to say is something else")
        return apply(self, together)

    monkeypatch.setattr(running._Running, "apply", between)
    first = memory.upkeep(MergeDuplicates(0.9), dry_run=False)
    monkeypatch.undo()
    assert len(first.done) == len(THINGS)
    assert memory.upkeep(MergeDuplicates(0.9), dry_run=False).looked == len(THINGS)
    assert memory.upkeep(MergeDuplicates(0.9), dry_run=False).looked == 0


def test_what_cannot_be_asked_for_is_refused(memory: Memory, new_memory: Callable[..., Memory]) -> None:
    memory.remember("a thing")
    for wrong in ("evict", "everything", None, 3, object()):
        with pytest.raises(BadValue, match="job"):
            memory.upkeep(wrong)  # type: ignore[arg-type]
    for wrong in (0, -1, 1.5, True, "5"):
        with pytest.raises(BadValue, match="limit"):
            memory.upkeep("duplicates", limit=wrong)  # type: ignore[arg-type]
    looking = new_memory(memory.engine.namespace, read_only=True)
    assert looking.upkeep("duplicates").steps == ()
    with pytest.raises(ReadOnly):
        looking.upkeep("duplicates", dry_run=False)
