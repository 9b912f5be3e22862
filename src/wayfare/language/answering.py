"""`generate`, `logprobs` and `features` of prompts, for any causal model: texts in and out, tokens in between.

Uniform draws of an answer are addressed by (its seed, its prompt, position of the token): batched equals single, up to
the rounding of the model's own sums. Log-probabilities are those of the pass that drew the tokens, in float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast
from zlib import crc32

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.language.causal import CausalModel, Decoded, still
from wayfare.language.decoding import decode
from wayfare.language.interface import Finish, Prompt, Samples, Sampling, Scores, check_prompts, padded, rows_of
from wayfare.language.sampler import Sampler
from wayfare.language.scoring import mean_states, score

__all__ = ["Answering"]


class Answering:
    """What makes a `CausalModel` a `LanguageModel`; `rows`: most rows side by side."""

    rows: int

    @torch.no_grad()
    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling | None = None,
        *,
        sampler: Sampler | None = None,
        step: int = 0,
    ) -> Samples:
        """sampling.n answers to each prompt; one that fills the context ends there, as 'length'.

        sampler: another rule to draw by, in place of sampling's temperature, top_p and min_p
        step:    of training, which a temperature may depend on

        Raises: BadValue for an empty prompt, or one that leaves no room for an answer.
        """
        sampling = Sampling() if sampling is None else sampling
        sampler = sampler or Sampler(sampling.temperature, sampling.top_p, sampling.min_p)
        check_prompts(prompts)
        ids = [self._fitting(f"prompts[{number}]", self._me.encode(each), 1) for number, each in enumerate(prompts)]
        rows = rows_of(prompts, sampling)
        told = _Told(self._me, sampling.stop)
        with still(self._me.module):
            for first in range(0, len(rows), self.rows):
                part = rows[first : first + self.rows]
                seeds = np.array([row.seed for row in part], np.int64)
                told.add(self._drawn([ids[row.prompt] for row in part], seeds, sampling, sampler, step))
        return Samples(
            prompt=np.array([row.prompt for row in rows], np.int64),
            texts=tuple(told.texts),
            token_ids=padded(told.ids, np.int64),
            mask=padded([[True] * len(each) for each in told.ids], np.bool_),
            logprobs=padded(told.drawn, np.float32),
            logprobs_at_one=padded(told.own, np.float32),
            finish=tuple(told.finish),
            errors=("",) * len(rows),
            prompt_tokens=np.array([len(ids[row.prompt]) for row in rows], np.int64),
            completion_tokens=np.array([len(each) for each in told.ids], np.int64),
        )

    @torch.no_grad()
    def logprobs(self, sequences: Sequence[tuple[Prompt, Sequence[int] | str]]) -> Scores:
        """Of each completion behind its prompt, at temperature 1.

        Raises: BadValue for an empty prompt, or one that with its completion exceeds the context.
        """
        pairs = self._pairs(sequences)
        told: list[list[float]] = []
        with still(self._me.module):
            for part in self._portions(pairs):
                keep = max(len(completion) for _, completion in part)
                if keep == 0:
                    told += [[] for _ in part]
                    continue
                ids, valid = self._left([prompt + completion for prompt, completion in part])
                found = score(self._me, ids, valid, keep).logps.cpu()
                told += [row[keep - len(pair[1]) :].tolist() for row, pair in zip(found, part, strict=True)]
        completions = [completion for _, completion in pairs]
        mask = padded([[True] * len(each) for each in completions], np.bool_)
        return Scores(padded(completions, np.int64), mask, padded(told, np.float32))

    @torch.no_grad()
    def features(self, sequences: Sequence[tuple[Prompt, Sequence[int] | str]]) -> npt.NDArray[np.float32]:
        """[B, D]: the last layer's hidden states, mean over the tokens of each completion.

        Raises: BadValue as `logprobs` does, and for an empty completion.
        """
        pairs = self._pairs(sequences)
        for number, (_, completion) in enumerate(pairs):
            if not completion:
                raise BadValue(f"sequences[{number}]", "", "a completion of at least one token")
        told = []
        with still(self._me.module):
            for part in self._portions(pairs):
                keep = max(len(completion) for _, completion in part)
                ids, valid = self._left([prompt + completion for prompt, completion in part])
                first = torch.tensor([[keep - len(completion)] for _, completion in part], device=ids.device)
                mask = torch.arange(keep, device=ids.device) >= first
                told.append(mean_states(self._me, ids, valid, mask, keep).cpu().numpy())
        return np.concatenate(told) if told else np.zeros((0, 0), np.float32)

    @property
    def _me(self) -> CausalModel:
        return cast(CausalModel, self)

    def _pairs(self, sequences: Sequence[tuple[Prompt, Sequence[int] | str]]) -> list[tuple[list[int], list[int]]]:
        check_prompts([prompt for prompt, _ in sequences])
        pairs = []
        for number, (prompt, completion) in enumerate(sequences):
            ids = self._me.encode(prompt)
            answer = self._answer_ids(completion) if isinstance(completion, str) else [int(each) for each in completion]
            self._fitting(f"sequences[{number}]", [*ids, *answer], 0)
            pairs.append((ids, answer))
        return pairs

    def _answer_ids(self, text: str) -> list[int]:
        """A text that follows a prompt, as tokens."""
        return self._me.encode(text)

    def _fitting(self, field: str, ids: list[int], room: int) -> list[int]:
        context = self._me.context
        if not ids:
            raise BadValue(field, "", "at least one token")
        if context is not None and len(ids) + room > context:
            raise BadValue(field, f"{len(ids)} tokens", f"at most {context - room} tokens, the model's context")
        return ids

    def _left(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        width, device, pad = max(map(len, rows)), next(self._me.module.parameters()).device, self._me.pad
        ids = torch.tensor([[*[pad] * (width - len(row)), *row] for row in rows], device=device)
        first = torch.tensor([[width - len(row)] for row in rows], device=device)
        return ids, torch.arange(width, device=device) >= first

    def _drawn(
        self, prompts: list[list[int]], seeds: npt.NDArray[np.int64], sampling: Sampling, sampler: Sampler, step: int
    ) -> Decoded:
        """Side by side, each to its end."""
        ids, valid = self._left(prompts)
        copies = np.array([crc32(np.array(prompt, np.int64).tobytes()) for prompt in prompts], np.int64)
        stream = Stream(seeds, "tokens of an answer")
        return decode(
            self._me, ids, valid, sampling.max_tokens, sampler=sampler, step=step, stop=sampling.stop,
            uniforms=lambda position: torch.as_tensor(stream.uniform(copies, position)),
        )  # fmt: skip

    def _portions(self, pairs: list[tuple[list[int], list[int]]]) -> Iterator[list[tuple[list[int], list[int]]]]:
        for first in range(0, len(pairs), self.rows):
            yield pairs[first : first + self.rows]


class _Told:
    """Answers as lists, each as long as it is."""

    def __init__(self, model: CausalModel, stop: tuple[str, ...]) -> None:
        self.model, self.stop = model, stop
        self.ids: list[list[int]] = []
        self.drawn: list[list[float]] = []
        self.own: list[list[float]] = []
        self.texts: list[str] = []
        self.finish: list[Finish] = []

    def add(self, told: Decoded) -> None:
        columns = (told.ids, told.behaviour_logps, told.old_logps, told.mask.sum(dim=1), told.truncated)
        for ids, drawn, own, length, truncated in zip(*(each.tolist() for each in columns), strict=True):
            self.ids.append(ids[:length])
            self.drawn.append(drawn[:length])
            self.own.append(own[:length])
            self.texts.append(self._text(ids[:length]))
            self.finish.append("length" if truncated else "stop")

    def _text(self, ids: list[int]) -> str:
        text = self.model.decode(ids)
        return text[: min((at for at in (text.find(each) for each in self.stop) if at >= 0), default=len(text))]
