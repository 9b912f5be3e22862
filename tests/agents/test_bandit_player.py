"""A language model plays bandits: what it is shown, what its answers mean."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wayfare.agents.bandit_player import TEACHER, BanditPlayer, Played, Telling
from wayfare.errors import BadValue
from wayfare.explore.rules.linear import LinUCB
from wayfare.language.interface import Prompt, Samples, Sampling
from wayfare.worlds.bandit_text import SCENARIOS
from wayfare.worlds.ratings import ratings_bandit, synthetic_ratings
from wayfare.worlds.varied import VariedBandit

DEFAULT = Sampling()


class Told:
    """A language model that is a function of the prompt, and remembers what it was asked."""

    def __init__(self, answer: Any, ledger: Path | None = None) -> None:
        self.answer, self.asked, self.paid, self.ledger = answer, [], 0, ledger
        self.known = json.loads(ledger.read_text()) if ledger and ledger.exists() else {}

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling = DEFAULT) -> Samples:
        texts = []
        for number, prompt in enumerate(prompts):
            key = f"{sampling.seed} {number} {prompt}"
            if key not in self.known:
                self.paid += 1
                self.known[key] = self.answer(str(prompt))
                if self.ledger:
                    self.ledger.write_text(json.dumps(self.known))
            texts.append(self.known[key])
            self.asked.append(prompt)
        n = len(texts)
        ones = np.ones(n, dtype=np.int64)
        grid = np.zeros((n, 1))
        return Samples(
            np.arange(n), tuple(texts), grid.astype(np.int64), grid > -1, grid.astype(np.float32),
            grid.astype(np.float32), ("stop",) * n, ("",) * n, 10 * ones, ones,
        )  # fmt: skip

    def logprobs(self, sequences: Any) -> Any:
        raise NotImplementedError


def pull_of(arms: int = 3, copies: int = 4, horizon: int = 12, seed: int = 1) -> Any:
    world = VariedBandit(copies, arms, horizon, "bernoulli", gap=0.5)
    world.reset(seed=seed)
    return lambda actions, t: world.step(torch.from_numpy(actions))[1].numpy()


def best_by_guide(prompt: str) -> str:
    """What a perfect reader of AG says: the arm of the largest sum."""
    lines = [line for line in prompt.split("History:\n")[-1].split("\n\n")[0].split("\n")]
    score = {line.split(":")[0]: sum(float(part.split()[-1]) for part in line.split(", ")[-2:]) for line in lines}
    return max(score, key=score.get)  # type: ignore[arg-type]


def test_a_perfect_reader_of_the_guide_is_its_teacher_up_to_rounding() -> None:
    model = Told(best_by_guide)
    played = BanditPlayer(model, Telling("buttons", "AG")).play(pull_of(), 3, 4, 12, seed=1)
    assert played.unmatched == 0.0 and played.actions.shape == (12, 4)
    for run in range(4):
        n, s = np.zeros(3), np.zeros(3)
        for t in range(12):
            with np.errstate(all="ignore"):
                score = np.where(n > 0, s / n + np.sqrt(0.5 * math.log(max(t, 1)) / n), np.inf)
            a = int(played.actions[t, run])
            assert score[a] >= score.max() - 0.011 or np.isinf(score[a])
            n[a] += 1
            s[a] += played.rewards[t, run]
    assert played.tokens == (480, 48)


def test_guide_values_are_those_before_the_pull_is_learned() -> None:
    telling = Telling("ads", "AG")
    before = telling.history(("A", "B"), [0, 0, 1], [1.0, 0.0, 1.0])
    value, bonus = 0.5, math.sqrt(0.5 * math.log(3) / 2)
    assert before.split("\n")[0] == (
        f"A: pulled 2 times, mean 0.50 clicks, exploration bonus {bonus:.2f}, exploitation value {value:.2f}"
    )
    assert "bonus inf" in telling.history(("A", "B"), [0], [1.0])


def test_an_answer_that_names_no_arm_is_a_random_pull_and_counted() -> None:
    model = Told(lambda prompt: "I would rather not say")
    played = BanditPlayer(model, Telling(layer="RH")).play(pull_of(3, 50, 12), 3, 50, 12, seed=3)
    assert played.unmatched == 1.0 and not played.failed.any()
    assert (np.bincount(played.actions.ravel(), minlength=3) > 150).all()


def test_names_and_rows_are_permuted_by_copy_and_not_by_company() -> None:
    telling = Telling("clothes")
    many = telling.names(4, np.arange(60), 2)
    assert many[17] == telling.names(4, np.array([17]), 2)[0]
    assert {names[0] for names in many} == set(SCENARIOS["clothes"].named(4))


def test_a_run_that_was_killed_pays_for_no_call_twice(tmp_path: Path) -> None:
    def answer(prompt: str) -> str:
        return best_by_guide(prompt)

    def play(ledger: Path, horizon: int) -> tuple[Played, int]:
        model = Told(answer, ledger)
        player = BanditPlayer(model, Telling("buttons", "AG"))
        if horizon < 12:

            def dies(actions: Any, t: int) -> Any:
                if t == horizon:
                    raise KeyboardInterrupt
                return pull(actions, t)

            pull = pull_of()
            with pytest.raises(KeyboardInterrupt):
                player.play(dies, 3, 4, 12, seed=1)
            return None, model.paid  # type: ignore[return-value]
        return player.play(pull_of(), 3, 4, 12, seed=1), model.paid

    whole, paid = play(tmp_path / "whole.json", 12)
    _, first = play(tmp_path / "cut.json", 5)
    rest, second = play(tmp_path / "cut.json", 12)
    assert first + second == paid == 48 and np.array_equal(rest.actions, whole.actions)


def test_no_pulls_and_one_arm_are_played() -> None:
    played = BanditPlayer(Told(lambda p: "")).play(pull_of(), 3, 4, 0, seed=1)
    assert played.actions.shape == (0, 4) and played.unmatched == 0.0


@pytest.mark.parametrize("layer", ["RH", "AG"])
def test_a_contextual_player_is_shown_who_asks_and_the_guide_of_each_pull(layer: str) -> None:
    def world() -> Any:
        return ratings_bandit(synthetic_ratings(60, 12), 3, 2, 2, episodes=6, scaled=True)

    model = Told(lambda prompt: prompt.split("shirt")[0])
    telling = Telling("videos", layer, guide=LinUCB(0.5))
    played = BanditPlayer(model, telling).play_contextual(world(), 6, 4, lambda x: f"person {x[0]:.2f}")
    assert played.actions.shape == (6, 2) and played.unmatched == 1.0
    last = model.asked[-1]
    assert last.count("person") == 6
    assert last.count("exploration bonus") == (18 if layer == "AG" else 0)
    with pytest.raises(BadValue, match="layer"):
        BanditPlayer(model, Telling("videos", "SH")).play_contextual(world(), 6, 4, str)


def test_what_cannot_be_is_refused() -> None:
    model = Told(lambda prompt: "")
    for make, name in (
        (lambda: BanditPlayer("tiny-random"), "model"),  # type: ignore[arg-type]
        (lambda: Telling("cats"), "scenario"),
        (lambda: Telling(layer="XX"), "layer"),
        (lambda: Telling(most=0), "most"),
        (lambda: BanditPlayer(model).play(pull_of(), 3, 0, 5, 1), "copies"),
        (lambda: BanditPlayer(model).play(pull_of(), 30, 1, 5, 1), "arms"),
        (lambda: BanditPlayer(model, sampling=Sampling(n=2)).play(pull_of(), 3, 1, 5, 1), "sampling.n"),
    ):
        with pytest.raises(BadValue) as refused:
            make()
        assert refused.value.field == name
    assert TEACHER.alpha == 0.5


def test_a_model_that_thinks_aloud_is_read_by_the_last_name_and_shown_a_conversation() -> None:
    model = Told(lambda prompt: "Not the Red button. I would say: blue  BUTTON!")
    asked: list[tuple[int, str]] = []
    player = BanditPlayer(
        model, Telling("buttons", "RH", aloud=True, chat=True),
        watch=lambda prompts, told: asked.append((len(prompts), told.texts[0])),
    )  # fmt: skip
    played = player.play(pull_of(), 3, 4, 5, seed=1)
    blue = [names.index("Blue button") for names in played.names]
    assert played.unmatched == 0.0 and (played.actions == blue).all()
    assert asked == [(4, "Not the Red button. I would say: blue  BUTTON!")] * 5
    assert model.asked[0][0]["role"] == "user" and "the last name" in model.asked[0][0]["content"]


def test_copies_of_one_task_have_one_order_of_names() -> None:
    model = Told(lambda prompt: "?")
    played = BanditPlayer(model).play(pull_of(3, 4), 3, 4, 1, seed=1, task=np.array([7, 7, 9, 9]))
    assert played.names[0] == played.names[1] and played.names[2] == played.names[3]
    assert len({BanditPlayer(model).play(pull_of(3, 4), 3, 4, 1, 1, np.arange(4) + k).names[0] for k in range(20)}) > 1
    with pytest.raises(BadValue, match="one a copy"):
        BanditPlayer(model).play(pull_of(), 3, 4, 1, seed=1, task=np.array([0]))
