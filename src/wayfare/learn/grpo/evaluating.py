"""How often held-out prompts are solved: pass@1, pass@k, and what answers look like, on draws that are always the same.

With n answers to a prompt, c of them right,

    pass@k = 1 - C(n - c, k) / C(n, k)                                                                    (1)

is the chance that one of k answers drawn without replacement is right: unbiased for k independent ones. Answers are
drawn at the evaluation's own temperature from a seed of its own, never with a bonus, and no memory is written.

Source: (1) Chen et al. 2021 (arXiv 2107.03374), eq. 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wayfare.errors import BadValue
from wayfare.learn.grpo.dataset import PromptSet
from wayfare.learn.grpo.experience import Experience, last_rows
from wayfare.learn.grpo.processes import together
from wayfare.learn.grpo.rewards import TrainerState
from wayfare.learn.grpo.update import Updater
from wayfare.learn.rollouts import RolloutBatch

__all__ = ["Evaluated", "evaluate", "pass_at_k"]

ROWS = 1024


def pass_at_k(right: Tensor, answers: int, k: int) -> Tensor:
    """(1): right [N], how many of `answers` are -> [N] float64. Raises: BadValue for k above answers or below 1."""
    if not 1 <= k <= answers:
        raise BadValue("k", k, f"between 1 and {answers}, the number of answers")
    wrong = answers - right.double()
    # the product over i < k of (wrong - i) / (answers - i): no binomial overflows
    places = torch.arange(k, dtype=torch.float64)
    chances = (wrong.unsqueeze(1) - places).clamp(min=0.0) / (answers - places)
    return 1.0 - chances.prod(dim=1)


@dataclass(frozen=True, eq=False)
class Evaluated:
    """metrics: by name, `eval_` before each        right: [N, n] bool        rewards: [N, n] float32
    distinct: [N] different right answers        entropy: [N] mean over the drawn tokens of a prompt's answers, in nats
    texts: N x n answers
    """

    metrics: dict[str, float]
    right: Tensor
    rewards: Tensor
    distinct: Tensor
    entropy: Tensor
    texts: tuple[tuple[str, ...], ...]


def evaluate(
    experience: Experience, updater: Updater, prompts: PromptSet, state: TrainerState, *, answers: int,
    ks: Sequence[int], threshold: float, rows: int = ROWS,
) -> Evaluated:  # fmt: skip
    """answers: n to each prompt        threshold: least reward of the first reward function that is right
    rows: drawn side by side at most
    """
    rewards, surprises, lengths, own_lengths, cut = [], [], [], [], []
    texts: list[str] = []
    at_once = max(1, rows // answers)
    for first in range(0, len(prompts), at_once):
        keys = torch.arange(first, min(first + at_once, len(prompts)))
        asked = experience.asked(
            keys, torch.full_like(keys, answers), 0, train=False, prompts=prompts, first=first * answers
        )
        with together(experience.processes):
            own = experience.drawn(asked)
            found, _, _ = experience.score(own, asked, state)
            last, tokens, said_tokens, entropy = _by_trajectory(own, updater.entropy(own), len(asked.keys))
        assert own.texts is not None
        said = [own.texts[row] for row in last.tolist()]
        for part in experience.processes.gathered(
            (found[last], said, tokens, said_tokens, entropy, own.truncated[last])
        ):
            rewards.append(part[0])
            texts += part[1]
            lengths.append(part[2])
            own_lengths.append(part[3])
            surprises.append(part[4])
            cut.append(part[5])
    each = torch.cat(rewards)
    first_reward, total = each[:, 0].view(-1, answers), experience.rewards.total(each).view(-1, answers)
    right = first_reward >= threshold
    told = tuple(tuple(texts[at : at + answers]) for at in range(0, len(texts), answers))
    distinct = torch.tensor(
        [len({text for text, good in zip(row, goods, strict=True) if good})
         for row, goods in zip(told, right.tolist(), strict=True)]
    )  # fmt: skip
    tokens = torch.cat(lengths)
    drawn = torch.cat(own_lengths).view(-1, answers).sum(dim=1).clamp(min=1)
    spread = torch.cat(surprises).view(-1, answers).sum(dim=1) / drawn
    known = total[~total.isnan()]
    metrics = {
        "eval_reward": float(known.mean()) if len(known) else 0.0,
        "eval_reward_std": float(known.std()) if len(known) > 1 else 0.0,
        **{f"eval_{name}": value for name, value in experience.rewards.metrics(each).items()},
        **{f"eval_pass@{k}": float(pass_at_k(right.sum(dim=1), answers, k).mean()) for k in ks},
        "eval_distinct_right": float(distinct.double().mean()),
        "eval_entropy": float(spread.mean()),
        "eval_completions/mean_length": float(tokens.mean()),
        "eval_completions/clipped_ratio": float(torch.cat(cut).float().mean()),
    }
    return Evaluated(metrics, right, total, distinct, spread, told)


def _by_trajectory(own: RolloutBatch, entropy: Tensor, asked: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The last row of each, in the order in which they were asked for; its tokens, those that the policy said, and the
    sum of these' entropies [N]."""
    last = last_rows(own)
    last = last[own.trajectory[last].argsort()]
    if len(last) != asked:
        raise BadValue("rollout", f"{len(last)} trajectories", f"{asked}, one for each row that was asked for")
    _, at = torch.unique(own.trajectory, return_inverse=True)
    tokens, said = own.completion_mask.sum(dim=1).float(), (own.loss_mask > 0).sum(dim=1).float()
    nothing = torch.zeros(asked)
    each = (nothing.index_add(0, at, values) for values in (tokens, said, said * entropy.float()))
    return last, *each  # type: ignore[return-value]
