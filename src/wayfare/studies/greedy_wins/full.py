"""The full scale: a pretrained model, taught by UCB's worked answers or by three rewards, on the same tests.

    pretrained       the model as it comes: the generalist of the checks, here without a stand-in
    SFT-UCB          low-rank adapters trained on UCB's decisions, each arm's index worked out before the name
    RL-...           low-rank adapters trained from the pretrained model by reward, turn by turn

One conversation a turn: task text, all pulls so far, and room to think before the arm; the last name counts, an answer
that names none is a random pull. A model behind an endpoint is tested and not trained. What a run asks is told before
anything is asked: `ready` refuses a config whose `most_calls` is below it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from wayfare.agents.bandit_lessons import fine_tuning, study, teach
from wayfare.agents.bandit_player import BanditPlayer, Telling
from wayfare.agents.bandit_reinforcement import Trials, gradient_variance, play_replicas, reinforce, settings
from wayfare.agents.meta_bandit import Reward
from wayfare.errors import BadValue
from wayfare.explore.rules import UCB1
from wayfare.language.adapters import add_adapters
from wayfare.language.endpoint import EndpointModel
from wayfare.language.interface import LanguageModel, Sampling
from wayfare.language.local import TransformersModel
from wayfare.learn.checkpoint import Checkpoints
from wayfare.studies.collected import collect
from wayfare.studies.contract import Arrays, Cell, Check, Findings, Progress, Report, Table
from wayfare.studies.greedy_wins import Config
from wayfare.studies.greedy_wins.cells import FAMILIES, TEST, Setting, measured
from wayfare.studies.greedy_wins.checks import RULES, Rule, refuse_wrong_checks
from wayfare.studies.greedy_wins.figures import AGENTS, figures
from wayfare.studies.greedy_wins.outcome import Measures, check_of, tables
from wayfare.studies.greedy_wins.plan import FIRST, SECOND, player_cells, tuned, tuning_cell
from wayfare.worlds.replicas import BanditReplicas

__all__ = ["Cost", "cost", "play_agent", "ready", "run_full"]

PRETRAINED, IMITATOR = "generalist", "SFT-UCB"
REINFORCED: dict[str, tuple[Reward, float]] = {name: (reward, gamma) for name, reward, gamma in (*FIRST, SECOND[0])}
LESSONS = 2_000_000
"""Bandits of lessons and of tries are others than those of tests, which begin at `TEST`."""
START_WEIGHT = 0.001
CHARACTERS_A_TOKEN = 4.0


class Cost(NamedTuple):
    """calls: of the model, at most        read, written: tokens, at most about"""

    calls: int
    read: float
    written: float


def agents_of(config: Config) -> list[str]:
    """Who is tested; an endpoint's model cannot be trained."""
    return [PRETRAINED] if config.endpoint else [PRETRAINED, IMITATOR, *REINFORCED]


def cost(config: Config) -> Cost:
    """What a run asks of the model, in tests and in tries."""
    telling = Telling(config.scenario, "RH", aloud=True)
    names = telling.dress.named(config.arms)
    task = len(telling.text(names, config.long, ""))
    line = len(telling.history(names, [0], [1.0])) + 1
    tests = len(FAMILIES) * config.replicas
    calls = read = 0.0
    for agent in agents_of(config):
        kinds = [(tests, config.long)]
        if agent in REINFORCED:
            kinds.append((config.reinforcement_updates * config.instances * config.group, config.turns))
        if agent == PRETRAINED and not config.endpoint:
            kinds.append((config.batches * config.instances * config.group, config.turns))
        for trajectories, turns in kinds:
            calls += trajectories * turns
            read += trajectories * turns * (task + line * (turns - 1) / 2) / CHARACTERS_A_TOKEN
    return Cost(int(config.seeds * calls), config.seeds * read, config.seeds * calls * config.answer_tokens)


def ready(config: Config) -> None:
    """Raises: BadValue at full scale where more calls are needed than `most_calls` allows, with what they will cost."""
    if config.scale != "full":
        return
    wanted = cost(config)
    if config.most_calls < wanted.calls:
        raise BadValue(
            "most_calls", config.most_calls,
            f"at least {wanted.calls}: so many answers will be asked for, reading about {wanted.read / 1e6:.1f} and "
            f"writing at most {wanted.written / 1e6:.1f} million tokens",
        )  # fmt: skip


