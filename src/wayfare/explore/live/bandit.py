"""A bandit that decides for real: one decision at a time, rewards late and out of order, nothing acknowledged lost.

    bandit = Bandit(SquareCB(gamma=50), RidgeScores(3, dimension=8), actions=["card", "wallet", "bank"],
                    reward_range=(0, 1), log="decisions.jsonl")
    decision = bandit.decide(context, actions=["card", "bank"])     # of those allowed now
    bandit.learn(decision.id, 1.0)                                  # whenever it is known

With a log, opening it again brings back the same bandit: every event is written and flushed before it is acknowledged,
and the state is a fold over the events. Without one, `save` and `load` keep it. Decision n of seed s draws from the
address (s, "live", n) alone, so that a restored bandit decides as an uninterrupted one would. Several threads may share
one bandit; several processes may not share one log.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.live.journal import Journal
from wayfare.explore.live.models import ArmCounts, Model, WeightedModel
from wayfare.explore.live.opening import Action, in_order, named, parameters_of, refuse_misfits
from wayfare.explore.rules.evidence import ActionRule

__all__ = ["Bandit", "LiveDecision"]

LARGEST = 1e100
"""Of rewards, in size: sums of their squares stay finite."""
FORMAT, VERSION = "wayfare.explore.live.state", 2
_Waiting = tuple[NDArray[np.float64], int, float | None]
"""Context, action, propensity."""


@dataclass(frozen=True)
class LiveDecision:
    """id: hand it back with the reward    action: as it was named    propensity: None where the rule gives none"""

    id: str
    action: Action
    propensity: float | None


class Bandit:
    """An action rule over a model, live.

    rule: any `ActionRule` that takes the model's evidence; or a function from the number of rewards learned so far to
        the rule for the next decision: `lambda learned: SquareCB(gamma_at(learned))`
    model: what is learned; None: `ArmCounts`
    actions: how many (then they are 0 .. A-1), or their names
    reward_range: (lowest, highest) reward that can come; others are refused. None: any finite one
    log: path of the journal; what it holds already is learned first
    propensities: False leaves them out of decisions and log, for rules that are slow to give them
    policy: id of this rule with these parameters, written with each decision
    sync: wait for the disk at each event: survives the machine, not just the process

    Raises: BadValue for impossible actions or range, or a log that does not fit.
    """

    def __init__(
        self,
        rule: ActionRule | Callable[[int], ActionRule],
        model: Model | WeightedModel | None = None,
        *,
        actions: int | Sequence[str],
        reward_range: tuple[float, float] | None = None,
        seed: int = 0,
        log: str | os.PathLike[str] | None = None,
        propensities: bool = True,
        policy: str | None = None,
        sync: bool = False,
    ) -> None:
        self.actions = named(actions)
        if reward_range is not None and not in_order(reward_range):
            raise BadValue("reward_range", reward_range, "(lowest, highest), finite and in this order")
        self._schedule: Callable[[int], ActionRule] | None = None
        if callable(rule) and not isinstance(rule, type):
            self._schedule, rule = rule, rule(0)
        if isinstance(rule, type) or not hasattr(rule, "decide"):
            raise BadValue("rule", rule, "an action rule, or a function that makes one")
        self.rule: ActionRule = rule
        self.model: Model | WeightedModel = model if model is not None else ArmCounts(len(self.actions))
        self._weighted = bool(getattr(self.model, "weighted", False))
        if self._weighted and not propensities:
            raise BadValue("propensities", propensities, f"True: {type(self.model).__name__} learns from them")
        if self._weighted and (reward_range is None or not 0 <= reward_range[0] < reward_range[1] <= 1):
            raise BadValue("reward_range", reward_range, f"within (0, 1) for {type(self.model).__name__}")
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise BadValue("seed", seed, "an integer of at least 0")
        self.reward_range, self.seed, self.propensities = reward_range, seed, propensities
        self.policy = policy if policy is not None else type(self.rule).__name__
        self.parameters = parameters_of(self.rule)
        self._place = {name: place for place, name in enumerate(self.actions)}
        self._stream = Stream(seed, "live")
        refuse_misfits(self.rule, self.model, len(self.actions), reward_range, self._stream)
        self._closed, self._lock = False, Lock()
        self._pending: dict[int, _Waiting] = {}  # decision -> what its reward will be learned with
        self._rewards: list[float] = []  # of decision n; NaN until it is known
        self._journal: Journal | None = None
        if log is not None:
            journal = Journal(log, sync=sync)
            try:
                for event in journal.events():
                    self._replay(event)
                if not journal.begun:
                    journal.append(self._about())
            except BaseException:
                journal.close()
                raise
            self._journal = journal

    @property
    def decisions(self) -> int:
        """How many were made."""
        return len(self._rewards)

    @property
    def waiting(self) -> int:
        """How many of them have no reward yet."""
        return len(self._pending)

    def decide(self, context: ArrayLike | None = None, actions: Sequence[Action] | None = None) -> LiveDecision:
        """Choose one action.

        context: [D] numbers, where the model takes any
        actions: those allowed now; None: all

        Raises: BadValue for a context of another width or not finite, no action, or one that is not there; nothing has
        changed then. OSError where the log cannot be written.
        """
        with self._lock:
            return self._decide(context, actions)

    def _decide(self, context: ArrayLike | None, actions: Sequence[Action] | None) -> LiveDecision:
        self._open()
        seen = self._context(context)
        mask = None if actions is None else self._mask(actions)
        number = len(self._rewards)
        if self._schedule is not None:
            self.rule = self._schedule(number - len(self._pending))
        decision = self.rule.decide(self.model.evidence(seen), mask, self._stream.at(0, number))
        action = int(decision.action)
        propensity = float(decision.propensity) if self.propensities else None
        name = _id(self.seed, number)
        if self._journal is not None:
            self._journal.append(
                {
                    "event": "decision", "id": name, "context": seen.tolist(),
                    "allowed": [True] * len(self.actions) if mask is None else mask.tolist(),
                    "action": action, "propensity": propensity,
                    "propensity_method": self.rule.propensity_method if self.propensities else "none",
                    "policy": self.policy, "time": time.time(),
                    "parameters": self.parameters if self._schedule is None else parameters_of(self.rule),
                }
            )  # fmt: skip
        self._pending[number] = seen, action, propensity
        self._rewards.append(math.nan)
        return LiveDecision(name, self.actions[action], propensity)

    def learn(self, id: str, reward: float) -> None:
        """What a decision was worth. The same reward a second time is acknowledged and changes nothing.

        Raises: BadValue for a decision that was never made, a reward that is not finite or out of range, or another
        reward than the one known; nothing has changed then. OSError where the log cannot be written.
        """
        with self._lock:
            self._acknowledge(id, reward)

    def _acknowledge(self, id: str, reward: float) -> None:
        self._open()
        number = self._number(id)
        reward = self._reward(reward)
        known = self._rewards[number]
        if reward == known:
            return
        if not math.isnan(known):
            raise BadValue("reward", reward, f"{known!r}, which decision {id} was given before")
        if self._journal is not None:
            self._journal.append({"event": "reward", "id": id, "reward": reward, "time": time.time()})
        self._learn(number, reward)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all that was learned and all that waits to one file; it is written aside and renamed."""
        with self._lock:
            self._save(Path(path))

    def _save(self, path: Path) -> None:
        waiting = sorted(self._pending)
        about = {
            "format": FORMAT, "version": VERSION, "actions": list(self.actions), "seed": self.seed,
            "reward_range": self.reward_range, "policy": self.policy, "rule": type(self.rule).__name__,
            "parameters": self.parameters,
        }  # fmt: skip
        arrays = {
            "rewards": np.array(self._rewards),
            "waiting": np.array(waiting, dtype=np.int64),
            "contexts": np.array([self._pending[n][0] for n in waiting]).reshape(len(waiting), self.model.dimension),
            "chosen": np.array([self._pending[n][1] for n in waiting], dtype=np.int64),
            "chances": np.array([self._pending[n][2] for n in waiting], dtype=np.float64),  # NaN for None
        }
        aside = path.with_name(f"{path.name}.part{os.getpid()}")
        with open(aside, "wb") as file:
            learned = {f"model {name}": array for name, array in self.model.state().items()}
            kept: dict[str, Any] = {"about": np.array(json.dumps(about)), **arrays, **learned}
            np.savez(file, **kept)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Go on from what `save` wrote of a bandit with the same actions, seed and rule.

        Raises: BadValue where the file is no such thing or the bandit has a log of its own; nothing has changed then.
        """
        if self._journal is not None:
            raise BadValue("path", str(path), "left out: this bandit's state is its log")
        try:
            with np.load(path, allow_pickle=False) as file:
                kept = {name: file[name] for name in file.files}
            about = json.loads(str(kept["about"]))
        except OSError:
            raise
        except Exception as error:  # the reader of foreign bytes fails in any way it likes
            raise BadValue("path", str(path), f"a file that Bandit.save wrote ({type(error).__name__})") from error
        if about.get("format") != FORMAT or about.get("version") != VERSION:
            raise BadValue("version", about.get("version"), f"{VERSION} of {FORMAT}")
        for field, now in (
            ("actions", list(self.actions)), ("seed", self.seed), ("rule", type(self.rule).__name__),
            ("parameters", self.parameters),
        ):  # fmt: skip
            if about[field] != now:
                raise BadValue(field, now, f"{about[field]}, as in {path}")
        chances = [None if math.isnan(p) else p for p in kept["chances"].tolist()]
        rows = zip(kept["waiting"].tolist(), kept["contexts"], kept["chosen"].tolist(), chances, strict=True)
        pending = {number: (context, action, chance) for number, context, action, chance in rows}
        self.model.restore(
            {name.removeprefix("model "): array for name, array in kept.items() if name.startswith("model ")}
        )
        with self._lock:
            self._pending = pending
            self._rewards = kept["rewards"].tolist()

    def close(self) -> None:
        """Let another process write the log; this bandit neither decides nor learns any more."""
        self._closed = self._journal is not None
        if self._journal is not None:
            self._journal.close()

    def __enter__(self) -> Bandit:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _learn(self, number: int, reward: float) -> None:
        context, action, propensity = self._pending[number]
        if self._weighted:
            cast(WeightedModel, self.model).learn(context, action, reward, cast(float, propensity))
        else:
            cast(Model, self.model).learn(context, action, reward)
        del self._pending[number]
        self._rewards[number] = reward

    def _about(self) -> dict[str, Any]:
        """What must not change between two openings of one log."""
        model = [type(self.model).__name__, self.model.dimension]
        return {"event": "bandit", "actions": list(self.actions), "seed": self.seed, "model": model}

    def _replay(self, event: dict[str, Any]) -> None:
        if event["event"] == "bandit":
            for field, now in self._about().items():
                if event[field] != now:
                    raise BadValue(field, now, f"{event[field]}, as in the log")
            return
        if event["event"] == "reward":
            try:
                reward = self._reward(event["reward"])
            except BadValue:
                rule = f"a range that holds {event['reward']!r}, which decision {event['id']} of the log was given"
                raise BadValue("reward_range", self.reward_range, rule) from None
            self._learn(self._number(event["id"]), reward)
            return
        seen = self._context(event["context"] or None)
        self._pending[len(self._rewards)] = seen, event["action"], event["propensity"]
        self._rewards.append(math.nan)

    def _open(self) -> None:
        if self._closed:
            raise BadValue("bandit", "closed", "one whose log is open: make it anew over the same log")

    def _context(self, context: ArrayLike | None) -> NDArray[np.float64]:
        try:
            seen = np.array([] if context is None else context, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise BadValue("context", context, f"{self.model.dimension} numbers") from error
        if seen.shape != (self.model.dimension,):
            raise BadValue("context", list(seen.shape), f"of shape {[self.model.dimension]}")
        if (
            not math.isfinite(sum(seen.tolist())) and not np.isfinite(seen).all()
        ):  # a sum is sooner had; it may overflow
            raise BadValue(f"context[{int(np.flatnonzero(~np.isfinite(seen))[0])}]", context, "finite")
        return seen

    def _mask(self, actions: Sequence[Action]) -> NDArray[np.bool_]:
        mask = np.zeros(len(self.actions), dtype=bool)
        if isinstance(actions, (str, int)):
            raise BadValue("actions", actions, "a list of actions, also where there is only one")
        for name in actions:
            try:
                mask[self._place[name]] = True
            except (KeyError, TypeError):
                raise BadValue("actions", name, f"among {', '.join(map(str, self.actions))}") from None
        if not mask.any():
            raise BadValue("actions", actions, "at least one")
        return mask

    def _number(self, id: str) -> int:
        seed, _, number = str(id).partition("-")
        if not number.isdigit() or seed != str(self.seed) or int(number) >= len(self._rewards):
            raise BadValue("id", id, "that of a decision this bandit made")
        return int(number)

    def _reward(self, reward: float) -> float:
        try:
            reward = float(reward)
        except (TypeError, ValueError) as error:
            raise BadValue("reward", reward, "a number") from error
        low, high = self.reward_range or (-math.inf, math.inf)
        if not abs(reward) <= LARGEST or not low <= reward <= high:
            allowed = f"between {low:g} and {high:g}" if self.reward_range else f"at most {LARGEST:g} in size"
            raise BadValue("reward", reward, allowed)
        return reward


def _id(seed: int, number: int) -> str:
    return f"{seed}-{number}"
