"""Any causal model of `transformers` as a language model: batched generation that is the same alone and in company.

Rows of unequal length are padded on the left and positions count valid tokens only, so that a row reads what it would
read alone. Its uniform draws are addressed by (its seed, its prompt, position of the token): batched equals single,
up to the rounding of the model's own sums. Log-probabilities are those of the pass that drew the tokens, in float32.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.language.interface import Finish, Prompt, Samples, Sampling, Scores, check_prompts, padded, rows_of
from wayfare.language.models import load_causal_model
from wayfare.language.sampler import Sampler

__all__ = ["TransformersModel", "completion_logprobs", "encode"]


class TransformersModel:
    """model: a name or path, as `load_causal_model` takes it, or a model of `transformers` with its tokenizer

    tokenizer: goes with a model that is already loaded
    rows:      most answers drawn side by side
    device:    where a model by name goes

    Raises: BadValue for a loaded model without tokenizer, or rows below 1.
    """

    def __init__(self, model: Any, tokenizer: Any = None, *, rows: int = 64, device: str = "cpu") -> None:
        if rows < 1:
            raise BadValue("rows", rows, "at least 1")
        if isinstance(model, str):
            model, own = load_causal_model(model, device)
            tokenizer = own if tokenizer is None else tokenizer
        elif tokenizer is None:
            raise BadValue("tokenizer", None, "the tokenizer of the model that was passed")
        self.causal, self.tokenizer, self.rows = model, tokenizer, rows

    @property
    def context(self) -> int | None:
        """Most tokens of prompt and answer together; None where the model sets no limit."""
        config = self.causal.config
        for name in ("max_position_embeddings", "n_positions"):
            if isinstance(getattr(config, name, None), int):
                return int(getattr(config, name))
        return None

    @property
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer."""
        told = getattr(getattr(self.causal, "generation_config", None), "eos_token_id", None)
        told = told if isinstance(told, (list, tuple)) else [told]
        return frozenset(each for each in (*told, self.tokenizer.eos_token_id) if each is not None)

    def encode(self, prompt: Prompt) -> list[int]:
        """The prompt as tokens, a conversation by the tokenizer's chat template, up to where the model answers.

        Raises: BadValue for a conversation where the tokenizer has no template.
        """
        return encode(self.tokenizer, prompt)

    def decode(self, ids: Sequence[int]) -> str:
        """Tokens as a text, special ones left out."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

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
        ids = [self._fitting(f"prompts[{number}]", self.encode(each), 1) for number, each in enumerate(prompts)]
        rows = rows_of(prompts, sampling)
        answers: list[_Answer] = []
        with _still(self.causal):
            for first in range(0, len(rows), self.rows):
                part = rows[first : first + self.rows]
                seeds = np.array([row.seed for row in part], np.int64)
                answers += self._drawn([ids[row.prompt] for row in part], seeds, sampling, sampler, step)
        return Samples(
            prompt=np.array([row.prompt for row in rows], np.int64),
            texts=tuple(self._text(each.ids, sampling.stop) for each in answers),
            token_ids=padded([each.ids for each in answers], np.int64),
            mask=padded([[True] * len(each.ids) for each in answers], np.bool_),
            logprobs=padded([each.logps for each in answers], np.float32),
            logprobs_at_one=padded([each.own for each in answers], np.float32),
            finish=tuple(each.finish for each in answers),
            errors=("",) * len(answers),
            prompt_tokens=np.array([len(ids[row.prompt]) for row in rows], np.int64),
            completion_tokens=np.array([len(each.ids) for each in answers], np.int64),
        )

    @torch.no_grad()
    def logprobs(self, sequences: Sequence[tuple[Prompt, Sequence[int] | str]]) -> Scores:
        """Of each completion behind its prompt, at temperature 1.

        Raises: BadValue for an empty prompt, or one that with its completion exceeds the context.
        """
        pairs = self._pairs(sequences)
        told: list[list[float]] = []
        with _still(self.causal):
            for part in _portions(pairs, self.rows):
                keep = max(len(completion) for _, completion in part)
                if keep == 0:
                    told += [[] for _ in part]
                    continue
                ids, valid = self._left([prompt + completion for prompt, completion in part])
                scores = completion_logprobs(self.causal, ids, valid, keep).cpu()
                told += [row[keep - len(pair[1]) :].tolist() for row, pair in zip(scores, part, strict=True)]
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
        with _still(self.causal):
            for part in _portions(pairs, self.rows):
                ids, valid = self._left([prompt + completion for prompt, completion in part])
                out = self.causal.get_decoder()(input_ids=ids, attention_mask=valid, position_ids=_places(valid))
                for row, (_, completion) in zip(out.last_hidden_state, part, strict=True):
                    told.append(row[-len(completion) :].float().mean(dim=0).cpu().numpy())
        return np.stack(told) if told else np.zeros((0, 0), np.float32)

    def _pairs(self, sequences: Sequence[tuple[Prompt, Sequence[int] | str]]) -> list[tuple[list[int], list[int]]]:
        check_prompts([prompt for prompt, _ in sequences])
        pairs = []
        for number, (prompt, completion) in enumerate(sequences):
            if isinstance(completion, str):
                completion = self.tokenizer(completion, add_special_tokens=False)["input_ids"]
            ids = self.encode(prompt)
            self._fitting(f"sequences[{number}]", [*ids, *completion], 0)
            pairs.append((ids, [int(each) for each in completion]))
        return pairs

    def _fitting(self, field: str, ids: list[int], room: int) -> list[int]:
        if not ids:
            raise BadValue(field, "", "at least one token")
        if self.context is not None and len(ids) + room > self.context:
            raise BadValue(field, f"{len(ids)} tokens", f"at most {self.context - room} tokens, the model's context")
        return ids

    def _left(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        width, device = max(map(len, rows)), self.causal.device
        ids = torch.tensor([[*[0] * (width - len(row)), *row] for row in rows], device=device)
        valid = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
        return ids, valid

    def _drawn(
        self, prompts: list[list[int]], seeds: npt.NDArray[np.int64], sampling: Sampling, sampler: Sampler, step: int
    ) -> list[_Answer]:
        """Side by side, each to its end."""
        ids, valid = self._left(prompts)
        copies = np.array([crc32(np.array(prompt, np.int64).tobytes()) for prompt in prompts], np.int64)
        stream = Stream(seeds, "tokens of an answer")
        answers = [_Answer(len(prompt)) for prompt in prompts]
        cache, feed, ends = None, ids, self.ends
        for position in range(sampling.max_tokens):
            logits, cache = _last(self.causal, feed, valid, cache)
            uniform = torch.as_tensor(stream.uniform(copies, position), device=logits.device)
            drawn = sampler.sample(logits, position, step, uniform)
            columns = (drawn.token.tolist(), drawn.logp.tolist(), drawn.logp_at_one.tolist())
            for answer, token, logp, own in zip(answers, *columns, strict=True):
                if not answer.running:
                    continue
                answer.add(token, logp, own)
                if token in ends or self._stops(answer.ids, sampling.stop):
                    answer.end("stop")
                elif self.context is not None and answer.read + len(answer.ids) >= self.context:
                    answer.end("length")
            if not any(answer.running for answer in answers):
                break
            feed = drawn.token.unsqueeze(1)
            # what has ended reads nothing more and stays at its place, so that no position passes the context
            running = torch.tensor([[int(answer.running)] for answer in answers], device=valid.device)
            valid = torch.cat([valid, running], dim=1)
        return answers

    def _stops(self, ids: list[int], stop: tuple[str, ...]) -> bool:
        if not stop:
            return False
        # a character is at most four tokens, so the last token completes a stop string within this window or not at all
        window = 4 * max(map(len, stop)) + 4
        tail = self.decode(ids[-window:])
        return any(each in tail for each in stop)

    def _text(self, ids: list[int], stop: tuple[str, ...]) -> str:
        text = self.decode(ids)
        return text[: min((at for at in (text.find(each) for each in stop) if at >= 0), default=len(text))]


class _Answer:
    """One row as it grows. read: tokens of its prompt"""

    def __init__(self, read: int) -> None:
        self.read, self.running = read, True
        self.ids: list[int] = []
        self.logps: list[float] = []
        self.own: list[float] = []
        self.finish: Finish = "length"

    def add(self, token: int, logp: float, own: float) -> None:
        self.ids.append(token)
        self.logps.append(logp)
        self.own.append(own)

    def end(self, finish: Finish) -> None:
        self.finish, self.running = finish, False


def encode(tokenizer: Any, prompt: Prompt) -> list[int]:
    """What `TransformersModel.encode` gives, of a tokenizer alone."""
    if isinstance(prompt, str):
        return list(tokenizer(prompt)["input_ids"])
    if not getattr(tokenizer, "chat_template", None):
        raise BadValue("prompts", "a conversation", "texts: the tokenizer of this model has no chat template")
    text = tokenizer.apply_chat_template(list(prompt), tokenize=False, add_generation_prompt=True)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def completion_logprobs(model: Any, ids: Tensor, valid: Tensor, keep: int) -> Tensor:
    """Log-probabilities [B, keep] float32, at temperature 1, of the last `keep` tokens of each row; differentiable.

    ids, valid: [B, T], padded on the left, T above keep or equal; 0 for a token with nothing before it
    Logits are made for those tokens alone.
    """
    behind = min(keep + 1, ids.shape[1])
    out = model(
        input_ids=ids, attention_mask=valid, position_ids=_places(valid), use_cache=False, **_kept(model, behind)
    )
    logps = out.logits[:, -behind:-1].float().log_softmax(dim=-1)
    told = logps.gather(2, ids[:, 1 - behind :].unsqueeze(2)).squeeze(2) if behind > 1 else logps.sum(dim=2)
    missing = keep - told.shape[1]
    return torch.nn.functional.pad(told, (missing, 0)) if missing else told


def _last(model: Any, feed: Tensor, valid: Tensor, cache: Any) -> tuple[Tensor, Any]:
    """Logits [B, V] behind the last token, and the cache."""
    places = _places(valid)[:, -feed.shape[1] :]
    out = model(
        input_ids=feed,
        attention_mask=valid,
        position_ids=places,
        past_key_values=cache,
        use_cache=True,
        **_kept(model, 1),
    )
    return out.logits[:, -1], out.past_key_values


def _kept(model: Any, tokens: int) -> dict[str, int]:
    """Asks for few logits where the model can be asked."""
    return {"logits_to_keep": tokens} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}


def _places(valid: Tensor) -> Tensor:
    return (valid.cumsum(dim=1) - 1).clamp(min=0)


def _portions(pairs: list[Any], rows: int) -> Iterator[list[Any]]:
    for first in range(0, len(pairs), rows):
        yield pairs[first : first + rows]


@contextmanager
def _still(model: Any) -> Iterator[None]:
    """Without dropout, which would make the sampler's chances others than the trainer's."""
    training = bool(model.training)
    model.eval()
    try:
        yield
    finally:
        model.train(training)
