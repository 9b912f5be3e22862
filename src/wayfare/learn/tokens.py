"""What a memory network reads at each decision: the last step and what is seen now, built in this one place.

Token t is the one-hot previous action, the previous reward in the column of that action, on request the previous
observation, and the present one, which carries the boundary code where the world shows it. (The reward has its action's
column because attention adds up values that are linear in the token: with one common column no single layer could sum
rewards by action.) Where an episode of memory starts there is no last step, so all of it is zero. A row without memory
(X = 0) must not see the last step through the side door either: it is blank always, its boundary code too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from wayfare.errors import BadValue
from wayfare.learn.sequences import Sequences

__all__ = ["BOUNDARY_COLUMNS", "Tokens"]

BOUNDARY_COLUMNS = 5


@dataclass(frozen=True)
class Tokens:
    """Token layout of S rows: [one-hot action A | reward in the action's column A | last observation | observation O].

    observations: O, boundary columns included
    actions: A
    blank: [S] True for the rows that may not see the previous step (X = 0)
    boundary_shown: the last five observation columns are the code of the previous step
    reward_scale: rewards are multiplied by it
    transitions: also o_{t-1}, without its code, so that token t alone tells the whole last step

    Raises: BadValue for a layout without room for the boundary columns.
    """

    observations: int
    actions: int
    blank: tuple[bool, ...]
    boundary_shown: bool = False
    reward_scale: float = 1.0
    transitions: bool = False

    def __post_init__(self) -> None:
        least = BOUNDARY_COLUMNS if self.boundary_shown else 1
        if self.observations < least:
            raise BadValue("observations", self.observations, f"at least {least}")
        if self.actions < 1:
            raise BadValue("actions", self.actions, "at least 1")
        if not self.blank:
            raise BadValue("blank", self.blank, "one flag for each row")

    @property
    def width(self) -> int:
        """D, the numbers in a token."""
        return 2 * self.actions + self._plain + self.observations

    @property
    def _plain(self) -> int:
        """Columns of o_{t-1}."""
        return (self.observations - BOUNDARY_COLUMNS * self.boundary_shown) * self.transitions

    def sequence(self, batch: Sequences) -> Tensor:
        """All T + 1 tokens of a batch: [S, T+1, B, D]."""
        token = batch.obs.new_zeros(*batch.start.shape, self.width)
        self._remember(token[:, 1:], batch.action, batch.reward, batch.start[:, 1:], batch.obs[:, :-1])
        self._observe(token, batch.obs)
        return token

    def step(self, obs: Tensor, action: Tensor, reward: Tensor, start: Tensor, last: Tensor | None = None) -> Tensor:
        """One token for acting.

        obs: [S, B, O]
        action: [S, B] previous actions
        reward: [S, B]
        start: [S, B] bool
        last: [S, B, O] previous observations, where `transitions` asks for them
        returns: [S, 1, B, D]
        """
        token = obs.new_zeros(*start.shape, self.width)
        self._remember(token, action, reward, start, last)
        self._observe(token, obs)
        return token.unsqueeze(1)

    def _remember(self, token: Tensor, action: Tensor, reward: Tensor, start: Tensor, last: Tensor | None) -> None:
        seen = (~start).to(token.dtype)
        if any(self.blank):
            shape = (-1,) + (1,) * (start.dim() - 1)
            seen = seen * (~torch.tensor(self.blank, device=start.device)).to(token.dtype).view(shape)
        chosen = one_hot(action, self.actions) * seen.unsqueeze(-1)
        token[..., : self.actions] = chosen
        token[..., self.actions : 2 * self.actions] = chosen * (reward * self.reward_scale).unsqueeze(-1)
        if self._plain:
            if last is None:
                raise BadValue("last", None, "given: tokens hold the previous observation")
            token[..., 2 * self.actions : 2 * self.actions + self._plain] = last[..., : self._plain] * seen.unsqueeze(
                -1
            )

    def _observe(self, token: Tensor, obs: Tensor) -> None:
        token[..., 2 * self.actions + self._plain :] = obs
        if self.boundary_shown and any(self.blank):
            for row in _where(self.blank):
                token[row, ..., -BOUNDARY_COLUMNS:] = 0


def _where(flags: Sequence[bool]) -> list[int]:
    return [index for index, flag in enumerate(flags) if flag]
