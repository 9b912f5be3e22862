"""The parts of the study that take time: a player over its tasks, all seeds side by side.

Each function is one cell: plain arguments in, arrays named "player|measure" out, [seeds, ...] each. Success is the
chance to succeed given what was shown, over all that the frozen policy may do: luck enters what is learned, and not
what is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Stream
from wayfare.memory.policy import Candidates
from wayfare.studies.agentfly.arms import Arm
from wayfare.studies.agentfly.bank import Bank, Seen
from wayfare.studies.agentfly.topics import Setting, Topics
from wayfare.studies.agentfly.values import KernelValues, NetValues
from wayfare.studies.on_arrays import place_of

__all__ = ["BINS", "Player", "Report", "episode", "play", "play_online", "scripted", "tune"]

Floats = NDArray[np.float64]
TUNING_SEED = 1_000_000
BINS = 30
"""Points of a learning curve."""
TOLD_EVERY = 50


class Report(Protocol):
    """Tells how far a cell is."""

    def __call__(self, done: float, total: float, **metrics: float) -> None: ...


def episode(task: int, turn: int = 0) -> str:
    """The task's id in a Memory, from which its draws follow."""
    return f"task {task} pass {turn}"


class Player:
    """An arm on all its seeds, task by task.

    asked: other values than those the arm would learn: (bank, task, seen) -> [n], for one seed
    """

    def __init__(
        self,
        arm: Arm,
        worlds: Sequence[Topics],
        *,
        logged: bool = True,
        asked: Callable[[Bank, int, Seen], Floats] | None = None,
    ) -> None:
        self.arm, self.worlds, self.asked = arm, list(worlds), asked
        self.banks = [Bank(world, logged=logged) for world in worlds]
        seeds, setting = [world.seed for world in worlds], worlds[0].setting
        self.net: NetValues | None = None
        self.kernel: KernelValues | None = None
        if arm.source == "net":
            self.net = NetValues(seeds, setting.width + setting.strategies + 1, rate=arm.rate, weigh=arm.weigh)
        elif arm.source in ("kernel", "learned kernel"):
            learned = arm.source == "learned kernel"
            wide = np.sqrt(2.0 * setting.width) if learned else arm.bandwidth  # learned: from the usual distance
            self.kernel = KernelValues(
                seeds, setting.width, setting.cases, bandwidth=float(wide), learned=learned, rate=arm.rate
            )

    def recall(self, tasks: Sequence[int], name: str) -> tuple[list[list[int]], list[list[float]]]:
        """Cases shown, of each seed, with the chances of each to be shown. tasks: [S]        name: of the task"""
        if self.arm.policy is None:
            return [[] for _ in tasks], [[] for _ in tasks]
        seen = [self._seen(bank, task) for bank, task in zip(self.banks, tasks, strict=True)]
        situations = self._situations(seen, tasks)
        place = place_of(name)
        shown, chances = [], []
        for bank, each, situation in zip(self.banks, seen, situations, strict=True):
            places, told = bank.choose.drawn(
                self.arm.policy, situation, self.arm.k, place, chances=self.arm.weigh
            )  # fmt: skip
            shown.append([int(each.cases[i]) for i in places])
            chances.append(told)
        return shown, chances

    def examples(self, bank: Bank, shown: Sequence[int]) -> list[tuple[int, bool]]:
        """As they stand in the prompt."""
        told = [bank.example(case) for case in shown]
        return told if self.arm.negatives else [each for each in told if each[1]]

    def learn(
        self, tasks: Sequence[int], shown: Sequence[Sequence[int]], chances: Sequence[Sequence[float]],
        rewards: Sequence[float], count: int,
    ) -> None:  # fmt: skip
        """Outcomes, [S], of task number `count`."""
        for bank, cases, reward in zip(self.banks, shown, rewards, strict=True):
            bank.credit(list(cases), reward)
        if self.net is not None:
            for s, bank in enumerate(self.banks):
                question = bank.question(tasks[s])
                for case, chance in zip(shown[s], chances[s], strict=True):
                    self.net.replays[s].add(question, bank.features(case), rewards[s], chance)
            self.net.learn(count)
        elif self.kernel is not None:
            self.kernel.write(self._states(tasks), np.array([cases[0] for cases in shown]), np.array(rewards))
            self.kernel.learn(count)

    def _seen(self, bank: Bank, task: int) -> Seen:
        among = None
        if self.arm.successes:
            among = np.array([bank.succeeded(case) for case in range(len(bank))], np.bool_)
        elif not self.arm.own:
            among = np.array(bank.task) != task
        return bank.seen(task, among=among)

    def _states(self, tasks: Sequence[int]) -> NDArray[np.float32]:
        """[S, D], as the kernel compares them."""
        raw = self.arm.source == "kernel"
        return np.stack(
            [
                world.vectors[task, 1:] if raw else world.features[task]
                for world, task in zip(self.worlds, tasks, strict=True)
            ]
        )

    def _situations(self, seen: Sequence[Seen], tasks: Sequence[int]) -> list[Candidates]:
        arm = self.arm
        if not arm.source:
            return [each.candidates for each in seen]
        if self.asked is not None:
            found = [self.asked(bank, task, each) for bank, task, each in zip(self.banks, tasks, seen, strict=True)]
        elif self.net is not None:
            queries = [bank.question(task) for bank, task in zip(self.banks, tasks, strict=True)]
            cases = [
                np.stack([bank.features(case) for case in each.cases]) if len(each) else np.zeros((0, 1), np.float32)
                for bank, each in zip(self.banks, seen, strict=True)
            ]
            found = self.net.q(queries, cases)
        elif self.kernel is not None:
            values = self.kernel.q(self._states(tasks))
            found = [row[each.cases] for row, each in zip(values, seen, strict=True)]
        else:
            known = _truth if arm.source == "truth" else _standardised
            found = [known(bank, task, each) for bank, task, each in zip(self.banks, tasks, seen, strict=True)]
        return [each.valued(arm.source, q) for each, q in zip(seen, found, strict=True)]


