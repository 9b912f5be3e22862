"""The benchmark on real dialogue, on small conversations of our own with the same schema."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wayfare.draws import Stream
from wayfare.memory import dialogue, sessions
from wayfare.memory.candidates import WEIGHTS
from wayfare.memory.index import queries

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import fusion
import locomo

PETS = ("parrot", "tortoise", "ferret", "gecko", "pony", "beagle", "hamster", "llama")
TOWNS = ("Leeds", "Ghent", "Turin", "Porto", "Graz", "Lyon", "Bergen", "Split")
HOBBIES = ("pottery", "archery", "fencing", "origami", "curling", "sailing", "juggling", "chess")
TALK = ("Nothing new on my side.", "What have you been up to?", "That sounds great!", "The weather has been awful.")
EVIDENCE = (["D{s}:2"], ["D{s}:2; D{s}:4"], ["D{s}:2 D{s}:4"], ["D:{s}:2"], ["D{s}:02"], ["D", "D{s}:2"])
"""As it is written, and as it is malformed."""


def made(seed: int) -> dict[str, Any]:
    """Eight sessions: each has a pet, a town and a hobby, told between small talk."""
    order = np.argsort(np.asarray(Stream(seed, "talks").uniform(0, np.arange(24))).reshape(3, 8), axis=1)
    talk: dict[str, Any] = {"speaker_a": "Ann", "speaker_b": "Bob"}
    asked: list[dict[str, Any]] = []
    for s in range(1, 9):
        pet, town, hobby = PETS[order[0, s - 1]], TOWNS[order[1, s - 1]], HOBBIES[order[2, s - 1]]
        said = [
            TALK[s % 4], f"I got a {pet} last week, from a farm.", "Where did you get it from, and who feeds it?",
            f"We drove to {town} and back.", f"My cousin has taken up {hobby}.", TALK[(s + 1) % 4],
        ]  # fmt: skip
        talk[f"session_{s}_date_time"] = f"{s}:05 pm on {s} May, 2023"
        talk[f"session_{s}"] = [
            {"speaker": "Ann" if i % 2 else "Bob", "dia_id": f"D{s}:{i + 1}", "text": text}
            for i, text in enumerate(said)
        ]
        evidence = [text.format(s=s) for text in EVIDENCE[s % len(EVIDENCE)]]
        asked.append({"question": f"Which animal, a {pet}, did Ann get?", "evidence": evidence, "category": s % 5 + 1})
        asked.append({"question": f"Who takes up {hobby}?", "evidence": [f"D{s}:5"], "category": 4})
    asked.append({"question": "Unanswerable?", "evidence": [], "category": 5})
    asked.append({"question": "Nowhere?", "evidence": ["D99:1"], "category": 5})
    return {"sample_id": f"made-{seed}", "conversation": talk, "qa": asked}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("talks") / "talks.json"
    path.write_text(json.dumps([made(0), made(1), made(2)]))
    return path


def test_turns_come_in_order_with_their_session_and_time(file: Path) -> None:
    talk = locomo.read(file)[0]
    assert len(talk.turns) == 48 and [turn["session"] for turn in talk.turns[::6]] == list("12345678")
    assert talk.turns[0]["time"] == 1_682_946_300.0 and talk.turns[7]["time"] == 1_683_036_301.0


def test_sessions_are_read_by_their_number_not_by_their_name() -> None:
    turn = {"speaker": "Ann", "text": "x"}
    talk = {f"session_{s}": [{**turn, "dia_id": f"D{s}:1"}] for s in (10, 2, 1)}
    times = {f"session_{s}_date_time": "1:05 pm on 1 May, 2023" for s in (1, 2, 10, 11)}
    found = locomo.conversation({"conversation": {**talk, **times}, "qa": []})
    assert [turn["session"] for turn in found.turns] == ["1", "2", "10"]


@pytest.mark.parametrize(
    ("evidence", "places"),
    [
        (["D2:2"], (7,)), (["D2:2; D1:4"], (3, 7)), (["D2:2 D1:4"], (3, 7)), (["D:2:2"], (7,)), (["D2:02"], (7,)),
        (["D", "D2:2"], (7,)), (["D2:2", "D2:2"], (7,)), (["D2:99", "D1:1"], (0,)),
    ],
)  # fmt: skip
def test_malformed_evidence_is_read_by_a_pattern(evidence: list[str], places: tuple[int, ...]) -> None:
    given = made(0)
    given["qa"] = [{"question": "?", "evidence": evidence, "category": 1}]
    assert locomo.conversation(given).questions == [locomo.Question("?", 1, places)]


def test_questions_without_evidence_are_left_out_and_names_of_no_turn_counted(file: Path) -> None:
    talk = locomo.read(file)[0]
    assert len(talk.questions) == 16 and talk.unknown == 2  # a lone D, and D99:1
    assert not any(question.text in ("Unanswerable?", "Nowhere?") for question in talk.questions)


def test_measures_are_what_they_are_called() -> None:
    turns = [{"session": name} for name in "aaabbb"]
    talk = locomo.Conversation("x", turns, [locomo.Question("?", 1, (0, 1, 5)), locomo.Question("?", 2, (2,))])
    found = locomo.measured(talk, [[0, 3, 4, 1, 2, 5], [3, 4, 5, 0, 1]])
    assert found["recall@5"].tolist() == [pytest.approx(2 / 3), 0.0] and found["recall@10"].tolist() == [1.0, 0.0]
    assert found["hit@5"].tolist() == [1.0, 0.0] and found["all@5"].tolist() == [0.0, 0.0]
    assert found["all@10"].tolist() == [1.0, 0.0] and found["session hit@5"].tolist() == [1.0, 1.0]


def test_the_interval_is_students_over_conversations_and_means_are_over_questions() -> None:
    mean, low, high = locomo.interval([np.array([1.0, 0.0]), np.array([1.0, 1.0]), np.array([0.0, 0.0])])
    assert mean == 0.5 and high - mean == pytest.approx(4.302653 * math.sqrt(1 / 3 / 2 * 0.5), rel=1e-5) == mean - low
    parts = [np.ones(3), np.zeros(1)]
    assert locomo.interval(parts)[0] == 0.75
    assert locomo.interval([np.ones(4)])[0] == 1.0 and math.isnan(locomo.interval([np.ones(4)])[1])
    assert locomo.interval([np.full(2, 0.3), np.full(5, 0.3)])[1:] == pytest.approx((0.3, 0.3))


def test_the_table_and_the_json_say_the_same_and_nothing_of_the_texts(file: Path, capsys, tmp_path: Path) -> None:
    locomo.main(["--data", str(file), "--json", "--output", str(tmp_path / "out.json")])
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "out.json").read_text())
    assert printed["command"] == "python benchmarks/locomo.py --data FILE" and str(file) not in json.dumps(printed)
    assert printed["questions"]["all"] == 48 and printed["evidence that names no turn"] == 6
    assert not any(word in json.dumps(printed) for word in (*PETS, *TOWNS, "Ann", "made-0"))
    rankings = printed["rankings"]
    assert set(rankings) == {"alone", "words", "no vectors", "vectors", "fused"}
    for groups in rankings.values():
        recalls = [groups["all"][f"recall@{k}"][0] for k in (5, 10, 20)]
        assert 0.3 < recalls[0] <= recalls[1] <= recalls[2] <= 1.0
        assert groups["all"]["session hit@5"][0] >= groups["all"]["hit@5"][0] >= recalls[0]
    # The second place of an answer ("We drove to Leeds") has no word of the question: only its window finds it.
    assert rankings["words"]["all"]["recall@5"][0] > rankings["alone"]["all"]["recall@5"][0]
    low, high = printed["differences"]["words - alone"]["recall@5"][1:]
    assert low <= high
    shown = locomo.table(printed)
    assert f"{rankings['fused']['all']['recall@10'][0]:.3f} [" in shown and "multi-hop" in shown


def test_the_default_ranking_is_the_one_that_a_user_gets() -> None:
    assert locomo.settings("fused", None) == {} and locomo.settings("fused", "none") == {"embedder": "none"}
    assert locomo.settings("no vectors", None) == {"embedder": "none", "weights": {}}


def test_the_choice_for_a_conversation_does_not_look_at_it() -> None:
    one, other = fusion.Setting(small=0.15), fusion.Setting(small=0.4)
    told = {
        one: [np.full((2, 3), 0.9), np.full((2, 3), 0.1), np.full((2, 3), 0.1)],
        other: [np.full((2, 3), 0.0), np.full((2, 3), 0.2), np.full((2, 3), 0.2)],
    }
    settings, found = fusion.held_out(told)
    assert settings == [other, one, one] and [part.mean() for part in found] == pytest.approx([0.0, 0.1, 0.1])
    assert fusion.chosen(told) == one


def test_what_the_choice_counts_is_what_the_public_face_recalls(file: Path, tmp_path: Path) -> None:
    """The numbers in the code, and numbers of no session and no date, give the same turns on both ways."""
    talk = locomo.read(file)[1]
    scored = fusion.scored(talk, fusion.IN_CODE.window, (fusion.IN_CODE.small,))[fusion.IN_CODE.small]
    bare = fusion.Setting(fusion.IN_CODE.window, fusion.IN_CODE.small)
    assert bare.words_alone and not fusion.IN_CODE.words_alone
    for setting, ranking in ((fusion.IN_CODE, "fused"), (bare, "words")):
        (tmp_path / ranking).mkdir()
        measured = locomo.measured(talk, locomo.ranked(talk, ranking, None, tmp_path / ranking)[0])
        shares = fusion.recall(scored, setting)
        for column, k in enumerate(fusion.KS[:2]):
            np.testing.assert_allclose(shares[:, column], measured[f"recall@{k}"])


def test_the_choice_is_printed_and_leaves_the_engine_as_it_was(file: Path, capsys, monkeypatch, tmp_path: Path) -> None:
    code = fusion.IN_CODE
    for name, few in (
        ("WINDOWS", ((1, 1, 2), code.window)),
        ("SMALL", (code.small,)),
        ("VECTORS", (0.0, code.vectors)),
    ):
        monkeypatch.setattr(fusion, name, few)
    for name, few in (("SESSIONS", (0.0, code.sessions)), ("ASKED", (1.0, code.asked)), ("BRIEF", (0.0, code.brief))):
        monkeypatch.setattr(fusion, name, few)
    monkeypatch.setattr(fusion, "DATES", (0.0, code.dates))
    fusion.main(["--data", str(file), "--output", str(tmp_path / "out.json")])
    printed, out = capsys.readouterr().out, json.loads((tmp_path / "out.json").read_text())
    assert "made-2 left out: window" in printed and "in the code, judged on all" in printed
    assert set(out["chosen"]) == {"made-0", "made-1", "made-2"} and str(file) not in json.dumps(out)
    assert out["figures"]["held out"]["recall@10"][0] >= 0.5
    assert code.window == (dialogue.BEFORE, dialogue.AFTER, dialogue.OWN) and code.small == queries.SMALL
    assert (WEIGHTS["sessions"], WEIGHTS["dates"], sessions.ASKED) == (code.sessions, code.dates, code.asked)
