"""What one process, or each of two, does in the tests of `wayfare.learn.grpo.accelerated`; run as a module by its test.

unlike          a sharded Llama whose rows share a prompt in one process and not in the other
step, run       one float32 step; five float64 steps with all that is done in turns by several: ragged groups, a memory,
                rows from elsewhere, a reference, evaluation, optimiser steps in which one process has no row left
Firsts          a bonus with a memory: pays a first word the less, the more often it was seen
Ragged          a budget of 5, 2, 1 and 4 rows
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.language.families import fresh
from tests.learn.grpo.small import Replay, even, model, rows, trainer, weights
from wayfare.errors import ProcessFailed, RewardFailed
from wayfare.language.policies import copy_frozen
from wayfare.language.scoring import Scorer
from wayfare.learn.grpo.processes import Processes
from wayfare.learn.grpo.trainer import GRPO
from wayfare.learn.rollouts import RolloutBatch


class Firsts:
    """counts: [V], of first tokens        drawn: of each step, the tokens"""

    def __init__(self) -> None:
        self.counts = torch.zeros(16)
        self.drawn: list[Tensor] = []

    def score(self, batch: RolloutBatch) -> Tensor:
        return 0.5 / (1.0 + self.counts[batch.completion_ids[:, 0]]).sqrt()

    def update(self, batch: RolloutBatch) -> None:
        self.drawn.append(batch.completion_ids)
        self.counts = self.counts + torch.bincount(batch.completion_ids[:, 0], minlength=16)

    def state_dict(self) -> dict[str, Any]:
        return {"counts": self.counts}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.counts = state["counts"]


class Ragged:
    def allocate(self, keys: Tensor, total: int) -> Tensor:
        return torch.tensor([5, 2, 1, 4])


def made(processes: Processes, folder: Path | None, double: bool, **told: Any) -> GRPO:
    policy = model(seed=processes.rank)  # as the first process has it is how it is everywhere
    if double:
        policy.net.double()
    start = model()
    start.net.double()
    settings = {
        "model": policy, "generation_batch_size": 12, "num_generations": 3, "budget": Ragged(), "bonus": Firsts(),
        "processes": processes, "per_device_train_batch_size": 1, "ref_model": copy_frozen(start) if double else None,
    }  # fmt: skip
    return trainer(folder, **{**settings, **told})


def gradients(run: GRPO) -> list[Tensor]:
    """Of each optimiser step, whole: the list grows."""
    seen: list[Tensor] = []

    def note(*_: Any) -> None:
        found: list[Any] = [each.grad for each in run.updater.parameters if each.grad is not None]
        seen.append(torch.cat([(g.full_tensor() if hasattr(g, "full_tensor") else g).flatten() for g in found]))

    run.updater.optimiser.register_step_pre_hook(note)
    return seen


def step(processes: Processes) -> dict[str, Any]:
    single = made(processes, None, False, max_steps=1, max_grad_norm=1e6)
    seen = gradients(single)
    told = single.train()
    return {"gradient": seen[0], "drawn": single.experience.parts.bonus.drawn, "metrics": told}  # type: ignore[union-attr]


def long(processes: Processes, folder: Path, steps: int = 5, **told: Any) -> GRPO:
    """Optimiser steps have three rows, one at a time: of two processes one has one, and two turns."""
    settings = {
        "max_steps": 4 * steps, "mini_batches": 4, "beta": 0.1, "recompute_old_logps": True, "save_steps": 3,
        "auxiliary": [Replay()], "eval_dataset": rows(1), "num_generations_eval": 1, "eval_ks": (1,),
        "log_completions": True, "save_total_limit": 5, "learning_rate": 1e-3,
    }  # fmt: skip
    return made(processes, folder, True, **{**settings, **told})


def told_of(run: GRPO) -> dict[str, Any]:
    bonus: Any = run.experience.parts.bonus
    return {"weights": weights(run.model), "counts": bonus.counts, "drawn": bonus.drawn, "metrics": run.metrics}


def run(processes: Processes, folder: Path, steps: int = 5) -> dict[str, Any]:
    trained = long(processes, folder, steps)
    trained.train()
    return told_of(trained)


def failed(processes: Processes) -> dict[str, Any]:
    """A reward that raises in the last process alone, once."""
    calls: list[int] = []

    def broken(completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float]:
        calls.append(1)
        if processes.rank == processes.count - 1 and len(calls) == 2:
            raise ConnectionError("the judge is down")
        return even(completion_ids)

    trained = made(processes, None, False, max_steps=2, reward_funcs=broken)
    kind = ""
    try:
        trained.train()
    except (RewardFailed, ProcessFailed) as error:
        kind = type(error).__name__
    trained.train()
    return {"kind": kind, **told_of(trained)}


def unlike(processes: Processes) -> Tensor:
    """[V, D] gradient of the embeddings, as this process has it after the sum over both."""
    scorer: Any = processes.prepared(Scorer(fresh("llama")))
    ids = torch.tensor([[5, 6, 7, 8, 3 + row] for row in range(4)])
    ids[:, 0] += torch.arange(4) * processes.rank
    logps = scorer(ids, torch.ones_like(ids, dtype=torch.bool), 2).logps  # two passes where the prompt is read once
    processes.backward(logps.sum())
    whole: Tensor = next(scorer.parameters()).grad.full_tensor()
    return whole


def main(folder: Path) -> None:
    # they meet in a file: a port may be taken
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'meeting'}", rank=int(os.environ["RANK"]), world_size=2
    )
    from accelerate import Accelerator
    from accelerate.utils import FullyShardedDataParallelPlugin

    from wayfare.learn.grpo.accelerated import Accelerated, processes_here

    processes = processes_here()
    assert isinstance(processes, Accelerated) and processes.count == 2 and processes.sharding is None
    found: dict[str, Any] = {
        "step": step(processes), "run": run(processes, folder / "parallel"), "failed": failed(processes),
    }  # fmt: skip

    def sharded(layer: str = "_Layer") -> Accelerated:
        plugin = FullyShardedDataParallelPlugin(
            fsdp_version=2, auto_wrap_policy="transformer_based_wrap", transformer_cls_names_to_wrap=[layer]
        )
        return Accelerated(Accelerator(), plugin)

    found["sharded step"] = step(sharded())
    found["sharded"] = run(sharded(), folder / "sharded")
    (folder / "sharded" / "checkpoints" / "step-00000005.pt").unlink(missing_ok=True)
    found["resumed"] = run(sharded(), folder / "sharded")
    found["unlike"] = unlike(sharded("LlamaDecoderLayer"))
    torch.save(found, folder / f"rank-{processes.rank}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
