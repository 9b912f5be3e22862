"""Icon grounding: screens with their decoys, the prior of the corpus, and what lists are paid."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wayfare.worlds.verifiable import IconGrounding
from wayfare.worlds.verifiable.contract import by_hash


def test_a_hard_screen_shows_its_decoy_and_an_easy_one_has_none() -> None:
    of = IconGrounding(train=2000)
    decoy_of = dict[str, str]()
    for row in of.rows("train"):
        mode, intent, *icons, colon = row["prompt"].split()
        assert (mode, colon, len(set(icons))) == ("list", ":", 6)
        assert icons[row["target"] - 1] == intent.replace("intent", "icon")
        assert row["hard"] == (int(intent[6:]) < 5) == (row["decoy"] > 0) and row["decoy"] != row["target"]
        if row["hard"]:
            assert decoy_of.setdefault(intent, icons[row["decoy"] - 1]) == icons[row["decoy"] - 1]
    assert len(decoy_of) == 5
    share = np.mean([row["hard"] for row in of.rows("train")])
    assert share == pytest.approx(5 / 16, abs=0.04)
    slots = np.bincount([row["target"] for row in of.rows("train")], minlength=7)[1:] / 2000
    assert slots == pytest.approx(1 / 6, abs=0.03)


@pytest.mark.parametrize(
    ("mode", "text", "worth"),
    [("single", "slot2", 2.0), ("single", "slot3", 0.0), ("single", "slot2 slot3", -1.0), ("list", "slot2", 2.0),
     ("list", "slot3", 0.0), ("list", "slot3 slot2", 1.5), ("list", "slot1 slot3 slot4 slot5", 0.75),
     ("list", "slot2 slot2", -1.0), ("list", "slot2 slot1 slot1", -1.0), ("list", "slot7", -1.0),
     ("list", "slot0", -1.0), ("list", "slot02", -1.0), ("list", "slot2 ", -1.0), ("list", "slot2  slot1", -1.0),
     ("list", "SLOT2", -1.0), ("list", "slot2,slot1", -1.0), ("list", "slot\u0662", -1.0), ("list", "", -1.0),
     ("list", "slot1 slot2 slot3 slot4 slot5 slot6", 1 + 1 / math.sqrt(12)), ("list", "slot2 " * 6 + "slot1", -1.0)],
)  # fmt: skip
def test_lists_are_paid_by_rank_and_gated(mode: str, text: str, worth: float) -> None:
    found = IconGrounding().reward(prompts=[""], completions=[text], target=[2], mode=[mode])
    assert found == [pytest.approx(worth)]


def test_the_ablations_pay_any_hit_alike_and_let_repeats_pass() -> None:
    any_hit = IconGrounding(paid="any hit")
    assert any_hit.verify("slot1 slot3 slot2", 2, "list") == 2 and any_hit.verify("slot1 slot3", 2, "list") == 0
    assert any_hit.verify("slot2 slot2", 2, "list") == -1 and any_hit.verify("slot9", 2, "list") == -1
    ungated = IconGrounding(gate=False)
    assert ungated.verify("slot2 slot2", 2, "list") == pytest.approx(1 + 1 / math.sqrt(2))
    assert IconGrounding().score("slot4 slot2", 2, "list")["first_correct"] is False


def test_the_corpus_takes_first_choices_from_the_prior_and_lists_without_repeats() -> None:
    of = IconGrounding(hard_rate=0.02, decoy_rate=0.9)
    firsts, lengths, singles = {True: list[str](), False: list[str]()}, list[int](), 0
    for prompt, completion in of.corpus(8000, 0):
        mode, intent, *icons, _ = prompt.split()
        slots = [int(word[4:]) for word in completion.split()]
        assert len(set(slots)) == len(slots)
        kind = int(intent[6:])
        decoy = f"icon{of._decoys[kind]}"
        chosen = icons[slots[0] - 1]
        what = "right" if chosen == f"icon{kind}" else "decoy" if kind < 5 and chosen == decoy else "other"
        firsts[kind < 5].append(what)
        singles += mode == "single"
        if mode == "single":
            assert len(slots) == 1
        else:
            lengths.append(len(slots))
    hard = [firsts[True].count(what) / len(firsts[True]) for what in ("right", "decoy", "other")]
    assert hard == pytest.approx([0.02, 0.9, 0.08], abs=0.015)
    assert firsts[False].count("right") / len(firsts[False]) == pytest.approx(0.92, abs=0.012)
    assert np.bincount(lengths)[1:] / len(lengths) == pytest.approx(0.25, abs=0.03) and len(set(lengths)) == 4
    assert singles / 8000 == pytest.approx(0.5, abs=0.02)


def test_no_screen_of_the_corpus_belongs_to_a_split_that_is_held_out() -> None:
    codes = []
    for prompt, _ in IconGrounding().corpus(1000, 0):
        _, intent, *icons, _ = prompt.split()
        codes.append(int(intent[6:]) + 16 * sum(int(icon[4:]) * 16**slot for slot, icon in enumerate(icons)))
    row = IconGrounding().rows("test")[0]
    _, intent, *icons, _ = row["prompt"].split()
    assert row["index"] == int(intent[6:]) + 16 * sum(int(icon[4:]) * 16**slot for slot, icon in enumerate(icons))
    assert (by_hash(np.array(codes), 0) == 0).all() and by_hash(np.array([row["index"]]), 0) == 2


def test_both_modes_show_the_same_screens() -> None:
    single, many = (IconGrounding(mode=mode, train=50).rows("train") for mode in ("single", "list"))  # type: ignore[arg-type]
    assert [row["index"] for row in single] == [row["index"] for row in many]
    assert single[0]["prompt"].startswith("single ") and single[0]["mode"] == "single"