def _truth(bank: Bank, task: int, seen: Seen) -> Floats:
    """What showing each case is worth."""
    return np.array([bank.topics.worth(task, [bank.example(case)]) for case in seen.cases])


def _standardised(bank: Bank, task: int, seen: Seen) -> Floats:
    """Cosine of features: similarity where every dimension counts alike."""
    rows = bank.topics.features[[bank.task[case] for case in seen.cases]].astype(np.float64)
    query = bank.topics.features[task].astype(np.float64)
    found: Floats = rows @ query / (np.linalg.norm(rows, axis=1) * np.linalg.norm(query))
    return found


def play(
    report: Report, *, name: str, arm: Arm, setting: Setting, seeds: Sequence[int], late: int
) -> Mapping[str, NDArray[Any]]:
    """A player on a log of cases.

    late: last tasks that count as the end        Measures: late, cumulative, curve [BINS], chance, span
    """
    player = Player(arm, [Topics(setting, seed) for seed in seeds])
    success = np.zeros((len(seeds), setting.tasks))
    for count in range(setting.tasks):
        task = setting.cases + count
        tasks = [task] * len(seeds)
        shown, chances = player.recall(tasks, episode(task))
        rewards = []
        for s, (world, bank) in enumerate(zip(player.worlds, player.banks, strict=True)):
            told = player.examples(bank, shown[s])
            success[s, count] = world.worth(task, told, arm.against)
            rewards.append(world.reward(task, 0, world.act(task, 0, told, arm.against)))
        player.learn(tasks, shown, chances, rewards, count)
        if (count + 1) % TOLD_EVERY == 0:
            report(count + 1, setting.tasks, success=float(success[:, max(0, count - 99) : count + 1].mean()))
    return {
        f"{name}|late": success[:, -late:].mean(axis=1),
        f"{name}|cumulative": success.mean(axis=1),
        f"{name}|curve": np.stack([part.mean(axis=1) for part in np.array_split(success, BINS, axis=1)], axis=1),
        **_known(name, setting, len(seeds)),
    }


