from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest

from wayfare.errors import BadValue, NoSuchRecord, VersionConflict
from wayfare.memory.embedding.lexical import Lexical
from wayfare.memory.engine import Engine
from wayfare.memory.operations import Add, Archive, Noop, Operation, Update
from wayfare.memory.planners import (
    AddOnly,
    HashDedup,
    KeyValue,
    LanguageModelPlanner,
    NearDuplicate,
    Neighbour,
    Planner,
    RulePlanner,
)
from wayfare.memory.records import Key

NUMBERS = count()


def engine(database: Any, planner: Planner | None, vectors: bool = True) -> Engine:
    embedder = Lexical()
    made = Engine(database, f"n{next(NUMBERS)}", embedder=embedder, planner=planner)
    if vectors:
        with made.database.write() as tx:
            ns = tx.namespace(made.namespace, create=True)
            row = tx.execute(
                "INSERT INTO spaces (ns, model, dimension, state) VALUES (?, ?, ?, 'serving') RETURNING space",
                (ns, embedder.model, embedder.dimension),
            ).fetchone()
            tx.execute("UPDATE namespaces SET space = ? WHERE ns = ?", (row[0], ns))
    return made


def put(made: Engine, *texts: str, **fields: Any) -> list[str]:
    return [result.op for result in made.plan_and_add([Add(text, **fields) for text in texts])]


def contents(made: Engine, **filters: Any) -> list[str]:
    return [record.content for record in made.list(**filters).records]


LONG = "Password resets need the session cache flushed first, then the user can log in again"
NEAR = "Password resets need the session cache flushed first, then users can log in again"
FAR = "Invoices are sent on the first working day of every month"


@pytest.mark.parametrize("planner", [AddOnly(), HashDedup(), None])
def test_exact_duplicates_are_stored_once_whoever_plans(database: Any, planner: Planner | None) -> None:
    made = engine(database, planner)
    assert put(made, LONG, LONG.upper(), NEAR) == ["ADD", "NOOP", "ADD"]


@pytest.mark.parametrize("vectors", [True, False])
def test_a_near_duplicate_becomes_a_new_version(database: Any, vectors: bool) -> None:
    made = engine(database, NearDuplicate(0.8), vectors)
    assert put(made, LONG, FAR) == ["ADD", "ADD"]
    result = made.plan_and_add([Add(NEAR, tags=["login"])])[0]
    assert (result.op, result.version) == ("UPDATE", 2) and "similar" in result.reason
    assert sorted(contents(made)) == sorted([NEAR, FAR])
    assert made.get(result.id).tags == ("login",)
    assert [step.record.content for step in made.history(result.id) if step.record] == [LONG, NEAR]


def test_the_best_of_two_near_duplicates_says_more(database: Any) -> None:
    made = engine(database, NearDuplicate(0.8, keep="best"))
    richer = LONG + " from Berlin"
    assert put(made, LONG) + put(made, NEAR) + put(made, richer) == ["ADD", "NOOP", "UPDATE"]
    assert contents(made) == [richer]


def test_near_duplicates_meet_within_one_batch_too(database: Any) -> None:
    made = engine(database, NearDuplicate(0.8))
    assert put(made, LONG, FAR, NEAR, NEAR + " today") == ["ADD", "ADD", "UPDATE", "UPDATE"]
    assert sorted(contents(made)) == sorted([NEAR + " today", FAR])
    assert max(record.version for record in made.list().records) == 3


def test_a_record_that_is_only_found_by_such_a_key_is_no_duplicate(database: Any) -> None:
    made = engine(database, NearDuplicate(0.8))
    assert put(made, FAR, keys=(Key("intent", LONG),)) + put(made, LONG) == ["ADD", "ADD"]
    assert put(made, LONG, kind="strategy") == ["ADD"]


def slot(value: str, **fields: Any) -> Add:
    return Add(value, meta={"entity": "ann", "attribute": "city"}, **fields)


