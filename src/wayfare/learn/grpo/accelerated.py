"""Several processes that train one model, over `accelerate`: whole weights in each of them, or shares of them (FSDP2).

    accelerate launch -m wayfare train run.toml              # as `accelerate config` set it up
    GRPO(..., processes=processes_here())                    # in a script of one's own under the same launcher
    ACCELERATE_USE_CPU=true torchrun --nproc-per-node 2 -m wayfare train run.toml      # without a GPU

Data parallel: each process holds the model, passes its rows, and gradients are summed once before each optimiser step.
They are sums of shares of one loss whose token weights were made for all rows, so how many processes there are changes
a step by rounding alone.

FSDP2: what is trained is a second copy of the model, of which each process holds a share of every weight, gradient and
optimiser state. The model itself stays whole in each process: answers are drawn from it, references and features read,
files saved. It takes the trained weights after the last optimiser step of each step. So drawing needs no other process,
for as many tokens as it likes. The price is the whole weights once more; gradients and AdamW's two moments, which are
three times as much, are in shares.

Checkpoints hold whole weights and optimiser states in both cases, and a run may go on with another number of processes.

Source: Zhao et al. 2023 (arXiv 2304.11277) for sharded training; `torch.distributed.fsdp.fully_shard` carries it out.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, distributed, nn
from torch.optim import Optimizer

from wayfare.errors import BadValue, MissingExtra
from wayfare.language.scoring import Scorer
from wayfare.learn.grpo.processes import Alone, Processes
from wayfare.learn.rollouts import RolloutBatch, joined

if TYPE_CHECKING:
    from accelerate import Accelerator
    from accelerate.utils import FullyShardedDataParallelPlugin

__all__ = ["Accelerated", "processes_here"]

AT_ONCE = 1 << 24
"""Numbers of gradients that are summed in one message."""


def processes_here() -> Processes:
    """Those that a launcher started this process among, on the devices that it gave them; else `Alone`.

    Raises: MissingExtra without `accelerate`; BadValue where it was set up for anything but data parallel or FSDP2.
    """
    return Accelerated() if int(os.environ.get("WORLD_SIZE", "1")) > 1 else Alone()


class Accelerated(Alone):
    """accelerator: None: as the launcher says        sharding: FSDP2's settings; None: the accelerator's, if any

    Precision, clipping and accumulation are the trainer's; the accelerator's own are not used.

    Raises: MissingExtra without `accelerate`; BadValue for FSDP 1 or another way than these two.
    """

    def __init__(
        self, accelerator: Accelerator | None = None, sharding: FullyShardedDataParallelPlugin | None = None
    ) -> None:
        try:
            from accelerate import Accelerator
            from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
        except ImportError:
            raise MissingExtra("training in several processes", "lm") from None
        self.accelerator = Accelerator() if accelerator is None else accelerator
        kind = self.accelerator.distributed_type
        if kind in (DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM, DistributedType.XLA):
            raise BadValue("accelerate's distributed_type", kind.value, "data parallel or FSDP")
        if sharding is None and kind == DistributedType.FSDP:
            sharding = self.accelerator.state.fsdp_plugin
        elif sharding is None and os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true":
            sharding = FullyShardedDataParallelPlugin()  # accelerate itself overlooks the setting on CPUs
        if sharding is not None and sharding.fsdp_version != 2:
            raise BadValue("fsdp_version", sharding.fsdp_version, "2")
        self.sharding = sharding
        self.rank, self.count = self.accelerator.process_index, self.accelerator.num_processes
        self.device = self.accelerator.device
        self._shares: dict[Tensor, Any] = {}
        """Of each parameter of the model: what is trained in its place."""

    def prepared(self, module: nn.Module) -> nn.Module:
        """See `Processes`; so all below. Raises: BadValue for sharding a model that does not say how it is copied."""
        sharded = None if self.sharding is None else Scorer(_copied(cast(Scorer, module)))
        module.to(self.device)
        with torch.no_grad():
            for each in _tensors(module):
                self._broadcast(each)
        if sharded is None:
            return module
        self._shard(sharded, cast(Scorer, module).module)
        theirs = dict(sharded.named_parameters())
        self._shares = {each: theirs[name] for name, each in module.named_parameters()}
        self._give()
        return sharded

    def whole(self, own: RolloutBatch) -> RolloutBatch:
        parts = self.gathered(own)
        seen = [set(part.trajectory.tolist()) for part in parts]
        if sum(map(len, seen)) != len(set().union(*seen)):
            raise BadValue("trajectory", "the same number in two processes", "the number of the row that was asked for")
        return joined([part for part in parts if len(part)] or parts[:1])

    def gathered(self, values: Any) -> list[Any]:
        if self.count == 1:
            return [values]
        found: list[Any] = [None] * self.count
        distributed.all_gather_object(found, values)
        return found

    def clip(self, parameters: Sequence[Tensor], largest: float) -> float:
        if self.sharding is None:
            self._sum_gradients(parameters)
        norm: Any = nn.utils.clip_grad_norm_(parameters, largest)
        return float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)

    def summed(self, values: Tensor) -> Tensor:
        return self._reduced(values, distributed.ReduceOp.SUM)

    def any(self, here: bool) -> bool:
        return bool(self._reduced(torch.tensor(int(here)), distributed.ReduceOp.MAX))

    @torch.no_grad()
    def settle(self) -> None:
        for mine, share in self._shares.items():
            if share.requires_grad:
                mine.copy_(share.full_tensor())

    def weights(self, module: nn.Module) -> dict[str, Tensor]:
        self.settle()
        return super().weights(module) if self.rank == 0 else {}

    def put(self, module: nn.Module, weights: dict[str, Tensor]) -> None:
        super().put(module, weights)
        self._give()

    def optimiser_state(self, optimiser: Optimizer) -> dict[str, Any]:
        told = optimiser.state_dict()
        if not self._shares:
            return told if self.rank == 0 else {}
        whole: dict[int, dict[str, Any]] = {}
        for number, each in told["state"].items():
            parts = {name: value.full_tensor() if _in_shares(value) else value for name, value in each.items()}
            if self.rank == 0:
                whole[number] = {name: v.cpu() if isinstance(v, Tensor) else v for name, v in parts.items()}
        return {**told, "state": whole} if self.rank == 0 else {}

    def put_optimiser(self, optimiser: Optimizer, state: dict[str, Any]) -> None:
        if not self._shares:
            optimiser.load_state_dict(state)
            return
        numbered = [each for group in optimiser.param_groups for each in group["params"]]
        shares = {
            number: {name: _share_of(value, numbered[number]) for name, value in each.items()}
            for number, each in state["state"].items()
        }
        optimiser.load_state_dict({**state, "state": shares})

    def _shard(self, scorer: Scorer, model: nn.Module) -> None:
        from accelerate.utils import fsdp2_prepare_model
        from torch.distributed.fsdp import FSDPModule

        self.accelerator.state.fsdp_plugin = self.sharding
        layers: Any = getattr(model, "_no_split_modules", None)
        if layers is not None:  # by which accelerate finds what is sharded together
            cast(Any, scorer)._no_split_modules = layers
        warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view tensor")  # none is changed in place
        fsdp2_prepare_model(self.accelerator, scorer)
        for each in scorer.modules():
            if isinstance(each, FSDPModule):  # sums, not means; and gloo has no means
                each.set_gradient_divide_factor(1.0)
                each.set_force_sum_reduction_for_comms(True)

    @torch.no_grad()
    def _give(self) -> None:
        """What is trained gets the model's weights."""
        for mine, share in self._shares.items():
            share.copy_(_share_of(mine, share))

    def _sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """One that no process has a gradient of keeps none; where some have it, the others bring zeros."""
        has = torch.tensor([each.grad is not None for each in parameters], dtype=torch.int32)
        there = self._reduced(has, distributed.ReduceOp.MAX).tolist()
        found = [each for each, some in zip(parameters, there, strict=True) if some]
        for each in found:
            if each.grad is None:
                each.grad = torch.zeros_like(each)
        for some in _messages([each.grad for each in found if each.grad is not None]):
            flat = self._reduced(torch.cat([each.flatten() for each in some]), distributed.ReduceOp.SUM)
            for each, value in zip(some, flat.split([each.numel() for each in some]), strict=True):
                each.copy_(value.view_as(each))

    def _reduced(self, values: Tensor, how: Any) -> Tensor:
        if self.count == 1:
            return values
        moved = values.detach().to(self.device, copy=True)
        distributed.all_reduce(moved, how)
        return moved.to(values.device)

    def _broadcast(self, values: Tensor) -> None:
        if self.count > 1:
            distributed.broadcast(values, 0)


