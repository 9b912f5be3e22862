"""Conversations with an environment as answers: the policy speaks, the environment answers, until one of them is done.

    prompt | Q A <end> 7 Q C <end> 5 = 1 2 <end>
             1 1 1     0 1 1 1     0 1 1 1 1             loss_mask

One conversation is one row, which only ever grows: a token of the policy stays the token that was drawn, and what it
read is never read again. Observations are tokens that nobody drew: they are seen by all that follows, learned by
nobody, and have log-probability 0. Rows do not wait for each other: while one is told its observation another draws.

    ToolRollout    such conversations as a `wayfare.learn.grpo.seams.Rollout`
    ToolBonus      min(amount x calls, cap), for right and wrong answers alike                               (1)

Source: (1) Qin et al. 2025 (arXiv 2509.22601), where a schedule takes it away again
(`wayfare.learn.grpo.shaping.ScheduledBonus`).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.language.causal import CausalModel
from wayfare.language.sampler import Sampler
from wayfare.learn.grpo.rollout import ATTEMPTS, left_padded
from wayfare.learn.grpo.seams import Asked
from wayfare.learn.rollouts import RolloutBatch

__all__ = ["Environment", "ToolBonus", "ToolRollout"]


class Environment(Protocol):
    """What answers; as `wayfare.worlds.verifiable.LookupArithmetic`."""

    def start(self, row: Mapping[str, Any]) -> Any:
        """State of one conversation about a row of the data set; `useless`, if it has that, is a count of calls."""
        ...

    def respond_all(self, states: Sequence[Any], texts: Sequence[str]) -> Sequence[str | None]:
        """What is said to one turn of each; None: that conversation is over."""
        ...


class ToolRollout:
    """environment: see `Environment`
    sampler: how tokens are drawn, their position counted over the whole row; None: at temperature 1
    turns: of the policy at most        stop: texts that end a turn, as the model's end tokens do
    frame: how an observation is written, `{}` standing for it        joint: between the pieces of a transcript
    evaluation: the sampler in evaluation; None: at temperature 1

    An answer's tokens, observations with them, are `Asked.new` at most. A conversation that has no turn or no room left
    ends as `truncated`. `texts` are whole transcripts, observations included. extras: calls [B] int64, turns that were
    answered; useless [B] int64, as states tell, else 0.

    Raises: BadValue for turns below 1, or a frame without its place.
    """

    def __init__(
        self, environment: Environment, sampler: Sampler | None = None, turns: int = 8, *, stop: tuple[str, ...] = (),
        frame: str = "{}", joint: str = " ", evaluation: Sampler | None = None,
    ) -> None:  # fmt: skip
        if turns < 1:
            raise BadValue("turns", turns, "at least 1")
        if frame.count("{}") != 1:
            raise BadValue("frame", frame, "a text with one {}")
        self.environment, self.turns, self.stop, self.frame, self.joint = environment, turns, stop, frame, joint
        self.sampler = Sampler() if sampler is None else sampler
        self.evaluation = Sampler() if evaluation is None else evaluation

    @torch.no_grad()
    def collect(self, model: CausalModel, asked: Asked) -> RolloutBatch:
        """See `wayfare.learn.grpo.seams.Rollout`. Raises: BadValue for what does not fit the model's context."""
        known = dict(zip(asked.keys.tolist(), asked.prompts, strict=True))
        encoded = {key: model.encode(prompt) for key, prompt in known.items()}
        ids, valid = left_padded([encoded[key] for key in asked.keys.tolist()], model.pad)
        longest = ids.shape[1] + asked.new
        if model.context is not None and longest > model.context:
            raise BadValue("prompt and answer", f"{longest} tokens", f"at most the model's context, {model.context}")
        talks = [_Talk(self.environment.start(row)) for row in asked.rows]
        training = model.module.training
        model.module.eval()
        try:
            told = self._converse(model, ids, valid, talks, asked)
        finally:
            model.module.train(training)
        drawn, mine, behaviour, old = told
        length = max((talk.length for talk in talks), default=0)
        mask = torch.arange(length) < torch.tensor([talk.length for talk in talks], dtype=torch.int64).unsqueeze(1)
        counts = {
            "calls": torch.tensor([talk.calls for talk in talks], dtype=torch.int64),
            "useless": torch.tensor([int(getattr(talk.state, "useless", 0)) for talk in talks], dtype=torch.int64),
        }
        rows = torch.arange(len(ids))
        return RolloutBatch(
            prompt_ids=ids, prompt_mask=valid, completion_ids=drawn[:, :length], completion_mask=mask,
            loss_mask=mine[:, :length].float(), group_id=asked.group_id, trajectory=asked.numbers,
            turn=torch.zeros_like(rows), behaviour_logps=behaviour[:, :length], old_logps=old[:, :length],
            truncated=torch.tensor([talk.cut for talk in talks], dtype=torch.bool), prompt_key=asked.keys,
            born_step=torch.full_like(rows, asked.step), prompts=tuple(asked.prompts),
            texts=tuple(self.joint.join(piece for piece in talk.pieces if piece) for talk in talks), extras=counts,
        )  # fmt: skip

    def _converse(
        self, model: CausalModel, ids: Tensor, valid: Tensor, talks: list[_Talk], asked: Asked
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Tokens, whether the policy's own, and both log-probabilities: [B, new] each."""
        device = next(iter(model.module.parameters())).device
        stream = Stream(asked.seed, "turns" if asked.train else "turns in evaluation")
        at = asked.step * ATTEMPTS + asked.attempt if asked.train else 0
        sampler = self.sampler if asked.train else self.evaluation
        shape = (len(ids), asked.new)
        tokens, mine = torch.full(shape, model.pad), torch.zeros(shape, dtype=torch.bool)
        behaviour, old = torch.zeros(shape), torch.zeros(shape)
        if not talks:
            return tokens, mine, behaviour, old
        here = torch.arange(len(ids))
        logits, reading = model.begin(ids.to(device), valid.to(device), asked.new)
        for position in range(asked.new):
            uniform = torch.as_tensor(stream.uniform(asked.numbers[here], at, position))
            drawn = sampler.sample(logits, position, asked.step, uniform.to(device))
            said, own, ended = self._said(model, [talks[row] for row in here.tolist()], drawn.token.tolist())
            going = torch.tensor([not talks[row].over for row in here.tolist()])
            tokens[here, position] = torch.where(going, torch.tensor(said), model.pad)
            mine[here, position] = torch.tensor(own)
            for stored, found in ((behaviour, drawn.logp), (old, drawn.logp_at_one)):
                stored[here, position] = torch.where(mine[here, position], found.cpu(), 0.0)
            self._answered(model, [talks[here[place]] for place in ended], asked.new - position - 1)
            going = torch.tensor([not talks[row].over for row in here.tolist()])
            if position + 1 == asked.new or not bool(going.any()):
                break
            token = torch.tensor(said, device=device)
            if 2 * int(going.sum()) < len(here):  # most have ended: the others go on without them
                left = going.nonzero().flatten()
                reading.select(left.to(device))
                here, token = here[left], token[left.to(device)]
            logits, reading = model.follow(token, None, reading)
        for talk in talks:
            if not talk.over:
                talk.pieces.append(model.decode(talk.turn))
                talk.cut = True
        return tokens, mine, behaviour, old

    def _said(
        self, model: CausalModel, talks: list[_Talk], drawn: list[int]
    ) -> tuple[list[int], list[bool], list[int]]:
        """The next token of each, whether the policy said it, and the places of those whose turn it ends."""
        said, own, ended = list(drawn), [False] * len(talks), []
        for place, talk in enumerate(talks):
            if talk.over:
                continue
            talk.length += 1
            if talk.queue:
                said[place] = talk.queue.popleft()
                continue
            own[place] = True
            talk.turn.append(drawn[place])
            if drawn[place] in model.ends or (self.stop and self._stops(model, talk.turn)):
                ended.append(place)
        return said, own, ended

    def _stops(self, model: CausalModel, turn: list[int]) -> bool:
        text = model.decode(turn[-4 * max(map(len, self.stop)) - 4 :])  # a character is at most four tokens
        return any(each in text for each in self.stop)

    def _answered(self, model: CausalModel, talks: list[_Talk], room: int) -> None:
        """What the environment says to turns that have just ended. room: tokens that a row may still have"""
        if not talks:
            return
        texts = [model.decode(talk.turn) for talk in talks]
        found = self.environment.respond_all([talk.state for talk in talks], texts)
        if len(found) != len(talks):
            raise BadValue("respond_all", f"{len(found)} answers", f"{len(talks)}, one a state")
        for talk, text, told in zip(talks, texts, found, strict=True):
            talk.pieces.append(text)
            talk.turns, talk.turn = talk.turns + 1, []
            if told is None:
                talk.over = True
                continue
            talk.calls += 1
            observed = _tokens(model, self.frame.format(told)) if told else []
            if talk.turns == self.turns or len(observed) >= room:
                talk.over = talk.cut = True
                continue
            talk.queue.extend(observed)
            talk.pieces.append(told)


@dataclass
class _Talk:
    """One conversation. turn: tokens of the policy's since its last ended        queue: of an observation, to be read
    pieces: of the transcript        length: tokens in all        cut: ended by no one
    """

    state: Any
    turn: list[int] = field(default_factory=list)
    queue: deque[int] = field(default_factory=deque)
    pieces: list[str] = field(default_factory=list)
    turns: int = 0
    calls: int = 0
    length: int = 0
    over: bool = False
    cut: bool = False


def _tokens(model: CausalModel, text: str) -> list[int]:
    """A text in the middle of a row: no token is put before it."""
    try:
        return list(model.tokenizer.encode(text, add_special_tokens=False))
    except TypeError:
        return list(model.tokenizer.encode(text))


class ToolBonus:
    """(1). amount: of one call        cap: of all. Raises: BadValue for numbers that are not finite and at least 0."""

    def __init__(self, amount: float = 0.1, cap: float = 1.0) -> None:
        for name, value in (("amount", amount), ("cap", cap)):
            if not 0 <= value < math.inf:
                raise BadValue(name, value, "finite and at least 0")
        self.amount, self.cap = amount, cap

    def score(self, batch: RolloutBatch) -> Tensor:
        """See `wayfare.learn.grpo.seams.Bonus`. Raises: BadValue for rows that do not tell their calls."""
        if "calls" not in batch.extras:
            raise BadValue("extras", sorted(batch.extras), "with calls, as ToolRollout makes them")
        return (self.amount * batch.extras["calls"].float()).clamp(max=self.cap)
