"""A policy that asks a model of yours: exact propensities, receipts that replay, and ids that name the judge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.explore.rules.slates import SlateMixture
from wayfare.memory import Memory
from wayfare.memory.policy import RULES, Policy
from wayfare.memory.receipts import read_receipts
from wayfare.memory.records import Record
from wayfare.memory.scoring import AbsentScorer

CASES = [f"case {i}: restart service {i}" for i in range(6)]
IDS = {
    "similarity": "ccac61e7e7", "memrl": "14360be0e4", "epsilon": "2cb448e811", "inverse gap": "8a0b92f188",
    "boltzmann": "ddd4971c2f", "ucb": "3de24c1696", "thompson": "51aa6f3993",
}  # fmt: skip


class ByNumber:
    """Q is a function of the number in the text. asked: with which query, about which texts"""

    def __init__(self, weight: float = 0.1) -> None:
        self.weight, self.asked = weight, list[tuple[str, list[str]]]()

    @property
    def id(self) -> str:
        return f"by number {self.weight:g}"

    def q(self, query: str, records: Sequence[Record]) -> list[float]:
        self.asked.append((query, [record.content for record in records]))
        return [self.weight * int(record.content[5]) for record in records]


def filled(address: str, policy: Policy, **settings: object) -> Memory:
    memory = Memory(address, policy=policy, relevance_floor=0.0, **settings)  # type: ignore[arg-type]
    memory.remember_many(CASES)
    return memory


def receipts(memory: Memory) -> list:
    with memory.engine.database.read() as tx:
        return list(read_receipts(tx, memory.engine.number(tx)))


def test_one_of_many_is_the_softmax_of_q_and_the_receipt_says_so(address) -> None:
    scorer = ByNumber()
    policy = Policy("soft q", temperature=0.2, scorer=scorer)
    with filled(address, policy) as memory:
        recall = memory.recall("restart the service", k=1)
        (receipt,) = receipts(memory)
        assert scorer.asked[0][0] == "restart the service" and sorted(scorer.asked[0][1]) == CASES
        q = np.array([0.1 * int(text[5]) for text in scorer.asked[0][1]], np.float32)
        assert receipt.candidates.scored.id == scorer.id and receipt.candidates.scored.q.tolist() == q.tolist()
        chances = np.exp(q.astype(float) / 0.2) / np.exp(q.astype(float) / 0.2).sum()
        assert receipt.mixture().inclusion() == pytest.approx(chances, rel=1e-9)
        place = scorer.asked[0][1].index(recall.items[0].record.content)
        assert recall.probability == pytest.approx(chances[place]) and recall.policy == policy.id
        assert recall.items[0].score == pytest.approx(q[place])
        parts = policy.parts(receipt.candidates, 1, None)  # type: ignore[arg-type]
        assert SlateMixture(parts, 1).probability(receipt.slate) == receipt.probability


def test_top_q_shows_the_best_in_their_order(tmp_path) -> None:
    with filled(str(tmp_path / "a.db"), Policy("top q", scorer=ByNumber())) as memory:
        assert [item.record.content for item in memory.recall("restart", k=3)] == [CASES[5], CASES[4], CASES[3]]


def test_an_empty_memory_recalls_nothing_and_does_not_ask(tmp_path) -> None:
    scorer = ByNumber()
    with Memory(tmp_path / "a.db", policy=Policy("soft q", scorer=scorer)) as memory:
        assert not memory.recall("restart", k=3) and scorer.asked == []


def test_a_log_of_one_scorer_judges_another_about_the_memories_as_they_stood(tmp_path) -> None:
    """Reward 1 for a case of even number: what Q * (-1)^i would earn is known."""
    live = ByNumber(0.0)
    with filled(str(tmp_path / "a.db"), Policy("soft q", temperature=1.0, scorer=live)) as memory:
        for i in range(150):
            with memory.task(f"t{i}") as task:
                number = int(memory.recall("restart the service", k=1).items[0].record.content[5])
                task.credit(float(number == 5))
        for record in memory.list().records:  # changed since: the scorer is asked about the text as it stood
            memory.revise(record.id, f"case 0 was {record.content}")
        other = Policy("top q", scorer=ByNumber(0.5))
        told = memory.evaluate(other)
        assert told.policy.id == other.id and told.value == pytest.approx(1.0, abs=0.15)
        asked = len(live.asked)
        same = memory.evaluate(Policy("soft q", temperature=1.0, scorer=live))
        assert len(live.asked) == asked and same.value == pytest.approx(1 / 6, abs=0.1)  # from what the receipts keep
        memory.forget(memory.list().records[0].id, purge=True)
        with pytest.raises(BadValue, match="purged since"):
            memory.evaluate(other)


def test_who_has_learned_more_is_another_policy(tmp_path) -> None:
    scorer = ByNumber()
    policy = Policy("soft q", scorer=scorer)
    before = policy.id
    with filled(str(tmp_path / "a.db"), policy) as memory:
        memory.recall("restart", k=1)
        scorer.weight = 0.3
        memory.recall("restart", k=1)
        first, second = receipts(memory)
    assert first.policies == {"fixed": before} != second.policies == {"fixed": policy.id}
    assert first.candidates.scored.id != second.candidates.scored.id


def test_ids_of_rules_without_a_scorer_are_what_they_were() -> None:
    assert {rule: Policy(rule).id.rpartition("-")[2] for rule in RULES} == IDS  # type: ignore[arg-type]


def test_a_policy_survives_json_with_the_name_of_its_scorer() -> None:
    policy = Policy("soft q", temperature=0.5, scorer=ByNumber())
    again = Policy.from_json(policy.to_json())
    assert again.id == policy.id and again.scorer == AbsentScorer("by number 0.1")
    with pytest.raises(BadValue, match="at hand"):
        again.scorer.q("x", [])


@pytest.mark.parametrize("said", [[1.0], [0.0] * 5 + [float("nan")], np.zeros((6, 1))])
def test_a_scorer_that_says_no_values_is_refused_before_anything_is_logged(tmp_path, said) -> None:
    scorer = ByNumber()
    scorer.q = lambda query, records: said  # type: ignore[method-assign]
    with filled(str(tmp_path / "a.db"), Policy("top q", scorer=scorer)) as memory:
        with pytest.raises(BadValue, match="6 finite numbers"):
            memory.recall("restart", k=2)
        assert receipts(memory) == []


def test_a_scorer_where_none_belongs_and_none_where_one_does_are_refused(tmp_path) -> None:
    for rule, scorer in (("soft q", None), ("top q", "mine"), ("thompson", ByNumber())):
        with pytest.raises(BadValue, match="scorer"):
            Policy(rule, scorer=scorer)  # type: ignore[arg-type]
    with filled(str(tmp_path / "a.db"), Policy("similarity")) as memory:
        with pytest.raises(BadValue, match="without a scorer"):
            memory.challenge(Policy("soft q", scorer=ByNumber()))
        with pytest.raises(BadValue):
            memory.policy_named("soft q")
