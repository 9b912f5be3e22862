"""A causal language model as an action-value function: Q(h, a) is the logit of a's token where the action comes next.

Two LoRA adapters sit on one frozen model: `online`, which learns, and `target`, which follows it by polyak steps
(after Rentschler & Roberts 2025, arXiv 2501.14176). Memory is counted in tokens and exact: a decision is valued from
the last X tokens, its own `act` included, and from nothing before them. In a model of L layers a banded mask of width
X would see L times as far, so decisions beyond the first X tokens are read in windows of their own; those within
share one pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import linear

from wayfare.errors import BadValue, MissingExtra
from wayfare.language.models import load_causal_model
from wayfare.language.tokens import HistoryTokens, Tokens

__all__ = ["Reading", "Row", "ValueModel"]

Adapter = Literal["online", "target"]

Row = tuple[tuple[int, ...], tuple[int, ...]]
"""(ids, places): tokens read in one pass, and those places among them at which values are wanted."""


class ValueModel:
    """Q(h, a) of a causal language model with an online and a target adapter, equal at the start.

    name:             what `load_causal_model` takes
    actions:          how many the agent has, 1 to 26
    memory_tokens:    tokens that a decision sees: X; 0: its own prompt (what is seen now) and nothing before
    lora_rank:        rank of the adapters, on every linear layer but the output
    seed:             of the adapters' first weights
    show_task_ends:   whether the text tells a task's end from an episode's
    tokens_per_pass:  bounds the memory of the device: rows of more tokens are read in several passes

    Raises: MissingExtra without `transformers` or `peft`; BadValue for a model that cannot be read so.
    """

    def __init__(
        self,
        name: str,
        actions: int,
        *,
        memory_tokens: int = 8192,
        lora_rank: int = 32,
        seed: int = 0,
        device: str | torch.device = "cpu",
        show_task_ends: bool = False,
        tokens_per_pass: int = 16384,
    ) -> None:
        try:
            from peft import LoraConfig, get_peft_model
        except ImportError:
            raise MissingExtra("the text value model", "lm") from None
        for field, value, least in (
            ("memory_tokens", memory_tokens, 0),
            ("lora_rank", lora_rank, 1),
            ("tokens_per_pass", tokens_per_pass, 1),
        ):
            if value < least:
                raise BadValue(field, value, f"at least {least}")
        self.name, self.memory_tokens, self.tokens_per_pass = name, memory_tokens, tokens_per_pass
        self.device = torch.device(device)
        self.causal, tokenizer = load_causal_model(name, device)
        longest = getattr(self.causal.config, "max_position_embeddings", None)
        if longest is not None and memory_tokens > longest:
            raise BadValue("memory_tokens", memory_tokens, f"at most the {longest} positions of {name}")
        self.tokens = HistoryTokens(tokenizer, actions, show_task_ends)
        head = self.causal.get_output_embeddings()
        chosen = torch.tensor(self.tokens.action_ids, device=self.device)
        self._weight = head.weight[chosen].detach().float()  # [A, D]
        self._bias = None if getattr(head, "bias", None) is None else head.bias[chosen].detach().float()
        self._check_head(name)
        config = LoraConfig(
            r=lora_rank, lora_alpha=lora_rank, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
        )
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.adapted: Any = get_peft_model(self.causal, config, adapter_name="online")
            self.adapted.add_adapter("target", config)
        self.adapted.eval()
        weights = dict(self.adapted.named_parameters())
        self._online = {n: p for n, p in weights.items() if ".online." in n}
        self._target = {n: weights[n.replace(".online.", ".target.")] for n in self._online}
        self.move_target(1.0)
        self._use("online")

    def values(self, histories: Sequence[Tokens], adapter: Adapter = "online") -> Tensor:
        """Q at every decision, history after history: [sum of T+1, A] float32, with gradients where enabled."""
        return torch.cat([self.read(rows, adapter) for rows in self.passes(histories)])

    def passes(self, histories: Sequence[Tokens]) -> Iterator[list[Row]]:
        """The rows behind `values`, in its order, in groups that the device holds at once."""
        group: list[Row] = []
        longest = 0
        for row in (row for tokens in histories for row in self._rows(tokens)):
            longest = max(longest, len(row[0]))
            if group and (len(group) + 1) * longest > self.tokens_per_pass:
                yield group
                group, longest = [], len(row[0])
            group.append(row)
        if group:
            yield group

    def read(self, rows: Sequence[Row], adapter: Adapter = "online") -> Tensor:
        """Q at the places of all rows, row after row: [sum of places, A]."""
        self._use(adapter)
        width = max(len(ids) for ids, _ in rows)
        ids = torch.tensor([[*ids, *[0] * (width - len(ids))] for ids, _ in rows], device=self.device)
        mask = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in rows], device=self.device)
        hidden = self.causal.get_decoder()(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        row = [i for i, (_, places) in enumerate(rows) for _ in places]
        place = [at for _, places in rows for at in places]
        return self._logits(hidden[torch.tensor(row, device=self.device), torch.tensor(place, device=self.device)])

    def online_parameters(self) -> list[Tensor]:
        """The weights that learn, in a fixed order."""
        return list(self._online.values())

    @torch.no_grad()
    def move_target(self, tau: float) -> None:
        """target <- (1 - tau) target + tau online, weight by weight."""
        for name, online in self._online.items():
            self._target[name].lerp_(online, tau)

    def state_dict(self) -> dict[str, Tensor]:
        """The weights of both adapters; the model under them is found again by its name."""
        both = {f"online/{n}": p for n, p in self._online.items()} | {f"target/{n}": p for n, p in self._target.items()}
        return {name: weight.detach().cpu().clone() for name, weight in both.items()}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Raises: BadValue when the weights are those of another model or rank; nothing is changed then."""
        own = {f"online/{n}": p for n, p in self._online.items()} | {f"target/{n}": p for n, p in self._target.items()}
        if {n: p.shape for n, p in own.items()} != {n: p.shape for n, p in state.items()}:
            raise BadValue("state", f"{len(state)} weights", f"the adapters of {self.name} at this rank")
        for name, weight in own.items():
            weight.copy_(state[name])

    def _use(self, adapter: Adapter) -> None:
        self.adapted.set_adapter(adapter, inference_mode=adapter == "target")

    def _logits(self, hidden: Tensor) -> Tensor:
        """hidden: [N, D] -> [N, A]. In float32: half precision would round a value of 20 to sixteenths."""
        return linear(hidden.float(), self._weight, self._bias)

    @torch.no_grad()
    def _check_head(self, name: str) -> None:
        ids = torch.tensor([self.tokens.prompt(_ZERO, True)], device=self.device)
        theirs = self.causal(input_ids=ids, use_cache=False).logits[0, -1, list(self.tokens.action_ids)].float()
        ours = self._logits(self.causal.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state[0, -1:])[0]
        if not torch.allclose(ours, theirs, rtol=0.03, atol=0.03):
            raise BadValue(
                "model", name, "a model whose logits are its output layer times its last hidden state, unscaled"
            )

    def _rows(self, tokens: Tokens) -> Iterator[Row]:
        """One row for the decisions within the first X tokens, one for each later decision."""
        x = self.memory_tokens
        if x == 0:
            for begin, at in zip(tokens.prompts, tokens.decisions, strict=True):
                yield tokens.ids[begin : at + 1], (at - begin,)
            return
        shared = tuple(at for at in tokens.decisions if at < x)
        if shared:
            yield tokens.ids[: shared[-1] + 1], shared
        for at in tokens.decisions[len(shared) :]:
            yield tokens.ids[at - x + 1 : at + 1], (x - 1,)


