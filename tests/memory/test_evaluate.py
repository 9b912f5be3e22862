"""Evaluation of recall policies on a real store, filled with receipts and outcomes of a world whose truth is known."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from tests.memory.stores import opened
from wayfare.draws import Stream
from wayfare.errors import BadValue, Damaged
from wayfare.explore.rules.slates import SlateMixture
from wayfare.memory.credit import CreditRule
from wayfare.memory.evaluate import BARE, evaluate
from wayfare.memory.importing import PastTask, imported
from wayfare.memory.memory import Memory
from wayfare.memory.outcomes import Outcome, post
from wayfare.memory.policy import BASELINE, FEATURES, Candidates, Policy
from wayfare.memory.receipts import Receipt, as_logged, thin, write_receipt
from wayfare.memory.store.rows import append_log

N, K = 7, 2
SHARES = {"baseline": 0.3, "incumbent": 0.7}
NUMBERS = {"slope": 0.3, "kappa": 1.0}
"""Fixed here, so that target and log overlap as these tests need it, whatever the defaults are."""
LEARNED = Policy("thompson", **NUMBERS)
SIDES = {"baseline": BASELINE, "incumbent": LEARNED}
TARGET = Policy("boltzmann", explore=0.5, **NUMBERS)
SETS = list(combinations(range(N), K))


class World:
    """Six situations; what a memory is worth is in its credits, and half of the time not in its relevance."""

    def __init__(self, database: Any, namespace: str = "default") -> None:
        self.opened, self.database = database, database.bound(namespace)
        with self.database.write() as tx:
            ns = tx.namespace(namespace, create=True)
            assert ns is not None
            self.ns = ns
        stream = Stream(4, "world")
        self.situations, self.worth = [], []
        for s in range(6):
            worth = stream.uniform(s, np.arange(N), 0) / K
            relevance = np.sort(stream.uniform(s, np.arange(N), 1))[::-1]
            n = np.full(N, 4.0)
            total = n * np.clip(worth * K + 0.1 * stream.normal(s, np.arange(N), 2), 0, 1)
            ids = tuple(str(s * N + i) for i in range(N))
            found = Candidates(
                ids, (1,) * N, relevance, np.zeros((N, len(FEATURES))), n, total, total**2 / n, total / n, np.zeros(N)
            )
            self.situations.append(as_logged(found))
            self.worth.append(worth)
        self.count = 0

    def receipt(
        self, task: str, s: int, sides: dict[str, Policy], shares: dict[str, float], side: str, turn: int = 0
    ) -> Receipt:
        at = int(task.rsplit("-", 1)[1])
        candidates, stream = self.situations[s], Stream(5, "draws")
        parts = {name: policy.parts(candidates, K, stream.at(at, turn)) for name, policy in sides.items()}
        mixtures = {name: SlateMixture(each, K) for name, each in parts.items()}
        slate, _ = mixtures[side].sample(Stream(6, "slate").at(at, turn))
        inclusion = sum(shares[name] * mixtures[name].inclusion() for name in shares)
        return Receipt(
            f"r{task}.{turn}", task, float(at), "what now", candidates, tuple(map(int, candidates.ids)), tuple(slate),
            tuple((candidates.ids[i], 1) for i in slate), parts, shares, {name: p.id for name, p in sides.items()},
            side,
            {name: mixture.probability(slate) for name, mixture in mixtures.items()},
            tuple(float(p) for p in np.asarray(inclusion)[slate]),
        )  # fmt: skip

    def live(
        self,
        tasks: int,
        *,
        sides: dict[str, Policy] = SIDES,
        shares: dict[str, float] = SHARES,
        turns: int = 1,
        credited: Callable[[int], bool] = lambda number: True,
        reward: Callable[[np.ndarray, Sequence[int]], float] = lambda worth, slate: float(worth[list(slate)].sum()),
        used: bool = True,
    ) -> None:
        """Recall and credit, coins of chance `reward`, their parts by item told through `used` where they differ."""
        stream = Stream(7, "tasks")
        with self.database.write() as tx:
            for _ in range(tasks):
                number, task = self.count, f"t-{self.count}"
                self.count += 1
                s = int(stream.integers(6, number, 0))
                names = list(shares)
                side = names[int(stream.categorical(np.array(list(shares.values())), number, 1))]
                shown = []
                for turn in range(turns):
                    receipt = self.receipt(task, s, sides, shares, side, turn)
                    seq = append_log(tx, self.ns, time=0.0, actor="", operation="o", op="RECALL", body={"records": []})
                    write_receipt(tx, self.ns, seq, receipt)
                    shown.append(receipt.slate)
                chance = sum(reward(self.worth[s], slate) for slate in shown) / turns
                hit = float(stream.uniform(number, 2)) < chance
                if credited(number):
                    self.credit(task, float(hit), tx=tx)

    def credit(self, task: str, reward: float, rank: str = "harness", tx: object = None, **how: object) -> None:
        outcome = Outcome(task, reward, reward, None, rank, rank, "", 0.0)
        if tx is None:
            with self.database.write() as tx:
                post(tx, self.ns, outcome, CreditRule(), operation="c", **how)  # type: ignore[arg-type]
        else:
            post(tx, self.ns, outcome, CreditRule(), operation="c", **how)  # type: ignore[arg-type]

    def truth(self, policy: Policy) -> float:
        """Exact expected reward of one recall, situations being equally likely."""
        found = 0.0
        for candidates, worth in zip(self.situations, self.worth, strict=True):
            mixture = SlateMixture(policy.parts(candidates, K, Stream(0, "truth").at(0, 0)), K)
            found += sum(mixture.probability(slate) * worth[list(slate)].sum() for slate in SETS) / 6
        return float(found)

    def evaluate(self, target: Policy = TARGET, **how: object):  # type: ignore[no-untyped-def]
        with self.database.read() as tx:
            return evaluate(tx, self.ns, target, **how)  # type: ignore[arg-type]


@pytest.fixture
def world(address: str) -> Iterator[World]:
    database = opened(address)
    made = World(database)
    yield made
    made.database.close()
    database.close()


def test_what_another_policy_would_have_earned_is_in_the_interval(world: World) -> None:
    world.live(800)
    told = world.evaluate()
    assert told.recommended == "dr"
    assert told.low <= world.truth(TARGET) <= told.high
    assert told.high - told.low < 0.2
    for name in ("dr", "snips", "ips", "additive", "additive-dr"):
        assert told.estimates[name].low <= world.truth(TARGET) <= told.estimates[name].high, name
    assert told.baseline_estimate.low <= world.truth(BASELINE) <= told.baseline_estimate.high
    assert told.baseline == pytest.approx(told.baseline_estimate.value)
    with world.database.read() as tx:
        mean = tx.execute("SELECT AVG(reward) FROM outcomes").fetchone()[0]
    assert told.logged == pytest.approx(mean)


def test_the_target_is_asked_with_the_candidates_as_they_were_logged(world: World) -> None:
    """The live policy itself: every weight is one, but for the draws of its own posterior samples."""
    sides = {"baseline": BASELINE, "incumbent": TARGET}
    world.live(60, sides=sides)
    told = world.evaluate(BASELINE)
    w = told.estimates["ips"]
    assert w.largest_weight <= 1 / 0.3 + 1e-9
    world_2 = world.evaluate(TARGET)
    assert world_2.estimates["ips"].largest_weight <= 1 / 0.7 + 1e-9


def test_an_estimate_is_of_the_declared_range(world: World) -> None:
    world.live(300)
    unit, given = world.evaluate(), world.evaluate(reward_range=(-10.0, 30.0))
    for name in ("value", "low", "high", "logged", "baseline"):
        assert getattr(given, name) == pytest.approx(-10 + 40 * getattr(unit, name))
    assert given.gain == pytest.approx(tuple(40 * each for each in unit.gain))


def test_the_words_say_what_was_estimated_from_what_how_sure_and_on_which_assumptions(world: World) -> None:
    world.live(400, credited=lambda number: number % 10 != 0)
    told = world.evaluate()
    text = told.text
    for said in (
        TARGET.id, f"{told.value:.4g}", "95 % interval", "The log earned", "most relevant memories alone",
        "with the memory as it stood then", "360 tasks with an outcome", "tasks of the policy's own",
        "It assumes nothing", "40 tasks have no outcome", "Beside it, doubly robust pseudo-inverse", "additive reward",
        "doubly robust",
    ):  # fmt: skip
        assert said in text, said
    kept = json.loads(json.dumps(told.to_json(), allow_nan=False))
    assert kept["value"] == told.value
    assert kept["recommended"] == "dr"
    assert kept["estimates"]["item"]["tasks"] == 360
    assert kept["without_outcome"] == 40
    assert str(told) == text


def test_a_log_of_the_best_alone_says_nothing_of_another_policy_and_what_to_do(world: World) -> None:
    world.live(50, sides={"fixed": BASELINE}, shares={"fixed": 1.0})
    with pytest.raises(BadValue, match="always showed the same set") as refused:
        world.evaluate()
    assert "policy='safe'" in str(refused.value)
    told = world.evaluate(BASELINE)  # but of itself it does
    assert told.value == pytest.approx(told.logged)
    assert told.gain == pytest.approx((0, 0, 0))


def test_a_policy_is_not_scored_on_what_it_was_fitted_on(world: World) -> None:
    world.live(120)
    with world.database.read() as tx:
        through = tx.execute("SELECT MAX(seq) FROM log").fetchone()[0]
    fitted = TARGET.with_(slope=0.9, fitted_through=through)
    with pytest.raises(BadValue, match=r"120 tasks .*fitted on the log up to") as refused:
        world.evaluate(fitted)
    assert "own fitting data" in str(refused.value)
    world.live(150)
    told = world.evaluate(fitted)
    assert told.estimate.n == 150
    assert list(told.left_out.values()) == [120]
    assert f"Left out: 120 tasks, the policy was fitted on the log up to {through}" in told.text
    assert world.evaluate(replace(fitted, fitted_through=None)).estimate.n == 270


def test_a_task_credited_after_the_fit_but_recalled_before_is_left_out_too(world: World) -> None:
    world.live(30, credited=lambda number: number != 3)
    with world.database.read() as tx:
        through = tx.execute("SELECT MAX(seq) FROM log").fetchone()[0]
    world.live(30)
    world.credit("t-3", 1.0)
    assert world.evaluate(TARGET.with_(fitted_through=through)).estimate.n == 30


def test_implicit_outcomes_are_no_evidence_and_the_highest_rank_counts(world: World) -> None:
    world.live(40, credited=lambda number: number >= 20)
    for number in range(20):
        world.credit(f"t-{number}", 1.0, "implicit")
    assert world.evaluate().estimate.n == 20
    before = world.evaluate().logged
    for number in range(20, 40):
        world.credit(f"t-{number}", 1.0, "agent")  # the harness has spoken
    assert world.evaluate().logged == before
    for number in range(20, 40):
        world.credit(f"t-{number}", 1.0, "human")
    assert world.evaluate().logged == 1.0


def test_outcomes_taken_out_or_replaced_do_not_count(world: World) -> None:
    world.live(20)
    with world.database.write() as tx:
        tx.execute("UPDATE outcomes SET voided = 1 WHERE task = 't-0'")
    assert world.evaluate().estimate.n == 19
    was = world.evaluate().logged
    with world.database.read() as tx:
        reward = tx.execute("SELECT reward FROM outcomes WHERE task = 't-1'").fetchone()[0]
    world.credit("t-1", 1.0 - reward, correct=True)
    assert abs(world.evaluate().logged - was) == pytest.approx(1 / 19)


def test_thinned_receipts_and_old_ones_are_counted_and_left_out(world: World) -> None:
    world.live(60)
    with world.database.write() as tx:
        assert thin(tx, world.ns, now=1e9, kept=41, days=1.0) == 19
    told = world.evaluate(most_tasks=30)
    assert told.estimate.n == 30
    assert told.left_out == {BARE: 19, "older than the newest 30": 11}


def test_tasks_that_recall_twice_have_one_coin(world: World) -> None:
    world.live(500, turns=2)
    told = world.evaluate()
    assert told.several == 500
    assert "one recall" in told.refused["additive"]
    assert told.estimates["dr"].low <= world.truth(TARGET) <= told.estimates["dr"].high
    assert told.additivity is None


def test_a_recall_with_a_policy_of_its_own_belongs_to_every_side(world: World) -> None:
    world.live(40)
    with world.database.write() as tx:
        for number in range(40):
            extra = world.receipt(f"t-{number}", 0, {"fixed": LEARNED}, {"fixed": 1.0}, "fixed", 1)
            seq = append_log(tx, world.ns, time=0.0, actor="", operation="o", op="RECALL", body={"records": []})
            write_receipt(tx, world.ns, seq, extra)
    told = world.evaluate()
    assert told.estimate.n == 40
    assert told.several == 40


def test_a_task_under_two_coins_is_left_out(world: World) -> None:
    world.live(40)
    with world.database.write() as tx:
        other = world.receipt("t-5", 0, SIDES, {"baseline": 0.5, "incumbent": 0.5}, "baseline", 1)
        seq = append_log(tx, world.ns, time=0.0, actor="", operation="o", op="RECALL", body={"records": []})
        write_receipt(tx, world.ns, seq, other)
    told = world.evaluate()
    assert told.estimate.n == 39
    assert told.left_out == {"recalls under more than one agreement": 1}


def test_empty_recalls_weigh_one(world: World) -> None:
    world.live(30)
    none = Candidates((), (), *(np.zeros(0),), np.zeros((0, len(FEATURES))), *(np.zeros(0) for _ in range(5)))
    empty = Receipt(
        "r-e", "e-0", 0.0, "?", none, (), (), (), {}, SHARES, {}, "baseline", dict.fromkeys(SHARES, 1.0), ()
    )
    with world.database.write() as tx:
        seq = append_log(tx, world.ns, time=0.0, actor="", operation="o", op="RECALL", body={"records": []})
        write_receipt(tx, world.ns, seq, empty)
    world.credit("e-0", 1.0)
    assert world.evaluate().estimate.n == 31


def test_a_receipt_whose_probability_is_not_that_of_its_weights_is_damage(world: World) -> None:
    world.live(20)
    with world.database.write() as tx:
        wrong = world.receipt("x-1", 0, SIDES, SHARES, "baseline")
        wrong = replace(wrong, probabilities={**wrong.probabilities, "incumbent": 0.77})
        seq = append_log(tx, world.ns, time=0.0, actor="", operation="o", op="RECALL", body={"records": []})
        write_receipt(tx, world.ns, seq, wrong)
    with pytest.raises(Damaged, match=r"says probability 0\.77 for side incumbent"):
        world.evaluate()


def test_a_changed_outcome_is_damage(world: World) -> None:
    world.live(20)
    with world.database.write() as tx:
        tx.execute("UPDATE outcomes SET reward = 0.4 WHERE task = 't-3'")
    with pytest.raises(Damaged, match="checksum"):
        world.evaluate()


def test_too_little_is_refused_by_name(world: World) -> None:
    with pytest.raises(BadValue, match="no recall"):
        world.evaluate()
    world.live(5, credited=lambda number: number == 0)
    with pytest.raises(BadValue, match="1 in 5 tasks"):
        world.evaluate()
    world.live(5)
    for how in ({"most_tasks": 1}, {"most_tasks": True}, {"interval": "sure"}, {"level": 2.0}):
        with pytest.raises(BadValue):
            world.evaluate(**how)
    few = world.evaluate()
    assert "too little of the log" in few.text
    assert any("a handful of tasks decides" in caution for caution in few.cautions)


def test_where_matches_are_rare_the_interval_is_wide_and_holds(world: World) -> None:
    """A policy that never draws: a few weights would carry a narrow interval that means nothing."""
    world.live(150)
    target = Policy("memrl", weight=0.9, epsilon=0.0)
    told = world.evaluate(target)
    assert told.recommended == "snips"
    assert told.estimate.effective_sample_size < 100
    assert told.low <= world.truth(target) <= told.high
    assert told.low <= told.value <= told.high
    assert told.high - told.low > 0.3
    assert "holds however rare" in told.text
    assert "its interval means little" in told.text
    assert "item" in told.refused or "0 % of the outcomes say what was used" in told.text


def test_what_the_log_cannot_have_shown_is_refused_in_one_sentence(world: World) -> None:
    world.live(40, sides={"baseline": BASELINE, "incumbent": Policy("memrl", epsilon=0.0)})
    with pytest.raises(BadValue, match="recalls the log could have made") as refused:
        world.evaluate()
    assert "of its memories were never possible" in str(refused.value)
    assert len(str(refused.value)) < 350


def test_another_namespace_changes_nothing(world: World) -> None:
    world.live(60)
    before = world.evaluate().to_json()
    World(world.opened, "other").live(40)
    assert world.evaluate().to_json() == before


def test_whatever_is_missing_the_worst_cases_hold_what_would_have_been(world: World) -> None:
    world.live(400, credited=lambda number: number % 4 != 0)
    told = world.evaluate()
    low, high = told.estimates["ips"].worst
    assert low < world.truth(TARGET) < high
    assert sum(known for known, _ in told.estimate.credited.values()) == 300


TOPICS = ("password reset", "slow database", "failed deployment", "missing invoice")
FIXES = 8


def _advice(topic: str, fix: int) -> str:
    """The more a text repeats its topic, the more relevant it seems; what it is worth is another matter."""
    return f"{topic} {topic if fix % 2 else ''} advice number {fix} of the {topic.split()[0]} team"


def _live(memory: Memory, first: int, tasks: int, worth: dict[str, float]) -> float:
    stream, earned = Stream(8, "live"), 0.0
    for number in range(first, first + tasks):
        topic = TOPICS[int(stream.integers(len(TOPICS), number, 0))]
        with memory.task(f"job {number}") as task:
            recall = memory.recall(f"help with a {topic}", k=2)
            chance = sum(worth[item.record.id] for item in recall.items) / 2
            hit = float(stream.uniform(number, 1)) < chance
            task.credit(float(hit))
            earned += hit
    return earned / tasks


def test_the_answer_from_one_policys_log_holds_when_the_other_is_then_run_live(address: str) -> None:
    plain = {"synchronous": "NORMAL", "embedder": "none"}  # words alone: 900 recalls are not about vectors
    memory = Memory(address, **plain)
    texts = [_advice(topic, fix) for topic in TOPICS for fix in range(FIXES)]
    worth_of = {text: 0.9 if place % FIXES in (2, 6) else 0.2 for place, text in enumerate(texts)}
    past = [PastTask(f"advice {i}", text, float(i < 10 * worth_of[text])) for text in texts for i in range(10)]
    imported(memory, past)
    memory.freeze()  # so that both meet the same memory
    worth = {record.id: worth_of[record.content] for record in memory.list().records}
    _live(memory, 0, 600, worth)
    target = Policy("epsilon", explore=0.1)
    with memory._ground.database.read() as tx:
        told = evaluate(tx, memory._ground.ns, target)  # type: ignore[arg-type]
    assert told.estimate.n == 600
    other = Memory(address, policy=target, **plain)
    live = _live(other, 1_000, 300, worth)
    error = 1.96 * (live * (1 - live) / 300) ** 0.5
    assert told.low - error <= live <= told.high + error
    assert told.gain[1] > 0
    assert "more than the log earned" in told.text


def test_sets_that_are_possible_but_never_come_up_are_not_taken_as_known(address: str) -> None:
    """Half of the tasks show what the target would, half practically never: the weights' mean gives it away."""
    texts = {"apple alpha": 0.2, "apple beta gamma": 0.9, "stone alpha": 0.5, "stone beta gamma": 0.1}
    logging = Policy("boltzmann", explore=0.002, **NUMBERS)
    with Memory(address, synchronous="NORMAL", policy=logging) as memory:
        ids = {text: memory.remember(text).id for text in texts}
        for _ in range(10):  # what was learned: for apples the less relevant is better
            for text, worth in texts.items():
                memory.showed("taught", [ids[text]], task=f"{text} {_}")
                memory.credit(f"{text} {_}", worth)
        memory.freeze()
        luck = Stream(11, "luck")
        for i in range(400):
            with memory.task(f"t-{i}") as task:
                shown = memory.recall("apple alpha" if i % 2 else "stone alpha", k=1).items[0].record.content
                task.credit(float(float(luck.uniform(i)) < texts[shown]))
        found = memory.evaluate("similarity")
    truth = (texts["apple alpha"] + texts["stone alpha"]) / 2
    assert found.estimates["dr"].mean_weight < 0.7
    assert not found.estimates["dr"].low <= truth <= found.estimates["dr"].high
    assert found.recommended == "snips" and found.low <= truth <= found.high
