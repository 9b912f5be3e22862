"""Colours that everyone can tell apart and read."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.report.palette import THEMES, Theme, contrast, stroke

# Machado, Oliveira & Fernandes 2009, full severity, on linear RGB
SEEN_BY = {
    "anyone": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
themes = pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)


def oklab(linear: np.ndarray) -> np.ndarray:
    """Ottosson 2020: a space in which distance is what the eye sees."""
    to_cones = [[0.41222, 0.53633, 0.05145], [0.2119, 0.6807, 0.1074], [0.0883, 0.28172, 0.62998]]
    to_lab = [[0.21045, 0.79362, -0.00407], [1.978, -2.42859, 0.45059], [0.0259, 0.78277, -0.80868]]
    return np.asarray(to_lab @ np.cbrt(to_cones @ np.clip(linear, 0, 1)))


def linear(colour: str) -> np.ndarray:
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


@themes
@pytest.mark.parametrize("eye", SEEN_BY)
def test_learned_players_stay_apart_for_every_eye(theme: Theme, eye: str) -> None:
    colours = [oklab(np.array(SEEN_BY[eye]) @ linear(colour)) for colour in theme.learned.values()]
    assert min(np.linalg.norm(a - b) for a, b in combinations(colours, 2)) > 0.07


@themes
def test_every_stroke_and_text_can_be_read_on_its_surface(theme: Theme) -> None:
    colours = [
        theme.ink,
        theme.soft,
        *theme.learned.values(),
        *theme.baselines.values(),
        *theme.spare,
        *theme.states.values(),
    ]
    assert min(contrast(colour, theme.surface) for colour in colours) >= 4.5


def test_contrast_runs_from_1_to_21() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#123456", "#123456") == 1
    with pytest.raises(BadValue, match="colour must be written as #rrggbb"):
        contrast("red", "#000000")


@themes
def test_a_player_keeps_its_stroke_under_all_its_names(theme: Theme) -> None:
    assert stroke("full", theme) == stroke("the full agent", theme)
    assert stroke("X=0", theme) == stroke("no memory", theme)
    assert stroke("n=1", theme) == stroke("no recurrence", theme)
    assert stroke("tuned UCB1", theme) == stroke("UCB1", theme)
    assert stroke("oracle", theme).colour == theme.ink
    assert stroke("someone new", theme) == stroke("someone new", theme)


@themes
def test_unknown_players_of_one_panel_look_different(theme: Theme) -> None:
    taken: list[str] = []
    for name in ("world A", "world B", "world C", "world D"):
        taken.append(stroke(name, theme, taken=taken).colour)
    assert len(set(taken)) == 4


@themes
def test_baselines_are_dashed_and_learned_players_are_not(theme: Theme) -> None:
    assert all(stroke(n, theme).dash != "-" for n in ("index", "myopic Bayes", "Thompson", "epsilon-greedy", "random"))
    assert all(stroke(n, theme).dash == "-" for n in ("full", "n=1", "X=0", "no credit", "oracle"))
    assert stroke("full", theme, dashed=True).dash != "-" and stroke("index", theme, dashed=False).dash == "-"
