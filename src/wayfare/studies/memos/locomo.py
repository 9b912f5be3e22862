"""LoCoMo's conversations and questions, from a file of the user's: ten long dialogues of two people, with answers.

Maharana et al. 2024 (arXiv 2402.17753); `locomo10.json` of snap-research/locomo, whose licence (CC BY-NC 4.0) keeps it
out of this package. Of its categories 1 is multi-hop, 2 temporal, 3 open-domain, 4 single-hop; 5, adversarial, has no
answer and is left out.

The score is the official one's without its stemming: the harmonic mean of precision and recall over words, articles and
punctuation left out; of a multi-hop answer, which lists parts, each part is given its best match.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from wayfare.errors import BadValue

__all__ = ["CATEGORIES", "Conversation", "Question", "read_locomo", "word_f1"]

CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop"}


class Question(NamedTuple):
    """category: of `CATEGORIES`"""

    text: str
    answer: str
    category: int


class Conversation(NamedTuple):
    """lines: a line a turn, with its speaker, and a line for the date of each session"""

    lines: tuple[str, ...]
    questions: tuple[Question, ...]


def read_locomo(file: str, conversations: int) -> list[Conversation]:
    """The first so many. Raises: BadValue naming the file, or the conversation that is none."""
    try:
        told = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadValue("locomo", file, f"a readable JSON file ({error})") from error
    if not isinstance(told, list) or not told:
        raise BadValue("locomo", file, "a list of conversations")
    found = []
    for number, each in enumerate(told[:conversations]):
        try:
            found.append(_conversation(each))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            where = f"locomo, conversation {number}"
            raise BadValue(where, repr(error), '"conversation" with sessions, and "qa"') from None
    return found


def _conversation(told: Any) -> Conversation:
    sessions, lines = told["conversation"], list[str]()
    numbers = sorted(int(match[1]) for name in sessions if (match := re.fullmatch(r"session_(\d+)", name)))
    for number in numbers:
        lines.append(f"[{sessions.get(f'session_{number}_date_time', '')}]")
        lines += [f"{turn['speaker']}: {turn['text']}" for turn in sessions[f"session_{number}"]]
    questions = tuple(
        Question(str(each["question"]), str(each["answer"]), int(each["category"]))
        for each in told["qa"]
        if each.get("category") in CATEGORIES and str(each.get("answer", "")).strip()
    )
    if not lines or not questions:
        raise ValueError("no turns or no questions")
    return Conversation(tuple(lines), questions)


def word_f1(said: str, answer: str, category: int) -> float:
    """From 0 to 1. category: multi-hop answers are lists of parts"""
    if category == 1:
        parts = [part for part in answer.split(",") if part.strip()] or [answer]
        said_parts = [part for part in said.split(",") if part.strip()] or [said]
        return sum(max(_f1(mine, part) for mine in said_parts) for part in parts) / len(parts)
    return _f1(said, answer.split(";")[0] if category == 3 else answer)


def _f1(said: str, answer: str) -> float:
    mine, theirs = _words(said), _words(answer)
    shared = sum((Counter(mine) & Counter(theirs)).values())
    return 2.0 * shared / (len(mine) + len(theirs)) if shared else 0.0


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"[^\W_]+", text.casefold()) if word not in ("a", "an", "the", "and")]
