"""Search for what to do next, over any model of what moves lead to: breadth-first, beam, and Monte Carlo trees.

    Elite      proposes up to n actions of a state
    Model      says what a move leads to: (state, reward, over)
    Critic     what a state is worth from there on

Each may be a language model, a table, or a program; each reads the `memory` it is handed, a snapshot with an `id`.
`Roles` asks them, counts the calls, and keeps the answers by (state, snapshot id), so that a state met again under the
same memory costs nothing and a new snapshot forgets them all. What a role answers that is no answer (nothing proposed,
duplicates, a value that does not parse) is bounded and counted: an empty list of proposals falls back on `legal`, an
unknown value is None and its node is worth the mean of its known siblings.

    breadth_first   all proposals to depth U, backed up by max:  value = sum_u discount^u r_u + discount^U v_leaf    (1)
    beam            the same, but only the best `beam` partial lines of each depth go on
    Tree            Monte Carlo tree search that lives over many real steps: `correct` overwrites what was predicted of
                    the chosen child by what really happened, and throws away what was searched below a wrong guess

Of equal values the first proposed is taken. Sources: (1) Liu et al. 2023 (arXiv 2309.17382), algorithm 1 and its
instances; UCT Kocsis & Szepesvari 2006; the order of beam search Lowerre 1976.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from wayfare.draws import Stream
from wayfare.errors import BadValue

__all__ = ["Calls", "Critic", "Elite", "Found", "Model", "Predicted", "Roles", "Tree", "beam", "breadth_first"]

State = Hashable
Action = Hashable
Predicted = tuple[State, float, bool]
"""What a move leads to: the state, its reward, and whether it is over there."""


class Memory(Protocol):
    """A snapshot; equal ids mean equal content."""

    @property
    def id(self) -> int: ...


class Elite(Protocol):
    """Proposes."""

    def propose(self, state: State, memory: Any, n: int) -> Sequence[Action]: ...


class Model(Protocol):
    """Predicts."""

    def predict(self, state: State, action: Action, memory: Any) -> Predicted: ...


class Critic(Protocol):
    """Values; None where its answer cannot be read."""

    def value(self, state: State, memory: Any) -> float | None: ...


@dataclass
class Calls:
    """How often each role was asked, and what it cost: answers from the cache, fallbacks, unknown values."""

    elite: int = 0
    model: int = 0
    critic: int = 0
    cached: int = 0
    fallbacks: int = 0
    unknown: int = 0

    @property
    def asked(self) -> int:
        """Calls of all three roles."""
        return self.elite + self.model + self.critic


@dataclass
class Roles:
    """The three, with a cache and counts.

    legal: all actions of a state: what is proposed is filtered by it, and it stands in where nothing is left; None
        trusts the Elite
    """

    elite: Elite
    model: Model
    critic: Critic
    legal: Callable[[State], Sequence[Action]] | None = None
    seed: int = 0
    calls: Calls = field(default_factory=Calls)
    _kept: dict[Any, Any] = field(default_factory=dict)
    _id: int | None = None

    def propose(self, state: State, memory: Memory, n: int) -> list[Action]:
        """Up to n different legal actions; of the legal ones at random where none is proposed (counted)."""
        return self._answer(("elite", state, n), memory, lambda: self._proposed(state, memory, n))  # type: ignore[no-any-return]

    def predict(self, state: State, action: Action, memory: Memory) -> Predicted:
        """What the move is expected to lead to."""

        def ask() -> Predicted:
            self.calls.model += 1
            return self.model.predict(state, action, memory)

        return self._answer(("model", state, action), memory, ask)  # type: ignore[no-any-return]

    def value(self, state: State, memory: Memory) -> float | None:
        """What the state is worth, None if that is not known (counted)."""

        def ask() -> float | None:
            self.calls.critic += 1
            found = self.critic.value(state, memory)
            if found is None or not math.isfinite(found):
                self.calls.unknown += 1
                return None
            return float(found)

        return self._answer(("critic", state), memory, ask)  # type: ignore[no-any-return]

    def _proposed(self, state: State, memory: Memory, n: int) -> list[Action]:
        self.calls.elite += 1
        legal = None if self.legal is None else list(self.legal(state))
        found = list(dict.fromkeys(self.elite.propose(state, memory, n)))
        if legal is not None:
            found = [action for action in found if action in legal]
        if not found and legal:
            self.calls.fallbacks += 1
            lots = Stream(self.seed, "fallback").uniform(np.arange(len(legal)), self.calls.fallbacks)
            found = [legal[i] for i in lots.argsort()]
        return found[:n]

    def _answer(self, key: Any, memory: Memory, ask: Callable[[], Any]) -> Any:
        if memory.id != self._id:
            self._kept, self._id = {}, memory.id
        if key in self._kept:
            self.calls.cached += 1
        else:
            self._kept[key] = ask()
        return self._kept[key]


@dataclass(frozen=True)
class Found:
    """A plan. actions: the best line, first action first (empty where there is nothing to do); value: of that line;
    predicted: what its moves were expected to lead to; values: of each first action, None where unknown."""

    actions: tuple[Action, ...]
    value: float
    predicted: tuple[Predicted, ...] = ()
    values: dict[Action, float | None] = field(default_factory=dict)


def breadth_first(
    roles: Roles, state: State, memory: Memory, *, depth: int, breadth: int, discount: float = 1.0
) -> Found:
    """(1) over every proposal: the whole tree of depth U and breadth B; states met twice are asked about once.

    Raises: BadValue for a depth or breadth below 1, or a discount outside of (0, 1].
    """
    _sizes(depth, breadth, discount)
    known: dict[tuple[State, int], Found | None] = {}

    def worth(at: State, left: int) -> Found | None:
        """The best line from `at`; None where nothing is known of it."""
        if (at, left) in known:
            return known[at, left]
        if left == 0:
            leaf = roles.value(at, memory)
            found = None if leaf is None else Found((), leaf)
        else:
            found = best(at, left)
        known[at, left] = found
        return found

    def best(at: State, left: int) -> Found | None:
        lines: dict[Action, Found | None] = {}
        for action in roles.propose(at, memory, breadth):
            predicted = roles.predict(at, action, memory)
            reached, reward, over = predicted
            rest = Found((), 0.0) if over else worth(reached, left - 1)
            if rest is None:
                lines[action] = None
                continue
            value = reward + discount * rest.value
            lines[action] = Found((action, *rest.actions), value, (predicted, *rest.predicted))
        if not lines:  # nothing can be done here
            leaf = roles.value(at, memory)
            return None if leaf is None else Found((), leaf)
        told = [line.value for line in lines.values() if line is not None]
        if not told:
            return None
        mean = sum(told) / len(told)
        values = {action: None if line is None else line.value for action, line in lines.items()}
        # an unknown line counts as the mean of its siblings, which is never above their best
        chosen = max((line for line in lines.values() if line is not None), key=lambda line: line.value)
        return Found(chosen.actions, max(chosen.value, mean), chosen.predicted, values)

    found = best(state, depth)
    return found if found is not None else Found(tuple(roles.propose(state, memory, breadth)[:1]), math.nan)


def beam(
    roles: Roles, state: State, memory: Memory, *, depth: int, breadth: int, width: int, discount: float = 1.0
) -> Found:
    """The `width` best partial lines of each depth go on, by what they earned and the critic's value of their end.

    Raises: BadValue for a size below 1, or a discount outside of (0, 1].
    """
    _sizes(depth, breadth, discount)
    if width < 1:
        raise BadValue("width", width, "at least 1")
    # a line: value so far and of its end, actions, predictions, reward so far, its end, whether it is over
    lines: list[tuple[float, tuple[Action, ...], tuple[Predicted, ...], float, State, bool]] = [
        (0.0, (), (), 0.0, state, False)
    ]
    first: dict[Action, float | None] = {}
    for step in range(depth):
        grown = [line for line in lines if line[5]]
        for _, actions, past, earned, at, over in lines:
            if over:
                continue
            for action in roles.propose(at, memory, breadth):
                predicted = roles.predict(at, action, memory)
                reached, reward, done = predicted
                total = earned + discount**step * reward
                worth = 0.0 if done else roles.value(reached, memory)
                value = math.nan if worth is None else total + discount ** (step + 1) * worth
                if not actions:
                    first[action] = None if math.isnan(value) else value
                grown.append((value, (*actions, action), (*past, predicted), total, reached, done))
        if not grown:
            break
        told = [line[0] for line in grown if not math.isnan(line[0])]
        mean = sum(told) / len(told) if told else 0.0
        grown = [(mean, *line[1:]) if math.isnan(line[0]) else line for line in grown]
        lines = sorted(grown, key=lambda line: -line[0])[:width]  # stable: of equals the one proposed first
        if all(line[5] for line in lines):
            break
    value, actions, past, *_ = lines[0]
    return Found(actions, value, past, first)


@dataclass
class Node:
    """A state of the tree. reward: of the move that led here; total, visits: of the returns from here on."""

    state: State
    reward: float = 0.0
    over: bool = False
    visits: int = 0
    total: float = 0.0
    children: dict[Action, Node] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """Mean return from here on; 0 before the first."""
        return self.total / self.visits if self.visits else 0.0


class Tree:
    """Monte Carlo tree search with UCT, kept from one real step to the next.

    breadth: proposals of a node        depth: of a simulation        exploration: weight of the bonus

    Raises: BadValue for a size below 1, a discount outside of (0, 1], or a weight below 0.
    """

    def __init__(
        self, roles: Roles, state: State, *, depth: int, breadth: int, discount: float = 1.0, exploration: float = 1.0
    ) -> None:
        _sizes(depth, breadth, discount)
        if exploration < 0:
            raise BadValue("exploration", exploration, "at least 0")
        self.roles, self.depth, self.breadth = roles, depth, breadth
        self.discount, self.exploration = discount, exploration
        self.root = Node(state)
        self._memory: int | None = None

    def search(self, memory: Memory, simulations: int) -> Found:
        """So many simulations more from the root; the action of the best mean, of equals the one proposed first.

        A memory that has changed since the last search makes what was searched stale: it is thrown away.
        """
        if simulations < 1:
            raise BadValue("simulations", simulations, "at least 1")
        if memory.id != self._memory:
            self.root = Node(self.root.state, self.root.reward, self.root.over)
            self._memory = memory.id
        if self.root.over:
            return Found((), 0.0)
        for _ in range(simulations):
            self._simulate(self.root, memory, self.depth)
        values: dict[Action, float | None] = {
            action: child.reward + self.discount * child.mean for action, child in self.root.children.items()
        }
        if not values:
            return Found((), self.root.mean)
        action = max(values, key=lambda a: values[a] or 0.0)
        child = self.root.children[action]
        return Found((action,), values[action] or 0.0, ((child.state, child.reward, child.over),), values)

    def correct(self, action: Action, reached: State, reward: float, over: bool = False) -> bool:
        """What really happened: the chosen child becomes the root, as it really is; whether the guess was right.

        A wrong state discards what was searched below; a wrong reward alone is overwritten.
        """
        child = self.root.children.get(action)
        right = child is not None and (child.state, child.reward, child.over) == (reached, reward, over)
        if child is None or child.state != reached or child.over != over:
            child = Node(reached, reward, over)
        child.reward = reward
        self.root = child
        return right

    def _simulate(self, node: Node, memory: Memory, left: int) -> float:
        if node.over:
            gained = 0.0
        elif left == 0 or (node.visits == 0 and node is not self.root):
            known = self.roles.value(node.state, memory)
            gained = node.mean if known is None else known
        else:
            if not node.children:
                for action in self.roles.propose(node.state, memory, self.breadth):
                    reached, reward, over = self.roles.predict(node.state, action, memory)
                    node.children[action] = Node(reached, reward, over)
            if node.children:
                child = max(node.children.values(), key=lambda c: self._index(node, c))
                gained = child.reward + self.discount * self._simulate(child, memory, left - 1)
            else:
                gained = self.roles.value(node.state, memory) or 0.0
        node.visits += 1
        node.total += gained
        return gained

    def _index(self, node: Node, child: Node) -> float:
        if child.visits == 0:
            return math.inf
        bonus = self.exploration * math.sqrt(math.log(max(node.visits, 2)) / child.visits)
        return child.reward + self.discount * child.mean + bonus


def _sizes(depth: int, breadth: int, discount: float) -> None:
    if depth < 1:
        raise BadValue("depth", depth, "at least 1")
    if breadth < 1:
        raise BadValue("breadth", breadth, "at least 1")
    if not 0 < discount <= 1:
        raise BadValue("discount", discount, "above 0 and at most 1")
