"""Runs of language-RL arms as studies read them: one arm, one seed, measured from its base to its end.

    runs = runs_of(progress.cells(cells))                    # arm -> its runs, by seed
    run.pass_at(64)                                          # [E], over evaluations
    run.at_tokens(run.pass_at(1), 2e6)                       # what it was when so many tokens had been drawn

`scripted` gives the runs of players without a model: what the checks of a study are tried on before any training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.studies.contract import Arrays

__all__ = ["Run", "Runs", "runs_of", "scripted"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Run:
    """arrays: as `wayfare.agents.language_rl.train_arm` returns them, [E, ...] over evaluations"""

    arm: str
    seed: int
    arrays: Arrays

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Raises: BadValue for a measure that the run has not."""
        if name not in self.arrays:
            raise BadValue("measure", name, f"one of {', '.join(sorted(self.arrays))}")
        return self.arrays[name]

    @property
    def tokens(self) -> Floats:
        """[E] drawn so far, discarded ones too."""
        return np.asarray(self["tokens"], np.float64)

    def pass_at(self, k: int) -> Floats:
        """[E]. Raises: BadValue for a k that was not measured."""
        ks = self["ks"].tolist()
        if k not in ks:
            raise BadValue("k", k, f"one of {', '.join(map(str, ks))}")
        return np.asarray(self["pass"][:, ks.index(k)], np.float64)

    def solved(self, k: int) -> Floats:
        """[E, N] pass@k of each prompt: what an interval over prompts is made of. Raises: BadValue for k above n."""
        n = int(self["answers"][0])
        if not 1 <= k <= n:
            raise BadValue("k", k, f"between 1 and {n}, the answers to each prompt")
        chance = np.array([1.0 - comb(n - c, k) / comb(n, k) for c in range(n + 1)])
        return np.asarray(chance[self["right"]], np.float64)

    def measure(self, name: str) -> Floats:
        """[E]: 'pass@K', or an array of that name, its mean over prompts where it has them."""
        if name.startswith("pass@"):
            return self.pass_at(int(name.removeprefix("pass@")))
        found = np.asarray(self[name], np.float64)
        return found if found.ndim == 1 else found.mean(axis=tuple(range(1, found.ndim)))

    def end(self, name: str) -> float:
        """At the last evaluation."""
        return float(self.measure(name)[-1])

    def at_tokens(self, values: NDArray[Any], tokens: float) -> float:
        """`values` [E] when so many tokens were drawn, between evaluations on a straight line.

        Raises: BadValue for more tokens than the run drew.
        """
        if not 0 <= tokens <= self.tokens[-1]:
            raise BadValue("tokens", tokens, f"between 0 and {self.tokens[-1]:g}, what {self.arm} drew")
        return float(np.interp(tokens, self.tokens, np.asarray(values, np.float64)))


Runs = Mapping[str, Sequence[Run]]
"""Arm -> its runs, by seed."""


def runs_of(cells: Mapping[str, Arrays]) -> dict[str, list[Run]]:
    """Of the cells that `train_arm` carried out, others left out; arms in their order, seeds ascending."""
    found: dict[str, list[Run]] = {}
    for arrays in cells.values():
        if "arm" in arrays and "pass" in arrays:
            arm = str(arrays["arm"][0])
            found.setdefault(arm, []).append(Run(arm, int(arrays["seed"][0]), arrays))
    return {arm: sorted(runs, key=lambda run: run.seed) for arm, runs in found.items()}


Script = Literal["sharpens", "collapses", "stays", "spreads"]


def scripted(base: Run, script: Script, *, gain: float = 0.3, tokens: float = 1e6, points: int = 11) -> Run:
    """A player without a model, from where the base stands.

    sharpens   pass@1 rises by `gain`, no pass@k falls: what every method wants
    collapses  every answer to a prompt becomes the same one: all pass@k end at pass@1 + `gain`
    stays      the base itself
    spreads    every k ends where the largest k was: no method does
    """
    ks = base["ks"]
    start = np.asarray(base["pass"][0], np.float64)  # [K]
    top = min(1.0, float(start[0]) + gain)
    end = {
        "sharpens": np.maximum(start, top), "collapses": np.full_like(start, top), "stays": start,
        "spreads": np.full_like(start, start[-1]),
    }[script]  # fmt: skip
    way = np.linspace(0.0, 1.0, points)
    solved = start + way[:, None] * (end - start)  # [E, K]
    n, prompts = int(base["answers"][0]), base["right"].shape[1]
    right = np.rint(np.repeat(solved[:, :1] * n, prompts, axis=1)).astype(np.int64)
    kept = {name: np.repeat(base[name][:1], points, axis=0) for name in ("entropy", "malformed", "clipped", "length")}
    distinct = np.repeat(base["distinct"][:1].astype(np.float64), points, axis=0)
    if script == "collapses":
        kept["entropy"] = kept["entropy"] * (1.0 - way)[:, None]
        distinct = distinct + way[:, None] * (1.0 - distinct)
    drawn = way * tokens
    return Run(
        script, base.seed,
        {
            **kept, "arm": np.array([script]), "seed": base["seed"], "answers": base["answers"], "ks": ks,
            "pass": solved, "right": right, "distinct": distinct, "reward": solved[:, 0],
            "step": np.arange(points), "tokens": drawn, "trained_tokens": drawn, "seconds": way, "index": base["index"],
        },
    )  # fmt: skip
