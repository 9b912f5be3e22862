"""What makes it a memory that learns: utilities, the log, the floor. Each would be missed.

Three of these tests are named by the manual: put a constant for the utility, a no-op for the log, or a floor with
rho = 0, and `test_it_learns_which_memory_helps`, `test_another_policy_is_judged_from_the_log` and
`test_the_baseline_keeps_what_the_floor_promises` fail.
"""

from __future__ import annotations

import json
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.memory.test_memory import Clock
from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.memory import CreditRule, Memory, Policy
from wayfare.memory.credit import replay, shares
from wayfare.memory.standing import coin, read_standing

NUMBERS = count()
GOOD, BAD = "Reissue the token to end the fault", "The login fault: restart the login service against the fault"
"""What helps is worded worse than what does not."""


def desk(address, **given) -> Memory:
    memory = Memory(address, synchronous="NORMAL", **given)
    memory.remember_many([GOOD, BAD])
    return memory


def work(memory: Memory, tasks: int, right: float = 0.9, wrong: float = 0.1, seed: int = 0, first: int = 0) -> float:
    """Tasks of which each follows the one memory it is shown; the mean reward."""
    total = 0.0
    for i in range(first, first + tasks):
        with memory.task(f"task-{i}") as task:
            recall = memory.recall("login fault", k=1)
            chance = right if recall.items[0].record.content == GOOD else wrong
            reward = float(float(Stream(seed, "luck").uniform(i)) < chance)
            task.credit(reward)
            total += reward
    return total / tasks


def utilities(memory: Memory) -> list[tuple[object, ...]]:
    return [
        (r.content, r.utility.n, r.utility.total, r.utility.squares, r.utility.q, r.utility.used)
        for r in memory.list(limit=100).records
    ]


def test_it_learns_which_memory_helps(address, new_address) -> None:
    with desk(address) as memory:
        assert memory.recall("login fault", k=1, policy="similarity").items[0].record.content == BAD
        work(memory, 250)
        assert work(memory, 150, first=250) > 0.7
        assert memory.recall("login fault", k=1, policy="thompson", task="x").items[0].record.content == GOOD
    with desk(new_address(), policy="similarity") as memory:
        assert work(memory, 150, first=250) < 0.2


def test_a_first_credit_changes_the_next_recall(address) -> None:
    with desk(address, policy=Policy("thompson", explore=0.0)) as memory:
        assert memory.recall("login fault", k=1).items[0].record.content == BAD
        for i in range(4):
            recall = memory.recall("login fault", k=2, task=f"t{i}")
            good, bad = (recall.ids[[item.record.content for item in recall].index(text)] for text in (GOOD, BAD))
            memory.credit(recall, 1.0, used=[good])
            memory.credit(memory.recall("login fault", k=2, task=f"u{i}"), 0.0, used=[bad])
        assert memory.recall("login fault", k=1).items[0].record.content == GOOD


def test_another_policy_is_judged_from_the_log(address, new_address) -> None:
    """The interval from one policy's log holds what the other then earns when it is run live."""
    logged = Policy("epsilon", explore=0.5)
    with desk(address, policy=logged) as memory:
        work(memory, 250)
        found = memory.evaluate("similarity")
        assert found.low <= 0.1 + 1e-9 <= found.high or found.low <= 0.13 <= found.high
    with desk(new_address(), policy="similarity") as live:
        earned = work(live, 250, seed=1)
    assert found.low <= earned <= found.high and found.high - found.low < 0.3


def test_the_baseline_keeps_what_the_floor_promises(address) -> None:
    with desk(address) as memory:
        for _ in range(5):
            work(memory, 12, first=memory.stats()["recalls"])
            stats = memory.stats()["floor"]
            shares = stats["shares"]
            promised = shares["baseline"] + stats["certified"] * shares["incumbent"]
            assert promised >= 1 - stats["alpha"] - 1e-9 and shares["baseline"] >= stats["rho_min"]
        sides = [memory.recall("login fault", k=1, task=f"n{i}").side for i in range(200)]
        share = memory.stats()["floor"]["shares"]["baseline"]
        assert abs(sides.count("baseline") / 200 - share) < 0.15 and share > 0


