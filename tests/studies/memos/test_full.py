"""The full scale from a file of conversations to its findings, with a model of random weights in a real one's place."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from wayfare.errors import BadValue, CellFailed
from wayfare.studies.engine import InProcess
from wayfare.studies.memos import STUDY, full
from wayfare.studies.memos.experiment import run
from wayfare.studies.memos.full import memory_of, reader_of
from wayfare.studies.memos.locomo import read_locomo, word_f1

FULL = replace(STUDY.scales["full"], device="cpu", memory_tokens=1024, repeats=3, adapter_updates=2)


@pytest.fixture
def locomo(tmp_path: Path) -> str:
    turns = [{"speaker": "Ann" if n % 2 else "Bo", "dia_id": f"D1:{n}", "text": f"I saw {n} birds."} for n in range(30)]
    told = [
        {
            "conversation": {
                "speaker_a": "Ann", "session_2": turns[:5], "session_10": turns[5:], "session_2_date_time": "May 1",
                "session_10_date_time": "May 9",
            },
            "qa": [
                {"question": "How many?", "answer": 3, "category": 4, "evidence": []},
                {"question": "When?", "answer": "May 1", "category": 2, "evidence": []},
                {"question": "Never?", "adversarial_answer": "no", "category": 5, "evidence": []},
            ],
        }
    ] * 2  # fmt: skip
    file = tmp_path / "locomo10.json"
    file.write_text(json.dumps(told))
    return str(file)


def test_a_model_of_random_weights_runs_to_the_end(locomo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full, "FACTS", 3)
    monkeypatch.setattr(full, "ANSWER", 4)
    config = replace(FULL, locomo=locomo, conversations=2)
    STUDY.refuse(config)
    findings = run(config, InProcess())
    forms = findings.tables["forms"]
    assert [row[0] for row in forms.rows][-1] <= 1024 and len(forms.rows) == 3
    states = {check.name: check.state for check in findings.checks}
    assert (
        states["stored and loaded"] == states["cache and text: tokens"] == states["cache and text: logits"] == "holds"
    )
    assert states["LoCoMo: cache as text"] == "holds"
    assert dict(findings.tables["adapter"].rows)["unload"] == 0.0
    assert {row[0]: row[1] for row in findings.tables["locomo"].rows} == {"temporal": 2, "single-hop": 2}
    json.dumps(findings.to_json(), allow_nan=False)


def test_conversations_are_read_in_order_and_what_is_none_is_named(locomo: str, tmp_path: Path) -> None:
    (one,) = read_locomo(locomo, 1)
    assert one.lines[:2] == ("[May 1]", "Bo: I saw 0 birds.") and one.lines[6] == "[May 9]" and len(one.lines) == 32
    assert [each.answer for each in one.questions] == ["3", "May 1"]
    with pytest.raises(BadValue, match="locomo"):
        STUDY.refuse(replace(FULL, locomo=str(tmp_path / "missing.json")))
    (tmp_path / "wrong.json").write_text('[{"conversation": {}, "qa": []}]')
    with pytest.raises(BadValue, match="conversation 0"):
        read_locomo(str(tmp_path / "wrong.json"), 3)
    with pytest.raises(CellFailed, match="tiny-random"):
        run(replace(FULL, model=str(tmp_path)), InProcess())


def test_scores_are_of_shared_words() -> None:
    assert word_f1("The 7 May", "7 May", 2) == 1.0 and word_f1("on 7 May", "7 May", 2) == pytest.approx(0.8)
    assert word_f1("", "7 May", 2) == 0.0
    assert word_f1("Rome, Paris", "Paris, Rome", 1) == 1.0 and word_f1("Rome", "Paris, Rome", 1) == 0.5
    assert word_f1("likely yes", "likely yes; she said so", 3) == 1.0


def test_a_memory_fills_its_tokens_and_no_more() -> None:
    reader = reader_of("tiny-random", "cpu")
    for tokens in (64, 700):
        facts, text = memory_of(reader, tokens, 0)
        assert facts and 0.6 * tokens < len(reader.memory_ids(text)) <= tokens
