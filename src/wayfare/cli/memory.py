"""`wayfare memory VERB`: the verbs of Python, on a memory in a file or in PostgreSQL.

The answer goes to standard output, as text or with --json as one JSON document. Only `remember`, the imports and `demo`
make a file; any other verb refuses one that is not there, so that a mistyped name leaves nothing behind.

The verbs of a part that has more of them stand in a file of their own, which names them in its `VERBS`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from wayfare.cli import (
    memory_check,
    memory_copies,
    memory_install,
    memory_mcp,
    memory_mem0,
    memory_serve,
    memory_upkeep,
)
from wayfare.cli import memory_options as take
from wayfare.cli.memory_answers import answer, checked_there, open_memory, said
from wayfare.errors import BadValue, OutcomeConflict
from wayfare.flags import nearest, parse
from wayfare.memory import Policy, Record, Version
from wayfare.memory.drafting import draft
from wayfare.memory.store.addresses import is_postgres
from wayfare.memory.store.schema import VERSION

__all__ = ["VERBS", "memory"]

WIDEST = 100


def memory(words: list[str]) -> int:
    """The exit status of `wayfare memory WORDS`."""
    if not words or words[0] in ("-h", "--help"):
        print("usage: wayfare memory VERB ...   (wayfare memory VERB --help lists what it takes)\n")
        for verb, (kind, _) in VERBS.items():
            print(f"  {verb:{max(map(len, VERBS))}} {(kind.__doc__ or '').splitlines()[0]}")
        return 0
    if words[0] not in VERBS:
        near = nearest(words[0], list(VERBS))
        raise BadValue("verb", words[0], f"one of {', '.join(VERBS)}{near}")
    kind, act = VERBS[words[0]]
    options: Any = parse(kind, words[1:], f"wayfare memory {words[0]}")
    return act(options)


def _remember(options: take.Remember) -> int:
    texts = [line.rstrip("\n") for line in sys.stdin if line.strip()] if options.text == "-" else [options.text]
    if not texts:
        raise BadValue("text", "empty input", "given: one memory a line")
    keys = [("intent", options.intent)] if options.intent else []
    fields: dict[str, Any] = {
        "kind": options.kind, "tags": options.tags, "source": options.source, "keys": keys, "reason": options.reason
    }  # fmt: skip
    for text in texts:
        draft(text, **fields)  # refused before a file is made
    with open_memory(options, make=True, embedder=options.embedder) as opened:
        done = opened.remember_many([{"text": text, **fields} for text in texts])
    return answer(options, done, lambda: "\n".join(f"{each.op} {each.id} {each.reason}".rstrip() for each in done))


def _import(options: take.Import) -> int:
    from wayfare.memory.importing import imported, read_tasks

    if not options.file.is_file():
        raise BadValue("file", str(options.file), "a bundle, or a CSV or JSON-lines file, that is there")
    if memory_copies.is_bundle(options.file):
        return memory_copies.bring_in(options, options.file)
    past = read_tasks(options.file)
    with open_memory(options, make=True) as opened:
        done = imported(opened, past)
    return answer(options, done, lambda: str(done))


def _recall(options: take.Recall) -> int:
    with open_memory(options, policy=options.policy) as opened:
        found = opened.recall(
            said("query", options.query), options.k, task=options.task, budget_tokens=options.budget_tokens,
            kinds=options.kinds, tags=options.tags,
        )  # fmt: skip
    value = {
        "id": found.id, "task": found.task, "side": found.side, "policy": found.policy, "logged": found.logged,
        "reason": found.reason, "probability": found.probability, "text": found.text,
        "items": [
            {"id": item.id, "content": item.record.content, "relevance": item.relevance, "score": item.score,
             "propensity": item.propensity, "why": item.why}
            for item in found
        ],
    }  # fmt: skip
    lines = [found.why if options.why else found.text or "nothing is relevant enough"]
    lines.append(f"receipt {found.id}, task {found.task}" if found.logged else f"not logged: {found.reason}")
    return answer(options, value, lambda: "\n".join(lines))


def _credit(options: take.Credit) -> int:
    with open_memory(options, actor=options.actor) as opened:
        try:
            done = opened.credit(
                said("task", options.task), options.reward, used=options.used, source=options.source,
                correct=options.correct,
            )  # fmt: skip
        except OutcomeConflict as error:
            raise OutcomeConflict(str(error).replace("say correct=True", "say --correct")) from error
    what = "said before" if done.repeated else "counted" if done.counted else "kept, does not count"
    return answer(options, done, lambda: f"task {done.task}: reward {done.reward:g} from {done.source}, {what}")


def _revise(options: take.Revise) -> int:
    with open_memory(options) as opened:
        done = opened.revise(
            said("id", options.id), said("text", options.text), expect=options.expect, reason=options.reason
        )
    return answer(options, done, lambda: f"{done.op} {done.id} version {done.version}")


def _forget(options: take.Forget) -> int:
    with open_memory(options) as opened:
        done = opened.forget(said("id", options.id), purge=options.purge, reason=options.reason)
    left = memory_copies.still_in(done.copies) if options.purge else ""
    return answer(options, done, lambda: f"{'purged' if options.purge else 'forgotten'} {options.id}{left}")


def _show(options: take.Show) -> int:
    with open_memory(options) as opened:
        if options.id is not None:
            record = opened.get(options.id)
            return answer(options, record, lambda: _shown(record))
        page = opened.list(kind=options.kind, limit=options.limit, after=options.after)
    lines = [_line(record) for record in page.records] or ["no memories"]
    if page.next:
        lines.append(f"more: --after {page.next}")
    return answer(options, {"records": page.records, "next": page.next}, lambda: "\n".join(lines))


def _line(record: Record) -> str:
    text = " ".join(record.content.split())
    text = text if len(text) <= WIDEST else text[: WIDEST - 3] + "..."
    mean = record.utility.mean
    return f"{record.id}  {record.kind:10} {'  -  ' if mean is None else f'{mean:.2f} '} {text}"


def _shown(record: Record) -> str:
    utility = record.utility
    mean = (
        "not credited yet" if utility.mean is None else f"mean reward {utility.mean:.2f} over {utility.n:.3g} credits"
    )
    return "\n".join(
        [
            record.content,
            "",
            f"id       {record.id}, version {record.version}, {record.status}",
            f"kind     {record.kind}" + (f"; tags {', '.join(record.tags)}" if record.tags else ""),
            f"written  {_when(record.created_at)}; changed {_when(record.updated_at)}",
            f"credit   {mean}; shown {utility.recalled} times",
            *(
                f"carries  {each.size} bytes, {each.media_type}, SHA-256 {each.digest}"
                for each in (record.payload,)
                if each is not None
            ),
            *(
                f"from     {each.uri or ', '.join(each.parents)}"
                for each in record.provenance
                if each.uri or each.parents
            ),
        ]
    )


def _when(time: float) -> str:
    try:
        return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, OSError, ValueError):
        return f"{time:g} s"


def _history(options: take.History) -> int:
    with open_memory(options) as opened:
        found = opened.history(said("id", options.id))
    return answer(options, found, lambda: "\n".join(map(_step, found)))


def _step(step: Version) -> str:
    who = f" by {step.actor}" if step.actor else ""
    text = "" if step.record is None else f": {' '.join(step.record.content.split())[:WIDEST]}"
    why = f" ({step.reason})" if step.reason else ""
    return f"{_when(step.time)}  {step.op} -> version {step.version}{who}{why}{text}"


def _stats(options: take.Stats) -> int:
    with open_memory(options, read_only=True) as opened:
        found = opened.stats()
    return answer(options, found, lambda: "\n".join(_lines(found)))


def _lines(value: Mapping[str, Any], indent: int = 0) -> Sequence[str]:
    lines = []
    for key, each in value.items():
        head = " " * indent + str(key).replace("_", " ")
        if isinstance(each, Mapping):
            lines += [head, *_lines(each, indent + 2)]
        else:
            shown = f"{each:.4g}" if isinstance(each, float) else str(each)
            lines.append(f"{head:24} {shown}")
    return lines


def _evaluate(options: take.Evaluate) -> int:
    with open_memory(options, read_only=True) as opened:
        target: Policy | str = options.policy
        if options.explore is not None:
            target = opened.policy_named(options.policy).with_(explore=options.explore)
        found = opened.evaluate(target)
    return answer(options, found.to_json(), lambda: str(found.text))


def _void(options: take.Void) -> int:
    with open_memory(options) as opened:
        done = opened.void(
            source=options.source, actor=options.actor, since=options.since, until=options.until, reason=options.reason
        )
    return answer(
        options, done, lambda: f"{done.outcomes} outcomes taken out, utilities of {done.records} memories replayed"
    )


def _migrate(options: take.Migrate) -> int:
    with open_memory(options) as opened:
        if options.embedder is None:
            return answer(options, {"version": VERSION}, lambda: f"{options.db} has tables of version {VERSION}")
        done = opened.reembed(options.embedder, batch=options.batch, progress=_progress)
    said = f"{done.embedded} texts embedded; {done.model or 'words alone'} serves {options.namespace}"
    begun = f", and policy {done.policy} begins without certificates" if done.policy else ""
    return answer(options, {"version": VERSION, **asdict(done)}, lambda: said + begun)


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done:,} of {total:,} texts", end="\n" if done == total else "", file=sys.stderr, flush=True)


def _doctor(options: take.Doctor) -> int:
    from wayfare.memory.store.doctor import doctor, salvage

    checked_there(options.db)
    if is_postgres(options.db):
        from wayfare.memory.store.postgres.doctor import doctor_namespace

        if options.salvage is not None:
            raise BadValue("salvage", options.salvage, "left out: of PostgreSQL, restore a backup or an export")
        looked = doctor_namespace(options.db, options.namespace)
        answer(options, looked, lambda: str(looked))
        return 1 if looked.worst == "damage" else 0
    if options.salvage is not None:
        saved = salvage(options.db, options.salvage)
        return answer(options, saved, lambda: str(saved))
    found = doctor(options.db)
    answer(options, found, lambda: str(found))
    return 1 if found.worst == "damage" else 0


def _demo(options: take.Demo) -> int:
    from wayfare.cli.memory_demo import demo

    return demo(options)


VERBS: Mapping[str, tuple[type, Callable[[Any], int]]] = {
    "remember": (take.Remember, _remember), "recall": (take.Recall, _recall), "credit": (take.Credit, _credit),
    "revise": (take.Revise, _revise), "forget": (take.Forget, _forget), "show": (take.Show, _show),
    "history": (take.History, _history), "stats": (take.Stats, _stats), "evaluate": (take.Evaluate, _evaluate),
    "void": (take.Void, _void), "migrate": (take.Migrate, _migrate), "doctor": (take.Doctor, _doctor),
    "import": (take.Import, _import), "demo": (take.Demo, _demo),
    **memory_copies.VERBS, **memory_install.VERBS, **memory_serve.VERBS, **memory_mcp.VERBS, **memory_mem0.VERBS,
    **memory_upkeep.VERBS, **memory_check.VERBS,
}  # fmt: skip
"""Verb -> what it takes, and what it does."""
