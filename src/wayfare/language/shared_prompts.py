"""Which rows of a batch begin with the same prompt, so that it is read once for all of them.

Sampling reads a group's prompt once and draws its answers from there; training reads it once with a gradient, which is
the sum over the group's answers. Both are what reading it with every answer gives, up to the rounding of sums.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Alike", "shared_prompts"]


class Alike(NamedTuple):
    """first: [U] the first row of each prompt        back: [B] which of these a row begins with; int64
    even: whether rows of a prompt stand together, as many for each
    """

    first: Tensor
    back: Tensor
    even: bool

    def spread(self, each: Tensor) -> Tensor:
        """[U, ...] -> [B, ...]; its gradient is a sum, which has one order on every device where rows are even."""
        if not self.even:
            return each[self.back]
        count, times = len(self.first), len(self.back) // len(self.first)
        return each.unsqueeze(1).expand(count, times, *each.shape[1:]).flatten(0, 1)


def shared_prompts(ids: Tensor, valid: Tensor) -> Alike | None:
    """None where more than half of the rows [B, P] differ from all others. valid: [B, P] bool, what is no padding"""
    rows = torch.arange(len(ids), device=ids.device)
    odd = torch.randint(2**62, (ids.shape[1],), generator=torch.Generator().manual_seed(0)).to(ids.device)
    names = ((ids + 1) * valid * odd).sum(dim=1)  # of each prompt, wrapping round
    found, back = names.unique(return_inverse=True)
    if 2 * len(found) > len(ids):
        return None
    first, order = torch.full_like(found, len(ids)).scatter_reduce_(0, back, rows, "amin").sort()
    back = order.argsort()[back]
    if not (torch.equal(ids[first][back], ids) and torch.equal(valid[first][back], valid)):
        return None
    return Alike(first, back, torch.equal(back, rows // (len(ids) // len(first))))
