"""What kind of memory a class is: its card, by forms, functions and dynamics.

Hu, Liu, Yue, Zhang et al. 2025, "Memory in the Age of AI Agents" (survey; arXiv 2512.13564), names and leaves
as of its first version of December 2025. A card is a class attribute:

    class MyMemory:
        card = MemoryCard(form={Form.TOKEN}, topology={Topology.FLAT}, function={Function.CASE}, ...)

What it says is not taken on trust: `wayfare.memory.probes.check_card(MyMemory)` tries it.

Cards are kept as JSON and read by other versions than wrote them. A name of another version of the survey is read by
`ALIASES`; one that nobody here knows is kept as it is (`unknown`), and refused where a card is registered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Literal, get_args

from wayfare.errors import BadValue

__all__ = [
    "ALIASES",
    "EXPERIENCES",
    "SURVEY",
    "Consolidation",
    "Deletable",
    "Forgetting",
    "Form",
    "Formation",
    "Function",
    "MemoryCard",
    "Retrieval",
    "Scope",
    "Topology",
    "Updating",
    "registered",
]

SURVEY = "arXiv 2512.13564v1"
"""The version whose names these are."""


class Form(StrEnum):
    """What carries the memory."""

    TOKEN = "token"
    PARAMETRIC_INTERNAL = "parametric internal"
    PARAMETRIC_EXTERNAL = "parametric external"
    LATENT_GENERATE = "latent generate"
    LATENT_REUSE = "latent reuse"
    LATENT_TRANSFORM = "latent transform"


class Topology(StrEnum):
    """How its items hang together: a list, a graph or tree, layers of summaries."""

    FLAT = "flat"
    PLANAR = "planar"
    HIERARCHICAL = "hierarchical"


class Function(StrEnum):
    """What it is for: facts, experience, work in hand."""

    FACTUAL_USER = "factual user"
    FACTUAL_ENVIRONMENT = "factual environment"
    CASE = "experiential case"
    STRATEGY = "experiential strategy"
    SKILL = "experiential skill"
    WORKING_SINGLE = "working single-turn"
    WORKING_MULTI = "working multi-turn"


class Formation(StrEnum):
    """What is made of what was met."""

    VERBATIM = "verbatim"
    SUMMARISATION = "semantic summarisation"
    DISTILLATION = "knowledge distillation"
    CONSTRUCTION = "structured construction"
    LATENT = "latent representation"
    INTERNALISATION = "parametric internalisation"


class Consolidation(StrEnum):
    """How what is kept is brought together."""

    NONE = "none"
    LOCAL = "local"
    CLUSTER = "cluster"
    GLOBAL = "global"


class Updating(StrEnum):
    """How what is kept is changed."""

    NONE = "none"
    EXTERNAL = "external edit"
    MODEL = "model editing"


class Forgetting(StrEnum):
    """By what it forgets."""

    NONE = "none"
    TIME = "time"
    FREQUENCY = "frequency"
    IMPORTANCE = "importance"


class Retrieval(StrEnum):
    """How it finds. NONE: everything is shown, whatever is asked."""

    NONE = "none"
    RECENCY = "recency"
    LEXICAL = "lexical"
    SEMANTIC = "semantic"
    GRAPH = "graph"
    GENERATIVE = "generative"


class Scope(StrEnum):
    """Where it stands between the four fields that the survey tells apart."""

    AGENT_MEMORY = "agent memory"
    MODEL_MEMORY = "memory inside the model"
    RETRIEVAL_AUGMENTED = "retrieval-augmented generation"
    CONTEXT_ENGINEERING = "context engineering"


Deletable = Literal["item", "approximate", "no"]
"""item: gone without a trace in behaviour; approximate: less, not nothing, is left; no: nothing can be taken out."""

ALIASES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "form": {"token-level": ("token",), "internal parametric": ("parametric internal",),
             "external parametric": ("parametric external",), "latent generation": ("latent generate",),
             "latent reuse": ("latent reuse",), "latent transformation": ("latent transform",)},
    "topology": {"1d": ("flat",), "2d": ("planar",), "3d": ("hierarchical",), "flat (1d)": ("flat",),
                 "planar (2d)": ("planar",), "hierarchical (3d)": ("hierarchical",)},
    "function": {"user factual": ("factual user",), "environment factual": ("factual environment",),
                 "case-based": ("experiential case",), "strategy-based": ("experiential strategy",),
                 "skill-based": ("experiential skill",), "single-turn": ("working single-turn",),
                 "multi-turn": ("working multi-turn",)},
    "formation": {"semantic summarization": ("semantic summarisation",),
                  "knowledge distilling": ("knowledge distillation",),
                  "parametric internalization": ("parametric internalisation",)},
    "consolidation": {"local consolidation": ("local",), "cluster-level fusion": ("cluster",),
                      "global integration": ("global",)},
    "updating": {"external memory update": ("external edit",), "model editing": ("model editing",)},
    "forgetting": {"time-based": ("time",), "frequency-based": ("frequency",), "importance-driven": ("importance",)},
    "retrieval": {"lexical retrieval": ("lexical",), "semantic retrieval": ("semantic",),
                  "graph retrieval": ("graph",), "generative retrieval": ("generative",),
                  "hybrid": ("lexical", "semantic"), "hybrid retrieval": ("lexical", "semantic")},
}  # fmt: skip
"""axis -> a name elsewhere, in lower case -> names here. That a hybrid is lexical and semantic is our reading."""


@dataclass(frozen=True, kw_only=True)
class MemoryCard:
    """Where a memory stands on each axis; more than one place is normal, none is an error. Sets become frozen ones.

    learns_from_outcome: whether reward changes what is found later        deletable: see `Deletable`
    auditable: whether it can be told what changed, when
    abstains: whether a search may decide that nothing it holds concerns what is asked (timing of retrieval)
    parts: of a composite, (name, card) each        unknown: (axis, name) of another version that nobody here knows

    Raises: BadValue naming the axis.
    """

    form: AbstractSet[Form]
    topology: AbstractSet[Topology]
    function: AbstractSet[Function]
    formation: AbstractSet[Formation]
    consolidation: AbstractSet[Consolidation]
    updating: AbstractSet[Updating]
    forgetting: AbstractSet[Forgetting]
    retrieval: AbstractSet[Retrieval]
    scope: AbstractSet[Scope] = frozenset({Scope.AGENT_MEMORY})
    learns_from_outcome: bool = False
    deletable: Deletable = "item"
    auditable: bool = False
    abstains: bool = False
    parts: tuple[tuple[str, MemoryCard], ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        strange = {axis for axis, _ in self.unknown}
        for name, kind in AXES.items():
            object.__setattr__(self, name, _leaves(name, kind, getattr(self, name), name in strange))
        if self.deletable not in get_args(Deletable):
            raise BadValue("deletable", self.deletable, f"one of {', '.join(get_args(Deletable))}")
        for name in FLAGS:
            if not isinstance(getattr(self, name), bool):
                raise BadValue(name, getattr(self, name), "True or False")
        for name in AXES if self.parts else ():
            of_parts = _joined(getattr(card, name) for _, card in self.parts)
            if getattr(self, name) != of_parts:
                raise BadValue(name, sorted(getattr(self, name)), f"those of the parts, {sorted(of_parts)}")

    @classmethod
    def union(cls, parts: Mapping[str, MemoryCard]) -> MemoryCard:
        """The card of a memory that is made of others: each place that a part has.

        It learns or abstains where a part does; it is auditable where all are, and as deletable as the least of them.
        Raises: BadValue for no parts.
        """
        if not parts:
            raise BadValue("parts", dict(parts), "at least one card by its name")
        cards = list(parts.values())
        order = ("no", "approximate", "item")
        axes: dict[str, Any] = {name: _joined(getattr(card, name) for card in cards) for name in AXES}
        return cls(
            **axes,
            learns_from_outcome=any(card.learns_from_outcome for card in cards),
            abstains=any(card.abstains for card in cards),
            auditable=all(card.auditable for card in cards),
            deletable=min((card.deletable for card in cards), key=order.index),
            parts=tuple(parts.items()),
            unknown=tuple(sorted({each for card in cards for each in card.unknown})),
        )

    def provenance(self, axis: str) -> dict[str, tuple[str, ...]]:
        """Leaf -> the parts that it comes from; for a card without parts, ().  Raises: BadValue for no such axis."""
        if axis not in AXES:
            raise BadValue("axis", axis, f"one of {', '.join(AXES)}")
        return {
            leaf.value: tuple(name for name, card in self.parts if leaf in getattr(card, axis))
            for leaf in sorted(getattr(self, axis))
        }

    def to_json(self) -> dict[str, Any]:
        """Lists of the names, sorted; flags as they are; parts and the survey's version beside them."""
        found: dict[str, Any] = {"survey": SURVEY}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name in AXES:
                strange = [name for axis, name in self.unknown if axis == each.name]
                found[each.name] = sorted([*(leaf.value for leaf in value), *strange])
            elif each.name == "parts":
                if value:
                    found["parts"] = {name: card.to_json() for name, card in value}
            elif each.name != "unknown":
                found[each.name] = value
        return found

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> MemoryCard:
        """What `to_json` wrote, here or in another version: names of it that are not known here are kept (`unknown`),
        fields that are not are left out. Raises: BadValue for a missing axis."""
        if not isinstance(stored, Mapping):
            raise BadValue("card", type(stored).__name__, "an object with the axes of a card")
        axes: dict[str, Any] = {}
        unknown: list[tuple[str, str]] = []
        for name, kind in AXES.items():
            said = stored.get(name)
            if not isinstance(said, list) or not all(isinstance(each, str) for each in said):
                raise BadValue(name, said, "a list of names")
            known = {leaf.value: leaf for leaf in kind}
            axes[name] = set()
            for each in said:
                found = [each] if each in known else ALIASES.get(name, {}).get(each.casefold().strip(), ())
                axes[name] |= {known[leaf] for leaf in found}
                unknown += [] if found else [(name, each)]
        rest = {name: stored[name] for name in (*FLAGS, "deletable") if name in stored}
        parts = tuple((name, cls.from_json(card)) for name, card in dict(stored.get("parts", {})).items())
        return cls(**axes, **rest, parts=parts, unknown=tuple(sorted(unknown)))


