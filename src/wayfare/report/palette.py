"""Which colour and stroke stands for which player, in light and in dark.

One player looks the same in every figure of every study: learned agents are solid and coloured, baselines dashed and
nearly grey, the oracle is ink. The four colours stay apart under the three common colour-vision deficiencies (the tests
simulate them), and every stroke has a contrast of at least 4.5 on its surface, so that a label may wear the colour of
its line.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from wayfare.errors import BadValue

__all__ = ["DARK", "LIGHT", "THEMES", "Stroke", "Theme", "contrast", "stroke"]

Dash = str | tuple[int, tuple[float, ...]]


@dataclass(frozen=True)
class Theme:
    """Colours as #rrggbb: surface is the paper, ink the text, soft the secondary text, rule the hairlines.

    learned, spare, baselines: strokes by role     low .. high: ends of the sequential scale
    holds, fails, undecided, untested: states of a check
    """

    name: str
    surface: str
    ink: str
    soft: str
    rule: str
    learned: Mapping[str, str]
    baselines: Mapping[str, str]
    spare: tuple[str, ...]
    scale: tuple[str, ...]
    states: Mapping[str, str]


LIGHT = Theme(
    name="light",
    surface="#ffffff",
    ink="#16181d",
    soft="#5a606b",
    rule="#dfe2e7",
    learned={"full": "#0b3da3", "no recurrence": "#12817c", "no memory": "#a0530f", "no credit": "#7a1f55"},
    baselines={
        "index": "#3d4450",
        "myopic": "#6b5d50",
        "thompson": "#5c6673",
        "ucb": "#66705c",
        "epsilon": "#6a6480",
        "random": "#747474",
    },
    spare=("#4d3fa3", "#3f6d1f", "#8a4038", "#3a6482"),
    scale=("#f4f6fb", "#c3d2ec", "#7f9fd3", "#3f69b5", "#0b3da3", "#071f57"),
    states={"holds": "#12715f", "fails": "#b3261e", "undecided": "#8a5a00", "untested": "#5f6570"},
)

DARK = Theme(
    name="dark",
    surface="#171a21",
    ink="#eceef2",
    soft="#a4abb8",
    rule="#323844",
    learned={"full": "#62a8f7", "no recurrence": "#5fe3c8", "no memory": "#eea83a", "no credit": "#e56fa0"},
    baselines={
        "index": "#c9ced8",
        "myopic": "#bfae9e",
        "thompson": "#9fb0c2",
        "ucb": "#adb7a1",
        "epsilon": "#aaa3c4",
        "random": "#8f949c",
    },
    spare=("#a99cf5", "#a3cf7d", "#e8988e", "#8fc1e3"),
    scale=("#1c2130", "#223a66", "#2c5ba3", "#4a86d8", "#86b9f7", "#dceaff"),
    states={"holds": "#58d3b4", "fails": "#ff8a80", "undecided": "#e8b04a", "untested": "#a4abb8"},
)

THEMES = {"light": LIGHT, "dark": DARK}

DASHES: Mapping[str, Dash] = {
    "index": (0, (6.0, 2.0)),
    "myopic": (0, (1.2, 1.6)),
    "thompson": (0, (4.0, 1.6, 1.2, 1.6)),
    "ucb": (0, (3.0, 1.6)),
    "epsilon": (0, (5.0, 1.4, 1.2, 1.4, 1.2, 1.4)),
    "random": (0, (1.2, 3.0)),
}

ROLES: Mapping[str, str] = {
    "full": "full",
    "n=1": "no recurrence",
    "recurrence": "no recurrence",
    "recur": "no recurrence",
    "x=0": "no memory",
    "memory": "no memory",
    "credit": "no credit",
    "episode_discount=0": "no credit",
    "oracle": "oracle",
    "index": "index",
    "gittins": "index",
    "exact": "index",
    "myopic": "myopic",
    "prior best": "random",
    "thompson": "thompson",
    "ucb": "ucb",
    "epsilon": "epsilon",
    "random": "random",
}
"""What a label contains (lower case) -> the role it plays; the first match counts."""


@dataclass(frozen=True)
class Stroke:
    """How a player is drawn: `colour` #rrggbb, `dash` as Matplotlib has it, `width` in points, `order` over others."""

    colour: str
    dash: Dash
    width: float
    order: float

    def line(self) -> dict[str, Any]:
        """Keyword arguments for Matplotlib's `plot`."""
        return {"color": self.colour, "linestyle": self.dash, "linewidth": self.width, "zorder": self.order}


def stroke(label: str, theme: Theme, *, dashed: bool | None = None, taken: Collection[str] = ()) -> Stroke:
    """The stroke of the player that `label` names ('full agent', 'X=0', 'tuned UCB1'); others get a spare colour.

    dashed: overrides whether the line is drawn as a baseline
    taken: colours that other lines of the panel wear; a spare colour is chosen outside of them while there is one
    """
    role = next((role for word, role in ROLES.items() if word in label.lower()), None)
    if role == "oracle":
        return Stroke(theme.ink, "-" if not dashed else DASHES["index"], 1.2, 2.0)
    if role is not None and role in theme.baselines:
        dash = DASHES[role] if dashed is not False else "-"
        return Stroke(theme.baselines[role], dash, 1.4, 2.1)
    colour = theme.learned[role] if role is not None else _spare(label, theme, taken)
    return Stroke(
        colour, DASHES["ucb"] if dashed else "-", 2.3 if role == "full" else 1.9, 3.0 if role == "full" else 2.5
    )


def _spare(label: str, theme: Theme, taken: Collection[str]) -> str:
    free = [colour for colour in theme.spare if colour not in taken] or list(theme.spare)
    return free[crc32(label.encode()) % len(free)]


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio of two colours: 1 (the same) to 21 (black on white)."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    if len(colour) != 7 or not colour.startswith("#"):
        raise BadValue("colour", colour, "written as #rrggbb")
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
