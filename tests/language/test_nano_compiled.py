"""Compiled passes of the small decoder: the same numbers as without, in few programs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

pytest.importorskip("transformers")

from torch._dynamo.testing import CompileCounterWithBackend

from tests.language.families import READER, WORDS, fresh
from wayfare.errors import BadValue
from wayfare.language.decoding import decode
from wayfare.language.nano_model import NanoModel
from wayfare.language.sampler import Sampler
from wayfare.language.scoring import score
from wayfare.learn.grpo import GRPO, GRPOConfig


def compiled(backend: str) -> tuple[NanoModel, Any]:
    """A model and what counts the programs that are made for it."""
    model, counter = fresh("nano"), CompileCounterWithBackend(backend)
    model.compile(counter)
    return model, counter


def rows_of(rows: int, length: int, padded: bool) -> tuple[Tensor, Tensor]:
    """Prompts of unlike lengths, or of one."""
    ids = torch.randint(3, WORDS, (rows, length), generator=torch.Generator().manual_seed(rows))
    first = torch.arange(rows).unsqueeze(1) % (length - 1) if padded else torch.zeros(rows, 1)
    valid = torch.arange(length) >= first
    return ids.masked_fill(~valid, READER.pad), valid


def gradients(model: NanoModel, ids: Tensor, valid: Tensor, keep: int) -> list[Tensor]:
    """Log-probabilities, entropies and the gradient of a function of both."""
    model.module.zero_grad(set_to_none=True)
    told = score(model, ids, valid, keep, entropy=True)
    assert told.entropy is not None
    (told.logps * torch.arange(1, keep + 1)).mean().add(told.entropy.mean()).backward()
    return [told.logps, told.entropy, *(each.grad for each in model.module.parameters() if each.grad is not None)]


@pytest.mark.parametrize(("backend", "padded"), [("aot_eager", True), ("inductor", False)])
def test_scores_and_gradients_are_those_of_plain_passes_and_sizes_are_not_compiled_anew(
    backend: str, padded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend == "inductor" and shutil.which("g++") is None:
        pytest.skip("there is no C++ compiler")
    monkeypatch.setattr("torch._inductor.config.compile_threads", 1)
    plain, (made, counter) = fresh("nano"), compiled(backend)
    for rows, length, keep in ((6, 9, 4), (3, 12, 7), (12, 6, 4)):
        given = *rows_of(rows, length, padded), keep
        for mine, theirs in zip(gradients(made, *given), gradients(plain, *given), strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)
    assert counter.frame_count == 1


def test_answers_are_drawn_as_without_and_neither_rows_that_leave_nor_lengths_are_compiled_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain, (made, counter) = fresh("nano"), compiled("eager")
    sizes: list[int] = []
    follow = made.follow

    def watched(tokens: Tensor, running: Tensor | None, cache: Any) -> Any:
        sizes.append(len(tokens))
        return follow(tokens, running, cache)

    monkeypatch.setattr(made, "follow", watched)
    uniform = torch.rand(24, 40, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for padded in (False, True):
        for rows, length, new in ((20, 5, 30), (24, 9, 12), (2, 3, 5)):
            ids, valid = rows_of(rows, length, padded)
            how: dict[str, Any] = {"sampler": Sampler(), "uniforms": lambda at, n=rows: uniform[:n, at]}
            mine, theirs = decode(made, ids, valid, new, **how), decode(plain, ids, valid, new, **how)
            assert torch.equal(mine.ids, theirs.ids)
            torch.testing.assert_close(mine.old_logps, theirs.old_logps, atol=1e-5, rtol=0)
    assert min(sizes) > 1 and any(1 < after < before for before, after in pairwise(sizes))
    assert counter.frame_count == 2  # with padding and without


def test_a_copy_is_plain_and_weights_are_read_as_they_are() -> None:
    made, counter = compiled("eager")
    ids, valid = rows_of(3, 5, False)
    before, start = score(made, ids, valid, 2).logps, made.copied()
    with torch.no_grad():
        for each in made.module.parameters():
            each.mul_(1.5)
    after = score(made, ids, valid, 2).logps
    assert counter.frame_count == 1
    assert not torch.allclose(before, after, atol=1e-2)
    assert torch.allclose(score(start, ids, valid, 2).logps, before, atol=1e-5)
    assert counter.frame_count == 1


def test_a_setting_of_the_trainer_compiles_what_can_be_and_refuses_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    made, backends = fresh("nano"), list[Any]()
    monkeypatch.setattr(NanoModel, "compile", lambda self, backend="inductor": backends.append(backend))
    rows = [{"prompt": "w4"}]
    config = GRPOConfig(max_steps=1, num_generations=2, generation_batch_size=2, max_completion_length=2)
    GRPO(made, lambda completions, **_: [0.0] * len(completions), rows, config)
    assert backends == []
    config = replace(config, torch_compile=True)
    GRPO(made, lambda completions, **_: [0.0] * len(completions), rows, config)
    assert backends == ["inductor"]
    with pytest.raises(BadValue, match="torch_compile"):
        GRPO(made.to_transformers(), lambda completions, **_: [0.0] * len(completions), rows, config)