def play_agent(
    report: Report, *, agent: str, seed: int, setting: Setting, alpha: float, model: str, endpoint: str, device: str,
    scenario: str, answer_tokens: int, rank: int, imitation: tuple[int, float], reinforcement: tuple[int, float],
    instances: int, group: int, batches: int,
) -> Arrays:  # fmt: skip
    """One agent of one seed, taught and then tested; arrays as those of `wayfare.studies.greedy_wins.cells`.

    imitation, reinforcement: (updates, rate)        batches: behind the variance of two rewards' gradients
    """
    teacher, sampling = UCB1(alpha), Sampling(max_tokens=answer_tokens)
    speaker: LanguageModel
    if endpoint:
        speaker = EndpointModel(endpoint, model, concurrency=16, ledger=report.scratch / "calls.jsonl")
        telling = Telling(scenario, "RH", guide=teacher, aloud=True, chat=True)
    else:
        speaker = TransformersModel(model, device=device)
        chat = bool(getattr(speaker.tokenizer, "chat_template", None))
        telling = Telling(scenario, "RH", guide=teacher, aloud=True, chat=chat)
    found: dict[str, NDArray[Any]] = {}
    trials = Trials(instances, group, setting["turns"], setting["arms"])
    keep = Checkpoints(report.scratch / "learner")
    if agent == IMITATOR:
        pull, lessons = _lessons(setting, seed, instances * group)
        taught = teach(pull, setting["arms"], lessons, setting["turns"], seed, telling, teacher)
        study(
            add_adapters(_here(speaker), rank, 2 * rank, seed), fine_tuning(taught, telling), imitation[0], seed=seed,
            learning_rate=imitation[1], rows=2, checkpoints=keep,
            report=lambda done, told: report(done, 2 * imitation[0], loss=told["loss"]),
        )  # fmt: skip
    elif agent in REINFORCED or batches:
        learner = add_adapters(_here(speaker), rank, 2 * rank, seed)
        learning = settings(
            trials, sampling, reinforcement[1], beta=START_WEIGHT, mini_batches=2, per_device_train_batch_size=2,
            seed=seed,
        )  # fmt: skip
        if agent in REINFORCED:
            reward, gamma = REINFORCED[agent]
            reinforce(
                learner, learning, telling, sampling, reward, gamma, trials, reinforcement[0], teacher, seed + LESSONS,
                lambda done, total, told: report(done, 2 * total, reward=told["reward"], unmatched=told["unmatched"]),
                keep,
            )  # fmt: skip
        else:
            both: tuple[tuple[Reward, float], ...] = (("original", 1.0), ("strategic", 1.0))
            spread = gradient_variance(
                learner, learning, telling, sampling, both, trials, teacher, seed + 2 * LESSONS, max(batches, 2)
            )
            for (name, _), value in zip(both, spread, strict=True):
                found[f"RL-{name}|gaussian|variance"] = np.array([value])
    for number, family in enumerate(FAMILIES):
        world = BanditReplicas(setting["replicas"], 1, setting["arms"], family, seed=seed, first=TEST)
        played, history = play_replicas(BanditPlayer(speaker, telling, sampling), world, setting["long"], seed)
        told = measured(history, setting, teacher)
        told |= {"unmatched": np.asarray(played.unmatched), "failed calls": np.asarray(played.failed.mean())}
        found |= {f"{agent}|{family}|{name}": value[None] for name, value in told.items()}
        report(3 + number, 4)
    if isinstance(speaker, EndpointModel):
        speaker.close()
    return found


def _here(speaker: LanguageModel) -> TransformersModel:
    assert isinstance(speaker, TransformersModel)
    return speaker


def _lessons(setting: Setting, seed: int, copies: int) -> tuple[Any, int]:
    world = BanditReplicas(copies, 1, setting["arms"], seed=seed + LESSONS)
    return lambda actions, t: world.pull(torch.from_numpy(actions)).numpy(), copies


def run_full(config: Config, progress: Progress) -> Findings:
    """Simple players first, then the model in each of its states; the checks are those of the other scales.

    Raises: BadValue as `ready` does, or when a check could not mean anything.
    """
    ready(config)
    chosen = tuned(progress.cells([tuning_cell(config)])["tuning"])
    measures = collect(progress.cells(player_cells(config, chosen)), 3)
    if config.replicas >= 100:  # the means of fewer tasks could tell best from worst wrongly
        refuse_wrong_checks(RULES, lambda player, family, measure: measures[player, family, measure])
    measures |= collect(progress.cells(_cells(config, chosen["alpha"])), 3)
    checks = [_check(config, rule, measures) for rule in RULES]
    whole = all((agent, "gaussian", "regret") in measures for agent in AGENTS)
    spent = cost(config)
    shares = [
        (agent, family, *(float(measures[agent, family, name].mean()) for name in ("unmatched", "failed calls")))
        for agent in agents_of(config) for family in FAMILIES
    ]  # fmt: skip
    return Findings(
        tables={
            **tables(config, measures, chosen),
            "answers": Table("answers", ("agent", "family", "named no arm", "failed calls"), tuple(shares)),
        },
        figures=figures(config, measures) if whole else (),
        checks=checks,
        notes=[
            f"Model: {config.model}{' at ' + config.endpoint if config.endpoint else ''}; '{PRETRAINED}' is that model "
            f"as it comes. {config.replicas} tasks a family and seed.",
            f"{spent.calls:,} answers, about {spent.read / 1e6:.1f} million tokens read.",
            "An answer that names no arm is a random pull. Thoughts of earlier turns are not shown again.",
        ],
    )


def _cells(config: Config, alpha: float) -> list[Cell]:
    device = "cuda" if config.device != "cpu" and torch.cuda.is_available() else "cpu"
    setting = {"arms": config.arms, "turns": config.turns, "long": config.long, "replicas": config.replicas}
    return [
        Cell(
            f"{agent.replace(' ', '-').replace(',', '')}-{seed}", play_agent, seconds=100.0,
            kwargs={
                "agent": agent, "seed": seed, "setting": setting, "alpha": alpha, "model": config.model,
                "endpoint": config.endpoint, "device": device, "scenario": config.scenario,
                "answer_tokens": config.answer_tokens, "rank": config.rank,
                "imitation": (config.imitation_updates, config.learning_rate),
                "reinforcement": (config.reinforcement_updates, config.reinforcement_rate),
                "instances": config.instances, "group": config.group,
                "batches": config.batches if agent == PRETRAINED and not config.endpoint else 0,
            },
        )
        for seed in range(config.seed, config.seed + config.seeds) for agent in agents_of(config)
    ]  # fmt: skip


def _check(config: Config, rule: Rule, measures: Measures) -> Check:
    try:
        return check_of(config, rule, measures)
    except KeyError as missing:
        return Check(
            rule.name, rule.statement, rule.kind, None, None, None, rule.rule, rule.threshold, rule.unit, config.seeds,
            "none", reason=f"nothing was trained behind an endpoint: no {missing.args[0][0]}",
        )  # fmt: skip
