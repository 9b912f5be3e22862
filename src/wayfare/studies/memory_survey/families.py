"""Three families of tasks, one for each function of a memory, and the frozen reader that believes what it is shown.

    facts      sessions tell where things are, and move them; afterwards it is asked where each is
    practice   tasks of a few groups, each group solved in one of some ways; the agent does as a success that it is
               shown did, else tries any; afterwards new tasks of the same groups are met, and nothing is learned
    span       a stream of observations with a code in each: which code was it n steps ago? And: codes to be kept in
               order, then observations that have nothing to do with them

A context is the first `context` words of what the memory shows. Every memory is given the same texts, questions and
draws; only in practice do its own choices decide what it lives through.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from wayfare.memory.modules.frames import read
from wayfare.memory.modules.protocol import Finished, MemoryModule
from wayfare.memory.probes.items import Words
from wayfare.studies.memory_survey.working import CODE

__all__ = ["BACK", "FAMILIES", "chance", "play"]

FAMILIES = ("facts", "practice", "span")
BACK = (2, 4, 6, 8)
"""n of the n-back questions."""
PLACES = 12
"""Where things can be."""
CHATTER = "somebody speaks of the weather and of a long way home"


def play(family: str, module: MemoryModule, size: Mapping[str, Any], seed: int) -> float:
    """The score of a memory, in [0, 1]. size: the fields of the study's config that families go by"""
    score: float = {"facts": _facts, "practice": _practice, "span": _span}[family](module, size, seed)
    return score


def chance(family: str, size: Mapping[str, Any]) -> float:
    """The score of who knows nothing and, where something must be said, says anything."""
    return 1.0 / int(size["ways"]) if family == "practice" else 0.0


def _shown(module: MemoryModule, task: str, size: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """What the reader sees, and the ids behind it."""
    found = module.search(task)
    lines, left = [], int(size["context"])
    for line in module.synthesise(task, found).split("\n"):
        words = line.split()
        indent = line[: len(line) - len(line.lstrip())]
        lines.append(indent + " ".join(words[:left]))
        left -= len(words)
        if left <= 0:
            break
    return "\n".join(lines), tuple(each.id for each in found)


def _facts(module: MemoryModule, size: Mapping[str, Any], seed: int) -> float:
    words, rng = Words(seed), np.random.default_rng([seed, 1])
    things, places = words.words(size["entities"]), words.words(PLACES)
    stands: dict[str, str] = {}
    for session in range(size["sessions"]):
        lines = []
        for thing in rng.permutation(things)[: size["told"]]:
            stands[str(thing)] = places[int(rng.integers(PLACES))]
            lines += [f"the {thing} is in {stands[str(thing)]}", CHATTER]
        module.update(Finished(f"session {session}", "", None, "\n".join(lines), len(lines)))
    right = 0
    for thing, place in stands.items():
        context, _ = _shown(module, f"where is the {thing}", size)
        right += _place(context, thing) == place
    return right / len(stands)


def _place(context: str, thing: str) -> str:
    """Where the first that speaks of a thing says it is, as a sentence or as a fact."""
    said = re.search(rf"\b{thing}(?: is|\n\s*place:) in (\w+)", context)
    return said[1] if said else ""


def _practice(module: MemoryModule, size: Mapping[str, Any], seed: int) -> float:
    words, rng = Words(seed), np.random.default_rng([seed, 2])
    groups, ways = [words.words(3) for _ in range(size["groups"])], words.words(size["ways"])
    right = [int(way) for way in rng.integers(len(ways), size=len(groups))]

    def act(i: int, learn: bool) -> bool:
        group = groups[i % len(groups)]
        task = " ".join([*group, words.word(), words.word()])
        context, ids = _shown(module, task, size)
        anyway, luck = int(rng.integers(len(ways))), float(rng.random())  # drawn whether or not they are needed
        way = _way(context, group, ways)
        way = anyway if way is None else way
        good = way == right[i % len(groups)]
        if learn:
            reward = float(luck < (size["right"] if good else size["lucky"]))
            steps = f"go to the bench\nuse {ways[way]} on it"
            module.update(Finished(task, ways[way], reward, steps, 2, context, ids))
        return good

    for i in range(size["practice"]):
        act(i, True)
    return float(np.mean([act(i, False) for i in range(size["fresh"])]))


def _way(context: str, group: list[str], ways: list[str]) -> int | None:
    """What the first success that has to do with the task did."""
    for block in read(context):
        near = sum(word in block.text for word in group) >= 2
        if near and (block.feedback is None or block.feedback >= 0.5):
            said = f"{block.answer} {' '.join(block.steps)}"
            for i, way in enumerate(ways):
                if way in said:
                    return i
    return None


def _span(module: MemoryModule, size: Mapping[str, Any], seed: int) -> float:
    """Half of it n-back, half the span."""
    words, rng = Words(seed), np.random.default_rng([seed, 3])
    steps, codes, asked, right = int(size["steps"]), [], 0, 0
    for step in range(steps):
        codes.append(_code(rng))
        module.update(Finished(f"step {step}", "", None, f"screen shows {codes[-1]} beside {words.cue(6)}"))
        for n in BACK if step % 4 == 3 else ():
            if step >= n:
                asked += 1
                context, _ = _shown(module, f"which code did the screen show {n} steps ago", size)
                right += codes[step - n] in _coded(context).get(step - n, ())
    keep = []
    for step in range(steps, 2 * steps):
        if step < steps + size["span"]:
            keep.append(_code(rng))
            text = f"remember {keep[-1]} and then {words.cue(6)}"
        else:
            text = f"corridor with {words.cue(8)}"
        module.update(Finished(f"step {step}", "", None, text))
    context, _ = _shown(module, "which codes were you to remember, in their order", size)
    said = [code for step, found in sorted(_coded(context).items()) if step >= steps for code in found]
    spanned = float(np.mean([i < len(said) and said[i] == code for i, code in enumerate(keep)]))
    return (right / max(1, asked) + spanned) / 2


def _code(rng: np.random.Generator) -> str:
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    return f"{letters[int(rng.integers(24))]}{int(rng.integers(10))}{letters[int(rng.integers(24))]}"


def _coded(context: str) -> dict[int, list[str]]:
    """Step -> the codes that a context gives it: what stands behind "step 7" or "7:"."""
    found: dict[int, list[str]] = {}
    step: int | None = None
    for word in re.findall(r"\S+", context.replace("Task: step ", "")):
        head, colon, rest = word.partition(":")
        if head.isdigit():
            step, word = int(head), rest if colon else ""
        if step is not None:
            found.setdefault(step, []).extend(CODE.findall(word))
    return {step: codes for step, codes in found.items() if codes}
