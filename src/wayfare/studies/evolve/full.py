"""The full scale: a real language model, at an endpoint or here, on EVOLvE's grid of bandits.

    bernoulli and gaussian, K of 5 and 20, easy and hard, two scenarios        x RH, SH, AG, few-shot, and OFT by LoRA
    films, K of 10 and 30, for people who differ (`full_films.py`)             x RH, AG

One call a pull: a hard configuration of 20 trials is 20,000 calls. What a run will cost is told before anything is
asked: `ready` refuses a config whose `most_calls` is below what it takes, and says how much that is. Calls at an
endpoint stand in a ledger, so that a run that was stopped pays for none twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from wayfare.agents.bandit_lessons import demonstrations, fine_tuning, study, teach
from wayfare.agents.bandit_player import TEACHER, BanditPlayer, Telling
from wayfare.errors import BadValue
from wayfare.explore.diagnostics import greedy_fractions, min_fractions, pseudo_regret, suffix_failures
from wayfare.explore.rules.play import play
from wayfare.explore.rules.uniform import Uniform
from wayfare.language.adapters import add_adapters
from wayfare.language.endpoint import EndpointModel
from wayfare.language.interface import LanguageModel, Prompt, Sampling
from wayfare.language.local import TransformersModel
from wayfare.report.statistics import mean_interval
from wayfare.studies.contract import Arrays, Cell, Check, Findings, Progress, Table
from wayfare.studies.evolve import Config, full_films
from wayfare.studies.evolve.full_films import FilmSetting, film_settings
from wayfare.worlds.bandit_text import SCENARIOS
from wayfare.worlds.varied import VariedBandit, evolve_bandit

__all__ = ["Bandits", "Cost", "ask", "cost", "grid", "ready", "run_full"]

WAYS = ("RH", "SH", "AG", "few-shot")
LESSON_SEED = 10_000_019
WORDS = 1.4  # tokens a word


class Bandits(NamedTuple):
    """A configuration of the grid."""

    family: str
    arms: int
    difficulty: str
    scenario: str
    horizon: int
    trials: int

    @property
    def name(self) -> str:
        """As it stands in tables."""
        return f"{self.family} K={self.arms} {self.difficulty} {self.scenario}"

    def world(self, seed: int) -> VariedBandit:
        """At its first pull."""
        made = evolve_bandit(self.family, self.arms, self.difficulty, self.trials, self.horizon)  # type: ignore[arg-type]
        made.reset(seed=seed)
        return made


class Cost(NamedTuple):
    """calls: one a pull        read, written: tokens, about"""

    calls: int
    read: int
    written: int


def grid(config: Config) -> list[Bandits]:
    """The 16 configurations; `grid_arms`, `grid_scenarios` and `grid_horizon` make fewer or shorter ones."""
    return [
        Bandits(family, arms, level, scenario, config.grid_horizon or {"easy": 300, "hard": 1000}[level], config.trials)
        for family, arms, level, scenario in product(
            ("bernoulli", "gaussian"), config.grid_arms, ("easy", "hard"), config.grid_scenarios
        )
    ]


def ways(config: Config) -> list[str]:
    """How the model is helped; OFT is for models that are here."""
    return [*WAYS, *(["OFT"] if config.lora_updates and not config.endpoint else [])]


def cost(config: Config) -> Cost:
    """What a run asks: calls exactly, tokens about (1.4 a word, from prompts in the middle of a run)."""
    calls = read = 0
    for bandits in grid(config):
        pulls = bandits.horizon * bandits.trials
        telling = Telling(bandits.scenario, "SH")
        names = telling.dress.named(bandits.arms)
        task = len(telling.text(names, bandits.horizon, "").split())
        table = len(telling.history(names, [0], [1.0]).split())
        line = len(names[0].split()) + 2
        for way in ways(config):
            past = {"RH": line * min(bandits.horizon, telling.most) / 2, "AG": table + 6 * bandits.arms}.get(way, table)
            past += 5 * (table + 8) if way == "few-shot" else 0
            read += round(WORDS * (task + past) * pulls)
            calls += pulls
    for setting in film_settings(config):
        pulls = setting.horizon * setting.trials
        calls += pulls * len(full_films.WAYS)
        read += round(WORDS * pulls * sum(full_films.words(setting, way) for way in full_films.WAYS))
    return Cost(calls, read, calls * 4)


def ready(config: Config) -> None:
    """Raises: BadValue at full scale where more calls are needed than `most_calls` allows, with what they will cost."""
    if config.scale != "full":
        return
    wanted = cost(config)
    if config.most_calls < wanted.calls:
        raise BadValue(
            "most_calls", config.most_calls,
            f"at least {wanted.calls}: so many calls will be made, reading about {wanted.read / 1e6:.1f} and writing "
            f"about {wanted.written / 1e6:.1f} million tokens",
        )  # fmt: skip


def model_of(config_model: str, endpoint: str, ledger: Path | None, device: str) -> LanguageModel:
    """At the endpoint where there is one, else here."""
    if endpoint:
        return EndpointModel(endpoint, config_model, concurrency=16, ledger=ledger)
    return TransformersModel(config_model, device=device)


def ask(
    report: Any, *, bandits: Bandits, way: str, model: str, endpoint: str, device: str, updates: int, seed: int,
    ledger: str,
) -> Arrays:  # fmt: skip
    """One configuration in one way: [trials] of what came of it, and of the teacher and chance beside it."""
    torch.set_num_threads(max(1, torch.get_num_threads()))
    world = bandits.world(seed)
    means = world.means.double().numpy()
    telling = Telling(bandits.scenario, "SH" if way in ("few-shot", "OFT") else way)  # type: ignore[arg-type]
    lessons_world = bandits.world(LESSON_SEED + seed)

    def lesson(actions: Any, _: int) -> Any:
        return lessons_world.step(torch.from_numpy(actions))[1].numpy()

    if way in ("few-shot", "OFT"):
        taught = teach(lesson, bandits.arms, bandits.trials, bandits.horizon, LESSON_SEED + seed, telling)
        if way == "few-shot":
            telling = Telling(bandits.scenario, "SH", examples=demonstrations(taught, telling))
    speaker = model_of(model, endpoint, Path(ledger) if endpoint else None, device)
    if way == "OFT":
        speaker = tuned(speaker, fine_tuning(taught, telling, bandits.horizon), updates, seed, report)

    def pull(actions: Any, t: int) -> Any:
        report(t + 1, bandits.horizon)
        return world.step(torch.from_numpy(actions))[1].numpy()

    player = BanditPlayer(speaker, telling, Sampling(max_tokens=12, stop=("\n",)))
    played = player.play(pull, bandits.arms, bandits.trials, bandits.horizon, seed)
    found = {"regret": pseudo_regret(played.actions, means)[-1], "unmatched": 1.0 - played.matched.mean(axis=0)}
    found["failed calls"] = played.failed.mean(axis=0)
    found["suffix failures"] = suffix_failures(played.actions, means)
    found["K MinFrac"] = min_fractions(played.actions, bandits.arms)
    found["GreedyFrac"] = greedy_fractions(played.actions, played.rewards, bandits.arms)
    for name, rule in (("teacher", TEACHER), ("uniform", Uniform())):
        again = bandits.world(seed)
        scripted = play(
            rule, lambda a, _, w=again: w.step(torch.from_numpy(a))[1].numpy(), bandits.arms, bandits.trials,  # type: ignore[misc]
            bandits.horizon, seed,
        )  # fmt: skip
        found[name] = pseudo_regret(scripted.actions, means)[-1]
    return {f"{way}|{bandits.name}|{name}": np.asarray(x, dtype=np.float64) for name, x in found.items()}


def ask_films(
    report: Any, *, setting: FilmSetting, way: Literal["RH", "AG"], model: str, endpoint: str, device: str, seed: int,
    ledger: str,
) -> Arrays:  # fmt: skip
    """One contextual configuration in one way."""
    speaker = model_of(model, endpoint, Path(ledger) if endpoint else None, device)
    return full_films.ask(speaker, setting, way, seed)


def tuned(
    speaker: LanguageModel, pairs: Sequence[tuple[Prompt, str]], updates: int, seed: int, report: Any
) -> LanguageModel:
    """Oracle fine-tuning by low-rank adapters on a model that is here. Raises: MissingExtra without `peft`."""
    assert isinstance(speaker, TransformersModel)
    told = add_adapters(speaker, seed=seed)
    study(told, pairs, updates, seed=seed, report=lambda done, found: report(done, updates, loss=found["loss"]))
    return told


def run_full(config: Config, progress: Progress) -> Findings:
    """The grid in every way. Checks are over configurations: each is one value, the mean of its trials.

    Raises: BadValue as `ready` does.
    """
    ready(config)
    device = "cuda" if config.device != "cpu" and torch.cuda.is_available() else "cpu"
    folder = Path(config.ledger_folder)
    cells = [
        Cell(
            f"{way}-{number}", ask, seconds=bandits.horizon * bandits.trials * 0.05,
            kwargs={
                "bandits": bandits, "way": way, "model": config.model, "endpoint": config.endpoint, "device": device,
                "updates": config.lora_updates, "seed": config.seed,
                "ledger": str(folder / f"evolve-{config.seed}-{way}-{number}.jsonl"),
            },
        )
        for number, bandits in enumerate(grid(config)) for way in ways(config)
    ]  # fmt: skip
    cells += [
        Cell(
            f"{way}-films-{setting.films}", ask_films, seconds=setting.horizon * setting.trials * 0.05,
            kwargs={
                "setting": setting, "way": way, "model": config.model, "endpoint": config.endpoint, "device": device,
                "seed": config.seed, "ledger": str(folder / f"evolve-{config.seed}-{way}-films-{setting.films}.jsonl"),
            },
        )
        for setting in film_settings(config) for way in full_films.WAYS
    ]  # fmt: skip
    found: dict[tuple[str, str, str], Any] = {}
    for arrays in progress.cells(cells).values():
        for name, array in arrays.items():
            way, setting, measure = name.split("|")
            found[way, setting, measure] = array
    names = [bandits.name for bandits in grid(config)]

    def closed(way: str, places: Sequence[str] = names) -> Any:
        regret, low, high = (
            np.array([found[way, name, m].mean() for name in places]) for m in ("regret", "uniform", "teacher")
        )
        return (low - regret) / np.where(low > high, low - high, np.nan)

    def check(name: str, statement: str, kind: Any, rule: Any, threshold: float, unit: str, values: Any) -> Check:
        values = values[np.isfinite(values)]
        interval = mean_interval(values) if len(values) > 1 else None
        estimate, low, high = (interval.estimate, interval.low, interval.high) if interval else (None, None, None)
        method = "Student t over configurations of the grid"
        return Check(name, statement, kind, estimate, low, high, rule, threshold, unit, len(values), method)

    way = "share of the way from uniform to UCB"
    floor = np.array([(found["RH", n, "teacher"] / np.maximum(found["RH", n, "uniform"], 1e-9)).mean() for n in names])
    checks = [
        check("the teacher explores", "UCB has less than 0.9 of chance's regret", "instrument", "below", 0.9,
              "ratio", floor),
        check("AG above RH", "With the guide the model closes more of the way than with the raw history", "claim",
              "above", 0.0, way, closed("AG") - closed("RH")),
        check("SH above RH", "With a summary it closes more than with the raw history", "claim", "above", 0.0, way,
              closed("SH") - closed("RH")),
        check("few-shot above SH", "Five decisions of UCB help", "ours", "above", 0.0, way,
              closed("few-shot") - closed("SH")),
    ]  # fmt: skip
    if "OFT" in ways(config):
        checks.append(
            check("OFT above SH", "Training on UCB's decisions helps", "claim", "above", 0.0, way,
                  closed("OFT") - closed("SH"))
        )  # fmt: skip
    if config.grid_films:
        places = [setting.name for setting in film_settings(config)]
        checks.append(
            check("contextual: AG above RH",
                  "With films the guide closes more of the way to LinUCB than the raw history",
                  "claim", "above", 0.3, "share of the way from uniform to LinUCB",
                  closed("AG", places) - closed("RH", places))
        )  # fmt: skip
    kept = ("regret", "teacher", "uniform", "unmatched", "failed calls", "suffix failures", "K MinFrac", "GreedyFrac")
    rows = [(name, each, *(_mean(found.get((each, name, m))) for m in kept)) for name in names for each in ways(config)]
    rows += [
        (setting.name, each, *(_mean(found.get((each, setting.name, m))) for m in kept))
        for setting in film_settings(config) for each in full_films.WAYS
    ]  # fmt: skip
    spent = cost(config)
    return Findings(
        tables={"grid": Table("grid", ("bandits", "way", *kept), rows)},
        figures=[],
        checks=checks,
        notes=[
            f"Model: {config.model}{' at ' + config.endpoint if config.endpoint else ''}; scenarios: "
            f"{', '.join(SCENARIOS[name].name for name in config.grid_scenarios)}; {config.trials} trials each.",
            f"{spent.calls:,} calls, about {spent.read / 1e6:.1f} million tokens read (estimated).",
            "An answer that names no arm is a random pull; 'unmatched' is their share, failed calls among them.",
        ],
    )


def _mean(values: Any) -> float | None:
    """None where nothing was measured, or nothing could be."""
    return None if values is None or not np.isfinite(values).any() else float(np.nanmean(values))
