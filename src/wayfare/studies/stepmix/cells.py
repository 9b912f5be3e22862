"""The parts of the study that take time: B runs of a player, measured exactly.

Each function is one cell: plain arguments in, arrays named "player|measure" out, [seeds, ...] each. All players meet
the same processes, and the same uniform draw decides what follows a step; a log is played first, in the same process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.learn.tabular import Confidence, TransitionCounts, pessimistic
from wayfare.studies.stepmix.players import Budget, Player, Safe, Schedule
from wayfare.worlds.planning import optimal_values, policy_values, softmax_policy
from wayfare.worlds.tabular import RandomMDP

__all__ = ["BINS", "Setting", "curve_edges", "measured", "play", "scripted", "tune"]

Floats = NDArray[np.float64]
BINS = 60
SLACK = 1e-9  # of a comparison of two exact values
WEIGHTS = (0.6, 0.7, 0.8, 0.9)
SHARES = (0.1, 0.25, 0.5, 1.0)
"""What is tuned: weight of the baseline, and for which share of the episodes."""
TUNING_SEED = 1_000_000


class Report(Protocol):
    """Tells how far a cell is."""

    def __call__(self, done: int, total: int, **metrics: float) -> None: ...


@dataclass(frozen=True)
class Setting:
    """What all players of a run share; see the study's `Config`. floor: share of the baseline's value."""

    states: int
    actions: int
    horizon: int
    episodes: int
    temperature: float
    floor: float
    delta: float
    scale: float
    device: str


class Stage:
    """The processes of some seeds, with their baselines and exact values."""

    def __init__(self, setting: Setting, seeds: Sequence[int], log: int = 0) -> None:
        self.setting, self.runs = setting, len(seeds)
        self.world = RandomMDP(
            len(seeds), setting.states, setting.actions, setting.horizon, log + setting.episodes, device=setting.device
        )
        # each seed is one copy 0 of its own, so that a run is the same in any company
        self.world.reset(seed=list(seeds), options={"copy": [0] * len(seeds)})
        self.transitions, self.rewards = self.world.transitions, self.world.rewards
        q, _ = optimal_values(self.transitions, self.rewards)
        self.baseline = softmax_policy(q, setting.temperature)
        self.optimal, self.value = self.world.optimal_value(), self.world.value_of(self.baseline)
        self.floor = setting.floor * self.value
        self.confidence = Confidence(setting.delta, setting.scale)
        self.seeds = torch.tensor(list(seeds), device=self.rewards.device)
        self._rows = torch.arange(self.runs, device=self.rewards.device)
        self._steps = 0
        self._uniforms = self.rewards[:0, 0, 0]

    def episode(self, policy: Tensor) -> tuple[Tensor, Tensor]:
        """Play policy [B, H, S, A]: states [B, H + 1] and actions [B, H]."""
        states, actions = [self.world.state], []
        edges = policy.cumsum(dim=-1)
        for h in range(self.setting.horizon):
            row = edges[self._rows, h, states[-1]]
            drawn = self._draw().unsqueeze(1) * row[:, -1:]
            actions.append((drawn >= row[:, :-1]).sum(dim=1))
            info = self.world.step(actions[-1])[-1]
            states.append(info["state"])
        return torch.stack(states, dim=1), torch.stack(actions, dim=1)

    def values(self, policies: Tensor) -> Tensor:
        """policies: [B, M, H, S, A] -> [B, M] exact."""
        return policy_values(self.transitions.unsqueeze(1), self.rewards.unsqueeze(1), policies)[..., 0, 0]

    def coins(self) -> Tensor:
        """[K, B]"""
        k = torch.arange(self.setting.episodes, device=self.seeds.device).unsqueeze(1)
        coins: Tensor = Stream(self.seeds, "coin").uniform(torch.zeros_like(self.seeds), k)
        return coins

    def _draw(self) -> Tensor:
        """[B] of the stream "policy" at the count of steps; many steps are drawn at once."""
        ahead = self._steps % 1024
        if ahead == 0:
            steps = torch.arange(self._steps, self._steps + 1024, device=self.seeds.device).unsqueeze(1)
            self._uniforms = Stream(self.seeds, "policy").uniform(torch.zeros_like(self.seeds), steps)
        self._steps += 1
        return self._uniforms[ahead]


def play(
    report: Report,
    *,
    name: str,
    player: str,
    setting: Setting,
    seeds: Sequence[int],
    weight: float = 0.0,
    until: int = 0,
    log: int = 0,
) -> Mapping[str, NDArray[Any]]:
    """B = len(seeds) runs of a player.

    name: under which its measures are told
    player: StepMix, EpsMix, unconstrained, unconstrained (ties shared), budget, schedule, offline StepMix
    weight, until: of a schedule        log: episodes of the baseline from which the offline player learns its own
    """
    stage = Stage(setting, seeds, log)
    found: dict[str, NDArray[Any]] = {}
    if player == "schedule":
        schedule = (torch.full_like(stage.value, weight), torch.full_like(stage.value, until))
        who: Player = Schedule(stage.rewards, stage.baseline, *schedule, stage.confidence)
    elif player == "offline StepMix":
        who, found["bound reaches floor"] = _offline(stage, log)
    else:
        who = _player(player, stage)
    record = _run(report, stage, who)
    found |= measured(*record[:3], stage.optimal.cpu().numpy(), stage.value.cpu().numpy(), stage.floor.cpu().numpy())
    found["covered"], found["bound broken"] = record[3], record[4]
    return {f"{name}|{measure}": value for measure, value in found.items()}


def tune(report: Report, *, setting: Setting, seeds: Sequence[int]) -> Mapping[str, NDArray[Any]]:
    """Every schedule of WEIGHTS and SHARES on other seeds: violated episodes and regret, [weights, shares, seeds]."""
    grid = [(weight, share) for weight in WEIGHTS for share in SHARES]
    rows = [TUNING_SEED + seed for _ in grid for seed in seeds]
    stage = Stage(setting, rows)
    table = torch.tensor(grid, dtype=torch.float64, device=stage.value.device).repeat_interleave(len(seeds), dim=0)
    until = (table[:, 1] * setting.episodes).round()
    who = Schedule(stage.rewards, stage.baseline, table[:, 0], until, stage.confidence)
    value = _run(report, stage, who)[0]
    shape = (len(WEIGHTS), len(SHARES), len(seeds))
    below = (value < stage.floor.cpu().numpy() - SLACK).sum(axis=0).reshape(shape)
    return {"tuning|violations": below, "tuning|regret": (stage.optimal.cpu().numpy() - value).sum(0).reshape(shape)}


def scripted(report: Report, *, setting: Setting, seeds: Sequence[int], floors: Sequence[float]) -> dict[str, Any]:
    """Players whose values are known beforehand, for the baseline's row and to try the checks on.

    baseline, optimal, worst (the worst action always); hand-over: the baseline, then the optimal policy after a tenth
    of the episodes; hand-over g=: after a number that falls with the slack; one slip: the hand-over with one episode of
    the worst policy; honest bounds, shrunk bounds: the optimal policy with bounds that always or never cover
    """
    stage = Stage(setting, seeds)
    worst = torch.zeros_like(stage.baseline)
    worst[..., 0] = 1.0
    bottom, value, top = (v.cpu().numpy() for v in (stage.world.value_of(worst), stage.value, stage.optimal))
    floor, k = stage.floor.cpu().numpy(), np.arange(setting.episodes)[:, None]

    def handed_over(after: float) -> Floats:
        return np.where(k < after, value, top)

    slip = handed_over(setting.episodes / 10)
    slip[0] = bottom
    played = {
        "baseline": np.broadcast_to(value, slip.shape),
        "optimal": np.broadcast_to(top, slip.shape),
        "worst": np.broadcast_to(bottom, slip.shape),
        "hand-over": handed_over(setting.episodes / 10),
        "one slip": slip,
        "honest bounds": np.broadcast_to(top, slip.shape),
        "shrunk bounds": np.broadcast_to(top, slip.shape),
    }
    played |= {f"hand-over g={g:g}": handed_over(setting.episodes * (0.2 + 0.5 * g) / 1.4) for g in floors}
    found: dict[str, Any] = {}
    for name, values in played.items():
        measures = measured(values, values, np.full(slip.shape, float(name == "baseline")), top, value, floor)
        broken = float(name == "shrunk bounds")
        measures |= {"covered": np.full(len(seeds), 1 - broken), "bound broken": np.full(len(seeds), broken)}
        found |= {f"{name}|{measure}": array for measure, array in measures.items()}
    report(1, 1)
    return found


def curve_edges(episodes: int) -> NDArray[np.int64]:
    """Where the bins of the curves begin and end: 0, ..., K, about evenly on a logarithmic axis."""
    return np.unique(np.concatenate([[0], np.round(np.geomspace(1, episodes, BINS))]).astype(np.int64))


def measured(
    value: Floats, realised: Floats, share: Floats, optimal: Floats, baseline: Floats, floor: Floats
) -> dict[str, Floats]:
    """What runs come to: [S, ...] each.

    value: [K, S] of what must clear the floor in each episode        realised: [K, S] of the policy played, coin thrown
    share: [K, S] of the baseline in it        optimal, baseline, floor: [S]
    """
    episodes, edges = len(value), curve_edges(len(value))
    gap = optimal - value
    regret = np.concatenate([np.zeros((1, gap.shape[1])), gap.cumsum(axis=0)])
    width = np.diff(edges)[:, None]
    starts = edges[:-1]
    return {
        "violations": (value < floor - SLACK).sum(axis=0).astype(np.float64),
        "realised violations": (realised < floor - SLACK).sum(axis=0).astype(np.float64),
        "regret": regret[-1],
        "half regret": regret[episodes // 2],
        "early regret": regret[episodes - episodes // 5],
        "late gap": gap[episodes - episodes // 10 :].mean(axis=0),
        "span": optimal - baseline,
        "episodes": np.full(value.shape[1], float(episodes)),
        "optimal by baseline": optimal / baseline,
        "regret curve": regret[edges[1:]].T,
        "value curve": (np.add.reduceat(value, starts, axis=0) / width / baseline).T,
        "lowest curve": (np.minimum.reduceat(value, starts, axis=0) / baseline).T,
        "share curve": (np.add.reduceat(share, starts, axis=0) / width).T,
    }


def _player(player: str, stage: Stage) -> Player:
    args = (stage.rewards, stage.baseline)
    none = torch.zeros_like(stage.floor)
    if player == "StepMix":
        return Safe(*args, stage.floor, stage.value, "step", stage.confidence)
    if player == "EpsMix":
        return Safe(*args, stage.floor, stage.value, "eps", stage.confidence)
    if player == "unconstrained":
        return Safe(*args, none, None, "eps", stage.confidence)
    if player == "unconstrained (ties shared)":
        return Safe(*args, none, None, "eps", stage.confidence, ties="shared")
    if player == "budget":
        return Budget(*args, stage.floor, stage.value, stage.confidence)
    raise BadValue("player", player, "StepMix, EpsMix, unconstrained, budget, schedule or offline StepMix")


def _offline(stage: Stage, log: int) -> tuple[Player, NDArray[Any]]:
    """Play the baseline `log` times, learn a policy and a lower bound of it, forget the rest; and whether the bound
    reaches the floor. Where it does not, the learned policy is played, uncertified, until counts allow more."""
    runs, horizon, states, actions = stage.baseline.shape
    seen = TransitionCounts(runs, horizon, states, actions, stage.rewards.device)
    for _ in range(log):
        seen.observe(*stage.episode(stage.baseline))
    learned = pessimistic(seen, stage.rewards, stage.confidence)
    bound = learned.lower[:, 0, 0]
    who = Safe(
        stage.rewards, learned.policies[..., 0], stage.floor, None, "step", stage.confidence, baseline_bound=bound
    )
    return who, (bound >= stage.floor).double().cpu().numpy()


def _run(report: Report, stage: Stage, who: Player) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """K episodes: what must clear the floor, what was realised and the baseline's share [K, S]; the share of intervals
    that cover, and whether a lower bound of a run ever lay above the value [S]."""
    episodes = stage.setting.episodes
    kept = torch.zeros(3, episodes, stage.runs, dtype=torch.float64, device=stage.rewards.device)
    covered, broken = torch.zeros_like(stage.value), torch.zeros_like(stage.value)
    coins = stage.coins()
    for k in range(episodes):
        choice = who.choose(coins[k])
        candidates = choice.bounds.policies.movedim(-1, 1)
        exact = stage.values(torch.cat([candidates, choice.policy.unsqueeze(1)], dim=1))
        values, realised = exact[:, :-1], exact[:, -1]
        low, high = choice.bounds.lower[:, 0], choice.bounds.upper[:, 0]
        covered += ((low <= values + SLACK) & (values <= high + SLACK)).double().mean(dim=1)
        broken += (low > values + SLACK).any(dim=1)
        kept[0, k] = realised if choice.mixed is None else (choice.mixed * values).sum(dim=1)
        kept[1, k], kept[2, k] = realised, choice.baseline_share
        who.observe(*stage.episode(choice.policy))
        if k % 100 == 99:
            report(k + 1, episodes, value=float((kept[0, k] / stage.value).mean()))
    report(episodes, episodes)
    told = kept.cpu().numpy()
    return told[0], told[1], told[2], (covered / episodes).cpu().numpy(), (broken > 0).double().cpu().numpy()
