"""Answers of a server that loads adapters while it runs: of the weights of now, with tokens and log-probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig

from tests.learn.grpo.adapter_server import AdapterServer, serving
from wayfare.errors import BadValue, ServerFailed
from wayfare.language.nano import Nano, WordReader
from wayfare.language.scoring import score
from wayfare.learn.grpo import GRPO, GRPOConfig
from wayfare.learn.grpo.dataset import PromptSet
from wayfare.learn.grpo.evaluating import evaluate
from wayfare.learn.grpo.server import ServerRollout

READER = WordReader([str(digit) for digit in range(6)])
ROWS = [{"prompt": f"{a} {b}"} for a in range(3) for b in range(3)]
LORA = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    model = Nano(len(READER), "xs", seed=1).to_transformers()
    model.config.eos_token_id = model.generation_config.eos_token_id = READER.end
    model.save_pretrained(folder)
    READER.to_transformers().save_pretrained(folder)
    return folder


@pytest.fixture
def server(base: Path) -> Iterator[tuple[AdapterServer, str]]:
    with serving(base) as found:
        yield found


def even(completion_ids: list[list[int]], **_: Any) -> list[float]:
    return [float(sum(token % 2 == 0 for token in ids)) for ids in completion_ids]


def trainer(base: Path, rollout: ServerRollout, **settings: Any) -> GRPO:
    args = GRPOConfig(
        **{"max_steps": 3, "generation_batch_size": 8, "num_generations": 4, "max_completion_length": 4,
           "learning_rate": 3e-2, "importance_sampling_cap": 2.0, "lr_scheduler_type": "constant", **settings}
    )  # fmt: skip
    return GRPO(str(base), even, ROWS, args, peft_config=LORA, rollout=rollout)


def test_each_step_draws_from_the_adapter_of_its_own_weights(
    base: Path, server: tuple[AdapterServer, str], tmp_path: Path
) -> None:
    served, address = server
    rollout = ServerRollout(address, tmp_path / "adapters")
    run = trainer(base, rollout)
    seen = []
    collect = rollout.collect

    def watched(model: Any, asked: Any) -> Any:
        batch = collect(model, asked)
        seen.append(batch)
        return batch

    rollout.collect = watched  # type: ignore[method-assign]
    metrics = run.train()
    loads = [told["lora_name"] for verb, told in served.asked if verb == "load_lora_adapter"]
    assert len(set(loads)) == len(loads) == 3 and list(served.adapters) == loads[-1:]
    for batch in seen:
        assert bool((batch.behaviour_logps[batch.completion_mask] < 0).all())
    assert all(abs(told["sampling/importance_sampling_ratio/mean"] - 1.0) < 1e-3 for told in metrics)
    first, last = seen[0], seen[-1]
    ids, valid = first.sequences()
    now = score(run.model, ids, valid, first.completion_ids.shape[1]).logps.detach()
    moved = torch.where(first.completion_mask, now - first.behaviour_logps, 0.0).abs().max()
    assert float(moved) > 1e-3, "the weights have moved, and the last adapter with them"
    assert last.born_step is not None and last.born_step.unique().tolist() == [2]
    rollout.close()
    assert not served.adapters


def test_what_is_learned_from_is_old_by_the_trainers_own_pass_whatever_the_server_says_of_it(
    base: Path, server: tuple[AdapterServer, str], tmp_path: Path
) -> None:
    def unlikelier(verb: str, answer: Any) -> Any:
        told = answer["choices"][0]
        lower = [each - 0.5 for each in told["logprobs"]["token_logprobs"]]
        return {"choices": [{**told, "logprobs": {"token_logprobs": lower}}]}

    server[0].says = unlikelier
    run = trainer(base, ServerRollout(server[1], tmp_path / "adapters"), mini_batches=2, learning_rate=1e-9)
    drawn = run.experience.make(0, run.state).batch
    batch = run.updater.prepared(drawn)
    apart = (batch.old_logps - batch.behaviour_logps)[batch.completion_mask]
    torch.testing.assert_close(apart, torch.full_like(apart, 0.5), rtol=0, atol=1e-4)
    told = run.updater.update(batch, 0)  # of the second part, the ratio is to the trainer's own pass
    assert told["sampling/importance_sampling_ratio/mean"] == pytest.approx(2.718281828**0.5, abs=1e-3)


def test_an_adapter_is_loaded_when_weights_have_moved_and_not_for_every_part_of_an_evaluation(
    base: Path, server: tuple[AdapterServer, str], tmp_path: Path
) -> None:
    rollout = ServerRollout(server[1], tmp_path / "adapters")
    run, names = trainer(base, rollout), list[str]()

    def evaluated() -> None:
        evaluate(run.experience, run.updater, PromptSet(ROWS[:3]), run.state, answers=2, ks=(1,), threshold=1.0, rows=2)

    for act in (evaluated, run.advance, evaluated, evaluated, run.advance):
        act()
        names.append(str(rollout.loaded))
    loads = [told["lora_name"] for verb, told in server[0].asked if verb == "load_lora_adapter"]
    assert names == [loads[0], loads[0], loads[1], loads[1], loads[1]] and len(loads) == 2
    evaluated()
    assert rollout.loaded not in loads and [place.name for place in (tmp_path / "adapters").iterdir()] == [
        rollout.loaded
    ]


def test_an_answer_without_tokens_or_their_chances_is_refused(
    base: Path, server: tuple[AdapterServer, str], tmp_path: Path
) -> None:
    served, address = server
    for missing in ("token_ids", "logprobs"):
        served.says = lambda verb, answer, missing=missing: {"choices": [{**answer["choices"][0], missing: None}]}
        run = trainer(base, ServerRollout(address, tmp_path / missing))
        before = {name: each.clone() for name, each in run.model.module.named_parameters()}
        with pytest.raises(BadValue, match="log-probability of each"):
            run.train()
        assert all(torch.equal(each, before[name]) for name, each in run.model.module.named_parameters())


def test_a_busy_server_is_asked_again_and_a_silent_one_is_named(
    base: Path, server: tuple[AdapterServer, str], tmp_path: Path
) -> None:
    served, address = server
    served.failing = 1
    assert trainer(base, ServerRollout(address, tmp_path / "again"), max_steps=1).train()
    with pytest.raises(ServerFailed, match="load_lora_adapter"):
        trainer(base, ServerRollout("http://127.0.0.1:9/v1", tmp_path / "none", retries=0), max_steps=1).train()


def test_rows_of_weights_too_old_are_refused(base: Path, server: tuple[AdapterServer, str], tmp_path: Path) -> None:
    rollout = ServerRollout(server[1], tmp_path / "adapters")
    collect = rollout.collect

    def late(model: Any, asked: Any) -> Any:
        batch = collect(model, asked)
        return replace(batch, born_step=batch.born_step - min(asked.step, 2))

    rollout.collect = late  # type: ignore[method-assign]
    with pytest.raises(BadValue, match="max_staleness"):
        trainer(base, rollout).train()
    rollout = ServerRollout(server[1], tmp_path / "more")
    collect, rollout.collect = rollout.collect, late  # type: ignore[method-assign]
    assert len(trainer(base, rollout, max_staleness=2).train()) == 3


def test_what_a_server_cannot_do_is_refused(base: Path, server: tuple[AdapterServer, str], tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="processed log-probs"):
        ServerRollout(server[1], tmp_path, temperature=0.8)
    whole = GRPO(
        str(base), even, ROWS,
        GRPOConfig(max_steps=1, generation_batch_size=4, num_generations=2, max_completion_length=2),
        rollout=ServerRollout(server[1], tmp_path / "whole"),
    )  # fmt: skip
    with pytest.raises(BadValue, match="LoRA adapters"):
        whole.train()
