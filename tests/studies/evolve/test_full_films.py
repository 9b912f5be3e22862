"""The contextual cells of the full scale: the teacher beats chance, and who reads the guide plays as the teacher."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.language.interface import Prompt, Samples, Sampling
from wayfare.studies.evolve.full_films import FILMS, FilmSetting, ask, words

SETTING = FilmSetting(4, 60, 6, "")


class Reader:
    """Says the film whose two numbers have the largest sum; without numbers, always the same one."""

    def __init__(self) -> None:
        self.longest = 0

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling | None = None) -> Samples:
        texts = []
        for prompt in map(str, prompts):
            self.longest = max(self.longest, len(prompt.split()))
            found = re.findall(r"-> (\{.*\})$", prompt, flags=re.MULTILINE)
            table = json.loads(found[-1].replace("inf", "1e9")) if found else {"Film A": {"x": 0.0}}
            texts.append(max(table, key=lambda name: sum(table[name].values())))
        n = len(texts)
        grid = np.zeros((n, 1))
        return Samples(
            np.arange(n), tuple(texts), grid.astype(np.int64), grid > -1, grid.astype(np.float32),
            grid.astype(np.float32), ("stop",) * n, ("",) * n, np.ones(n, np.int64), np.ones(n, np.int64),
        )  # fmt: skip

    def logprobs(self, sequences: object) -> None:
        raise NotImplementedError


def test_who_reads_the_guide_plays_about_as_linucb_and_both_beat_chance() -> None:
    reader = Reader()
    found = ask(reader, SETTING, "AG", seed=3)  # type: ignore[arg-type]
    regret, teacher, uniform = (found[f"AG|films K=4|{name}"] for name in ("regret", "teacher", "uniform"))
    assert regret.shape == (6,) and found["AG|films K=4|unmatched"].max() == 0
    assert teacher.mean() < 0.5 * uniform.mean()
    assert regret.mean() < 1.3 * teacher.mean()
    assert 0.5 < words(SETTING, "AG") / (reader.longest / 2) < 2


def test_without_the_guide_one_film_for_all_is_worse() -> None:
    found = ask(Reader(), SETTING, "RH", seed=3)  # type: ignore[arg-type]
    assert found["RH|films K=4|regret"].mean() > 2 * found["RH|films K=4|teacher"].mean()


def test_ratings_of_a_file_are_read_and_a_missing_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="path"):
        FilmSetting(3, 5, 2, str(tmp_path / "none.csv")).world(0)
    rng = np.random.default_rng(0)
    lines = [f"{user},{film},{rng.integers(1, 6)}" for user in range(130) for film in range(4)]
    (tmp_path / "ratings.csv").write_text("user,film,stars\n" + "\n".join(lines))
    world = FilmSetting(3, 5, 2, str(tmp_path / "ratings.csv")).world(0)
    assert world.num_actions == 3 and len(world.contexts) == 30
    assert len(FILMS.names) == len(set(FILMS.names)) == 40
