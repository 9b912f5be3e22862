"""What each module is known for, in cases small enough to work out by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.memory.modules.playing import FRUIT, done, run, shown
from wayfare.errors import BadValue
from wayfare.memory.cards import MemoryCard
from wayfare.memory.modules import MODULES, MemoryModule, made, module_class
from wayfare.memory.modules.credited import MemRL, SafeMemory
from wayfare.memory.modules.facts import Fact, Facts, extracted
from wayfare.memory.modules.frames import read
from wayfare.memory.modules.history import ExpRecent, History
from wayfare.memory.modules.insights import Insights
from wayfare.memory.modules.notes import LinkedNotes, keywords
from wayfare.memory.modules.similar import ExpRAG, ExpRAGSuccess
from wayfare.memory.modules.stored import Stored
from wayfare.memory.modules.workflows import Workflow, Workflows, common


def test_every_module_answers_to_the_protocol_and_says_what_it_is(tmp_path: Path) -> None:
    for name in MODULES:
        with made(name, tmp_path / f"{name}.db", k=2, seed=1) as module:  # type: ignore[attr-defined]
            assert isinstance(module, MemoryModule)
            assert module and len(module) == 0
            assert list(module.search("peel the ripe apple")) == [] and module.synthesise("x", []) == ""
            run(module, [done(task) for task in FRUIT])
            context = module.synthesise(FRUIT[0], module.search(FRUIT[0]))
            assert (context == "") == (name == "none")
            assert name == "none" or isinstance(module.card, MemoryCard)  # type: ignore[attr-defined]
            assert module_class(name).label
    with pytest.raises(BadValue, match="exprag"):
        module_class("mine")
    with pytest.raises(BadValue, match="k must be"):
        ExpRAG(tmp_path / "k.db", k=0)
    with pytest.raises(BadValue, match="complete"):
        ExpRAG(tmp_path / "k.db", complete="gpt")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["remem", "notes", "insights", "safe"])
def test_a_module_lies_in_either_store_and_goes_on_where_it_was(name: str, address: str) -> None:
    with made(name, address) as module:  # type: ignore[attr-defined]
        run(module, [done(task) for task in FRUIT])
        before, kept = shown(module, FRUIT[0]), len(module)  # type: ignore[arg-type]
    with made(name, address) as module:  # type: ignore[attr-defined]
        assert (shown(module, FRUIT[0]), len(module)) == (before, kept)  # type: ignore[arg-type]
        run(module, [done("wash the old car")])


def test_history_shows_all_and_exprecent_the_last_k_the_last_first(tmp_path: Path) -> None:
    with History(tmp_path / "h.db", k=2) as history, ExpRecent(tmp_path / "r.db", k=2) as recent:
        for module in (history, recent):
            run(module, [done(task) for task in FRUIT])
        assert shown(history, "anything at all") == FRUIT[::-1]
        assert shown(recent, "anything at all") == FRUIT[:0:-1]


def test_exprag_keeps_failures_and_the_filter_only_what_is_said_to_have_succeeded(tmp_path: Path) -> None:
    tasks = [done("peel apple", "good"), done("peel pear", "bad", 0.0), done("peel plum", "mute", None)]
    with ExpRAG(tmp_path / "a.db") as every, ExpRAGSuccess(tmp_path / "s.db") as filtered:
        for module in (every, filtered):
            run(module, tasks)
        assert sorted(shown(every, "peel")) == ["peel apple", "peel pear", "peel plum"]
        assert shown(every, "peel pear")[0] == "peel pear"
        assert shown(filtered, "peel") == ["peel apple"]


@pytest.mark.parametrize("kind", [MemRL, SafeMemory])
def test_feedback_is_credited_to_what_was_shown(kind: type[Any], tmp_path: Path) -> None:
    with kind(tmp_path / "m.db", k=2) as module:
        run(module, [done(FRUIT[0])])
        run(module, [done(FRUIT[1], feedback=0.0), done("wash a car", feedback=None)])
        [first] = module.memory.list(limit=1).records
        assert (first.utility.n, first.utility.mean) == (1.0, 0.0)
        module.update(done(FRUIT[2]))  # nothing was searched for it: kept, nothing credited
        assert len(module) == 4


def test_memrl_shows_what_earned_before_what_is_more_alike(tmp_path: Path) -> None:
    with MemRL(tmp_path / "m.db", k=1) as module:
        module.update(done("peel the ripe apple now", "bad"))
        module.update(done("peel the ripe apple", "good"))
        module.update(done("peel a ripe plum", "other"))
        wanted = "peel the ripe apple now please"
        [first] = module.search(wanted)
        assert read(first.text)[0].answer == "bad"
        for _ in range(4):
            module.memory.credit(module.memory.showed(wanted, [first.id]), 0.0)
        assert read(module.search(wanted)[0].text)[0].answer == "good"


def test_an_insight_is_voted_up_by_what_says_it_again_and_dropped_when_its_votes_are_gone(tmp_path: Path) -> None:
    with Insights(tmp_path / "i.db", size=2) as sheet:
        run(sheet, [done(FRUIT[0], "knife")])
        assert [each.score for each in sheet.search("")] == [2.0]
        run(sheet, [done(FRUIT[0], "knife")])
        assert [each.score for each in sheet.search("")] == [3.0]
        run(sheet, [done(FRUIT[0], "knife", 0.0)] * 3 + [done("wash a car", "no", 0.0)])
        assert sheet.search("") == [] and len(sheet) == 0
        assert sheet.operations == {"ADD": 1, "UPVOTE": 1 + 2, "ARCHIVE": 1, "NOOP": 1}


def test_the_sheet_is_bounded_the_same_for_all_tasks_and_what_made_room_is_archived(tmp_path: Path) -> None:
    with Insights(tmp_path / "i.db", size=2) as sheet:
        run(sheet, [done("open a door", "key")] * 2 + [done("feed a cat", "fish"), done("fix a bike", "oil")])
        assert shown(sheet, "feed a cat") == shown(sheet, "anything") == ["open a door", "fix a bike"]
        assert len(sheet.memory.list(status="archived").records) == 1
    with pytest.raises(BadValue, match="size"):
        Insights(tmp_path / "j.db", size=0)


def test_two_successes_become_a_workflow_with_slots_that_the_next_task_fills() -> None:
    a = Workflow(("put", "a", "mug", "on", "the", "desk"), ("go to desk", "take mug", "look around", "leave mug"))
    b = Workflow(("put", "a", "pen", "on", "the", "desk"), ("go to desk", "take pen", "leave pen"))
    found = common(a, b)
    assert found == Workflow(("put", "a", "<1>", "on", "the", "desk"), ("go to desk", "take <1>", "leave <1>"))
    assert found is not None
    assert found.filled("put a red cup on the desk").steps == ("go to desk", "take red cup", "leave red cup")
    shelf = Workflow(tuple(["put", "a", "cup", "on", "the", "shelf"]), ("go to shelf", "take cup", "leave cup"))
    assert common(found, shelf) == Workflow(
        ("put", "a", "<1>", "on", "the", "<2>"), ("go to <2>", "take <1>", "leave <1>")
    )
    assert common(a, Workflow(("wash", "the", "old", "car"), a.steps)) is None
    assert common(a, replace(b, steps=("call", "wait", "pay"))) is None


def test_workflows_are_induced_from_successes_alone_and_what_they_took_in_stays_in_the_history(tmp_path: Path) -> None:
    with Workflows(tmp_path / "w.db") as module:
        run(module, [done("put a mug on the desk", "", 0.0, "give up")])
        assert len(module) == 0
        run(module, [done("put a mug on the desk", "", 1.0, "take mug\nleave mug on desk")])
        run(module, [done("put a pen on the desk", "", 1.0, "take pen\nleave pen on desk")])
        assert len(module) == 1
        [found] = read(module.synthesise("", module.search("put a key on the desk")))
        assert (found.head, found.steps) == ("Workflow", ("take key", "leave key on desk"))
        assert module.operations == {"ADD": 1, "MERGE": 1}
        [record] = module.memory.list(kind="workflow").records
        module.memory.engine.undo_merge(record.id)
        assert "take mug" in str([each.content for each in module.memory.list(kind="workflow").records])


def test_linked_notes_bring_along_what_a_search_alone_would_miss(tmp_path: Path) -> None:
    with LinkedNotes(tmp_path / "n.db", k=2) as module:
        run(
            module,
            [done("repair the green garden gate hinge", "oil"), done("repair the green garden gate lock", "key")],
        )
        [old, new] = module.memory.list().records
        assert [(link.source, link.target, link.type) for link in module.memory.links(new.id)] == [
            (new.id, old.id, "related")
        ]
        assert "lock" in old.tags and "hing" in old.tags  # evolved: the older note is filed under the new one's words
        run(module, [done("describe a hinge", "it turns"), done("draw a hinge", "ink")])
        assert shown(module, "lock")[1] == "repair the green garden gate hinge"
        assert "context" not in keywords("of the 12 garden gates") and "garden" in keywords("of the 12 garden gates")


def test_facts_are_extracted_and_a_new_value_takes_the_place_of_the_old(tmp_path: Path) -> None:
    told = done(
        "find the mug", "found", 1.0, "You see a mug is in cabinet 2.\nfound pen on desk\ndoor: locked\ngo north"
    )
    assert extracted(told) == [
        Fact("mug", "place", "in cabinet 2"), Fact("pen", "place", "on desk"), Fact("door", "state", "locked"),
    ]  # fmt: skip
    with Facts(tmp_path / "f.db") as module:
        run(module, [told, done("find it", "", 0.0, "the mug is on shelf 1")])
        assert [each for each in shown(module, "mug") if each == "mug"] == ["mug"]
        assert "on shelf 1" in module.synthesise("mug", module.search("mug"))
        [past] = [each for each in module.memory.list(status="superseded").records]
        assert "cabinet 2" in past.content
        run(module, [done("find the mug", "here")])
        assert "Answer: here" in module.synthesise("x", module.search("find the mug"))
        run(module, [done("find the mug", "here", 0.0)])
        assert "Answer" not in module.synthesise("x", module.search("find the mug"))  # it failed: taken back


ANSWERS: dict[str, tuple[Callable[[list[str]], Any], Callable[[Any], bool]]] = {
    "insights": (
        lambda ids: {"operations": [{"op": "ADD", "text": "Peel thinly."}, {"op": "UPVOTE", "id": "no such"}, 7]},
        lambda module: shown(module, "x")[0] == "Peel thinly.",
    ),
    "workflows": (
        lambda ids: {"goal": "peel the ripe <1>", "steps": ["take <1>", "peel <1>"]},
        lambda module: "peel kiwi" in module.synthesise("", module.search("peel the ripe kiwi")),
    ),
    "notes": (
        lambda ids: {
            "keywords": ["orchard"], "context": "about fruit", "links": ids,
            "evolve": [{"id": each, "keywords": ["juicy"]} for each in ids],
        },
        lambda module: {"orchard", "juicy"} <= {tag for each in module.memory.list().records for tag in each.tags},
    ),
    "facts": (
        lambda ids: {
            "facts": [{"entity": "apple", "attribute": "taste", "value": "sour"}, {"entity": 3}], "operations": [],
        },
        lambda module: "sour" in module.synthesise("", module.search("apple")),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_with_a_language_model_the_model_decides_and_its_calls_are_counted(name: str, tmp_path: Path) -> None:
    says, holds = ANSWERS[name]
    ids: list[str] = []
    with made(name, tmp_path / "m.db", complete=lambda prompt: "Sure: " + json.dumps(says(ids))) as module:  # type: ignore[attr-defined]
        for task in FRUIT[:2]:
            run(module, [done(task)])
            ids[:] = [record.id for record in module.memory.list().records]  # type: ignore[attr-defined]
        assert holds(module)
        assert module.calls >= 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize(
    "said", ["I am not sure.", '{"operations": 3, "facts": {}, "steps": "x", "links": 1}', "{[", "{}"]
)
def test_what_a_language_model_says_beside_the_point_breaks_nothing(name: str, said: str, tmp_path: Path) -> None:
    with made(name, tmp_path / "m.db", complete=lambda prompt: said) as module:  # type: ignore[attr-defined]
        assert isinstance(module, Stored)
        run(module, [done(task) for task in FRUIT[:2]])
        module.search(FRUIT[0])