def test_one_value_at_a_time_and_the_intervals_meet(database: Any) -> None:
    made = engine(database, KeyValue())
    first = made.plan_and_add([slot("Rome", valid_from=10.0)])[0]
    second = made.plan_and_add([slot("Oslo", valid_from=20.0)])[0]
    assert (first.op, second.op) == ("ADD", "SUPERSEDE")
    assert made.plan_and_add([slot("Oslo")])[0].op == "NOOP"
    assert put(made, "Ann likes tea", meta={"entity": "ann"}) == ["ADD"]
    old, new = made.get(first.id), made.get(second.id)
    assert (old.status, old.valid_to, new.valid_from, new.valid_to) == ("superseded", 20.0, 20.0, None)
    late = made.get(made.plan_and_add([slot("Bern", valid_from=5.0)])[0].id)  # learned late, of before
    assert (late.valid_from, late.valid_to) == (5.0, 20.0)
    third = made.plan_and_add([slot("Lima", valid_from=30.0)])[0]
    assert made.get(second.id).valid_to == 30.0 and made.get(third.id).status == "active"


def test_values_of_one_batch_follow_one_another(database: Any) -> None:
    made = engine(database, KeyValue())
    ops = [r.op for r in made.plan_and_add([slot(city, valid_from=float(i)) for i, city in enumerate("ABCA")])]
    assert ops == ["ADD", "SUPERSEDE", "SUPERSEDE", "SUPERSEDE"]
    assert contents(made) == ["A"] and sorted(contents(made, status="superseded")) == ["A", "B", "C"]


def test_racing_writers_of_one_value_leave_one(database: Any) -> None:
    made = Engine(database, f"n{next(NUMBERS)}", planner=KeyValue())

    def write(name: str) -> None:
        for i in range(10):
            made.plan_and_add([slot(f"{name}{i}")])

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(contents(made)) == 1 and len(contents(made, status=None)) == 30


def test_the_first_rule_with_an_answer_decides(database: Any) -> None:
    def short(draft: Add, _: Sequence[Neighbour]) -> Operation | None:
        return Noop("too short") if len(draft.content) < 5 else None

    def loud(draft: Add, _: Sequence[Neighbour]) -> Sequence[Operation] | None:
        return [Add(draft.content.lower()), Add("was loud")] if draft.content.isupper() else None

    made = engine(database, RulePlanner((short, loud)))
    assert put(made, "abc", "LOUD TEXT", "plain text") == ["NOOP", "ADD", "ADD"]
    assert sorted(contents(made)) == ["loud text", "plain text", "was loud"]
    with made.database.read() as tx:
        assert tx.execute("SELECT count(*) FROM log WHERE reason = 'too short'").fetchone()[0] == 1
    with pytest.raises(BadValue, match="rules"):
        put(engine(database, RulePlanner((lambda draft, near: 3,))), "text")  # type: ignore[arg-type, return-value]


