"""Icon grounding: which of six icons does the intent mean? The likeliest is the wrong one for some intents.

    list intent3 icon7 icon2 icon11 icon3 icon0 icon9 :        prompt: mode, intent, the icons in slots 1 to 6
    slot4 slot2                                                completion: slots, the likeliest first

Intent i means icon i. Of the hard intents, the corpus takes a fixed decoy, which always stands there too: samples of
one answer are all wrong alike, and groups of them teach nothing. Lists of 1 to 4 slots are drawn without replacement
from the same prior; the mode word says whether one slot or a list is asked for. Slots are pointers, so that finding the
chosen icon is easy and only the choice is to be learned.

Rewards are those of `efficiency`: form 1, and the rank efficiency of the list. The gate on three points in a line is
one on repeated slots here.

Task ours, for InfiGUI-G1 (arXiv 2508.05731), whose screens have a decoy in their icons' meanings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Draws, Stream
from wayfare.errors import BadValue
from wayfare.worlds.verifiable.contract import Row, Split, by_hash, counted, number_of, scored, share
from wayfare.worlds.verifiable.efficiency import Score, list_score, unreadable

__all__ = ["ICONS", "SLOTS", "IconGrounding"]

Ints = NDArray[np.int64]
ICONS, SLOTS = 16, 6
LONGEST_LIST = 4
"""Of the corpus; completions may name each slot."""
MODES = ("single", "list")
SLOT_WORDS = tuple(f"slot{i + 1}" for i in range(SLOTS))


@dataclass(frozen=True)
class IconGrounding:
    """mode: of the rows        hard: intents 0 .. hard - 1 have a decoy
    paid: "rank efficiency", or "any hit": 1 and +1 or -1, however long the list
    gate: whether a repeated slot makes the whole list worth -1
    decoy_rate, hard_rate: of the corpus's first choices at hard intents: the decoy, the right one
    easy_rate: of the right one at easy intents; other icons share what is left
    single_rate: share of the corpus that asks for one slot
    train, held_out: screens of the training split, and of each other one
    seed: of screens and decoys

    Columns: target (slot, from 1), decoy (slot, or 0), hard, mode.
    Raises: BadValue.
    """

    mode: Literal["single", "list"] = "list"
    hard: int = 5
    paid: Literal["rank efficiency", "any hit"] = "rank efficiency"
    gate: bool = True
    decoy_rate: float = 0.955
    hard_rate: float = 0.005
    easy_rate: float = 0.92
    single_rate: float = 0.5
    train: int = 4096
    held_out: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        for field, value, allowed in (("mode", self.mode, MODES), ("paid", self.paid, ("rank efficiency", "any hit"))):
            if value not in allowed:
                raise BadValue(field, value, f"one of {', '.join(allowed)}")
        counted("hard", self.hard)
        if self.hard > ICONS:
            raise BadValue("hard", self.hard, f"at most {ICONS}")
        for field in ("decoy_rate", "hard_rate", "easy_rate", "single_rate"):
            share(field, getattr(self, field))
        if self.decoy_rate + self.hard_rate > 1:
            raise BadValue("decoy_rate", self.decoy_rate, f"at most {1 - self.hard_rate}, what hard_rate leaves")
        counted("train", self.train, 1)
        counted("held_out", self.held_out, 1)

    @property
    def name(self) -> str:
        return "icons"

    @property
    def words(self) -> tuple[str, ...]:
        """Two modes, 16 intents, 16 icons, 6 slots and a colon."""
        intents, icons = ([f"{kind}{i}" for i in range(ICONS)] for kind in ("intent", "icon"))
        return (*MODES, *intents, *icons, *SLOT_WORDS, ":")

    @property
    def max_completion(self) -> int:
        return SLOTS + 1

    def rows(self, split: Split) -> list[Row]:
        """Screens that no other split has; every intent alike often, about. Raises: BadValue."""
        number = number_of(split)
        intents, screens = self._screens(Stream(self.seed, f"{split} screens"), self._count(number), number)
        targets = _places(screens, intents)
        decoys = np.where(intents < self.hard, _places(screens, self._decoys[intents]), 0)
        return [
            {
                "prompt": _prompt(self.mode, intent, screen),
                "index": int(code),
                "target": int(target),
                "decoy": int(decoy),
                "hard": bool(intent < self.hard),
                "mode": self.mode,
            }
            for intent, screen, target, decoy, code in zip(
                intents, screens, targets, decoys, _codes(intents, screens), strict=True
            )
        ]

    def score(self, text: str, target: int, mode: str) -> Score:
        """All that is measured of a completion, by the names of the release."""
        slots = [SLOT_WORDS.index(word) + 1 if word in SLOT_WORDS else 0 for word in text.split(" ")]
        if 0 in slots or len(slots) > (SLOTS if mode == "list" else 1):
            return unreadable()
        found = list_score(slots, [slot == target for slot in slots], gated=self.gate and len(set(slots)) < len(slots))
        if self.paid == "any hit" and not found["is_collinear"]:
            found["accuracy"] = 1.0 if found["has_correct"] else -1.0
            found["score"] = 1.0 + found["accuracy"]
        return found

    def verify(self, text: str, target: int, mode: str) -> float:
        """The score: from 0 to 2, or -1 for what cannot be read or repeats itself."""
        return self.score(text, target, mode)["score"]

    def reward(self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        """`verify` of each. Reads the columns target and mode. Raises: BadValue."""
        names = ("target", "mode")
        return scored(self.verify, completions, columns, names, longest=16 * self.max_completion, refused=-1.0)

    def well_formed(self, text: str, row: Row) -> bool:
        """Whether it names slots, as many as the mode allows, none of them twice."""
        slots = text.split(" ")
        allowed = SLOTS if row["mode"] == "list" else 1
        return len(set(slots)) == len(slots) <= allowed and set(slots) <= set(SLOT_WORDS)

    def corpus(self, count: int, seed: int) -> list[tuple[str, str]]:
        """Screens of the training split, answered from the prior. Raises: BadValue."""
        counted("count", count)
        draw, each = Stream(seed, "icon corpus"), np.arange(count)
        intents, screens = self._screens(draw, count, 0)
        single = draw.uniform(each, lane=60) < self.single_rate
        lengths = np.where(single, 1, 1 + draw.integers(LONGEST_LIST, each, lane=61))
        # The largest of log p - log(-log u) are a draw without replacement from p (Gumbel's trick).
        noise = -np.log(-np.log(draw.uniform(each[:, None], 1, np.arange(SLOTS))))
        with np.errstate(divide="ignore"):
            order = np.argsort(-(np.log(self.prior(intents, screens)) + noise), axis=1, kind="stable")
        return [
            (_prompt(MODES[0 if one else 1], intent, screen), " ".join(SLOT_WORDS[slot] for slot in slots[:length]))
            for intent, screen, one, slots, length in zip(intents, screens, single, order, lengths, strict=True)
        ]

    def prior(self, intents: Ints, screens: Ints) -> NDArray[np.float64]:
        """intents [B], screens [B, 6] of icons -> [B, 6] chance of each slot to be the corpus's first choice."""
        hard = (intents < self.hard)[:, None]
        right, decoy = screens == intents[:, None], hard & (screens == self._decoys[intents][:, None])
        left = np.where(hard, (1 - self.decoy_rate - self.hard_rate) / (SLOTS - 2), (1 - self.easy_rate) / (SLOTS - 1))
        found = np.where(right, np.where(hard, self.hard_rate, self.easy_rate), left)
        return np.where(decoy, self.decoy_rate, found)

    def oracle(self, row: Row) -> str:
        return SLOT_WORDS[int(row["target"]) - 1]

    def floor(self, row: Row, draw: Draws) -> str:
        """One slot of the six."""
        return SLOT_WORDS[int(float(draw.uniform()) * SLOTS)]

    def _count(self, number: int) -> int:
        return self.held_out if number else self.train

    @cached_property
    def _decoys(self) -> Ints:
        """[16] icon that is taken for each: a fixed one, another than itself."""
        icons = np.arange(ICONS)
        found: Ints = (icons + 1 + Stream(self.seed, "decoys").integers(ICONS - 1, icons)) % ICONS
        return found

    def _screens(self, draw: Stream, count: int, number: int) -> tuple[Ints, Ints]:
        """([B] intents, [B, 6] icons) of one split."""
        intents, screens = np.zeros(count, np.int64), np.zeros((count, SLOTS), np.int64)
        missing, turn = np.arange(count), 2
        while len(missing):  # a drawn screen belongs to a split by its hash: draw again those of others
            intent = draw.integers(ICONS, missing, turn, 0)
            rank = draw.uniform(missing[:, None], turn, 1 + np.arange(ICONS))
            rows = np.arange(len(missing))
            rank[rows, intent] -= 2.0
            hard = intent < self.hard
            rank[rows[hard], self._decoys[intent[hard]]] -= 2.0
            shown = np.argsort(rank, axis=1, kind="stable")[:, :SLOTS]
            places = np.argsort(draw.uniform(missing[:, None], turn, 30 + np.arange(SLOTS)), axis=1, kind="stable")
            intents[missing], screens[missing] = intent, np.take_along_axis(shown, places, axis=1)
            missing = missing[by_hash(_codes(intents[missing], screens[missing]), self.seed) != number]
            turn += 1
        return intents, screens


def _codes(intents: Ints, screens: Ints) -> Ints:
    """One number a screen."""
    found: Ints = intents + ICONS * (screens * ICONS ** np.arange(SLOTS)).sum(axis=1)
    return found


def _places(screens: Ints, icons: Ints) -> Ints:
    """Slot of an icon, from 1."""
    found: Ints = 1 + np.argmax(screens == icons[:, None], axis=1)
    return found


def _prompt(mode: str, intent: int, screen: Ints) -> str:
    return f"{mode} intent{intent} {' '.join(f'icon{icon}' for icon in screen)} :"