class Reading:
    """B histories read as they are made, with the past kept in the model's cache: Q at the newest token of each.

    Rows are padded on the left. Once a row has more than X tokens its cache knows things that must be forgotten, and
    the last X tokens are read anew each time. With X = 0 whoever reads restarts each copy before each prompt.
    """

    def __init__(self, model: ValueModel, copies: int, adapter: Adapter = "online") -> None:
        self.model, self.adapter = model, adapter
        self.ids: list[list[int]] = [[] for _ in range(copies)]  # since the memory's start, at most the last X
        self._cache: Any = None
        self._mask: Tensor | None = None  # [B, columns of the cache], 1 where a row's own token stands

    def restart(self, copies: Sequence[int]) -> None:
        """Forget everything in these copies."""
        for copy in copies:
            self.ids[copy] = []
        if self._mask is not None:
            self._mask[list(copies)] = 0

    @torch.no_grad()
    def read(self, new: Sequence[Sequence[int]]) -> Tensor:
        """new: at least one token for each copy -> [B, A]."""
        x, cache = self.model.memory_tokens, self._cache
        forgets = False
        for ids, more in zip(self.ids, new, strict=True):
            if not more:
                raise BadValue("new", more, "at least one token for each copy")
            ids += more
            if x:
                forgets |= len(ids) > x
                del ids[:-x]
        longest = max(map(len, self.ids))
        if forgets or self._mask is None or self._mask.shape[1] > 2 * longest + 256:
            new, cache, self._mask = self.ids, None, None
        width = max(map(len, new))
        padded = torch.tensor([[*[0] * (width - len(ids)), *ids] for ids in new], device=self.model.device)
        fresh = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in new], device=self.model.device)
        mask = fresh if self._mask is None else torch.cat([self._mask, fresh], 1)
        places = (mask.cumsum(1) - 1).clamp_min(0)[:, -width:]
        self.model._use(self.adapter)
        out = self.model.causal.get_decoder()(
            input_ids=padded, attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=not forgets
        )
        self._cache, self._mask = (None, None) if forgets else (out.past_key_values, mask)
        return self.model._logits(out.last_hidden_state[:, -1])


_ZERO = torch.zeros(1).numpy()
