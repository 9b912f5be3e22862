"""What kind of memory a class is: its card, by forms, functions and dynamics.

Hu, Liu, Yue, Zhang et al. 2025, "Memory in the Age of AI Agents" (survey; arXiv 2512.13564), names and leaves
as of its first version of December 2025. A card is a class attribute:

    class MyMemory:
        card = MemoryCard(form={Form.TOKEN}, topology={Topology.FLAT}, function={Function.CASE}, ...)

What it says is not taken on trust: `wayfare.memory.probes.check_card(MyMemory)` tries it.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Literal, get_args

from wayfare.errors import BadValue

__all__ = [
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
]


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
    """How it finds."""

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

_SETS: dict[str, type[StrEnum]] = {
    "form": Form, "topology": Topology, "function": Function, "formation": Formation, "consolidation": Consolidation,
    "updating": Updating, "forgetting": Forgetting, "retrieval": Retrieval, "scope": Scope,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MemoryCard:
    """Where a memory stands on each axis; more than one place is normal, none is an error. Sets become frozen ones.

    learns_from_outcome: whether reward changes what is found later        deletable: see `Deletable`
    auditable: whether it can be told what changed, when
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

    def __post_init__(self) -> None:
        for name, kind in _SETS.items():
            object.__setattr__(self, name, _leaves(name, kind, getattr(self, name)))
        if self.deletable not in get_args(Deletable):
            raise BadValue("deletable", self.deletable, f"one of {', '.join(get_args(Deletable))}")
        for name in ("learns_from_outcome", "auditable"):
            if not isinstance(getattr(self, name), bool):
                raise BadValue(name, getattr(self, name), "True or False")

    def to_json(self) -> dict[str, Any]:
        """Lists of the names, sorted; flags as they are."""
        found: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            found[each.name] = sorted(leaf.value for leaf in value) if isinstance(value, frozenset) else value
        return found


def _leaves(name: str, kind: type[StrEnum], given: object) -> frozenset[StrEnum]:
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise BadValue(name, given, f"a set of {kind.__name__}")
    found = set()
    for each in given:
        if not isinstance(each, kind):
            raise BadValue(name, each, f"of {', '.join(f'{kind.__name__}.{leaf.name}' for leaf in kind)}")
        found.add(each)
    if not found:
        raise BadValue(name, "an empty set", f"at least one {kind.__name__}")
    if len(found) > 1 and any(leaf.value == "none" for leaf in found):
        raise BadValue(name, sorted(leaf.value for leaf in found), f"{kind.__name__}.NONE alone, or others")
    return frozenset(found)
