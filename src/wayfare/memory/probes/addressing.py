"""P1, P2: whether single items can be named, and taken out."""

from __future__ import annotations

import numpy as np

from wayfare.memory.probes.subject import Looked
from wayfare.memory.probes.trial import Seen, Trial, told

__all__ = ["addressability", "deletion"]

ITEMS = 100
TARGETS = 24
LEFT = 0.02
"""Membership advantage up to which nothing is left of an item."""


def addressability(trial: Trial) -> Seen:
    """P1: write 100 items, read each by its id, edit one, and find the others as they were.

    A memory that reads nothing by id may still find by what was written, and name what it has found.
    """
    words = trial.words(1)
    subject = trial.subject(budget=2 * ITEMS)
    items = [(words.cue(3), words.word()) for _ in range(ITEMS)]
    ids = [subject.write(text, key=key) for key, text in items]
    by_id = subject.can("read")
    if not by_id or not any(ids):
        hits = [[hit for hit in subject.recall(key) if text in hit[1]] for key, text in items]
        ids = [found[0][0] if found else "" for found in hits]
        right = sum(bool(id) for id in ids)
    else:
        right = _readable(subject, ids, [text for _, text in items])
    distinct = len({id for id in ids if id})
    evidence = f"{right} of {ITEMS} {'read by id' if by_id else 'found with an id'}, {distinct} ids"
    good = right == ITEMS == distinct
    if good and by_id and subject.can("edit"):
        at, new = int(trial.rng(1).integers(ITEMS)), words.word()
        subject.do("edit", ids[at], f"{items[at][0]} {new}")
        texts = [new if i == at else text for i, (_, text) in enumerate(items)]
        kept = _readable(subject, ids, texts)
        old = items[at][1] in str(subject.do("read", ids[at]))
        good = kept == ITEMS and not old
        evidence += f"; one edited, {kept} of {ITEMS} as they should be"
    return Seen("pass" if good else "fail", evidence, {"token": good})


def _readable(subject: Looked, ids: list[str], texts: list[str]) -> int:
    right = 0
    for id, text in zip(ids, texts, strict=True):
        right += bool(id) and text in str(subject.do("read", id))
    return right


def deletion(trial: Trial) -> Seen:
    """P2: take items out; is there more of them than of items that were never written?

    membership advantage: P(seen as a member | deleted) - P(the same | never written) (Yeom et al. 2018), where an item
    is seen as a member if its text is found by its key, or, for a memory without texts, if it is likelier than halfway
    between those that stayed and those that never were. No more than 0.02: nothing is left (item); else approximate.
    """
    words = trial.words(2)
    subject = trial.subject(budget=8 * TARGETS)
    if not subject.can("delete"):
        return Seen("not applicable", "nothing can be taken out", {"deletable": "no"})
    items = [(words.cue(3), words.word()) for _ in range(2 * TARGETS)]
    controls = [(words.cue(3), words.word()) for _ in range(TARGETS)]
    ids = [subject.write(text, key=key) for key, text in items]
    order = trial.rng(2).permutation(len(items))
    out, stay = [int(i) for i in order[:TARGETS]], [int(i) for i in order[TARGETS:]]
    before = _members(subject, [items[i] for i in out], [items[i] for i in stay], controls)
    if not all(ids[i] for i in out):
        return Seen("fail", "what is to be taken out has no id", {"deletable": "no"})
    for i in out:
        subject.do("delete", ids[i])
    gone = sum(subject.gone(ids[i]) for i in out) if subject.can("read") else TARGETS
    left = _members(subject, [items[i] for i in out], [items[i] for i in stay], controls)
    never = _members(subject, controls, [items[i] for i in stay], controls)
    kept = _members(subject, [items[i] for i in stay], [items[i] for i in stay], controls)
    advantage = (left - never) / TARGETS
    evidence = (
        f"after: seen {told(left, TARGETS)}, never written {told(never, TARGETS)}, advantage {advantage:.2f};"
        f" before {told(before, TARGETS)}; {kept} of {TARGETS} others stay"
    )
    if before == never:
        return Seen("fail", f"not seen even before it was taken out; {evidence}", {"deletable": "no"})
    if advantage <= LEFT and gone == TARGETS:
        return Seen("pass" if kept else "fail", evidence, {"deletable": "item" if kept else "no"})
    return Seen("fail", evidence, {"deletable": "approximate" if left < before else "no"})


def _members(
    subject: Looked, items: list[tuple[str, str]], inside: list[tuple[str, str]], outside: list[tuple[str, str]]
) -> int:
    """How many of `items` look as if they were in the memory."""
    if not subject.can("likelihood"):
        return sum(text in subject.found(key) for key, text in items)

    def of(some: list[tuple[str, str]]) -> np.ndarray:
        return np.array([float(subject.do("likelihood", key, text)) for key, text in some])

    between = (of(inside).mean() + of(outside).mean()) / 2
    return int((of(items) > between).sum())
