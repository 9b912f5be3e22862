from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.memory import Memory
from wayfare.memory.decay import Decay
from wayfare.memory.policy import LEARNED
from wayfare.memory.upkeep import Evict, Expire
from wayfare.memory.utility import gaussian_posterior

DAY = 86_400.0


def _gone(memory: Memory, job: Any) -> list[str]:
    return [memory.get(id).content for step in memory.upkeep(job).steps for id in step.ids]


def test_what_expires_is_what_a_kind_a_tag_its_own_field_or_its_validity_says(memory: Memory, clock: Any) -> None:
    now = clock.now
    memory.remember_many(
        [
            {"text": "an episode", "kind": "episode"},
            {"text": "a draft", "tags": ["draft"]},
            {"text": "a code", "meta": {"ttl": 600}},
            {"text": "a code without a limit", "meta": {"ttl": "soon"}},
            {"text": "a price", "valid": (now, now + DAY)},
            {"text": "a fact"},
        ]
    )
    every = Expire(kinds={"episode": 7 * DAY}, tags={"draft": 2 * DAY}, meta="ttl", ended=DAY)
    assert not _gone(memory, every)
    clock.now = now + 700
    assert _gone(memory, every) == ["a code"]
    clock.now = now + 2 * DAY + 700
    assert _gone(memory, every) == ["a code", "a price", "a draft"]  # the one whose time was over first comes first
    clock.now = now + 8 * DAY
    assert _gone(memory, every) == ["a code", "a price", "a draft", "an episode"]
    assert _gone(memory, Expire(kinds={"episode": DAY}, tags={"draft": DAY}, pinned=("fact",))) == ["an episode"]


def test_the_least_limit_holds_and_a_revision_begins_its_time_anew(memory: Memory, clock: Any) -> None:
    id = memory.remember("a thing", kind="episode", tags=["draft"]).id
    clock.now += DAY + 10
    both = Expire(kinds={"episode": 10 * DAY}, tags={"draft": DAY})
    assert _gone(memory, both) == ["a thing"] and "tagged draft is kept 1 day" in memory.upkeep(both).steps[0].reason
    memory.revise(id, "a thing said anew")
    assert not _gone(memory, both)


def test_time_alone_wakes_a_job_that_had_nothing_more_to_do(memory: Memory, clock: Any) -> None:
    memory.remember("an episode", kind="episode")
    job = Expire(kinds={"episode": DAY}, then="delete")
    assert memory.upkeep(job, dry_run=False).looked == 1
    assert memory.upkeep(job, dry_run=False).looked == 0
    clock.now += DAY + 10
    (step,) = memory.upkeep(job, dry_run=False).done
    assert memory.history(step.ids[0])[-1].op == "DELETE"
    clock.now += 100 * DAY
    assert memory.upkeep(job, dry_run=False).looked == 0


def test_what_was_archived_can_be_deleted_later(memory: Memory, clock: Any) -> None:
    id = memory.remember("an episode", kind="episode").id
    memory.archive(id)
    clock.now += 10 * DAY
    assert not _gone(memory, Expire(kinds={"episode": DAY}))
    assert _gone(memory, Expire(kinds={"episode": DAY}, statuses=("archived",), then="delete")) == ["an episode"]


def test_the_least_worth_keeping_goes_by_utility_recency_and_use(memory: Memory, clock: Any) -> None:
    """The score is worked out here again, from the records as they stand."""
    memory.remember_many([{"text": f"advice number {i} on the printer", "kind": "fact"} for i in range(6)])
    ids = [record.id for record in memory.list().records]
    for i, reward in enumerate((1.0, 1.0, 0.0, 0.6)):
        for j in range(i % 2 + 1):
            with memory.task(f"task {i} {j}") as task:
                memory.recall("advice on the printer", k=6)
                task.credit(reward, used=[ids[i]])
    clock.now += 40 * DAY
    memory.remember("advice that is new")
    records = memory.list().records
    utilities = [record.utility for record in records]
    mean, width, _ = gaussian_posterior(
        *(np.array([getattr(u, name) for u in utilities]) for name in ("n", "total", "squares")),
        LEARNED.prior, LEARNED.kappa,
    )  # fmt: skip
    keep = {
        record.id: max(0.0, m - w) * 0.5 ** ((clock.now - record.created_at) / (30 * DAY)) * (1 + math.log1p(u.used))
        for record, u, m, w in zip(records, utilities, mean, width, strict=True)
    }
    job = Evict(3)
    done = memory.upkeep(job, dry_run=False).done
    assert [step.ids[0] for step in done] == sorted(keep, key=lambda id: (round(keep[id], 6), id))[:4]
    left = {record.content for record in memory.list().records}
    assert "advice that is new" in left and "advice number 2 on the printer" not in left
    assert memory.get(ids[2]).status == "archived" and memory.upkeep(job, dry_run=False).looked == 0


def test_pinned_kinds_are_never_evicted_and_a_limit_may_be_of_one_kind(memory: Memory, clock: Any) -> None:
    memory.remember_many([{"text": f"rule {i}", "kind": "rule"} for i in range(3)])
    memory.remember_many([{"text": f"episode {i}", "kind": "episode"} for i in range(3)])
    pinned = Decay(DAY, pinned=("rule",))
    assert [text[:4] for text in _gone(memory, Evict(4, decay=pinned))] == ["epis"] * 2
    assert [text[:4] for text in _gone(memory, Evict(0, decay=pinned))] == ["epis"] * 3
    assert [text[:4] for text in _gone(memory, Evict(1, kind="rule"))] == ["rule"] * 2
    memory.upkeep(Evict(1, kind="episode", decay=Decay(DAY)), dry_run=False)
    assert [record.content for record in memory.list(kind="episode").records] == ["episode 2"]  # the youngest
    assert len(memory.list(kind="rule").records) == 3


def test_where_others_have_made_room_meanwhile_no_more_goes_than_has_to(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wayfare.memory.upkeep import running

    memory.remember_many([f"thing number {i}" for i in range(6)])
    together = running._together

    def meanwhile(steps: Any) -> Any:
        for record in memory.list().records[-2:]:
            memory.forget(record.id)
        return together(steps)

    monkeypatch.setattr(running, "_together", meanwhile)
    done = memory.upkeep(Evict(3), dry_run=False)
    assert len(done.done) == 1 and len(done.left) == 2 and len(memory.list().records) == 3


@pytest.mark.parametrize(
    ("kind", "field", "given"),
    [
        (Expire, "expire", {}), (Expire, "kinds", {"kinds": {"a": 0}}), (Expire, "kinds", {"kinds": ["a"]}),
        (Expire, "tags", {"tags": {"a": math.nan}}), (Expire, "meta", {"meta": ""}), (Expire, "ended", {"ended": -1}),
        (Expire, "then", {"ended": 0, "then": "burn"}), (Expire, "statuses", {"ended": 0, "statuses": ("gone",)}),
        (Expire, "statuses", {"ended": 0, "statuses": ("archived",)}), (Expire, "pinned", {"ended": 0, "pinned": "a"}),
        (Evict, "limit", {"limit": -1}), (Evict, "limit", {"limit": 1.5}), (Evict, "kind", {"limit": 1, "kind": ""}),
        (Evict, "decay", {"limit": 1, "decay": 3}), (Evict, "then", {"limit": 1, "then": "burn"}),
        (Decay, "half_life", {"half_life": 0}), (Decay, "kinds", {"kinds": {"a": -1.0}}),
        (Decay, "pinned", {"pinned": "rule"}),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(kind: Any, field: str, given: Any) -> None:
    with pytest.raises(BadValue, match=field):
        kind(**given)
