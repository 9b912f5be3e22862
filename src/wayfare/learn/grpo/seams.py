"""Where a method enters the group-relative trainer: each place as one small protocol, with its shapes.

In the order of a step, with M prompts, B rows in all, T tokens, V words:

    Budget        keys [M], total                -> rows of each prompt [M]        how much to try, where
    Transform     a row of the data set          -> a prompt; an answer -> what rewards are told
    Rollout       what is asked                  -> a `RolloutBatch`               one turn by default, tools by another
    Features      batch                          -> [B, D]                         what a memory compares
    Bonus         batch                          -> [B]                            intrinsic reward
    Shaper        extrinsic, bonus, group, step  -> [B]                            both as one reward
    RowFilter     batch                          -> [B] bool                       which rows are learned from
    Advantage     reward, group                  -> [B] or [B, T]
    Regulariser   token losses [b, T], context   -> token losses [b, T]            adds to, replaces or masks them
    AuxiliarySource   step                       -> other rows and their weight    replay, imitation

A part may have `update(batch)`, called once at the end of each training step with the whole batch of all processes and
never in evaluation: memories are written after they were read. A part with a state has `state_dict` and
`load_state_dict`, of tensors, numbers, texts and lists and dicts of them; it is then part of every checkpoint.

Any object with these methods will do; nothing is registered and nothing inherited. A part may name in an attribute
`free` those of its arguments that may change between a run and its resumption, see `wayfare.learn.grpo.identity`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from wayfare.language.causal import CausalModel
from wayfare.language.interface import Prompt
from wayfare.learn.rollouts import RolloutBatch

__all__ = [
    "Advantage",
    "Asked",
    "AuxiliarySource",
    "Bonus",
    "Budget",
    "Features",
    "FullLogprobs",
    "Regulariser",
    "Remembers",
    "Rollout",
    "RowFilter",
    "Shaper",
    "TokenContext",
    "Transform",
]


@runtime_checkable
class Remembers(Protocol):
    """A part with a state of its own."""

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs to go on bit for bit."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` was taken."""
        ...


class Budget(Protocol):
    """How many rows each prompt of a step gets. `update(batch)` tells it what came of them."""

    def allocate(self, keys: Tensor, total: int) -> Tensor:
        """keys: [M] int64, numbers of prompts in the data set -> [M] int64, at least 0, sum = total."""
        ...


class Transform(Protocol):
    """How a row of the data set is asked, and how an answer is read."""

    def encode(self, row: Mapping[str, Any]) -> Prompt:
        """The prompt of a row."""
        ...

    def parse(self, text: str) -> str:
        """What reward functions are told of an answer."""
        ...


@dataclass(frozen=True)
class Asked:
    """What a rollout is asked for: b rows, those of this process.

    prompts, rows:   b prompts, and their rows of the data set
    keys, group_id:  [b] int64
    numbers:         [b] int64, of each row among those of all processes: what its draws are addressed by
    step:            of training, from 0; in evaluation the one that it stands at
    attempt:         how often the step had to ask again
    seed:            of the draws
    new:             most tokens of an answer
    train:           false in evaluation
    """

    prompts: Sequence[Prompt]
    rows: Sequence[Mapping[str, Any]]
    keys: Tensor
    group_id: Tensor
    numbers: Tensor
    step: int
    attempt: int
    seed: int
    new: int
    train: bool = True


class Rollout(Protocol):
    """How answers come about.

    One with a true attribute `elsewhere` has them drawn by another arithmetic than the trainer's: `old_logps` are then
    the sampler's until the trainer has made a pass of its own, before anything is learned.
    """

    def collect(self, model: CausalModel, asked: Asked) -> RolloutBatch:
        """Batch with all fields that are not optional, `texts`, `prompts` and `prompt_key`; a row may be one turn."""
        ...


class Features(Protocol):
    """What answers are compared by."""

    def features(self, model: CausalModel, batch: RolloutBatch) -> Tensor:
        """[B, D] float32, without gradient."""
        ...


class Bonus(Protocol):
    """Reward for what is new. `update(batch)` writes the memory; `score` never does."""

    def score(self, batch: RolloutBatch) -> Tensor | Sequence[float]:
        """[B] finite; `extrinsic`, `texts`, `group_id`, and `features` where the trainer has them, are there."""
        ...


class Shaper(Protocol):
    """How reward and bonus become one number."""

    def combine(self, extrinsic: Tensor, bonus: Tensor, group_id: Tensor, step: int) -> Tensor:
        """[B] each -> [B]; NaN where a row could not be scored stays NaN."""
        ...


class RowFilter(Protocol):
    """Which rows are learned from; the others stay in their group's statistics only as far as the filter says."""

    def keep(self, batch: RolloutBatch) -> Tensor:
        """[B] bool, after rewards are known and before advantages are."""
        ...


class Advantage(Protocol):
    """From rewards to advantages."""

    def advantage(self, reward: Tensor, group_id: Tensor, groups: int) -> Tensor:
        """reward, group_id: [B], NaN for a row that counts nowhere -> [B] or [B, T], 0 there."""
        ...


FullLogprobs = Callable[[RolloutBatch, bool], Tensor]
"""(some rows, of the reference?) -> [b, T, V] float32 log-probabilities at temperature 1, without gradient."""


@dataclass(frozen=True, eq=False)
class TokenContext:
    """What a regulariser may read, of one micro-batch of b rows.

    batch:      the rows, with `extras` as `prepare` left them
    logp:       [b, T] of the policy, with gradient
    old_logp:   [b, T] under the weights that drew (logp itself, detached, on the first update)
    advantage:  [b, T]        mask: [b, T] float32, the loss mask
    entropy:    [b, T] with gradient, where 'entropy' is required; else None
    step:       of training, from 0
    logprobs:   () -> [b, T, V] of the policy, with gradient; only where 'logprobs' is required
    reference:  () -> [b, T, V] of the reference, without; only where 'reference logprobs' is required
    """

    batch: RolloutBatch
    logp: Tensor
    old_logp: Tensor
    advantage: Tensor
    mask: Tensor
    entropy: Tensor | None
    step: int
    logprobs: Callable[[], Tensor]
    reference: Callable[[], Tensor]


class Regulariser(Protocol):
    """Changes token losses before they are summed up.

    requires: of 'reference' (batch.ref_logps), 'entropy', 'logprobs', 'reference logprobs'; nothing else is computed
    """

    requires: frozenset[str]

    def prepare(self, batch: RolloutBatch, forward: FullLogprobs) -> Mapping[str, Tensor]:
        """Once on the whole batch, advantages known: what goes into `extras`, rows first. {} for nothing."""
        ...

    def apply(self, loss: Tensor, context: TokenContext) -> Tensor:
        """Per micro-batch: [b, T] -> [b, T]."""
        ...


class AuxiliarySource(Protocol):
    """Rows from elsewhere that are learned from after the step's own. `update(batch)` gives it the step's.

    A source with an attribute `loss` of 'nll' has -A logp for a loss, in place of the step's own.
    """

    def sample(self, step: int) -> tuple[RolloutBatch, float] | None:
        """Rows with their own old_logps and advantages, and the weight of their loss; None: nothing this step."""
        ...
