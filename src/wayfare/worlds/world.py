"""The contract of a world: N copies stepped at once, each in a block of episodes of one task, then in a block of
another.

One gymnasium episode is one *block*: `terminated` and `truncated` mark its end only, and the next block begins within
the same step (`AutoresetMode.SAME_STEP`, the block's last observation in `info["final_obs"]`). Ends of the inner
episodes are the codes in `info["boundary"]`.

All copies step together, so one integer, the *clock*, counts the steps since the world was seeded. Copy b of seed s
draws the task of a block that begins at clock t from the address (s, "task", b, t), the length of the block from (s,
"law", b, t) and the noise of the step at clock t from (s, "reward noise", b, t): from nothing else, so that it plays
the same in any batch, and worlds that differ only in their block length share noise, and share tasks wherever their
blocks begin together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, Space
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.worlds.boundary import Boundary

if TYPE_CHECKING:
    from wayfare.worlds.ceilings import Ceiling

__all__ = ["Law", "Shown", "World"]

Law = Literal["fixed", "geometric"]
Shown = Literal["hidden", "shown"]
CODES = len(Boundary)
SEEDS = 2**63
KEPT = 1 << 12  # draws at one clock up to which they are made ahead
FEW = 4  # lanes up to which they are
FARTHEST = 512  # clocks that they reach ahead at most
Draw = Callable[[Stream, Tensor, Any, Tensor], Tensor]
"""(stream, copies [n], clock or clocks [M, 1, 1], lanes [L, 1]) -> [L, n] or [M, L, n]."""


class World(VectorEnv[Tensor, Tensor, Tensor]):
    """N copies of a task that comes back; subclasses say what a task is and what a step does.

    num_envs: N
    columns: numbers in an observation, without the code
    actions: how many, or a space
    episodes: of a block: n, or one n for each copy; the mean of the law where it is geometric
    steps: longest inner episode; None: it has no bound
    pause: steps between two inner episodes of a block
    law: `fixed`: every block has n episodes; `geometric`: after each episode the block ends with probability 1/n
    most_episodes: geometric blocks end here at the latest
    boundary: `shown`: the last five columns of an observation are the one-hot code of the previous step
    copy: False: `reset` and `step` write observations into two buffers by turns, so that one holds until the step after
        next; faster with thousands of copies. As in gymnasium's own vector environments
    low, high: bounds of the observation's columns
    lanes: most numbers that one copy draws from a stream at once

    Attributes
    copy: as given
    boundary_shown: whether the code is part of the observation
    reward_bound: no expected |reward| is larger, and hardly any drawn one
    episodes: [N] int64, as given

    Raises: BadValue for the first argument out of range.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "autoreset_mode": AutoresetMode.SAME_STEP,
        "render_modes": ["rgb_array"],
        "render_fps": 4,
    }
    reward_bound: float

    def __init__(
        self,
        num_envs: int,
        *,
        columns: int,
        actions: int | Space[Any],
        episodes: int | Sequence[int] | Tensor,
        steps: int | None,
        pause: int = 0,
        law: Law = "fixed",
        most_episodes: int | None = None,
        boundary: Shown = "hidden",
        device: str | torch.device = "cpu",
        render_mode: str | None = None,
        copy: bool = True,
        low: ArrayLike = 0.0,
        high: ArrayLike = 1.0,
        lanes: int = 1,
    ) -> None:
        self.num_envs = whole("num_envs", num_envs, 1)
        self.episodes = _per_copy("episodes", episodes, num_envs)
        if law not in ("fixed", "geometric"):
            raise BadValue("law", law, "'fixed' or 'geometric'")
        if boundary not in ("hidden", "shown"):
            raise BadValue("boundary", boundary, "'hidden' or 'shown'")
        if most_episodes is not None:
            whole("most_episodes", most_episodes, 1)
            if law == "fixed":
                raise BadValue("most_episodes", most_episodes, "None under the fixed law: `episodes` says it")
        if render_mode not in (None, "rgb_array"):
            raise BadValue("render_mode", render_mode, "None or 'rgb_array'")
        try:
            self.device = torch.empty(0, device=device).device
        except (RuntimeError, AssertionError) as error:
            raise BadValue("device", str(device), f"a device that torch can use ({error})") from error
        self.law, self.most_episodes, self.render_mode = law, most_episodes, render_mode
        self.copy, self.boundary_shown = copy, boundary == "shown"
        self._columns, self._steps, self._pause = columns, steps, pause
        self._blank = columns == 0 and not self.boundary_shown  # an observation needs a column
        self.single_observation_space: Space[Any] = self._space(np.asarray(low), np.asarray(high))
        self.single_action_space: Space[Any] = Discrete(actions) if isinstance(actions, int) else actions
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

        self.episodes = self.episodes.to(self.device)
        self._clock = 0
        self._seed: Tensor | None = None
        self._one_seed: int | None = None  # where it is the same in all copies
        self._streams: dict[str, Stream] = {}
        self._kept: dict[str, tuple[int, Tensor]] = {}  # draws made ahead: the first clock, [M, lanes, N]
        self._lanes = torch.arange(lanes, device=self.device).unsqueeze(1)
        self._copy = torch.arange(num_envs, device=self.device)
        self._length = self.episodes.to(torch.int32)  # [N] episodes of the current block
        self._episode = torch.zeros(num_envs, dtype=torch.int32, device=self.device)  # [N] index of the current one
        self._code_rows = torch.eye(CODES, device=self.device)
        shape = (num_envs, columns + CODES * self.boundary_shown + self._blank)
        self._buffers = [] if copy else [torch.zeros(shape, device=self.device) for _ in range(3)]

    @property
    def num_actions(self) -> int:
        """How many actions there are. Raises: BadValue where they are not discrete."""
        if not isinstance(self.single_action_space, Discrete):
            raise BadValue("action_space", self.single_action_space, "discrete")
        return int(self.single_action_space.n)

    @property
    def block_steps(self) -> int:
        """Most steps of a block. Raises: BadValue where there is no such number."""
        if self._steps is None:
            raise BadValue("steps", None, "given: without it an inner episode has no longest")
        if self.law == "geometric" and self.most_episodes is None:
            raise BadValue("most_episodes", None, "given: without it a geometric block has no longest")
        most = self.most_episodes or int(self.episodes.max())
        return most * self._steps + (most - 1) * self._pause

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """Begin a new block in every copy: obs [N, O], info.

        seed: s: copy i becomes copy i of seed s. A list [N]: copy i becomes a copy of seed[i], numbered by how often
            that seed stood before it. None: go on to blocks not yet seen (a world never seeded takes a seed from the
            system).
        options: `copy` [N]: the numbers of the copies, where the rule above is not what you want

        Raises: BadValue for another option, or a seed or copy that does not fit; the world is then as it was.
        """
        unknown = set(options or ()) - {"copy"}
        if unknown:
            raise BadValue("options", sorted(unknown), "only 'copy'")
        if seed is None and options:
            raise BadValue("options", sorted(options), "empty without a seed")
        if seed is None and self._seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        if seed is None:
            self._clock += 1
        else:
            self._plant(seed, (options or {}).get("copy"))
        self._begin(None)
        start = torch.zeros(self.num_envs, dtype=torch.int8, device=self.device)
        return self._first(), {"boundary": start, "inner_episode": self._episode.clone()}

    def oracle_return(self) -> Tensor:
        """[N] mean reward an episode, in expectation, of a player who knows the current task. Regret is measured from
        it.

        Raises: BadValue where it is not known.
        """
        raise BadValue("world", type(self).__name__, "one whose tasks' optimum is known")

    def bayes_return(self, horizon: int | None = None) -> Ceiling:
        """The best that one can do in a block of `horizon` episodes (None: the world's own) without being told the
        task.

        Raises: BadValue where it is not known.
        """
        raise BadValue("world", type(self).__name__, "one whose tasks' prior is known")

    # What a subclass gives.

    def _task(self, rows: Tensor | None) -> None:
        """Draw the task of blocks that begin at the clock: of the copies `rows`, or of all (None)."""
        raise NotImplementedError

    def _first(self) -> Tensor:
        """[N, O] what all copies see at the start of a block."""
        raise NotImplementedError

    # What a subclass uses.

    def _begin(self, rows: Tensor | None) -> None:
        """Begin new blocks of the copies `rows`, or of all (None), at the clock."""
        if rows is None:
            self._episode = torch.zeros_like(self._episode)
        else:
            self._episode[rows] = 0
        if self.law == "geometric":
            self._draw_length(rows)
        self._task(rows)

    def _drawn(self, name: str, draw: Draw, rows: Tensor | None, lanes: int = 1) -> Tensor:
        """[lanes, n] draws of a stream at the clock, for the copies `rows` or all (None); the same ones whichever way
        they are made.

        Few copies: for all of them and many clocks at once, kept until the clock has passed. Many: for the asked at the
        clock.
        """
        assert self._seed is not None
        size = lanes * self.num_envs
        few = size <= KEPT and lanes <= FEW
        if name not in self._streams:
            self._streams[name] = Stream(self._seed if self._one_seed is None else self._one_seed, name)
        if not few and rows is not None:
            stream = self._streams[name] if self._one_seed is not None else Stream(self._seed[rows], name)
            return draw(stream, self._copy.index_select(0, rows), self._clock, self._lanes[:lanes])
        begun, kept = self._kept.get(name, (0, self._code_rows[:0]))
        ahead = self._clock - begun
        if not 0 <= ahead < len(kept):
            reach = max(1, min(FARTHEST, 8 * KEPT // size)) if lanes <= FEW else 1
            clocks = torch.arange(self._clock, self._clock + reach, device=self.device).view(-1, 1, 1)
            kept = draw(self._streams[name], self._copy, clocks, self._lanes[:lanes])
            self._kept[name], ahead = (self._clock, kept), 0
        now: Tensor = kept[ahead]
        return now if rows is None else now.index_select(1, rows)

    def _sight(self, table: Tensor, rows: Tensor) -> Tensor:
        """[N, O] the observation: rows of a table [any, O]."""
        if not self._buffers:
            return table.index_select(0, rows)
        shown, self._buffers[:2] = self._buffers[1], self._buffers[1::-1]
        return torch.index_select(table, 0, rows, out=shown)

    def _final_rows(self, obs: Tensor, rows: Tensor, final: Tensor) -> Tensor:
        """[N, O] `info["final_obs"]`: `final` [n, O] in `rows` [n]; what is in the others means nothing."""
        whole = self._buffers[2] if self._buffers else obs.clone()
        return whole.index_copy_(0, rows, final)

    def _checked(self, actions: Any) -> Tensor:
        """[N] discrete actions as int64 on the device. Their range is for the subclass to see to."""
        if self._seed is None:
            raise BadValue("world", "not begun", "reset before its first step")
        if not isinstance(actions, Tensor):
            actions = torch.as_tensor(np.asarray(actions), device=self.device)
        if actions.shape != (self.num_envs,) or actions.dtype.is_floating_point:
            raise BadValue("actions", f"{actions.dtype} {list(actions.shape)}", f"integers [{self.num_envs}]")
        numbers: Tensor = actions.long()
        return numbers

    # Its own.

    def _plant(self, seed: int | Sequence[int], copy: Any) -> None:
        seeds = _seeds(seed, self.num_envs)
        copies = (
            _occurrences(seeds) if copy is None else _per_copy("options['copy']", copy, self.num_envs, least=0).numpy()
        )
        if isinstance(seed, int):
            super().reset(seed=seed)
        self._seed = torch.from_numpy(seeds).to(self.device)
        self._copy = torch.from_numpy(copies).to(self.device)
        self._one_seed = int(seeds[0]) if np.all(seeds == seeds[0]) else None
        self._streams, self._kept = {}, {}
        self._clock = 0

    def _draw_length(self, rows: Tensor | None) -> None:
        """P(length > k) = (1 - 1/n)^k, by inversion."""
        mean = self.episodes if rows is None else self.episodes[rows]
        u = self._drawn("law", uniform, rows)[0]
        length = 1.0 + (u.log() / torch.log1p(-1.0 / mean.double())).floor()
        length = length.clamp(max=self.most_episodes or 2**30).to(torch.int32)
        if rows is None:
            self._length = length
        else:
            self._length[rows] = length

    def _space(self, low: NDArray[Any], high: NDArray[Any]) -> Box:
        low, high = (np.broadcast_to(bound, (self._columns,)).astype(np.float32) for bound in (low, high))
        tail = CODES * self.boundary_shown + self._blank
        low = np.concatenate([low, np.zeros(tail, np.float32)])
        high = np.concatenate([high, np.ones(tail, np.float32)])
        return Box(low, high, dtype=np.float32)


def uniform(stream: Stream, copy: Tensor, clock: Any, lane: Tensor) -> Tensor:
    """A `Draw`."""
    u: Tensor = stream.uniform(copy, clock, lane)
    return u


def places(mask: Tensor) -> Tensor:
    """int64 [n] where mask [N] is true; on the CPU NumPy's search is five times torch's."""
    return mask.nonzero().squeeze(1) if mask.is_cuda else torch.from_numpy(np.flatnonzero(mask.numpy()))


def refuse_other(world: object) -> None:
    """Raises: BadValue for what is no World."""
    if not isinstance(world, World):
        name = getattr(world, "__name__", type(world).__name__)
        raise BadValue("world", name, "a wayfare World: RepeatTask(make_env, episodes=...) makes one of your own")


def whole(field: str, value: Any, least: int) -> int:
    """value, an integer of at least `least`. Raises: BadValue."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise BadValue(field, value, f"an integer of at least {least}")
    return int(value)


def number(field: str, value: Any, low: float = -np.inf, high: float = np.inf) -> float:
    """value, finite and between low and high. Raises: BadValue."""
    real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not real or not np.isfinite(value) or not low <= value <= high:
        finite = np.isfinite(low) or np.isfinite(high)
        allowed = f"between {low:g} and {high:g}" if np.isfinite(low) and np.isfinite(high) else f"at least {low:g}"
        raise BadValue(field, value, allowed if finite else "a finite number")
    return float(value)


def _per_copy(field: str, value: Any, copies: int, least: int = 1) -> Tensor:
    """An integer, or one for each copy, as int64 [N] on the CPU."""
    if isinstance(value, (int, float, np.number)):
        return torch.full((copies,), whole(field, value, least))
    given = torch.as_tensor(value).cpu()
    if given.shape != (copies,) or given.dtype.is_floating_point or given.dtype == torch.bool:
        raise BadValue(field, f"{given.dtype} {list(given.shape)}", f"an integer, or integers [{copies}]")
    whole(field, int(given.min()), least)
    return given.long().clone()


def _seeds(seed: int | Sequence[int], copies: int) -> NDArray[np.int64]:
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool):
        if not 0 <= seed < SEEDS:
            raise BadValue("seed", seed, "between 0 and 2^63 - 1")
        return np.full(copies, seed, dtype=np.int64)
    given = np.asarray(seed)
    if given.shape != (copies,) or given.dtype.kind not in "iu" or not np.all((given >= 0) & (given < SEEDS)):
        raise BadValue(
            "seed",
            seed if given.size < 8 else f"{list(given.shape)}",
            f"an integer, or integers [{copies}], at least 0",
        )
    return given.astype(np.int64)


def _occurrences(seeds: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often the same number stood earlier in the array."""
    order = np.argsort(seeds, kind="stable")
    ordered = seeds[order]
    place = np.arange(len(seeds))
    first = np.maximum.accumulate(np.where(np.r_[True, ordered[1:] != ordered[:-1]], place, 0))
    count = np.empty_like(place)
    count[order] = place - first
    return count