def _copied(scorer: Scorer) -> Any:
    copied = getattr(scorer.model, "copied", None)
    if copied is None:
        raise BadValue("model", type(scorer.model).__name__, "one with a method `copied`, to be trained in shares")
    made = copied()
    if hasattr(made, "reads_prompts_once"):
        made.reads_prompts_once = False  # all processes have to make the same passes, whatever their rows
    return made


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    for each in (*module.parameters(), *module.buffers()):
        yield each.data


def _in_shares(value: Any) -> bool:
    return hasattr(value, "full_tensor")


def _share_of(value: Any, like: Any) -> Any:
    """This process's share of what all of them have, laid out as `like`; what has another shape stays as it is."""
    from torch.distributed.tensor import distribute_tensor

    if not isinstance(value, Tensor) or value.shape != like.shape:
        return value
    moved = value.detach().to(like.device, like.dtype)
    return distribute_tensor(moved, like.device_mesh, like.placements, src_data_rank=None)


def _messages(gradients: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Of one dtype each, and of `AT_ONCE` numbers or one gradient at most."""
    kinds: Mapping[torch.dtype, list[Tensor]] = {
        kind: [each for each in gradients if each.dtype == kind] for kind in dict.fromkeys(g.dtype for g in gradients)
    }
    for some in kinds.values():
        held: list[Tensor] = []
        for each in some:
            if held and sum(one.numel() for one in held) + each.numel() > AT_ONCE:
                yield held
                held = []
            held.append(each)
        if held:
            yield held
