"""P3, P4: whether ties between items lead to them, and whether what is kept outlives its process and conversation."""

from __future__ import annotations

from wayfare.memory.probes.subject import Looked
from wayfare.memory.probes.trial import Seen, Trial, share, told

__all__ = ["persistence", "topology"]

TRIPLES = 20
ITEMS = 20


def topology(trial: Trial) -> Seen:
    """P3: of two items that are equally unlike the query, is the one found that is tied to what the query finds?

    A memory that takes ties is given them. One that makes its own gets chains: a near item with the two words of the
    query and two of the far one; the twin of the far one hangs on another near item in the same way. Neither far item
    has a word of the query, and the order of writing is shuffled. Whether ties are those of a graph or of layers is not
    told apart.
    """
    words, rng = trial.words(3), trial.rng(3)
    subject = trial.subject(k=4, budget=10 * TRIPLES, plain=True)
    given = subject.can("link")
    won = lost = 0
    plans = []
    for _ in range(TRIPLES):
        near, far, other, twin = ([*words.words(4)] for _ in range(4))
        if not given:
            far, twin = [*near[2:], far[0]], [*other[2:], twin[0]]
        plans.append((near, far, other, twin, [words.word() for _ in range(4)]))
    writes = [(plan, part) for plan in range(TRIPLES) for part in range(4)]
    order = rng.permutation(len(writes))
    ids: dict[tuple[int, int], str] = {}
    for i in order:
        plan, part = writes[int(i)]
        ids[plan, part] = subject.write(plans[plan][4][part], key=" ".join(plans[plan][part]))
    if given:
        for plan in range(TRIPLES):
            subject.do("link", ids[plan, 0], ids[plan, 1])
            subject.do("link", ids[plan, 2], ids[plan, 3])
    for near, _, _, _, texts in plans:
        found = [text for _, text in subject.recall(" ".join(near[:2]), 4)]
        far_at, twin_at = (_place(found, texts[part]) for part in (1, 3))
        won += far_at < twin_at
        lost += twin_at < far_at
    # Of those that differ more than a half, with 99 % confidence; and of all no less than a half.
    followed = 2 * won >= TRIPLES and share(won, won + lost, 0.99)[0] > 0.5
    how = "ties given" if given else "chains of shared words"
    evidence = f"{how}: the tied one first {told(won, TRIPLES)}, its twin first {lost}"
    return Seen("pass" if followed else "fail", evidence, {"tied": followed})


def _place(found: list[str], text: str) -> int:
    return next((i for i, each in enumerate(found) if text in each), len(found))


def persistence(trial: Trial) -> Seen:
    """P4: is all still found after a new conversation has begun, and after the memory was closed and opened again?"""
    words = trial.words(4)
    subject = trial.subject(k=ITEMS, budget=10 * ITEMS)
    items = [(words.cue(3), words.word()) for _ in range(ITEMS)]
    for key, text in items:
        subject.write(text, key=key)
    first = _found(subject, items)
    evidence = f"found {told(first, ITEMS)}"
    if not first:
        return Seen("fail", evidence, {"lasts": False})
    after = first
    if subject.can("reset_context"):
        subject.do("reset_context")
        after = _found(subject, items)
        evidence += f", in a new context {after}"
    if not subject.can("restart"):
        return Seen("fail", f"{evidence}; it ends with its process", {"lasts": False})
    texts = trial.elsewhere(subject, [key for key, _ in items], ITEMS)
    if texts is None:
        again = subject.restarted()
        trial.open.append(again)
        opened, how = _found(again, items), "opened again"
    else:
        opened = sum(text in found for (_, text), found in zip(items, texts, strict=True))
        how = "opened by another process"
    lasts = after >= first and opened >= first
    return Seen("pass" if lasts else "fail", f"{evidence}, {how} {opened}", {"lasts": lasts})


def _found(subject: Looked, items: list[tuple[str, str]]) -> int:
    return sum(text in subject.found(key, ITEMS) for key, text in items)