AXES: Mapping[str, type[StrEnum]] = {
    "form": Form, "topology": Topology, "function": Function, "formation": Formation, "consolidation": Consolidation,
    "updating": Updating, "forgetting": Forgetting, "retrieval": Retrieval, "scope": Scope,
}  # fmt: skip
"""Field -> its leaves."""
FLAGS = ("learns_from_outcome", "auditable", "abstains")


def registered(owner: str, card: object) -> MemoryCard:
    """A card that may stand for a class of this version.

    Raises: BadValue naming the class, for none at all or one with names that nobody here knows.
    """
    if not isinstance(card, MemoryCard):
        raise BadValue(
            f"card of {owner}", card,
            "a wayfare.memory.cards.MemoryCard, as a class attribute: what the memory says that it is, by the forms, "
            "functions and dynamics of the survey",
        )  # fmt: skip
    if card.unknown:
        axis, name = card.unknown[0]
        raise BadValue(f"{axis} of the card of {owner}", name, f"one of {', '.join(AXES[axis])}")
    return card


def _leaves(name: str, kind: type[StrEnum], given: object, elsewhere: bool) -> frozenset[StrEnum]:
    """elsewhere: that it may be empty, since it has a place that is not known here"""
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise BadValue(name, given, f"a set of {kind.__name__}")
    found = set()
    for each in given:
        if not isinstance(each, kind):
            raise BadValue(name, each, f"of {', '.join(f'{kind.__name__}.{leaf.name}' for leaf in kind)}")
        found.add(each)
    if not found and not elsewhere:
        raise BadValue(name, "an empty set", f"at least one {kind.__name__}")
    if len(found) > 1 and any(leaf.value == "none" for leaf in found):
        raise BadValue(name, sorted(leaf.value for leaf in found), f"{kind.__name__}.NONE alone, or others")
    return frozenset(found)


def _joined(sets: Iterable[AbstractSet[Any]]) -> frozenset[Any]:
    """All of them; NONE where no part has another."""
    found = frozenset().union(*sets)
    others = frozenset(leaf for leaf in found if leaf.value != "none")
    return others or found


EXPERIENCES = MemoryCard(
    form={Form.TOKEN}, topology={Topology.FLAT},
    function={Function.FACTUAL_USER, Function.FACTUAL_ENVIRONMENT, Function.CASE}, formation={Formation.VERBATIM},
    consolidation={Consolidation.LOCAL}, updating={Updating.EXTERNAL},
    forgetting={Forgetting.TIME, Forgetting.FREQUENCY, Forgetting.IMPORTANCE},
    retrieval={Retrieval.LEXICAL, Retrieval.SEMANTIC}, learns_from_outcome=True, auditable=True, abstains=True,
)  # fmt: skip
"""Of `Memory`: what is written stays as it is until it is revised, merged or evicted by the verbs that do so.

As it comes its links are there to be read, and lead no recall: what a link passes on stays under the share of the best
relevance that a candidate needs. With `weights={"links": ...}` above that they do."""
