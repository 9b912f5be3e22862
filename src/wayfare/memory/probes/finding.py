"""P9, P10: by what a memory finds, and whether it may find nothing."""

from __future__ import annotations

from wayfare.memory.probes.items import backwards
from wayfare.memory.probes.subject import Looked
from wayfare.memory.probes.trial import Seen, Trial, share, told

__all__ = ["retrieval", "timing"]

ITEMS = 24
K = 3
BEYOND = 0.5
"""Share of queries that must be answered, with 95 % confidence; by chance it is 3 of 24."""
PARAPHRASES = (
    ("the physician was ill", "our doctor got sick"),
    ("purchase a cheap automobile", "buying inexpensive cars"),
    ("children enjoy large dogs", "kids love big puppies"),
    ("repair the broken sofa", "fixing a damaged couch"),
    ("begin your journey quickly", "start travelling fast"),
    ("the attorney spoke angrily", "a furious lawyer talked"),
    ("close windows when cold", "shut them if it freezes"),
    ("infants weep at night", "babies cry after dark"),
    ("assist elderly people", "help the aged"),
    ("the film was frightening", "a scary movie"),
    ("wealthy folks dine late", "rich persons eat dinner in the evening"),
    ("stones fall to earth", "rocks drop on the ground"),
)
"""The same in other words, for a memory whose embedder knows English: no word is shared that carries meaning."""


def retrieval(trial: Trial) -> Seen:
    """P9: a rare word or all, other words for the same, ties (P3), the latest whatever is asked, or everything.

    Items share no words, so that nothing is found but by its own. Where the memory takes an embedder, it is one that
    knows that a word and its reverse are the same, and nothing else: the two share no letters in a row.
    """
    words = trial.words(9)
    subject = trial.subject(k=K, budget=20 * ITEMS, meanings=True, plain=True)
    items = [(words.words(4), words.word()) for _ in range(ITEMS)]
    for key, text in items:
        subject.write(text, key=" ".join(key))
    order = [int(i) for i in trial.rng(9).permutation(ITEMS)]
    answers = [subject.found(items[i][0][2], K) for i in order]
    listed = [_listed(text, [text for _, text in items]) for text in answers]
    seen: set[str] = set()
    if all(each == listed[0] for each in listed) and listed[0]:
        latest = listed[0] == list(range(ITEMS))[::-1][: len(listed[0])]
        whole = len(listed[0]) == ITEMS
        seen = {"recency"} if latest and not whole else {"recency", "none"} if latest else {"none"} if whole else set()
        evidence = f"the same {len(listed[0])} of {ITEMS} whatever is asked" + (", the latest first" if latest else "")
        return Seen("pass" if seen else "fail", evidence, {"retrieves": seen, "blind": True})
    rare = sum(items[i][1] in text for i, text in zip(order, answers, strict=True))
    entire = sum(items[i][1] in subject.found(" ".join(items[i][0]), K) for i in order)
    if share(max(rare, entire), ITEMS)[0] > BEYOND:
        seen.add("lexical")
    if trial.takes("embedder"):
        other = sum(items[i][1] in subject.found(backwards(" ".join(items[i][0])), K) for i in order)
        n = ITEMS
    else:
        n = len(PARAPHRASES)
        spoken = trial.subject(k=1, budget=20 * ITEMS)
        texts = [words.word() for _ in PARAPHRASES]
        for (said, _), text in zip(PARAPHRASES, texts, strict=True):
            spoken.write(text, key=said)
        other = sum(
            text in "\n".join(found for _, found in spoken.recall(asked, 1)[:1])
            for (_, asked), text in zip(PARAPHRASES, texts, strict=True)
        )
    if share(other, n)[0] > BEYOND:
        seen.add("semantic")
    tied = bool(trial.notes.get("tied"))
    if tied:
        seen.add("graph")
    evidence = (
        f"by a rare word {told(rare, ITEMS)}, by all its words {entire}, by other words for the same {told(other, n)}"
    )
    evidence += f", {'along' if tied else 'not along'} ties (P3)"
    return Seen("pass" if seen else "fail", evidence, {"retrieves": seen, "blind": False})


def _listed(answer: str, texts: list[str]) -> list[int]:
    """Which items an answer shows, in its order."""
    places = {answer.find(text): i for i, text in enumerate(texts) if text in answer}
    return [places[at] for at in sorted(places)]


def timing(trial: Trial) -> Seen:
    """P10: is nothing found where nothing that is kept concerns what is asked, and something where it does?"""
    words = trial.words(10)
    subject = trial.subject(k=K, budget=20 * ITEMS)
    items = [(words.cue(4), words.word()) for _ in range(ITEMS)]
    for key, text in items:
        subject.write(text, key=key)
    silent = sum(not _said(subject, words.cue(4)) for _ in range(ITEMS))
    answered = sum(text in subject.found(key, K) for key, text in items)
    abstains = share(silent, ITEMS)[0] > BEYOND and share(answered, ITEMS)[0] > BEYOND
    evidence = f"silent when nothing concerns it {told(silent, ITEMS)}, answers what does {told(answered, ITEMS)}"
    return Seen("pass" if abstains else "fail", evidence, {"abstains": abstains})


def _said(subject: Looked, query: str) -> str:
    return subject.found(query, K).strip()