actions = st.lists(
    st.tuples(
        st.sampled_from(["credit", "correct", "void source", "void actor", "second source", "implicit"]),
        st.integers(0, 5), st.floats(0, 1).map(lambda x: round(x, 2)), st.sampled_from(["", "ann", "bob"]),
    ),
    max_size=25,
)  # fmt: skip


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions)
def test_utilities_are_always_what_a_replay_of_the_log_gives(shared_address, actions) -> None:
    path = f"n{next(NUMBERS)}"
    with Memory(shared_address, namespace=path, synchronous="NORMAL", clock=Clock()) as memory:
        memory.remember_many([GOOD, BAD, "a third about the login"])
        for i in range(6):
            memory.recall("login fault", k=2, task=f"t{i}")
        for what, i, reward, actor in actions:
            if what in ("credit", "correct"):
                memory.credit(f"t{i}", reward, actor=actor, correct=True)
            elif what == "second source":
                memory.credit(f"t{i}", reward, source="human", actor=actor, correct=True)
            elif what == "implicit":
                memory.credit(f"t{i}", reward, source="implicit", actor=actor, correct=True)
            elif what == "void source":
                memory.void(source="human" if i % 2 else "harness")
            else:
                memory.void(actor=actor or "ann")
        before = utilities(memory)
        database, ns = memory._ground.database, memory._ground.ns
        with database.write() as tx:
            records = [row[0] for row in tx.execute("SELECT record FROM records WHERE ns = ?", (ns,)).fetchall()]
            replay(tx, ns, records)
        after = utilities(memory)
        never = (0.0, 0.0, 0.0, None, 0)
        assert [u for u in before if u[1:] != never] == [u for u in after if u[1:] != never]


def test_void_leaves_what_a_memory_has_that_never_heard_it(new_address) -> None:
    found = []
    for liar in (True, False):
        with desk(new_address(), clock=Clock(), policy="similarity") as memory:
            for i in range(30):
                memory.recall("login fault", k=2, task=f"t{i}")
                memory.credit(f"t{i}", 0.25 if i % 2 else 0.75)
                if liar and i % 3 == 0:
                    memory.credit(f"t{i}", 1.0, source="human", actor="liar")
            if liar:
                done = memory.void(actor="liar")
                assert done.outcomes == 10 and memory.void(actor="liar").outcomes == 0
            found.append(utilities(memory))
    assert found[0] == found[1]


def test_the_higher_source_counts_and_the_lower_comes_back_when_it_is_gone(address) -> None:
    with desk(address) as memory:
        id = memory.recall("login fault", k=1, task="t", policy="similarity").ids[0]
        memory.credit("t", 0.0, source="agent")
        assert memory.get(id).utility.mean == 0.0
        memory.credit("t", 1.0, source="human")
        assert memory.get(id).utility.mean == 1.0
        assert not memory.credit("t", 0.5, source="harness").counted
        memory.void(source="human")
        assert memory.get(id).utility.mean == 0.5
        memory.credit("t", 0.0, source="implicit")
        assert memory.get(id).utility.mean == 0.25 and memory.get(id).utility.n == 2


def test_however_often_one_actor_credits_it_moves_twenty_honest_credits_as_three_would(address) -> None:
    with desk(address, policy="similarity", clock=Clock()) as memory:
        for i in range(20):
            memory.recall("login fault", k=1, task=f"honest{i}")
            memory.credit(f"honest{i}", 1.0, actor=f"user{i}")
        for i in range(200):
            memory.recall("login fault", k=1, task=f"spam{i}")
            memory.credit(f"spam{i}", 0.0, actor="mallory")
        utility = memory.get(memory.recall("login fault", k=1).ids[0]).utility
        assert utility.n == pytest.approx(23, abs=1e-9) and utility.total == 20


def test_shares_by_every_rule_by_hand() -> None:
    shown = [(1, 1, 0.5), (2, 2, 0.25), (3, 3, 1.0)]
    third = pytest.approx(1 / 3)
    assert shares(CreditRule(), shown, None) == ({1: third, 2: third, 3: third}, "shown")
    assert shares(CreditRule(), shown, [2]) == ({2: 1.0}, "used")
    assert shares(CreditRule("uniform"), shown, [2])[0] == {1: third, 2: third, 3: third}
    by_place, _ = shares(CreditRule("rank"), shown, None)
    weights = [1.0, 1 / 1.584962500721156, 0.5]
    assert by_place == {i + 1: pytest.approx(w / sum(weights)) for i, w in enumerate(weights)}
    assert shares(CreditRule("propensity"), shown, None)[0] == {
        1: pytest.approx(2 / 7), 2: pytest.approx(4 / 7), 3: pytest.approx(1 / 7)
    }  # fmt: skip
    traced, _ = shares(CreditRule(trace=0.5), [(1, 1, 1.0)], None, {9: 1, 8: 2})
    assert traced == {1: pytest.approx(4 / 7), 9: pytest.approx(2 / 7), 8: pytest.approx(1 / 7)}
    assert shares(CreditRule(), shown, []) == ({}, "used")


def test_parents_share_the_credit_where_the_rule_says_so(address) -> None:
    with desk(address, credit_rule=CreditRule(trace=0.5)) as memory:
        parent = memory.get(memory.remember("An observation about tokens").id)
        child = memory.remember("Rotate every signing key at dawn", source=parent).id
        memory.recall("rotate signing key at dawn", k=1, task="t", policy="similarity")
        done = memory.credit("t", 1.0)
        assert done.shares == {child: pytest.approx(2 / 3), parent.id: pytest.approx(1 / 3)}


