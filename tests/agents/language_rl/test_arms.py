"""Arms as plain data, and what their parts are told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wayfare.agents.language_rl import Arm, Base, base_model, cache, measure_base, task_of, train_arm, trainer_of
from wayfare.agents.language_rl import base as bases
from wayfare.errors import BadValue

BASE = Base("modular", {"p": 3, "hint_rate": 0.6}, steps=12, rows=32, rate=1e-2)
SMALL: dict[str, Any] = {"eval_prompts": 2, "eval_answers": 8, "ks": (1, 4)}
HERE = "tests.agents.language_rl.test_arms"


class Scratch:
    """A cell's report."""

    def __init__(self, scratch: Path, stop: int | None = None) -> None:
        self.scratch, self.stop, self.said = scratch, stop, list[float]()

    def __call__(self, done: float, total: float, **metrics: float) -> None:
        self.said.append(done)
        if self.stop is not None and done == self.stop:
            raise KeyboardInterrupt


class Told:
    """A bonus that keeps what it was told."""

    def __init__(self, weight: float, seed: int, reference: Any, rows: Any) -> None:
        self.weight, self.seed, self.reference, self.rows = weight, seed, reference, rows

    def score(self, batch: Any) -> torch.Tensor:
        return torch.full((len(batch),), self.weight)


def half(prompts: Any, completions: Any, **columns: Any) -> list[float]:
    """A reward of an arm's own."""
    return [0.5] * len(completions)


def words(model: Any, task: Any, rows: Any) -> dict[str, float]:
    """A probe."""
    return {"words": float(len(task.words) + 0 * len(rows))}


@pytest.fixture(autouse=True, scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One cache for all tests of the file, which can be imported by its address."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("WAYFARE_CACHE", str(folder))
        patch.syspath_prepend(str(Path(__file__).parents[3]))
        yield folder


def test_bases_and_arms_go_to_json_and_back() -> None:
    arm = Arm("a", {"beta": 0.1, "eval_ks": (1, 2)}, {"regularisers": [("m:C", {"x": 1})], "bonus": ("m:D", {})})
    assert Arm.from_json(json.loads(json.dumps(arm.to_json()))).to_json() == arm.to_json()
    assert Base.from_json(json.loads(json.dumps(BASE.to_json()))) == BASE
    hole = Base("countdown3", {"operators": [1.0, 1.0, 0.1]})
    assert task_of(hole).operators == (1.0, 1.0, 0.1)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "told", [{"bonuses": ("m:C", {})}, {"bonus": "m:C"}, {"regularisers": [("m:C",)]}, {"bonus": ("m:C", {}, 3)}]
)
def test_a_part_that_is_no_seam_or_no_address_is_refused(told: Any) -> None:
    with pytest.raises(BadValue, match=r"bonus|regularisers"):
        Arm("wrong", {}, told)


@pytest.mark.parametrize(("address", "given"), [("nowhere", {}), ("wayfare.nowhere:X", {}), (f"{HERE}:Told", {"w": 1})])
def test_an_address_that_names_nothing_or_takes_no_such_argument_is_refused(address: str, given: Any) -> None:
    with pytest.raises(BadValue):
        trainer_of(BASE, Arm("wrong", {}, {"bonus": (address, given)}), 0, settings={"max_steps": 1})


def test_a_part_is_told_what_it_declares_and_was_not_given() -> None:
    arm = Arm("told", {"generation_batch_size": 4, "num_generations": 2}, {"bonus": (f"{HERE}:Told", {"weight": 0.25})})
    trainer = trainer_of(BASE, arm, 7, settings={"max_steps": 1})
    part: Any = trainer.experience.parts.bonus
    assert (part.weight, part.seed, len(part.rows)) == (0.25, 7, len(task_of(BASE).rows("train")))
    trainer.advance()
    weights = zip(part.reference.module.parameters(), base_model(BASE).module.parameters(), strict=True)
    assert all(torch.equal(mine, start) and not mine.requires_grad for mine, start in weights)
    assert trainer.metrics[0]["bonus/mean"] == 0.25


def test_what_is_right_stays_the_tasks_where_an_arm_brings_its_own_rewards() -> None:
    arm = Arm("own", {"generation_batch_size": 4, "num_generations": 2}, {"reward_funcs": [(f"{HERE}:half_made", {})]})
    trainer = trainer_of(BASE, arm, 0, settings={"max_steps": 1, "num_generations_eval": 8, "eval_ks": (1,)})
    assert trainer.rewards.names == ("reward", "half")
    assert trainer.advance()["reward"] == 0.5
    rows = task_of(BASE).rows("test")[:2]
    found = trainer.evaluate(rows)
    paid = [
        task_of(BASE).reward(prompts=[], completions=texts, answer=[row["answer"]] * 8)
        for row, texts in zip(rows, found.texts, strict=True)
    ]
    assert found.right.tolist() == [[each == 1 for each in row] for row in paid]


def half_made() -> Any:
    """Parts are made: a reward's address names what makes it."""
    return half


def test_a_base_learns_its_corpus_labels_completion_and_end_and_stands_in_the_cache(kept: Path) -> None:
    ids, labelled = bases._Corpus(BASE).batch(0)
    assert ids[labelled].view(32, 2)[:, 1].eq(1).all()  # one word and the end
    assert bool(bases._Corpus(Base("modular", {"p": 3}, rows=4, prompts=True)).batch(0)[1].all())
    first = base_model(BASE)
    with torch.no_grad():
        first.net.embedding.weight.zero_()
    second = base_model(BASE, Scratch(kept / "never made"))
    assert second.net.embedding.weight.abs().sum() > 0 and not (kept / "never made").exists()


