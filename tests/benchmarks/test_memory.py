"""The memory benchmark, tiny: ours goes through every stage, and recall, medians and targets are what they say."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import memory
import memory_data
import memory_targets
import memory_work
from memory_peers import Numpy

RECORDS = 300


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> memory_data.Data:
    folder = tmp_path_factory.mktemp("memory") / "topics"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory_data, "QUESTIONS", 60)
        memory_data.write(folder, "topics", RECORDS)
    return memory_data.read(folder)


@pytest.fixture(scope="module")
def store(data: memory_data.Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("memory") / "store"
    told = memory_work.fill("ours", data, folder)
    assert told["per_second"] > 0 and told["mib"] > 0
    return folder


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_work, "QUESTIONS", 60)
    monkeypatch.setattr(memory_work, "BATCH", 20)


# Data


@pytest.mark.parametrize("name", memory_data.SETS)
def test_every_set_has_unit_vectors_and_questions_with_a_tenth_best(name: str, tmp_path: Path) -> None:
    told = memory_data.write(tmp_path, name, 250)
    data = memory_data.read(tmp_path)
    assert told["set"] == name and len(data) == 250 and data.vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(data.vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(np.linalg.norm(data.questions, axis=1), 1, atol=1e-5)
    scores = np.sort(data.vectors @ data.questions.T, axis=0)
    assert np.allclose(scores[-10], data.tenth, atol=1e-6)
    assert (data.tenth_tagged <= data.tenth + 1e-6).all()


def test_topics_lie_about_centres_and_the_unclustered_do_not() -> None:
    nearest = {}
    for name in ("topics", "unclustered"):
        records, questions = memory_data._drawn(name, 5_000)
        nearest[name] = float((records @ questions.T).max(axis=0).mean())
    assert nearest["topics"] > 0.75 > 0.35 > nearest["unclustered"]


def test_a_smaller_set_is_the_beginning_of_a_larger_one() -> None:
    assert np.array_equal(memory_data._drawn("spectrum", 50)[0], memory_data._drawn("spectrum", 90)[0][:50])
    assert list(memory_data.texts(0, 1_500))[950:1_050] == list(memory_data.texts(950, 1_050))


def test_texts_follow_zipfs_law_over_a_vocabulary_of_distinct_words() -> None:
    assert len({memory_data.word(rank) for rank in range(memory_data.VOCABULARY)}) == memory_data.VOCABULARY
    texts = list(memory_data.texts(0, 3_000))
    words = [word for text in texts for word in text.split()]
    counts = [words.count(memory_data.word(rank)) for rank in (0, 9)]
    assert 5 < counts[0] / counts[1] < 20  # 10 by the law
    assert all(8 <= len(text.split()) <= 40 for text in texts) and len(set(texts)) == len(texts)
    assert {len(question.split()) for question in memory_data.asked(20)} == {8}


def test_a_dialogue_is_read_in_the_schema_of_locomo_and_no_text_of_it_is_written(tmp_path: Path) -> None:
    talk = {
        "conversation": {
            "speaker_a": "Ann", "session_2": [{"speaker": "Bo", "text": "the zebra second"}],
            "session_1_date_time": "noon", "session_1": [{"speaker": "Ann", "text": "the giraffe first"}],
        },
        "qa": [{"question": f"Where is the giraffe number {i}?"} for i in range(3)],
    }  # fmt: skip
    assert memory_data.turns_of(talk["conversation"]) == ["Ann: the giraffe first", "Bo: the zebra second"]
    given = tmp_path / "talks.json"
    given.write_text(json.dumps([talk]))
    told = memory_data.write(tmp_path / "set", "dialogue", 4, given)
    assert "1 conversations, 2 turns" in told["source"]
    assert memory_data.read(tmp_path / "set").vectors.shape == (4, memory_data.DIMENSION)
    written = b"".join(path.read_bytes() for path in (tmp_path / "set").iterdir())
    assert b"giraffe" not in written and b"zebra" not in written


# Recall


def test_an_exact_search_is_right_in_every_answer(data: memory_data.Data, tmp_path: Path) -> None:
    exact = Numpy(tmp_path)
    exact.ask(data)
    assert all(data.right(j, exact.nearest(data, j, 10)) == 1.0 for j in range(60))


def test_what_is_missed_wrong_or_said_twice_is_no_recall(data: memory_data.Data) -> None:
    order = np.argsort(-(data.vectors @ data.questions[3]))
    best, worst = order[:10].tolist(), order[-10:].tolist()
    assert data.right(3, best[:7] + worst[:3]) == pytest.approx(0.7)
    assert data.right(3, worst) == 0.0 and data.right(3, []) == 0.0
    assert data.right(3, [best[0]] * 10) == pytest.approx(0.1)
    assert data.right(3, worst + best) == 0.0  # only ten answers count


def test_an_equally_near_record_is_as_good_as_the_one_that_was_counted(tmp_path: Path) -> None:
    vectors = np.zeros((30, memory_data.DIMENSION), np.float32)
    vectors[:20, 0] = 1.0
    vectors[20:, 1] = 1.0
    question = vectors[:1]
    tenth = memory_data._tenth(vectors, question)
    data = memory_data.Data(vectors, question, ["x"], tenth[0], tenth[1], tmp_path)
    assert data.right(0, list(range(10, 20))) == 1.0 and data.right(0, list(range(15, 25))) == 0.5


def test_under_a_filter_only_what_has_the_tag_counts(data: memory_data.Data) -> None:
    tagged = [i for i in range(RECORDS) if memory_data.tag(i) == memory_data.tag(5)]
    assert len(tagged) == 3
    assert data.right(5, tagged, tagged=True) == pytest.approx(0.3)
    assert data.right(5, np.argsort(-(data.vectors @ data.questions[5]))[:10].tolist(), tagged=True) <= 0.3


# Ours


def test_ours_recalls_exactly_through_every_phase(data: memory_data.Data, store: Path) -> None:
    told = memory_work.recall("ours", data, store, seconds=0.0, warm=0.0)
    assert set(told) == {"vector", "vector, 1 %", "whole", "whole, 1 %", "memory", "search"}
    assert told["vector"]["recall"] == 1.0 and told["search"] == "exact"
    assert told["vector, 1 %"]["recall"] == pytest.approx(0.3)  # three records have a tag
    assert told["whole, 1 %"]["strays"] == 0
    for phase in ("vector", "vector, 1 %", "whole", "whole, 1 %"):
        assert told[phase]["calls"] == memory_work.LEAST and 0 < told[phase]["p50"] <= told[phase]["p99"]
    without = memory_work.recall("ours", data, store, seconds=0.0, warm=0.0, whole=False)
    assert "whole" not in without and "vector, 1 %" in without


def test_a_recall_that_shows_what_the_filter_forbids_is_counted(
    data: memory_data.Data, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memory_ours import Ours

    honest = Ours.whole
    monkeypatch.setattr(Ours, "whole", lambda self, data, j, tagged=False: honest(self, data, j))
    told = memory_work.recall("ours", data, store, seconds=0.0, warm=0.0)
    assert told["whole, 1 %"]["strays"] > 0


def test_ours_adds_credits_and_opens_afresh(data: memory_data.Data, store: Path) -> None:
    added = memory_work.adds("ours", data, store, seconds=0.01)
    assert set(added) == {"fdatasync", "one", "many", "one, cpu", "many, cpu"} and min(added.values()) > 0
    credited = memory_work.credits("ours", data, store, count=5)
    assert credited["per_second"] > 0 and credited["fdatasync"] > 0
    told = memory_work.fresh("ours", data, store)
    assert 0 < told["open"] < told["first"] and told["memory"]["peak"] >= told["memory"]["resident"] > 1
    assert set(memory_work.fresh("ours", data, store, only_import=True)) == {"memory"}


def test_credits_are_of_tasks_that_recalled_five(data: memory_data.Data, store: Path) -> None:
    ours = memory_work.contender("ours", store)
    ours.ask(data)
    task = ours.tasks(data, 1)[0]
    before = ours.memory.stats()
    ours.credit(task, 1.0)
    assert before != ours.memory.stats()
    assert len(ours.whole(data, 0)) == 5
    ours.close()


# The front


def test_every_contender_has_its_pins_and_every_whole_path_its_import() -> None:
    for who, home in memory.HOMES.items():
        if home != "ours":
            assert "==" in (memory.HERE / "peers" / f"{home}.txt").read_text()
            assert "torch" not in (memory.HERE / "peers" / f"{home}.txt").read_text()
        assert who == "ours" or who in memory_work_peers()


def memory_work_peers() -> dict[str, Any]:
    from memory_peers import PEERS

    return dict(PEERS)


def test_contenders_take_turns_and_every_step_has_a_key_of_its_own() -> None:
    steps = memory.plan(memory.HOMES, memory_data.SETS, (10, 20), 5, 1.0, million=True)
    assert len({step.key for step in steps}) == len(steps)
    turn = [s.who for s in steps if s.stage == "recall" and s.set == "topics" and s.records == 20 and s.run == 3]
    assert turn == list(memory.HOMES)
    asked = [s for s in steps if s.stage == "recall" and s.records == 20]
    assert [s.run for s in asked if s.who == "ours" and s.set == "topics"] == [0, 1, 2, 3, 4]
    assert {s.set for s in asked if s.who == "mem0"} == {"topics"}
    assert {s.who for s in steps if s.records == memory.MILLION} == set(memory.AT_A_MILLION)


def test_rows_are_medians_and_a_failure_is_said() -> None:
    steps = memory.plan(["ours"], ["topics"], [10], 3, 1.0, million=False)
    told: dict[str, Any] = {}
    for step in steps:
        told[step.key] = {"a": {"b": float(step.run**2)}, "who": "x"} if step.stage == "recall" else {"failed": "no"}
    rows = memory.summary(steps, told)
    recall = next(row for row in rows if row["stage"] == "recall")
    assert recall["a"]["b"] == 1.0 and recall["runs"] == 3 and recall["who"] == "ours"
    assert next(row for row in rows if row["stage"] == "adds")["failed"] == "no"


def test_calls_are_counted_with_and_without_a_column_of_errors() -> None:
    table = (
        "% time     seconds  usecs/call     calls    errors syscall\n"
        " 90.00    0.010000          10       120           fdatasync\n"
        " 10.00    0.001000          10         5         1 fsync\n"
        "100.00    0.011000          10       125         1 total\n"
    )
    assert memory.calls(table) == 125


def test_targets_are_met_missed_or_not_measured() -> None:
    rows = [
        {"stage": "recall", "who": who, "set": "topics", "records": n, "vector": {"p50": ms, "recall": 0.99}}
        for who, n, ms in (("ours", 10, 2.0), ("numpy", 10, 1.0), ("ours", 20, 3.0), ("chroma", 20, 3.5))
    ]
    rows += [
        {"stage": stage, "who": "ours", "set": "topics", "records": 20, "memory": {"peak": mib}}
        for stage, mib in (("fresh", 500.0), ("import", 250.0))
    ]
    found = {each["what"]: each for each in memory_targets.targets(rows, (10, 20))}
    assert found["vector part at 10, p50 over a raw matrix product's"] | {"what": 0} == {
        "what": 0, "value": 2.0, "wanted": "<= 1.5", "met": False,
    }  # fmt: skip
    assert found["vector part at 20, p50 over Chroma's"]["met"] is True
    assert found["MiB of a fresh process at 20 above imports, peak"]["value"] == 250.0
    assert found["credits a second"]["met"] is None


def test_tables_show_what_was_measured_missing_and_failed(capsys: pytest.CaptureFixture[str]) -> None:
    phase = {"p50": 1.25, "p99": 2.5, "recall": 0.981, "cores": 1.0}
    rows: list[dict[str, Any]] = [
        {"stage": "recall", "who": "ours", "set": "topics", "records": 10, "vector": phase},
        {"stage": "recall", "who": "qdrant", "set": "topics", "records": 10, "failed": "no such thing"},
        {"stage": "tune", "who": "chroma-98", "set": "topics", "records": 10, "ef_search": 400.0},
        {"stage": "adds", "who": "ours", "set": "topics", "records": 10, "one": 1234.0, "fdatasync": 99.0},
        {"stage": "forced", "who": "ours", "set": "topics", "records": 10, "per add": 1.0},
    ]
    about = {
        "limits": ["OMP_NUM_THREADS"], "OPENBLAS_CORETYPE": None, "missing": {"mem0": "no wheel"}, "sets": {},
        "records added to": 10,
    }  # fmt: skip
    memory_targets.show(about, rows, memory_targets.targets(rows, (10, 10)))
    told = capsys.readouterr().out
    for part in ("1.25 / 2.50 0.981", "no such thing", "ef_search 400", "1,234.00", "mem0: not installed (no wheel)"):
        assert part in told
    assert "not measured" in told and "MISSED" in told


def test_what_could_not_be_filled_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_data, "write", lambda folder, name, n, dialogue: {"source": name})
    bench = memory.Bench(tmp_path, {}, None)
    bench.told[memory.Step("fill", "chroma", "topics", 10).key] = {"failed": "disk full"}
    for who in ("chroma", "chroma-98"):
        bench.take(step := memory.Step("recall", who, "topics", 10))
        assert bench.told[step.key] == {"failed": "not filled: disk full"}


def test_a_stopped_run_goes_on_and_a_change_of_the_code_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "digest", lambda paths: "one")
    asked: list[str] = []

    def told(self: memory.Bench, step: memory.Step, data: Path, store: Path) -> dict[str, Any]:
        asked.append(step.key)
        return {"x": 1}

    monkeypatch.setattr(memory.Bench, "_run", told)
    monkeypatch.setattr(memory_data, "write", lambda folder, name, n, dialogue: {"source": name})
    step = memory.Step("recall", "numpy", "topics", 10)
    memory.Bench(tmp_path, {"ours": Path(sys.executable)}, None).take(step)
    assert memory.Bench(tmp_path, {}, None).told == {step.key: {"x": 1}} and asked == [step.key]
    assert memory.Bench(tmp_path, {}, None, again=True).told == {}
    monkeypatch.setattr(memory, "digest", lambda paths: "two")
    assert memory.Bench(tmp_path, {}, None).told == {}
