"""R2, the cells where the model is learned: train on random mazes, then plan in unseen ones with what is remembered.

`train` makes the checkpoint of a seed: a world model (next cell, reward, value) and a reactive policy, the same size,
from the same walks, with the same budget. A walker of the training data explores (prefers moves it has made least
often) until it has found the goal, and from the next episode on walks there, both with a share of random moves; it
knows no goal before it has seen it, so that its moves give nothing away.

`play` runs a way on unseen mazes: episodes of `STEPS` steps from the same start, memory kept between them. The buffer
holds each distinct transition once; the latest `RECALL` are recalled.

    RAFA            breadth-first to depth 6 over all actions in the model's most likely next cells; value at the
                    leaves; the first action alone; a new snapshot whenever the buffer has learned something
    open loop       carries out all 6 actions, plans again when they are done or a prediction was wrong
    reflexion       RAFA whose snapshot is renewed between episodes only
    empty buffer    RAFA that remembers nothing
    reactive        the cloned policy with the same buffer, at the temperature tuned on other mazes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.learn.in_context_model import Memory, Policy, WorldModel
from wayfare.studies.contract import Report
from wayfare.worlds.mazes import Mazes

__all__ = ["PLAYERS", "STEPS", "TEMPERATURES", "Buffer", "lookahead_likely", "play", "play_seed", "train", "walks"]

SIZE, CELLS, WAYS = 5, 25, 4
STEPS, DEPTH, DISCOUNT, RECALL = 30, 6, 0.9, 64
BATCH, RATE = 32, 4e-3
TEMPERATURES = (0.05, 0.2, 0.5, 1.0)
PLAYERS = ("RAFA", "reactive", "open loop", "reflexion", "empty buffer")
SIZES = (0, 2, 4, 8, 16, 32, 64)
"""Buffer sizes at which the model's accuracy on cells visited is measured."""
TUNING, HELD, TRAINING = 1 << 23, 3 << 22, 1 << 24  # where the seeds of these mazes begin; played are those from 0 on


def walks(seeds: Tensor, length: int = 64) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """A walk in a maze for each seed [N]: state, action, reached int64, reward, value float32, all [N, length].

    value: DISCOUNT^(steps - 1) of the steps that the walk takes from there to the goal, 0 if its episode ends before.
    The fewest steps would tell what nobody in the maze knows, and whoever trusts them stays in the middle, where the
    goal is near on average.
    """
    mazes, n, asked = Mazes.draw(seeds, SIZE), len(seeds), length
    length = asked + STEPS  # the value of the last step asked for is known, too
    rows = torch.arange(n)
    u = Stream(seeds.unsqueeze(1).unsqueeze(2), "walk").uniform(
        torch.zeros(n, 1, 1, dtype=torch.int64), torch.arange(length).view(1, -1, 1), torch.arange(WAYS + 2)
    )
    noise = Stream(seeds, "noise").uniform(torch.zeros(n, dtype=torch.int64)) * 0.6
    cell, found = mazes.start.clone(), torch.zeros(n, dtype=torch.bool)
    tried, age = torch.zeros(n, CELLS, WAYS), torch.zeros(n, dtype=torch.int64)
    kept: list[tuple[Tensor, ...]] = []
    ends: list[Tensor] = []
    for t in range(length):
        toward = mazes.away.gather(1, mazes.next_cell[rows, cell]).double()
        wish = torch.where(found.unsqueeze(1), toward, tried[rows, cell].double()) + 0.01 * u[:, t, :WAYS]
        action = torch.where(u[:, t, -2] < noise, (u[:, t, -1] * WAYS).long(), wish.argmin(dim=1))
        reached, reward = mazes.move(cell, action)
        kept.append((cell, action, reached, reward))
        tried[rows, cell, action] += 1
        age = age + 1
        over = (reward > 0) | (age == STEPS)
        ends.append(over)
        found |= reward > 0
        age = age.masked_fill(over, 0)
        cell = torch.where(over, mazes.start, reached)
    state, taken, led, paid = (torch.stack(column, dim=1)[:, :asked] for column in zip(*kept, strict=True))
    gone, worth = torch.zeros(n), []
    for (*_, reward), over in zip(kept[::-1], ends[::-1], strict=True):
        gone = torch.where(over, reward, DISCOUNT * gone)
        worth.append(gone)
    return state, taken, led, paid, torch.stack(worth[::-1], dim=1)[:, :asked]


