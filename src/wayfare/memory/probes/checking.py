"""`check_card`: a memory class lives through ten probes, and its card is held against what was seen.

    report = check_card(MyMemory)
    report.agrees                   # whether the card says what the memory does
    print(report.text)

The probes are those that the survey's axes ask for (Hu, Liu, Yue, Zhang et al. 2025, arXiv 2512.13564); what each does
is our choice. Whatever a memory raises is its failure, with the exception as evidence; a battery that does not come to
its end in time fails what is left of it. What no behaviour can show, from `function` to how a model's memory is
carried, is taken as declared.
"""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from wayfare.errors import BadValue
from wayfare.memory.cards import Form, MemoryCard, Scope, Topology, registered
from wayfare.memory.probes.adapters import protocol_of
from wayfare.memory.probes.addressing import addressability, deletion
from wayfare.memory.probes.finding import retrieval, timing
from wayfare.memory.probes.following import persistence, topology
from wayfare.memory.probes.forgetting import forgetting
from wayfare.memory.probes.learning import outcome_learning
from wayfare.memory.probes.report import CardReport, ProbeResult
from wayfare.memory.probes.revising import consolidation, update
from wayfare.memory.probes.subject import OutOfTime
from wayfare.memory.probes.trial import Seen, Trial

__all__ = ["PROBES", "check_card", "held_against"]

Probe = Callable[[Trial], Seen]
Rule = Callable[[MemoryCard, Seen], tuple[str, bool]]
"""(card, what was seen) -> what the card says, and whether that agrees."""
PASSED = ("self", "address", "k", "seed", "synchronous", "clock", "embedder", "size", "most", "capacity", "budget")


def _names(leaves: Any) -> str:
    return ", ".join(sorted(leaves))


def _form(card: MemoryCard, seen: Seen) -> tuple[str, bool]:
    return _names(card.form), (Form.TOKEN in card.form) is seen.values["token"]


def _deletable(card: MemoryCard, seen: Seen) -> tuple[str, bool]:
    return card.deletable, card.deletable == seen.values["deletable"]


def _topology(card: MemoryCard, seen: Seen) -> tuple[str, bool]:
    return _names(card.topology), bool(card.topology - {Topology.FLAT}) is seen.values["tied"]


def _scope(card: MemoryCard, seen: Seen) -> tuple[str, bool]:
    """An agent's memory lasts, and so does a corpus; of the model or the context alone, nothing does."""
    lasting = bool(card.scope & {Scope.AGENT_MEMORY, Scope.RETRIEVAL_AUGMENTED})
    return _names(card.scope), lasting is seen.values["lasts"]


def _forgetting(card: MemoryCard, seen: Seen) -> tuple[str, bool]:
    return _names(card.forgetting), {leaf.value for leaf in card.forgetting} - {"none"} == seen.values["forgets"]


def _updating(card: MemoryCard, seen: Seen) -> tuple[str, bool]:
    said = f"{_names(card.updating)}; {'auditable' if card.auditable else 'not auditable'}"
    updates = {leaf.value for leaf in card.updating} != {"none"}
    return said, updates is seen.values["updates"] and card.auditable is seen.values["audited"]


def _consolidation(card: MemoryCard, seen: Seen) -> tuple[str, bool]:
    gathers = {leaf.value for leaf in card.consolidation} != {"none"}
    return _names(card.consolidation), gathers is seen.values.get("gathers", False)


def _learning(card: MemoryCard, seen: Seen) -> tuple[str, bool]:
    return "yes" if card.learns_from_outcome else "no", card.learns_from_outcome is seen.values["learns"]


def _retrieval(card: MemoryCard, seen: Seen) -> tuple[str, bool]:
    """What generates cannot be told from outside how; the same words are found by meaning, too."""
    said, shown = {leaf.value for leaf in card.retrieval}, set(seen.values["retrieves"])
    agrees = said <= shown | {"generative"} and bool(said & shown or said == {"generative"})
    if not seen.values["blind"]:
        agrees = said - {"generative"} <= shown and shown - {"lexical"} <= said
        agrees = agrees and ("lexical" not in shown or bool(said & {"lexical", "semantic", "generative"}))
    return _names(card.retrieval), agrees


def _abstains(card: MemoryCard, seen: Seen) -> tuple[str, bool]:
    return "yes" if card.abstains else "no", card.abstains is seen.values["abstains"]


PROBES: tuple[tuple[str, str, str, Probe, Rule], ...] = (
    ("P1", "addressability", "form", addressability, _form),
    ("P2", "deletion", "deletable", deletion, _deletable),
    ("P3", "topology", "topology", topology, _topology),
    ("P4", "persistence", "scope", persistence, _scope),
    ("P5", "forgetting", "forgetting", forgetting, _forgetting),
    ("P6", "update", "updating", update, _updating),
    ("P7", "consolidation", "consolidation", consolidation, _consolidation),
    ("P8", "outcome learning", "learns_from_outcome", outcome_learning, _learning),
    ("P9", "retrieval", "retrieval", retrieval, _retrieval),
    ("P10", "timing", "abstains", timing, _abstains),
)
"""(number, title, field of the card, probe, rule)"""


