"""Two episodic memories as a reward: near what has worked on tasks like this one, unlike what has failed on them.

    R = extrinsic + lambda_s N(exploit against successes) + lambda_e N(explore against failures)           (1)

N is the min-max of the last 100 values of each stream; while a memory holds nothing for a task its stream is 0 and
counts nowhere. An answer enters the successes where its extrinsic reward is above tau, else the failures.

`order` says when: `after` the rewards are told, as the equations have it, or `before`, as the released code does, where
a failure meets itself and explores nothing. Either way nothing is written in evaluation, which asks no bonus.

Source: (1) Le et al. 2025 (arXiv 2504.02273), Memory-R+; with lambda_e = 0 it is Memory-R. `shuffled` answers are filed
under tasks drawn at random: a control that tells whether retrieval matters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.episodic import KeyedEpisodicMemory, Reading
from wayfare.explore.normalisers import RunningMinMax
from wayfare.learn.grpo.features import CharacterGrams, Encoder
from wayfare.learn.rollouts import RolloutBatch

__all__ = ["EpisodicBonus"]


class EpisodicBonus:
    """encoder: of prompts and answers; None: hashed character 3-grams, 512 wide
    exploit, explore: lambda_s and lambda_e        k: tasks read        threshold: tau
    warm_up: steps before which explore is 0        queries, responses: sizes of the memories
    window, clip: of the running min-max        reason: the part of an answer that is compared; None: all of it
    """

    def __init__(
        self, encoder: Encoder | None = None, *, exploit: float = 1.0, explore: float = 1.0, k: int = 1,
        threshold: float = 0.5, warm_up: int = 0, queries: int = 10_000, responses: int = 100, window: int = 100,
        clip: float = 0.0, order: Literal["after", "before"] = "after", shuffled: bool = False,
        reason: str | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        if order not in ("after", "before"):
            raise BadValue("order", order, "'after' or 'before'")
        if k < 1 or warm_up < 0:
            raise BadValue("k, warm_up", (k, warm_up), "at least 1, at least 0")
        self.encoder: Encoder = CharacterGrams() if encoder is None else encoder
        self.exploit, self.explore, self.k, self.threshold, self.warm_up = exploit, explore, k, threshold, warm_up
        self.order, self.shuffled, self.reason = order, shuffled, reason
        self.sizes = (queries, responses)
        self.right: KeyedEpisodicMemory | None = None
        self.wrong: KeyedEpisodicMemory | None = None
        self.scales = (RunningMinMax(window, clip), RunningMinMax(window, clip))
        self.draws, self.steps = Stream(seed, "shuffled memory"), 0

    def score(self, batch: RolloutBatch) -> Tensor:
        """See `wayfare.learn.grpo.seams.Bonus`; with order 'before' the memories are written first."""
        queries, responses = self._encoded(batch)
        if self.order == "before":
            self._write(batch, queries, responses)
        found = torch.zeros(len(batch))
        for weight, reading, scale in self._read(queries, responses):
            found = found + weight * scale.normalise(reading.value.float(), reading.hit)
        return found

    def update(self, batch: RolloutBatch) -> None:
        """Takes down what was read, then writes the memories, unless the order is 'before'."""
        queries, responses = self._encoded(batch)
        for _, reading, scale in self._read(queries, responses):
            scale.update(reading.value[reading.hit].float())
        if self.order == "after":
            self._write(batch, queries, responses)
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        """Both memories, both scales."""
        memories = {} if self.right is None or self.wrong is None else {
            "dimension": self.right.dimension, "right": self.right.state_dict(), "wrong": self.wrong.state_dict(),
        }  # fmt: skip
        return {"steps": self.steps, "scales": [each.state_dict() for each in self.scales], **memories}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` was taken."""
        self.steps = int(state["steps"])
        for scale, told in zip(self.scales, state["scales"], strict=True):
            scale.load_state_dict(told)
        self.right = self.wrong = None
        if "dimension" in state:
            self._made(int(state["dimension"]))
            assert self.right is not None and self.wrong is not None
            self.right.load_state_dict(state["right"])
            self.wrong.load_state_dict(state["wrong"])

    def _read(self, queries: Tensor, responses: Tensor) -> Iterator[tuple[float, Reading, RunningMinMax]]:
        """(weight, what was read, its scale) of each stream that counts."""
        assert self.right is not None and self.wrong is not None
        if self.exploit:
            yield self.exploit, self.right.exploit(queries, responses, self.k), self.scales[0]
        if self.explore and self.steps >= self.warm_up:
            yield self.explore, self.wrong.explore(queries, responses, self.k), self.scales[1]

    def _made(self, dimension: int) -> None:
        if self.right is None:
            self.right = KeyedEpisodicMemory(dimension, *self.sizes)
            self.wrong = KeyedEpisodicMemory(dimension, *self.sizes)

    def _encoded(self, batch: RolloutBatch) -> tuple[Tensor, Tensor]:
        assert batch.prompts is not None and batch.texts is not None
        asked = [each if isinstance(each, str) else str(each[-1]["content"]) for each in batch.prompts]
        known = sorted(set(asked))
        place = {text: number for number, text in enumerate(known)}
        told = [text if self.reason is None else text.split(self.reason)[0] for text in batch.texts]
        queries = torch.as_tensor(self.encoder(known), dtype=torch.float32)[[place[text] for text in asked]]
        responses = torch.as_tensor(self.encoder(told), dtype=torch.float32)
        self._made(responses.shape[1])
        return queries, responses

    def _write(self, batch: RolloutBatch, queries: Tensor, responses: Tensor) -> None:
        assert batch.prompt_key is not None and batch.extrinsic is not None
        assert self.right is not None and self.wrong is not None
        keys = batch.prompt_key
        if self.shuffled:
            order = self.draws.uniform(torch.arange(len(batch)), self.steps).argsort()
            keys, queries = keys[order], queries[order]
        good = batch.extrinsic > self.threshold  # false for NaN
        for memory, where in ((self.right, good), (self.wrong, ~good & ~batch.extrinsic.isnan())):
            rows = where.nonzero().flatten()
            if len(rows):
                memory.write(keys[rows], queries[rows], responses[rows])