def test_a_stopped_base_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYFARE_CACHE", "")
    monkeypatch.setattr(bases, "Checkpoints", lambda folder, every: _Every(folder, every=4))
    with pytest.raises(KeyboardInterrupt):
        base_model(BASE, Scratch(tmp_path, stop=7))
    other = Scratch(tmp_path)
    base_model(replace(BASE, seed=BASE.seed + 1), other)
    assert other.said[0] == 1  # what is left of one base is not gone on with by another
    report = Scratch(tmp_path)
    stopped, whole = base_model(BASE, report), base_model(BASE)
    assert report.said[0] == 5
    assert all(torch.equal(a, b) for a, b in zip(stopped.net.parameters(), whole.net.parameters(), strict=True))


_Every = bases.Checkpoints


def test_an_arm_is_measured_from_its_base_on_and_told_as_arrays(tmp_path: Path) -> None:
    arm = Arm("plain", {"generation_batch_size": 8, "num_generations": 4, "num_iterations": 2, "learning_rate": 1e-2})
    found = train_arm(
        Scratch(tmp_path), base=BASE, arm=arm, seed=1, steps=3, evaluate_every=2, probes=[f"{HERE}:words"], **SMALL
    )
    alone = measure_base(Scratch(tmp_path / "base"), base=BASE, **SMALL)
    assert found["step"].tolist() == [0, 2, 3] and found["pass"].shape == (3, 2) and found["right"].shape == (3, 2)
    for name in ("right", "entropy", "distinct", "index"):
        assert np.array_equal(found[name][:1] if name != "index" else found[name], alone[name])
    assert found["tokens"][-1] == found["train/num_tokens"][-1] and len(found["train/reward"]) == 3
    assert found["trained_tokens"][-1] == 2 * found["tokens"][-1]
    assert np.allclose(found["pass"][:, 0], found["right"].mean(axis=1) / 8)
    assert found["probe/words"].tolist() == [5.0] * 3 and found["seconds"][0] == 0 < found["seconds"][-1]


def test_a_stopped_arm_finds_what_one_finds_that_was_never_stopped(tmp_path: Path) -> None:
    arm = Arm("resumed", {"generation_batch_size": 8, "num_generations": 4, "learning_rate": 1e-2})
    with pytest.raises(KeyboardInterrupt):
        train_arm(Scratch(tmp_path / "a", 3), base=BASE, arm=arm, seed=1, steps=4, evaluate_every=2, **SMALL)
    report = Scratch(tmp_path / "a")
    resumed = train_arm(report, base=BASE, arm=arm, seed=1, steps=4, evaluate_every=2, **SMALL)
    assert report.said[0] == 3 and not resumed["cached"][0]
    whole = train_arm(
        Scratch(tmp_path / "b"),
        base=BASE,
        arm=arm.but("whole", epsilon=0.2),
        seed=1,
        steps=4,
        evaluate_every=2,
        **SMALL,
    )
    assert not whole["cached"][0]
    for name in set(whole) - {"seconds", "arm"}:
        assert np.array_equal(whole[name], resumed[name], equal_nan=True), name


def test_where_few_rows_are_trained_on_no_other_is_asked(tmp_path: Path) -> None:
    arm = Arm("few", {"generation_batch_size": 8, "num_generations": 4})
    few = trainer_of(BASE, arm, 0, settings={"max_steps": 1}, train_prompts=2)
    assert [few.prompts.row(key)["index"] for key in range(len(few.prompts))] == [
        row["index"] for row in task_of(BASE).rows("train")[:2]
    ]
    with pytest.raises(BadValue, match="train_prompts"):
        train_arm(Scratch(tmp_path), base=BASE, arm=arm, seed=0, steps=1, train_prompts=0)


def test_the_same_arm_under_another_name_is_run_once(tmp_path: Path) -> None:
    arm = Arm("one", {"generation_batch_size": 4, "num_generations": 2})
    first = train_arm(Scratch(tmp_path / "a"), base=BASE, arm=arm, seed=1, token_budget=9, **SMALL)
    again = train_arm(Scratch(tmp_path / "b"), base=BASE, arm=arm.but("two"), seed=1, token_budget=9, **SMALL)
    assert not first["cached"][0] and again["cached"][0] and not (tmp_path / "b").exists()
    assert again["arm"].tolist() == ["two"] and np.array_equal(first["right"], again["right"])
    assert first["tokens"][-1] >= 9 > first["train/num_tokens"][-2]


def test_an_end_must_be_given(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="steps"):
        train_arm(Scratch(tmp_path), base=BASE, arm=Arm("endless"), seed=0)


def test_a_damaged_entry_is_none_and_an_entry_is_of_its_settings(kept: Path) -> None:
    made: list[int] = []

    def compute() -> dict[str, Any]:
        made.append(1)
        return {"x": np.arange(1000)}

    assert [cache.kept({"a": 1}, compute)[1] for _ in range(2)] == [False, True]
    assert not cache.kept({"a": 2}, compute)[1] and len(made) == 2
    path = kept / f"{cache.key_of({'a': 1})}.npz"
    path.write_bytes(path.read_bytes()[:-40])
    found, cached = cache.kept({"a": 1}, compute)
    assert not cached and len(made) == 3 and found["x"][-1] == 999
    assert cache.kept({"a": 1}, compute)[1]


def test_the_key_depends_on_the_version_and_not_on_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    one = cache.key_of({"a": 1, "b": (2, 3)})
    assert one == cache.key_of({"b": [2, 3], "a": 1})
    monkeypatch.setattr(cache, "VERSION", cache.VERSION + 1)
    assert one != cache.key_of({"a": 1, "b": [2, 3]})
    with pytest.raises(BadValue, match="settings"):
        cache.key_of({"a": object()})
