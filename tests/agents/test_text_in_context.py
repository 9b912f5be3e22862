"""The agent that reads its history as text: what it collects, how it acts, and how it goes on after an interruption."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("peft")
pytest.importorskip("transformers")

from wayfare.agents.text_in_context import TextAgent, TextConfig, TextTrajectory
from wayfare.errors import BadValue, ResumeRefused
from wayfare.worlds import HiddenGoal, RecurringBandit

TINY = TextConfig(
    model="tiny-random", lora_rank=2, memory_tokens=512, updates=6, batch=3, learns_per_rollout=2, learning_rate=1e-2
)


def bandit(copies: int = 4, episodes: int = 3) -> Any:
    return RecurringBandit(copies, arms=3, episodes=episodes)


def test_a_rollout_is_one_history_for_each_task_unless_memory_spans_them() -> None:
    world = bandit()
    histories = TextAgent(world, TINY).rollout(world, 6, 0)
    assert [len(history) for history in histories] == [3] * 8
    assert all(history.boundary[-1] >= 3 and (history.boundary[:-1] < 3).all() for history in histories)
    spanning = TextAgent(world, replace(TINY, spans_tasks=True)).rollout(world, 6, 0)
    assert [len(history) for history in spanning] == [6] * 4


def test_a_rollout_depends_on_its_number_alone() -> None:
    first, second = (TextAgent(bandit(), TINY) for _ in range(2))
    first.rollout(bandit(), 3, 0)
    assert first.rollout(bandit(), 3, 1) == second.rollout(bandit(), 3, 1)
    assert first.rollout(bandit(), 3, 1) != first.rollout(bandit(), 3, 2)


def test_one_copy_alone_acts_as_it_does_among_others() -> None:
    agent = TextAgent(bandit(), TINY)
    alone, among = (agent.evaluate(bandit(copies, 8), 8, seed=5) for copies in (1, 5))
    assert np.array_equal(alone.action, among.action[:, :1])
    assert np.array_equal(alone.reward, among.reward[:, :1])


@pytest.mark.parametrize("memory", [0, 12, 512])
def test_a_greedy_action_is_the_best_value_after_the_history_of_its_task(memory: int) -> None:
    world = bandit(3, episodes=4)
    agent = TextAgent(world, replace(TINY, memory_tokens=memory))
    record = agent._play(world, 12, 5, 3, lambda _, greedy: greedy, lambda *_: None)
    histories = agent._histories(record)
    assert len(histories) == 9
    for history in histories:
        with torch.no_grad():
            q = agent.learner.values.values([agent.learner.values.tokens.history(history)])
        assert q[:-1].argmax(1).tolist() == history.action.tolist()


@pytest.mark.parametrize("memory", [0, 9, 512])
def test_a_walker_reads_where_it_is_and_when_an_episode_begins(memory: int) -> None:
    world = HiddenGoal(4, size=3, episodes=3, steps=3)
    agent = TextAgent(world, replace(TINY, memory_tokens=memory))
    record = agent._play(world, 9, 5, 4, lambda _, greedy: greedy, lambda *_: None)
    for history in agent._histories(record):
        with torch.no_grad():
            q = agent.learner.values.values([agent.learner.values.tokens.history(history)])
        assert q[:-1].argmax(1).tolist() == history.action.tolist()


def test_episodes_are_counted_within_their_block() -> None:
    codes = np.array([[1], [0], [2], [3], [0], [1]], np.int8)
    played = TextTrajectory(np.zeros((6, 1), np.int64), np.zeros((6, 1)), np.zeros((6, 1)), codes)  # type: ignore[arg-type]
    assert played.episode[:, 0].tolist() == [0, 1, 1, 2, 0, 0]


def test_a_shown_boundary_is_read_from_the_end_words_and_not_twice() -> None:
    world = HiddenGoal(2, size=3, episodes=2, steps=3, boundary="shown")
    agent = TextAgent(world, TINY)
    assert agent.learner.values.tokens.show_task_ends
    assert {history.observation.shape[1] for history in agent.rollout(world, world.block_steps, 0)} == {9}


def test_an_interrupted_training_goes_on_to_the_same_agent(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop_after_three(done: int, total: int, **_: float) -> None:
        if done == 3:
            raise Stop

    straight = TextAgent(bandit(), TINY).train(bandit(), 3)
    stopped = TextAgent(bandit(), TINY)
    with pytest.raises(Stop):
        stopped.train(bandit(), 3, progress=stop_after_three, checkpoint=tmp_path / "agent.pt", every=1)
    resumed = TextAgent(bandit(), TINY).train(bandit(), 3, checkpoint=tmp_path / "agent.pt", every=1)
    assert resumed.losses == straight.losses and len(straight.losses) == TINY.updates
    ours, theirs = straight.learner.values.state_dict(), resumed.learner.values.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert [path.name for path in tmp_path.iterdir()] == ["agent.pt"]


def test_a_checkpoint_of_another_config_is_refused_by_the_field(tmp_path: Path) -> None:
    TextAgent(bandit(), TINY).save(tmp_path / "agent.pt")
    with pytest.raises(ResumeRefused, match="memory_tokens"):
        TextAgent(bandit(), replace(TINY, memory_tokens=100)).load(tmp_path / "agent.pt")


@pytest.mark.parametrize("field, value", [("batch", 0), ("updates", 0), ("scripted", 1.0)])
def test_an_impossible_config_is_refused_by_its_field(field: str, value: float) -> None:
    with pytest.raises(BadValue, match=field):
        replace(TINY, **{field: value})  # type: ignore[arg-type]
