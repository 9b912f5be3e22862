"""The hidden goal, against a slow walker."""

from collections import deque

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.worlds import Boundary, HiddenGoal
from wayfare.worlds.paths import shortest_paths

MOVES = {0: (-1, 0), 1: (0, 1), 2: (1, 0), 3: (0, -1)}


class Walker:
    """One copy in plain Python: told the goal, the walls and the block's length, it says what each move leads to."""

    def __init__(self, world, goal, walls, length):
        self.size, self.steps, self.exit, self.pays = world.size, world.steps, world.exit, world.exit_reward
        self.goal, self.walls, self.length = goal, walls, length
        self.start = self.cell = (self.size // 2) * self.size + self.size // 2
        self.gone = self.episode = 0

    def step(self, action):
        """-> reward, code, index of the episode, cell reached, cell shown next"""
        row, column = divmod(self.cell, self.size)
        row, column = row + MOVES[action][0], column + MOVES[action][1]
        if 0 <= row < self.size and 0 <= column < self.size and not self.walls[row][column]:
            self.cell = row * self.size + column
        self.gone += 1
        episode, reached, reward, code = self.episode, self.cell, 0.0, Boundary.RUNNING
        if reached == self.goal:
            reward, code = 1.0, Boundary.EPISODE_TERMINATED
        elif self.exit is not None and reached == self.exit:
            reward, code = self.pays, Boundary.EPISODE_TERMINATED
        elif self.gone == self.steps:
            code = Boundary.EPISODE_TRUNCATED
        if code:
            self.cell, self.gone = self.start, 0
            self.episode += 1
            if self.episode == self.length:
                code += 2
        return reward, code, episode, reached, self.cell


@given(
    size=st.sampled_from([3, 4, 5, 5, 7, 13]),
    exit_reward=st.sampled_from([None, None, 0.6]),
    obstacles=st.sampled_from([0.0, 0.0, 0.3, 0.9]),
    shown=st.booleans(),
    spare=st.integers(0, 3),
    law=st.sampled_from(["fixed", "geometric"]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25, deadline=None)
def test_every_walk_is_that_of_the_slow_walker(size, exit_reward, obstacles, shown, spare, law, seed):
    if exit_reward is not None:
        size, obstacles, spare = max(5, size | 1), 0.0, 0
    steps = None if exit_reward else 2 * (size // 2) + spare
    world = HiddenGoal(
        3, size, [1, 2, 3], steps, exit_reward=exit_reward, obstacles=obstacles, law=law,
        most_episodes=4 if law == "geometric" else None, boundary="shown" if shown else "hidden",
    )  # fmt: skip
    obs, _ = world.reset(seed=seed)
    walkers = [Walker(world, int(world.goal[i]), world.walls[i].tolist(), int(world._length[i])) for i in range(3)]
    random = np.random.default_rng(seed)
    cells = size * size
    for _ in range(6 * world.steps):
        assert obs[:, :cells].argmax(1).tolist() == [w.cell for w in walkers]
        actions = random.integers(0, 4, 3)
        obs, reward, terminated, truncated, info = world.step(torch.from_numpy(actions))
        for i, walker in enumerate(walkers):
            paid, code, episode, reached, _ = walker.step(actions[i])
            assert float(reward[i]) == pytest.approx(paid)
            assert int(info["boundary"][i]) == code
            assert int(info["inner_episode"][i]) == episode
            assert bool(terminated[i]) == (code == Boundary.TASK_TERMINATED)
            assert bool(truncated[i]) == (code == Boundary.TASK_TRUNCATED)
            if code >= Boundary.TASK_TERMINATED:
                final = info["final_obs"][i]
                assert int(final[:cells].argmax()) == reached and float(final[:cells].sum()) == 1
                if shown:
                    assert int(final[cells:].argmax()) == code
                walkers[i] = Walker(world, int(world.goal[i]), world.walls[i].tolist(), int(world._length[i]))
                code = Boundary.RUNNING
            if shown:
                assert int(obs[i, cells:].argmax()) == code and float(obs[i, cells:].sum()) == 1


def breadth_first(free, source):
    size = len(free)
    away, queue = {source: 0}, deque([source])
    while queue:
        cell = queue.popleft()
        for up, right in MOVES.values():
            row, column = cell // size + up, cell % size + right
            to = row * size + column
            if 0 <= row < size and 0 <= column < size and free[row][column] and to not in away:
                away[to] = away[cell] + 1
                queue.append(to)
    return [away.get(cell, size * size) for cell in range(size * size)]


@given(st.integers(1, 8), st.floats(0, 1), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_shortest_paths_are_those_of_plain_breadth_first_search(size, density, seed):
    random = np.random.default_rng(seed)
    free = random.random((4, size, size)) >= density
    source = random.integers(0, size * size, 4)
    away = shortest_paths(torch.from_numpy(free), torch.from_numpy(source))
    for i in range(4):
        assert away[i].flatten().tolist() == breadth_first(free[i], int(source[i]))


@pytest.mark.parametrize("copies", [40, 5000])
def test_obstacles_leave_the_goal_within_reach(copies):
    world = HiddenGoal(copies, obstacles=0.4)
    world.reset(seed=3)
    away = world.shortest_path()
    assert int(away.max()) <= world.steps
    for i in range(20):
        assert int(away[i]) == breadth_first((~world.walls[i]).tolist(), world.start)[int(world.goal[i])]
    manhattan = (world.goal // 5 - 2).abs() + (world.goal % 5 - 2).abs()
    assert bool((away > manhattan).any()), "some have a detour to make"
    assert not world.walls[:, 2, 2].any()
    density = float(world.walls.float().mean())
    assert 0.25 < density < 0.4
    assert torch.equal(world.oracle_return(), torch.ones(copies))


def test_walls_everywhere_leave_one_path_to_the_goal():
    world = HiddenGoal(60, size=7, obstacles=1.0)
    world.reset(seed=0)
    open_cells = (~world.walls).view(60, -1).sum(1)
    assert torch.equal(open_cells, world.shortest_path() + 1)


def test_goals_are_uniform_over_the_border():
    world = HiddenGoal(32_000)
    world.reset(seed=1)
    count = torch.bincount(world.goal, minlength=25).view(5, 5)
    assert count[1:4, 1:4].sum() == 0
    on_border = count.flatten()[count.flatten() > 0]
    assert len(on_border) == 16
    assert float(((on_border - 2000) ** 2 / 2000).sum()) < 40  # chi squared with 15 degrees of freedom: p < 0.0005


def test_the_goal_stays_for_a_block_and_then_changes():
    world = HiddenGoal(200, episodes=2)
    world.reset(seed=0)
    goal = world.goal
    for t in range(20):
        world.step(torch.zeros(200, dtype=int))
        if t < 3:
            assert torch.equal(world.goal, goal)
    assert not torch.equal(world.goal, goal)


def best_blind_walk(world, exit_reward):
    """Every walk of one episode, tried."""
    best, paths = 0.0, [([world.start], frozenset())]
    for _ in range(world.steps):
        longer = []
        for path, met in paths:
            for up, right in MOVES.values():
                row, column = path[-1] // world.size + up, path[-1] % world.size + right
                if not (0 <= row < world.size and 0 <= column < world.size):
                    continue
                cell = row * world.size + column
                share = len(met) / len(world.border)
                if exit_reward is not None and cell == world.start - 1:
                    best = max(best, share + (1 - share) * exit_reward)
                    continue
                longer.append(([*path, cell], met | ({cell} & set(world.border.tolist()))))
        paths = longer
    return max(best, *(len(met) / len(world.border) for _, met in paths))


@pytest.mark.parametrize(("size", "steps"), [(3, 2), (3, 4), (4, 4), (5, 4), (5, 5), (5, 6), (7, 6)])
def test_the_best_single_episode_is_that_of_the_best_blind_walk(size, steps):
    world = HiddenGoal(1, size, steps=steps)
    assert world.best_single_episode == pytest.approx(best_blind_walk(world, None))


@pytest.mark.parametrize("size", [5, 7])
def test_an_exit_is_never_beaten_within_one_episode(size):
    world = HiddenGoal(1, size, exit_reward=0.4)
    assert best_blind_walk(world, 0.4) == pytest.approx(0.4) == world.best_single_episode


def test_the_walk_of_a_grid_of_five_meets_four_of_sixteen_border_cells():
    assert HiddenGoal(1).best_single_episode == 0.25
    assert HiddenGoal(1).steps == 5
    assert HiddenGoal(1, exit_reward=0.4).steps == 4


def test_an_exit_that_a_walk_can_look_at_the_border_before_is_refused():
    """Up, left, left, down, right: two border cells and the exit in five steps, worth 2/16 + 14/16 * 0.4 > 0.4."""
    with pytest.raises(BadValue, match="steps must be below 5 with an exit"):
        HiddenGoal(1, steps=5, exit_reward=0.4)
    world = HiddenGoal(1, steps=5)
    assert best_blind_walk(world, 0.4) == pytest.approx(2 / 16 + 14 / 16 * 0.4)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"size": 2}, "size"),
        ({"size": 5.0}, "size"),
        ({"steps": 0}, "steps"),
        ({"steps": 3}, "steps"),
        ({"steps": 10**7}, "steps"),
        ({"obstacles": -0.1}, "obstacles"),
        ({"obstacles": 1.1}, "obstacles"),
        ({"exit_reward": 0.18}, "exit_reward"),
        ({"exit_reward": 1.5}, "exit_reward"),
        ({"exit_reward": 0.4, "size": 3}, "size"),
        ({"exit_reward": 0.4, "size": 6}, "size"),
        ({"exit_reward": 0.4, "obstacles": 0.1}, "obstacles"),
    ],
)
def test_impossible_grids_are_refused_by_name(arguments, field):
    with pytest.raises(BadValue) as refused:
        HiddenGoal(2, **arguments)
    assert refused.value.field == field


def test_frames_show_the_walk_and_a_finished_one_until_the_next_begins():
    world = HiddenGoal(2, episodes=2, obstacles=0.2, render_mode="rgb_array")
    world.reset(seed=1)
    frames = [world.frame(1)]
    for t in range(11):
        world.step(torch.tensor([0, t % 4]))
        frames.append(world.frame(1))
    assert all(f.dtype == np.uint8 and f.shape == (288, 264, 3) for f in frames)
    assert not np.array_equal(frames[5], frames[6])
    assert len(world.render()) == 2
    assert HiddenGoal(1).render() is None
    with pytest.raises(BadValue, match="render_mode"):
        HiddenGoal(1).frame()