def test_freeze_keeps_everything_as_it_is_and_thaw_catches_up(new_address) -> None:
    found = []
    for cold in (True, False):
        with desk(new_address(), clock=Clock(), policy="similarity") as memory:
            work(memory, 10)
            if cold:
                memory.freeze(reason="audit")
            held = utilities(memory)
            work(memory, 10, first=10)
            if cold:
                assert utilities(memory) == held and memory.stats()["floor"]["frozen"]
                memory.thaw()
            found.append(utilities(memory))
    assert found[0] == found[1]


def test_a_policy_can_be_pinned_and_rolled_back(address) -> None:
    with desk(address) as memory:
        work(memory, 80)
        first = memory.stats()["floor"]["policies"]["incumbent"]
        trial = memory.refit()
        assert memory.stats()["floor"]["policies"]["challenger"] == trial.id and trial.fitted_through > 0
        shares = memory.stats()["floor"]["shares"]
        assert shares["challenger"] == pytest.approx(0.1) and sum(shares.values()) == pytest.approx(1)
        work(memory, 20, first=80)
        back = memory.rollback(first)
        assert back.id == first and memory.stats()["floor"]["certified"] == 0
        assert {each["id"] for each in memory.policies()} >= {first, trial.id}
        with pytest.raises(BadValue, match="fitted"):
            memory.evaluate(trial.with_(fitted_through=10**9))
    with Memory(address, policy=trial.id) as pinned:
        assert pinned.recall("login fault", k=1).policy == trial.id


def test_reset_forgets_what_credit_taught_and_replay_agrees(address) -> None:
    with desk(address, policy="similarity") as memory:
        work(memory, 10)
        id = memory.recall("login fault", k=1).ids[0]
        assert memory.reset_utility(id) == 1 and memory.get(id).utility.n == 0
        memory.void(since=0.0)
        assert memory.get(id).utility.n == 0 and memory.reset_utility() == 1


def test_the_decorator_credits_each_call(address) -> None:
    with desk(address) as memory:

        @memory.learns(reward=lambda answer: answer["solved"], id=lambda ticket: f"ticket-{ticket}", on_error=0.0)
        def answer(ticket: int) -> dict[str, float]:
            memory.recall("login fault", k=1)
            if ticket == 2:
                raise RuntimeError("no")
            return {"solved": 1.0}

        assert answer(1) == {"solved": 1.0}
        with pytest.raises(RuntimeError):
            answer(2)
        assert memory.credit("ticket-1", 1.0).repeated and memory.credit("ticket-2", 0.0).repeated


def test_memories_shown_by_other_means_teach_but_are_no_evidence(address) -> None:
    with desk(address) as memory:
        id = memory.list().records[0].id
        with memory.task("t") as task:
            memory.showed("a question", [id])
            task.credit(1.0)
        assert memory.get(id).utility.mean == 1.0
        memory.recall("login fault")
        assert memory.stats()["floor"]["outcomes_seen"] == 0


def test_late_words_fold_the_floor_again(address) -> None:
    with desk(address, clock=Clock()) as memory:
        work(memory, 40)
        memory.recall("login fault", task="x1")
        before = memory.stats()["floor"]["outcomes_seen"]
        memory.void(since=0.0)
        memory.recall("login fault", task="x2")
        assert before == 40 and memory.stats()["floor"]["outcomes_seen"] == 0
        with memory._ground.database.read() as tx:
            standing = read_standing(tx, memory._ground.ns)
        assert json.dumps(standing.floor.to_json()) == json.dumps(standing.floor.anew().to_json())


def test_credits_that_come_for_one_side_only_suspend_the_certificates(address) -> None:
    with desk(address) as memory:
        for i in range(200):
            recall = memory.recall("login fault", k=1, task=f"t{i}")
            if recall.side == "incumbent" or i % 3 == 0:
                memory.credit(f"t{i}", 1.0 if recall.side == "incumbent" else 0.3)
        floor = memory.stats()["floor"]
        assert floor["suspended"] and floor["shares"]["baseline"] == pytest.approx(0.8)


def test_tasks_that_nobody_credited_at_first_suspend_nothing(address) -> None:
    """The baseline had most of them: it is credited less often as a whole, and yet not for its side."""
    with desk(address) as memory:
        for i in range(120):
            memory.recall("login fault", k=1, task=f"early{i}")
        suspended = []
        for first in range(0, 400, 50):
            work(memory, 50, first=first)
            suspended.append(memory.stats()["floor"]["suspended"])
        floor = memory.stats()["floor"]
        assert not any(suspended) and floor["shares"]["baseline"] == pytest.approx(floor["rho_min"])


def test_the_coin_has_the_shares_it_is_given() -> None:
    shares = {"baseline": 0.5, "incumbent": 0.3, "challenger": 0.2}
    sides = [coin(shares, 1, f"task {i}") for i in range(4000)]
    for side, share in shares.items():
        assert abs(sides.count(side) / 4000 - share) < 0.03
    again = [coin(shares, 2, f"task {i}") for i in range(4000)]
    assert 0.3 < sum(a == b for a, b in zip(sides, again, strict=True)) / 4000 < 0.5