def tune(
    report: Report, *, arms: Mapping[str, Arm], setting: Setting, seeds: Sequence[int], late: int
) -> Mapping[str, NDArray[Any]]:
    """Late success of each arm on other seeds: [seeds]."""
    found: dict[str, NDArray[Any]] = {}
    for done, (name, arm) in enumerate(arms.items()):
        other = [TUNING_SEED + seed for seed in seeds]
        told = play(lambda *_, **__: None, name=name, arm=arm, setting=setting, seeds=other, late=late)
        found[f"tuning {name}|late"] = told[f"{name}|late"]
        report(done + 1, len(arms))
    return found


def play_online(
    report: Report, *, name: str, arm: Arm, setting: Setting, seeds: Sequence[int], passes: int, other: int
) -> Mapping[str, NDArray[Any]]:
    """A player whose bank begins empty, over the same tasks several times; then tasks of topics never seen, once, with
    a memory that no longer learns.

    Measures: passes [passes], other, cases
    """
    worlds = [Topics(setting, seed, other) for seed in seeds]
    player = Player(arm, worlds, logged=False)
    success = np.zeros((len(seeds), passes, setting.tasks))
    orders = [_orders(world.seed, setting.tasks, passes) for world in worlds]
    for turn in range(passes):
        for i in range(setting.tasks):
            tasks = [setting.cases + int(order[turn, i]) for order in orders]
            shown, chances = player.recall(tasks, episode(i, turn))
            rewards, acts = [], []
            for s, (world, bank) in enumerate(zip(worlds, player.banks, strict=True)):
                told = player.examples(bank, shown[s])
                success[s, turn, i] = world.worth(tasks[s], told, arm.against)
                acts.append(world.act(tasks[s], turn, told, arm.against))
                rewards.append(world.reward(tasks[s], turn, acts[s]))
            player.learn(tasks, shown, chances, rewards, turn * setting.tasks + i)
            if arm.write:
                for bank, task, act, reward in zip(player.banks, tasks, acts, rewards, strict=True):
                    bank.write(task, act, reward)
        report(turn + 1, passes, success=float(success[:, turn].mean()))
    beyond = np.zeros((len(seeds), other))
    for i in range(other):
        task = setting.cases + setting.tasks + i
        shown, _ = player.recall([task] * len(seeds), episode(task))
        for s, (world, bank) in enumerate(zip(worlds, player.banks, strict=True)):
            beyond[s, i] = world.worth(task, player.examples(bank, shown[s]), arm.against)
    return {
        f"{name}|passes": success.mean(axis=2),
        f"{name}|other": beyond.mean(axis=1),
        f"{name}|cases": np.array([float(len(bank)) for bank in player.banks]),
    }


def _orders(seed: int, tasks: int, passes: int) -> NDArray[np.int64]:
    """[passes, tasks]"""
    draws = Stream(seed, "order").uniform(np.arange(passes)[:, None], np.arange(tasks))
    found: NDArray[np.int64] = np.argsort(draws, axis=1, kind="stable")
    return found


def scripted(report: Report, *, setting: Setting, seeds: int, passes: int) -> Mapping[str, NDArray[Any]]:
    """Players whose success is known beforehand, to try the checks on.

    chance: shows nothing        ceiling: always shows the right strategy        exact, off: soft values with no error,
    and one of a fifth        agrees, disagrees: an array path with one choice amiss
    """
    found: dict[str, NDArray[Any]] = {}
    for name, value in (("chance", setting.chance), ("ceiling", setting.ceiling)):
        found |= {f"{name}|{measure}": np.full(seeds, value) for measure in ("late", "cumulative", "other")}
        found[f"{name}|passes"] = np.full((seeds, passes), value)
        found |= _known(name, setting, seeds)
    for name, value in (("exact", 0.0), ("off", 0.2)):
        found[f"{name}|error"] = np.full(seeds, value)
    for name, value in (("agrees", 1.0), ("disagrees", 0.99)):
        found[f"{name}|agreement"] = np.full(seeds, value)
    report(1, 1)
    return found


def _known(name: str, setting: Setting, seeds: int) -> dict[str, Floats]:
    span = setting.ceiling - setting.chance
    return {f"{name}|chance": np.full(seeds, setting.chance), f"{name}|span": np.full(seeds, span)}