def check_card(
    memory: type[Any] | Callable[[], Any],
    *,
    card: MemoryCard | None = None,
    seed: int = 0,
    seconds: float = 20.0,
    new_process: bool = True,
    probes: Sequence[str] | None = None,
) -> CardReport:
    """Try a memory, ten times anew.

    memory: a class with the verbs of `Memory`, of a memory for streams or of a `Subject`, or a function that makes one
    card: None for the class's own        seed: of the words and the draws        seconds: for all of it
    new_process: whether P4 opens a file from another process, where that can import the class
    probes: some of P1 .. P10, None for all; P9 brings P3, whose ties it asks for

    A class is made with those of address, k, seed, clock, embedder and a budget (size, most, capacity) that it takes.
    Raises: BadValue naming the class, where it has no card, no such verbs, or cannot be made; nothing else.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise BadValue("seed", seed, "a whole number of at least 0")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise BadValue("seconds", seconds, "a number above 0")
    chosen = _chosen(probes)
    name, own = _looked_at(memory)
    declared = registered(name, card if card is not None else own)
    seen: dict[str, Seen] = {}
    deadline = time.monotonic() + seconds
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        notes: dict[str, Any] = {}

        def battery() -> None:
            for number, _, _, probe, _ in chosen:
                if time.monotonic() > deadline:
                    return
                root = Path(folder) / number
                root.mkdir()
                seen[number] = _seen(probe, Trial(memory, seed, deadline, root, notes, new_process))

        # In a thread, so that a memory that never returns holds up nobody.
        thread = threading.Thread(target=battery, name=f"probes of {name}", daemon=True)
        thread.start()
        thread.join(seconds + 1.0)
        done = dict(seen)
    late = Seen("fail", f"not at its end within {seconds:g} s", whole=False)
    done = {entry[0]: done.get(entry[0], late) for entry in chosen}
    return held_against(CardReport(name, declared, (), done), declared)


def held_against(report: CardReport, card: MemoryCard) -> CardReport:
    """What was seen of a memory, against another card: nothing is run again.

    Raises: BadValue for a card that may stand for no class.
    """
    registered(report.name, card)
    rows = [_judged(entry, card, report.seen[entry[0]]) for entry in PROBES if entry[0] in report.seen]
    return CardReport(report.name, card, tuple(rows), report.seen)


def _chosen(probes: Sequence[str] | None) -> list[tuple[str, str, str, Probe, Rule]]:
    numbers = [entry[0] for entry in PROBES]
    if probes is None:
        return list(PROBES)
    if isinstance(probes, str) or not probes or any(each not in numbers for each in probes):
        raise BadValue("probes", probes, f"some of {', '.join(numbers)}, or None")
    wanted = {*probes, *(["P3"] if "P9" in probes else [])}
    return [entry for entry in PROBES if entry[0] in wanted]


def _looked_at(memory: Any) -> tuple[str, Any]:
    """Name and card. Raises: BadValue."""
    if inspect.isclass(memory):
        protocol_of(memory)
        for name, each in inspect.signature(memory).parameters.items():
            needed = each.default is each.empty and each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
            if needed and name not in PASSED:
                raise BadValue(
                    "memory",
                    memory.__qualname__,
                    f"a class that can be made without {name}, or a function that makes it",
                )
        return memory.__qualname__, getattr(memory, "card", None)
    if not callable(memory):
        raise BadValue("memory", type(memory).__name__, "a class, or a function without arguments that makes a memory")
    name = getattr(memory, "__qualname__", type(memory).__name__)
    try:
        made = memory()
    except Exception as error:
        raise BadValue("memory", name, f"a function that makes a memory; it raises {_said(error)}") from error
    protocol_of(type(made))
    card = getattr(made, "card", None)
    if callable(getattr(made, "close", None)):
        made.close()
    return type(made).__qualname__, card


def _seen(probe: Probe, trial: Trial) -> Seen:
    try:
        found = probe(trial)
        trial.notes |= found.values
    except OutOfTime:
        return Seen("fail", "the time of the battery is over", whole=False)
    except BaseException as error:  # a memory may raise anything, also to leave the process
        return Seen("fail", f"raises {_said(error)}", whole=False)
    else:
        return found
    finally:
        trial.close()


def _judged(entry: tuple[str, str, str, Probe, Rule], card: MemoryCard, seen: Seen) -> ProbeResult:
    number, title, field, _, rule = entry
    declared, agrees = rule(card, seen) if seen.whole else (_plainly(getattr(card, field)), False)
    return ProbeResult(number, title, seen.outcome, field, declared, seen.evidence, agrees)


def _plainly(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else _names(value)


def _said(error: BaseException) -> str:
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said[:200]}"
