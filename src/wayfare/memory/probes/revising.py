"""P6, P7: whether what is kept is changed by what comes later, and brought together."""

from __future__ import annotations

from wayfare.memory.probes.subject import Looked
from wayfare.memory.probes.trial import Seen, Trial, told

__all__ = ["consolidation", "update"]

FACTS = 10
GROUPS = 6


def update(trial: Trial) -> Seen:
    """P6: a value that stood is contradicted. What is answered now, what as of then, and is the past kept?

    A memory that edits is told to. One that does not meets the old value again, twice, in other words; then the new
    one; then that the old one failed. It may set the new one in its place, or change what it has kept in any other way
    that its history shows.
    """
    words = trial.words(6)
    subject = trial.subject(k=4, budget=20 * FACTS)
    facts = [(words.cue(4), words.word(), words.word()) for _ in range(FACTS)]
    ids = [subject.write(old, key=key) for key, old, _ in facts]
    then = trial.clock()
    trial.clock.now += 1_000.0
    first = [_versions(subject, id) for id in ids]
    edits = subject.can("edit") and all(ids)
    for id, (key, old, new) in zip(ids, facts, strict=True):
        if edits:
            subject.do("edit", id, f"{key} {new}")
            continue
        subject.finish(" ".join(reversed(key.split())), old, 1.0)
        subject.finish(" ".join([words.word(), *key.split()[1:]]), old, 1.0)
        subject.finish(key, new, 1.0)
        _failed(subject, key, old)
        subject.recall(key, 4)
    now = [subject.found(key, 4) for key, _, _ in facts]
    replaced = sum(new in text and old not in text for text, (_, old, new) in zip(now, facts, strict=True))
    last = [_versions(subject, id) for id in ids]
    changed = sum(a != b for a, b in zip(first, last, strict=True))
    evidence = f"answers the new value alone {told(replaced, FACTS)}, {changed} records changed"
    if subject.can("recall_as_of"):
        past = sum(
            old in "\n".join(text for _, text in subject.recall(key, 4, at=then))
            for key, old, _ in facts
        )  # fmt: skip
        evidence += f", as of then the old one {past} of {FACTS}"
    audited = None
    if subject.can("history") and any(ids):
        kept = sum(
            any(old in version for version in versions)
            for versions, (_, old, _), id in zip(last, facts, ids, strict=True) if id
        )  # fmt: skip
        audited = kept == sum(map(bool, ids))
        evidence += f", history tells the old one {kept} of {sum(map(bool, ids))}"
    else:
        audited = False
        evidence += ", no history"
    updated = replaced > FACTS // 2 or changed > FACTS // 2
    return Seen("pass" if updated else "fail", evidence, {"updates": updated, "audited": audited})


def _versions(subject: Looked, id: str) -> list[str]:
    return [str(each) for each in subject.do("history", id)] if id and subject.can("history") else []


def _failed(subject: Looked, key: str, old: str) -> None:
    """The task is met again, and what the old value says turns out wrong."""
    if subject.can("credit"):
        hits = subject.recall(key, 4)
        blamed = [id for id, text in hits if old in text and id]
        if blamed:
            subject.do("credit", blamed[:1], 0.0)


def consolidation(trial: Trial) -> Seen:
    """P7: what says nearly the same is written several times. Is there less of it afterwards, and is it still known?

    Of each text there are three in the same words in another order, and three that differ in one word out of seven.
    """
    words, rng = trial.words(7), trial.rng(7)
    subject = trial.subject(k=4, budget=40 * GROUPS)
    if not subject.can("size"):
        return Seen("not applicable", "it does not say how much it holds", {})
    asked, n = [], 0
    ids = []
    for _ in range(GROUPS):
        key, same, text, other = words.words(6), words.words(6), words.word(), words.word()
        for turn in range(3):
            order = [same[int(i)] for i in rng.permutation(6)]
            ids.append(subject.write(text, key=" ".join(order if turn else same)))
            ids.append(subject.write(other, key=" ".join([words.word(), *key])))
            n += 2
        asked += [(" ".join(same), text), (" ".join(key), other)]
    first = [_versions(subject, id) for id in ids]
    before, right = int(subject.do("size")), _right(subject, asked)
    if subject.can("consolidate"):
        subject.do("consolidate")
    for question, _ in asked:
        subject.recall(question, 4)  # a memory may put itself in order when it is asked
    after, still = int(subject.do("size")), _right(subject, asked)
    taken = sum(len(versions) > 1 for versions in first if versions)
    gathers = after <= n - GROUPS or taken > GROUPS
    evidence = (
        f"{n} written, {before} held, {after} afterwards, {taken} took something in;"
        f" answers right {right} then {told(still, len(asked))}"
    )
    if gathers and still < right:
        return Seen("fail", f"{evidence}: what was known is lost", {"gathers": False})
    return Seen("pass" if gathers else "fail", evidence, {"gathers": gathers})


def _right(subject: Looked, asked: list[tuple[str, str]]) -> int:
    return sum(text in subject.found(key, 4) for key, text in asked)