class Model:
    """Answers from a list; each answer may be a function of the prompt."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.prompts = list(answers), []

    def __call__(self, prompt: str) -> str:
        self.prompts.append(prompt)
        answer = self.answers.pop(0)
        return answer(prompt) if callable(answer) else answer


def said(**operation: Any) -> str:
    return "Sure!\n```json\n" + json.dumps({"operations": [operation] if operation else []}) + "\n```"


def test_a_model_refines_what_is_stored_already(database: Any) -> None:
    model = Model(said(op="ADD", text="Flush the session cache before a password reset", reason="shorter"))
    made = engine(database, LanguageModelPlanner(model))
    result = made.plan_and_add([Add(LONG, tags=["login"])], idempotency_key="k", actor="ann")[0]
    assert result.op == "ADD" and made.get(result.id).tags == ("login",)
    (raw,) = made.list(status="archived").records
    assert raw.content == LONG and [link.target for link in made.links(raw.id, types=["evolve_to"])] == [result.id]
    assert made.plan_and_add([Add(LONG, tags=["login"])], idempotency_key="k", actor="ann") == [result]
    assert len(model.prompts) == 1


def test_a_model_may_update_merge_supersede_delete_or_leave_it(database: Any) -> None:
    made = engine(database, AddOnly())
    old = made.plan_and_add([Add(NEAR)])[0].id
    model = Model(
        said(op="UPDATE", id=old, text="updated"), said(op="SUPERSEDE", id=old, text="by another"), said(),
        said(op="NOOP", reason="chatter"),
    )  # fmt: skip
    made.planner = LanguageModelPlanner(model)
    first = made.plan_and_add([Add(LONG)])[0]
    assert (first.op, first.id, first.version) == ("UPDATE", old, 2) and NEAR in model.prompts[0]
    assert contents(made) == ["updated"]
    assert put(made, "updated in part") == ["SUPERSEDE"] and contents(made) == ["by another"]
    assert put(made, "left as it is") == ["ADD"]
    assert put(made, "how are you") == ["NOOP"] and sorted(contents(made)) == ["by another", "left as it is"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("I would add it.", BadValue), ("{}", BadValue), ('{"operations": 3}', BadValue), ("", BadValue),
        (None, BadValue),
        (said(op="EXPLODE"), BadValue), (said(op="ADD"), BadValue), (said(op="ADD", text=3), BadValue),
        (said(op="DELETE", id="made-up"), NoSuchRecord), (said(op="MERGE", ids=["a", "b"], text="x"), NoSuchRecord),
    ],
)  # fmt: skip
def test_a_plan_that_is_none_changes_nothing_and_the_text_is_kept(
    database: Any, answer: Any, error: type[Exception]
) -> None:
    made = engine(database, AddOnly())
    put(made, NEAR)
    made.planner = LanguageModelPlanner(Model(answer))
    with pytest.raises(error):
        put(made, LONG)
    assert sorted(contents(made, status=None)) == sorted([LONG, NEAR])


def test_a_plan_over_what_has_moved_on_is_made_again_and_nobody_waits_for_the_model(database: Any) -> None:
    made = engine(database, AddOnly())
    old = made.plan_and_add([Add(NEAR)])[0].id
    other = Engine(database, made.namespace)

    def meanwhile(text: str) -> Any:
        def answer(prompt: str) -> str:
            worker = threading.Thread(target=lambda: other.apply([Update(old, {"content": text})]))
            worker.start()
            worker.join(10)
            assert not worker.is_alive()  # the model holds no lock
            return said(op="UPDATE", id=old, text="decided upon the old text")

        return answer

    made.planner = LanguageModelPlanner(Model(meanwhile(NEAR + " one"), said(op="UPDATE", id=old, text="decided anew")))
    assert put(made, LONG) == ["UPDATE"] and contents(made) == ["decided anew"]
    made.planner = LanguageModelPlanner(Model(meanwhile("two"), meanwhile("three")))
    with pytest.raises(VersionConflict):
        put(made, LONG + " decided anew")
    assert sorted(contents(made)) == sorted(["three", LONG + " decided anew"])


@pytest.mark.parametrize(
    "bad",
    [
        lambda: NearDuplicate(0), lambda: NearDuplicate(1.5), lambda: NearDuplicate(keep="oldest"),  # type: ignore[arg-type]
        lambda: RulePlanner(("x",)), lambda: LanguageModelPlanner(print, max_calls=0),  # type: ignore[arg-type]
        lambda: LanguageModelPlanner("gpt"), lambda: NearDuplicate(nearest=0),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(bad: Any) -> None:
    with pytest.raises(BadValue):
        bad()


def test_an_archived_text_is_no_neighbour(database: Any) -> None:
    made = engine(database, NearDuplicate(0.8))
    id = made.plan_and_add([Add(LONG)])[0].id
    made.apply([Archive(id)])
    assert put(made, NEAR) == ["ADD"]