def rehearsed(
    state: Tensor, action: Tensor, reached: Tensor, reward: Tensor, value: Tensor, cut: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Walks [N, T] in which half of the questions after the cut are about what is remembered, late ones more often;
    these have no value (-1), theirs being of another time. A walk seldom repeats what it did last, a planner asks it.
    """
    n, length = state.shape
    if cut == 0:
        return state, action, reached, reward, value
    again = (torch.rand(n, length) < 0.5) & (torch.arange(length) > cut)
    of = (cut - 1 - (cut * torch.rand(n, length) ** 2).long()).clamp(min=0)
    old = (torch.where(again, x.gather(1, of), x) for x in (state, action, reached, reward))
    return (*old, value.masked_fill(again, -1.0))  # type: ignore[return-value]


def train(
    report: Report, *, seed: int, sequences: int, folder: str, width: int = 96, layers: int = 3
) -> Mapping[str, NDArray[Any]]:
    """Train world model and policy of a seed and keep them in `folder`/seed-N.pt; says how accurate the model is.

    accuracy: [SIZES] share of right next cells on moves of the first `size` transitions of fresh walks
    """
    torch.manual_seed(seed)
    nets: dict[str, Any] = {
        "model": WorldModel(CELLS, WAYS, width, layers),
        "policy": Policy(CELLS, WAYS, width, layers),
    }
    steps = max(1, sequences // BATCH)
    makers = {name: torch.optim.AdamW(net.parameters(), RATE, betas=(0.9, 0.98)) for name, net in nets.items()}
    schedules = {
        name: torch.optim.lr_scheduler.OneCycleLR(maker, RATE, total_steps=steps + 1, pct_start=0.1)
        for name, maker in makers.items()
    }
    losses = {name: 0.0 for name in nets}
    for step in range(steps):
        first = TRAINING + (seed * steps + step) * BATCH
        data = walks(torch.arange(first, first + BATCH))
        cut = int(torch.randint(0, data[0].shape[1], ()))
        for name, net in nets.items():
            makers[name].zero_grad()
            loss = net.loss(*rehearsed(*data, cut), cut=cut) if name == "model" else net.loss(*data)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            makers[name].step()
            schedules[name].step()
            losses[name] = float(loss.detach())
        if step % 20 == 19:
            report(step + 1, steps, **losses)
    path = Path(folder) / f"seed-{seed}.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({name: net.state_dict() for name, net in nets.items()} | {"shape": (width, layers)}, path)
    report(steps, steps, **losses)
    return {"accuracy": _accuracy(nets["model"].eval(), 200), "losses": np.array(list(losses.values()))}


def load(folder: str, seed: int) -> tuple[WorldModel, Policy]:
    """The checkpoint that `train` kept. Raises: BadValue where there is none."""
    path = Path(folder) / f"seed-{seed}.pt"
    if not path.is_file():
        raise BadValue("checkpoint", str(path), "the file that the cell of this seed's training has kept")
    kept = torch.load(path, weights_only=True)
    model, policy = WorldModel(CELLS, WAYS, *kept["shape"]), Policy(CELLS, WAYS, *kept["shape"])
    model.load_state_dict(kept["model"])
    policy.load_state_dict(kept["policy"])
    return model.eval(), policy.eval()


class Buffer:
    """Distinct transitions of N mazes in the order in which they were first met; worlds are deterministic."""

    def __init__(self, mazes: int) -> None:
        most = CELLS * WAYS
        self.known = torch.zeros(mazes, CELLS, WAYS, dtype=torch.bool)
        self.state, self.action, self.reached = (torch.zeros(mazes, most, dtype=torch.int64) for _ in range(3))
        self.reward = torch.zeros(mazes, most)
        self.size = torch.zeros(mazes, dtype=torch.int64)
        self._rows = torch.arange(mazes)

    def remember(self, state: Tensor, action: Tensor, reached: Tensor, reward: Tensor) -> Tensor:
        """[N] bool, where the transition was new."""
        new = ~self.known[self._rows, state, action]
        rows = new.nonzero().squeeze(1)
        at = self.size[rows]
        for column, values in zip(
            (self.state, self.action, self.reached, self.reward), (state, action, reached, reward), strict=True
        ):
            column[rows, at] = values[rows]
        self.known[rows, state[rows], action[rows]] = True
        self.size[rows] += 1
        return new

    def recall(self, rows: Tensor) -> Memory:
        """The latest RECALL transitions of these mazes."""
        size = self.size[rows]
        first = (size - RECALL).clamp(min=0)
        kept = (size - first).max() if len(rows) else 0
        at = (first.unsqueeze(1) + torch.arange(int(kept))).clamp(max=CELLS * WAYS - 1)
        state, action, reached = (column[rows].gather(1, at) for column in (self.state, self.action, self.reached))
        return Memory(state, action, reached, self.reward[rows].gather(1, at), size - first)


def lookahead_likely(reached: Tensor, paid: Tensor, leaf: Tensor, depth: int = DEPTH) -> Tensor:
    """[N, S, A]: the tree of all actions to `depth` in the most likely next cells, backed up by max.

    V_0 = leaf,  Q_u(s, a) = p_r(s, a) + (1 - p_r(s, a)) * DISCOUNT * V_{u-1}(next(s, a))

    reached: [N, S, A] int64        paid: [N, S, A] chances of reward        leaf: [N, S]
    """
    value, q = leaf, paid
    for _ in range(depth):
        ahead = value.gather(1, reached.flatten(1)).view(paid.shape)
        q = paid + (1 - paid) * DISCOUNT * ahead
        value = q.amax(dim=2)
    return q


class Planner:
    """A way with a model, over N mazes; see the module."""

    def __init__(self, way: str, model: WorldModel, mazes: int) -> None:
        self.way, self.model, self.buffer = way, model, Buffer(mazes)
        self.rows = torch.arange(mazes)
        self.reached = torch.zeros(mazes, CELLS, WAYS, dtype=torch.int64)
        self.q = torch.zeros(mazes, CELLS, WAYS)
        self.plan, self.left = torch.zeros(mazes, DEPTH, dtype=torch.int64), torch.zeros(mazes, dtype=torch.int64)
        self.stale = torch.ones(mazes, dtype=torch.bool)  # the buffer knows more than the snapshot
        self.calls = 0
        self.renew(self.rows)

    def renew(self, rows: Tensor) -> None:
        """Snapshots and trees of these mazes."""
        if not len(rows):
            return
        where, paid, leaf = self.model.tables(self.buffer.recall(rows))
        self.reached[rows] = where.argmax(dim=-1)
        self.q[rows] = lookahead_likely(self.reached[rows], paid, leaf.amax(dim=2))
        self.stale[rows] = False
        self.calls += len(rows) * CELLS * WAYS

    def act(self, state: Tensor, tie: Tensor) -> Tensor:
        """[N] actions; tie: [N] uniforms."""
        if self.way == "RAFA":
            self.renew(self.stale.nonzero().squeeze(1))
        if self.way != "open loop":
            return self.q[self.rows, state].argmax(dim=1)
        due = (self.left == 0).nonzero().squeeze(1)
        if len(due):
            self.renew(due[self.stale[due]])
            cell = state[due]
            for depth in range(DEPTH):
                self.plan[due, depth] = self.q[due, cell].argmax(dim=1)
                cell = self.reached[due, cell, self.plan[due, depth]]
            self.left[due] = DEPTH
        self.left -= 1
        return self.plan[self.rows, DEPTH - 1 - self.left]

    def observe(self, state: Tensor, action: Tensor, reached: Tensor, reward: Tensor, over: Tensor) -> None:
        """What really happened."""
        if self.way == "empty buffer":
            return
        self.stale |= self.buffer.remember(state, action, reached, reward)
        if self.way == "open loop":
            wrong = self.reached[self.rows, state, action] != reached
            self.left = self.left.masked_fill(wrong | over, 0)
        if self.way == "reflexion":
            self.renew((over & self.stale).nonzero().squeeze(1))


class Clone:
    """The reactive policy with a buffer. temperature: of its softmax"""

    def __init__(self, policy: Policy, mazes: int, temperature: float) -> None:
        self.policy, self.buffer, self.temperature = policy, Buffer(mazes), temperature
        self.rows, self.calls = torch.arange(mazes), 0

    def act(self, state: Tensor, tie: Tensor) -> Tensor:
        """[N] actions drawn by uniforms `tie` [N]."""
        logits = self.policy.logits(self.buffer.recall(self.rows), state)
        self.calls += len(state)
        edges = (logits / self.temperature).softmax(dim=1).cumsum(dim=1)
        return (tie.unsqueeze(1) * edges[:, -1:] >= edges[:, :-1]).sum(dim=1)

    def observe(self, state: Tensor, action: Tensor, reached: Tensor, reward: Tensor, over: Tensor) -> None:
        """What really happened."""
        self.buffer.remember(state, action, reached, reward)


def play_seed(
    report: Report, *, seed: int, sequences: int, mazes: int, episodes: int, width: int = 96
) -> Mapping[str, NDArray[Any]]:
    """Train the transformers of a seed, once, and try every player with them.

    An interrupted cell does not train again what it had kept.
    """
    folder = report.scratch
    trained = folder / f"accuracy-{seed}.npz"
    if not trained.is_file():
        found = train(report, seed=seed, sequences=sequences, folder=str(folder), width=width)
        np.savez(trained, **{name: np.asarray(value) for name, value in found.items()})  # type: ignore[arg-type]
    with np.load(trained) as kept:
        told = {f"maze model|{name}": kept[name] for name in kept.files}
    played = play(report, seed=seed, folder=str(folder), mazes=mazes, episodes=episodes)
    return {name: value[None] for name, value in (told | dict(played)).items()}


def play(
    report: Report, *, seed: int, folder: str, mazes: int, episodes: int, players: Sequence[str] = PLAYERS
) -> Mapping[str, NDArray[Any]]:
    """Success of each player by episode, mean over `mazes` unseen ones; the clone's temperature is tuned on others."""
    model, policy = load(folder, seed)
    found: dict[str, NDArray[Any]] = {}
    total = len(players) + len(TEMPERATURES)
    tested = torch.arange(seed * mazes, (seed + 1) * mazes)
    tuned = []
    for i, temperature in enumerate(TEMPERATURES):
        seeds = TUNING + tested[: max(1, mazes // 2)]
        tuned.append(_episodes(Clone(policy, len(seeds), temperature), seeds, episodes)[0].mean())
        report(i + 1, total)
    best = TEMPERATURES[int(np.argmax(tuned))]
    for i, player in enumerate(players):
        who = Clone(policy, mazes, best) if player == "reactive" else Planner(player, model, mazes)
        success, steps = _episodes(who, tested, episodes)
        found |= {
            f"maze {player}|success": success, f"maze {player}|steps": steps,
            f"maze {player}|calls": np.array(who.calls / mazes),
        }  # fmt: skip
        report(len(TEMPERATURES) + i + 1, total, success=float(success.mean()))
    return found | {"maze reactive|temperature": np.array(best), "maze reactive|tuned": np.array(tuned)}


def _episodes(who: Planner | Clone, seeds: Tensor, episodes: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Share of mazes whose goal was met, and mean steps, by episode."""
    world, n = Mazes.draw(seeds, SIZE), len(seeds)
    # over is told once an episode; who has met the goal waits in place for the others and remembers nothing
    success, steps = [], []
    ties = Stream(seeds, "ties")
    for episode in range(episodes):
        cell, met, taken = world.start.clone(), torch.zeros(n, dtype=torch.bool), torch.zeros(n)
        for t in range(STEPS):
            action = who.act(cell, ties.uniform(torch.zeros_like(seeds), episode * STEPS + t))
            reached, reward = world.move(cell, action)
            over = ((reward > 0) | torch.tensor(t == STEPS - 1)) & ~met
            taken += (~met).float()
            if not bool(met.all()):
                _told(who, met, cell, action, reached, reward, over)
            met |= reward > 0
            cell = torch.where(met, world.start, reached)
            if bool(met.all()):
                break
        success.append(float(met.float().mean()))
        steps.append(float(taken.mean()))
    return np.array(success), np.array(steps)


def _told(who: Planner | Clone, met: Tensor, *what: Tensor) -> None:
    """Those who have met the goal see a transition that they already know: their last, from the goal's side."""
    state, action, reached, reward, over = what
    if bool(met.any()):
        # a transition of the buffer is no news; each of these mazes has at least one
        old = (who.buffer.state[:, 0], who.buffer.action[:, 0], who.buffer.reached[:, 0], who.buffer.reward[:, 0])
        state, action, reached, reward = (
            torch.where(met, before, now) for before, now in zip(old, (state, action, reached, reward), strict=True)
        )
    who.observe(state, action, reached, reward, over)


def _accuracy(model: WorldModel, mazes: int) -> NDArray[np.float64]:
    """[SIZES] share of right next cells, over the moves of each walk's first `size` transitions and the other ways of
    the cells that they started from: what visiting a cell teaches."""
    seeds = torch.arange(mazes) + HELD
    state, action, reached, reward, _ = walks(seeds)
    truth = Mazes.draw(seeds, SIZE).next_cell
    rows = torch.arange(mazes).unsqueeze(1)
    visited = torch.zeros(mazes, CELLS, dtype=torch.bool)
    visited[rows, state[:, :16]] = True  # the same cells at each size
    shares = []
    for size in SIZES:
        kept = torch.full((mazes,), size)
        memory = Memory(state[:, :size], action[:, :size], reached[:, :size], reward[:, :size], kept)
        right = (model.tables(memory)[0].argmax(dim=-1) == truth).float().mean(dim=2)
        shares.append(float(right[visited].mean()))
    return np.array(shares)
