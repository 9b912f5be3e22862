"""The contract: blocks, boundary codes, seeds by copies."""

import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import ArrayConversion, RecordEpisodeStatistics

import wayfare.worlds
from wayfare.errors import BadValue
from wayfare.worlds import Boundary, HiddenGoal, RecurringBandit, SingleCopy, World, check_world
from wayfare.worlds.world import FEW, KEPT

MANY = KEPT + 8  # so many copies that draws are made one by one


def play(world: World, steps: int, **reset):
    """[T, N] rewards and codes under actions that depend on the copy's place alone."""
    world.reset(**reset)
    actions = torch.from_numpy(np.random.default_rng(3).integers(0, world.num_actions, (steps, world.num_envs)))
    seen = [world.step(a) for a in actions]
    return torch.stack([s[1] for s in seen]), torch.stack([s[4]["boundary"] for s in seen])


@pytest.mark.parametrize(
    "world",
    [
        RecurringBandit(5, episodes=3),
        RecurringBandit(MANY, episodes=2, boundary="shown"),
        RecurringBandit(6, episodes=[1, 2, 3, 1, 2, 3], safe=0.5, boundary="shown"),
        RecurringBandit(MANY, episodes=torch.arange(MANY) % 3 + 1, safe=0.5),
        RecurringBandit(5, family="bernoulli", alpha=2.0, law="geometric", episodes=3, most_episodes=8),
        RecurringBandit(5, arms=FEW + 2, episodes=2),
        HiddenGoal(7, episodes=2),
        HiddenGoal(7, episodes=2, copy=False),
        HiddenGoal(7, episodes=2, boundary="shown", exit_reward=0.4),
        HiddenGoal(7, episodes=2, boundary="shown", obstacles=0.3),
        HiddenGoal(5, size=13, episodes=3, boundary="shown", law="geometric", most_episodes=4),
        HiddenGoal(MANY, episodes=2, boundary="shown", law="geometric", most_episodes=3),
    ],
    ids=repr,
)
def test_every_world_keeps_the_contract(world):
    check_world(world, None if world.block_steps < 30 else 40)


@pytest.mark.parametrize("world", [RecurringBandit(4, episodes=3, boundary="shown"), HiddenGoal(4, boundary="shown")])
@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda o, r, t, c, i: (o.double(), r, t, c, i), "obs"),
        (lambda o, r, t, c, i: (o, r, ~t, c, i), "terminated"),
        (lambda o, r, t, c, i: (o, r, t, c, {**i, "boundary": i["boundary"].long()}), "boundary"),
        (lambda o, r, t, c, i: (o, r, t, c, {k: v for k, v in i.items() if k != "final_obs"}), "final_obs"),
        (lambda o, r, t, c, i: (o.flip(1), r, t, c, i), "obs"),
        (lambda o, r, t, c, i: (o, r + torch.rand(1), t, c, i), "reset"),
        (lambda o, r, t, c, i: (o, r, t, c, {**i, "inner_episode": i["inner_episode"] + 2}), "inner_episode"),
    ],
)
def test_check_world_names_what_is_wrong(world, broken, said):
    step = world.step
    world.step = lambda actions: broken(*step(actions))
    try:
        with pytest.raises(BadValue, match=said):
            check_world(world, 50)
    finally:
        del world.step


def test_check_world_finds_tensors_that_are_used_again():
    world = RecurringBandit(3, episodes=4)
    step, kept = world.step, torch.zeros(3)

    def again(actions):
        obs, reward, *rest = step(actions)
        return obs, kept.copy_(reward), *rest

    world.step = again
    with pytest.raises(BadValue, match="returned earlier"):
        check_world(world)


@pytest.mark.parametrize("make", [RecurringBandit, HiddenGoal])
@pytest.mark.parametrize("copies", [3, MANY])
def test_a_copy_of_a_seed_plays_the_same_alone_and_in_any_stack(make, copies):
    """Copies 0 .. of seed 7 stand behind those of seed 5 in one stack, and are all there is in the other."""
    stack = make(2 * copies, episodes=2, law="geometric", most_episodes=4)
    alone = make(copies, episodes=2, law="geometric", most_episodes=4)
    single = make(1, episodes=2, law="geometric", most_episodes=4)
    actions = torch.from_numpy(np.random.default_rng(0).integers(0, stack.num_actions, (25, copies)))
    stack.reset(seed=[5] * copies + [7] * copies)
    alone.reset(seed=7)
    single.reset(seed=[7], options={"copy": [2]})
    for a in actions:
        both, one, third = stack.step(a.repeat(2)), alone.step(a), single.step(a[2:3])
        for x, y, z in zip(both[:4], one[:4], third[:4], strict=True):
            assert torch.equal(x[copies:], y)
            assert torch.equal(y[2:3], z)
        assert torch.equal(both[4]["boundary"][copies:], one[4]["boundary"])
    assert not torch.equal(both[0][:copies], both[0][copies:]) or make is RecurringBandit


def test_a_list_of_seeds_numbers_the_copies_of_each():
    world = RecurringBandit(6)
    world.reset(seed=[4, 9, 4, 4, 9, 1])
    assert world._copy.tolist() == [0, 0, 1, 2, 1, 0]
    world.reset(seed=[4, 9, 4, 4, 9, 1], options={"copy": [5, 4, 3, 2, 1, 0]})
    assert world._copy.tolist() == [5, 4, 3, 2, 1, 0]


def test_reset_without_a_seed_goes_on_to_blocks_not_yet_seen():
    world = RecurringBandit(4, episodes=2)
    world.reset(seed=1)
    first = world.means
    world.reset()
    second = world.means
    world.reset(seed=1)
    assert not torch.equal(first, second)
    assert torch.equal(world.means, first)
    world.reset()
    assert torch.equal(world.means, second)


@pytest.mark.parametrize("make", [RecurringBandit, HiddenGoal])
def test_a_world_seeded_anew_forgets_the_old_seed(make):
    again, fresh = make(4), make(4)
    play(again, 7, seed=1)
    for seen, expected in zip(play(again, 60, seed=2), play(fresh, 60, seed=2), strict=True):
        assert torch.equal(seen, expected)


def test_a_world_never_seeded_takes_a_seed_from_the_system():
    worlds = [RecurringBandit(2), RecurringBandit(2)]
    for world in worlds:
        world.reset()
    assert not torch.equal(worlds[0].means, worlds[1].means)


def test_block_lengths_share_noise_always_and_tasks_where_blocks_begin_together():
    """Common random numbers: n = 1 and n = 4, as rows of one stack and as worlds of their own."""
    copies, steps = 5, 9
    stack = RecurringBandit(2 * copies, episodes=[1] * copies + [4] * copies)
    short = RecurringBandit(copies, episodes=1)
    for world in (stack, short):
        world.reset(seed=[3] * world.num_envs, options={"copy": torch.arange(world.num_envs) % copies})
    for t in range(steps):
        mean = stack.means
        assert torch.equal(mean[:copies], short.means)
        assert torch.equal(mean[:copies], mean[copies:]) == (t % 4 == 0)
        _, reward, *_, info = stack.step(torch.zeros(2 * copies, dtype=torch.int64))
        noise = reward - info["expected_reward"]
        torch.testing.assert_close(noise[:copies], noise[copies:])
        assert torch.equal(short.step(torch.zeros(copies, dtype=torch.int64))[1], reward[:copies])
    stack.reset()
    assert torch.equal(stack.means[:copies], stack.means[copies:]), "aligned again after a reset"


def test_a_geometric_block_has_the_length_that_its_law_gives():
    world = RecurringBandit(20_000, episodes=5, law="geometric")
    world.reset(seed=2)
    length = world._length.double()
    assert abs(float(length.mean()) - 5) < 4 * (20 / 20_000) ** 0.5
    for k in (1, 3, 8):
        assert abs(float((length > k).double().mean()) - 0.8**k) < 0.015
    cut = RecurringBandit(20_000, episodes=5, law="geometric", most_episodes=4)
    cut.reset(seed=2)
    assert torch.equal(cut._length, world._length.clamp(max=4)), "the cap cuts the same blocks"


def test_geometric_blocks_of_one_episode_are_blocks_of_one_episode():
    world = RecurringBandit(3, episodes=1, law="geometric", most_episodes=3)
    _, boundary = play(world, 4, seed=0)
    assert (boundary == Boundary.TASK_TERMINATED).all()


def test_block_steps_are_known_or_asked_for():
    assert RecurringBandit(2, episodes=[3, 7]).block_steps == 7
    assert HiddenGoal(1).block_steps == 40
    assert HiddenGoal(1, law="geometric", most_episodes=20).block_steps == 100
    with pytest.raises(BadValue, match="most_episodes"):
        _ = HiddenGoal(1, law="geometric").block_steps


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"num_envs": 0}, "num_envs"),
        ({"num_envs": 2.0}, "num_envs"),
        ({"num_envs": True}, "num_envs"),
        ({"episodes": 0}, "episodes"),
        ({"episodes": 1.5}, "episodes"),
        ({"num_envs": 3, "episodes": [1, 2]}, "episodes"),
        ({"num_envs": 2, "episodes": [1, 0]}, "episodes"),
        ({"num_envs": 2, "episodes": torch.ones(2)}, "episodes"),
        ({"law": "poisson"}, "law"),
        ({"boundary": "seen"}, "boundary"),
        ({"most_episodes": 3}, "most_episodes"),
        ({"most_episodes": 0, "law": "geometric"}, "most_episodes"),
        ({"render_mode": "human"}, "render_mode"),
        ({"device": "abacus"}, "device"),
    ],
)
@pytest.mark.parametrize("make", [RecurringBandit, HiddenGoal])
def test_impossible_arguments_are_refused_by_name(make, arguments, field):
    with pytest.raises(BadValue) as refused:
        make(**arguments)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("reset", "field"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"seed": True}, "seed"),
        ({"seed": [1, 2]}, "seed"),
        ({"seed": [1.0, 2.0, 3.0]}, "seed"),
        ({"seed": 1, "options": {"colour": 3}}, "options"),
        ({"options": {"copy": [0, 1, 2]}}, "options"),
        ({"seed": 1, "options": {"copy": [0, 1]}}, "options['copy']"),
    ],
)
def test_an_impossible_reset_is_refused_and_changes_nothing(reset, field):
    world, other = RecurringBandit(3), RecurringBandit(3)
    world.reset(seed=1)
    other.reset(seed=1)
    with pytest.raises(BadValue) as refused:
        world.reset(**reset)
    assert refused.value.field == field
    assert torch.equal(world.step(torch.zeros(3, dtype=int))[1], other.step(torch.zeros(3, dtype=int))[1])


@pytest.mark.parametrize("world", [RecurringBandit(2), HiddenGoal(2)])
@pytest.mark.parametrize("actions", [[0, 9], [0, -1], [0], [[0, 0]], [0.0, 1.0]])
def test_an_impossible_action_is_refused_and_changes_nothing(world, actions):
    world.reset(seed=1)
    clock = world._clock
    with pytest.raises(BadValue, match="actions"):
        world.step(torch.tensor(actions))
    assert world._clock == clock


def test_a_step_before_the_first_reset_is_refused():
    with pytest.raises(BadValue, match="reset before"):
        RecurringBandit(1).step(torch.zeros(1, dtype=int))


@pytest.mark.parametrize("name", ["RecurringBandit", "HiddenGoal"])
def test_worlds_are_made_by_their_id(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        single = gymnasium.make(f"wayfare/{name}-v0", episodes=3)
        batch = gymnasium.make_vec(f"wayfare/{name}-v0", num_envs=6, episodes=3)
    assert isinstance(single.unwrapped, SingleCopy)
    assert isinstance(batch, getattr(wayfare.worlds, name))
    assert batch.num_envs == 6
    assert batch.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    single.reset(seed=2)
    batch.reset(seed=2)
    for action in (0, 1, 2):
        _, reward, terminated, truncated, _ = single.step(action)
        _, rewards, terminateds, truncateds, _ = batch.step(torch.full((6,), action))
        assert (reward, terminated, truncated) == (float(rewards[0]), bool(terminateds[0]), bool(truncateds[0]))


def test_stock_statistics_work_through_array_conversion():
    world = RecurringBandit(4, episodes=5, boundary="shown")
    stock = RecordEpisodeStatistics(ArrayConversion(world, env_xp=torch, target_xp=np))
    obs, _ = stock.reset(seed=3)
    assert isinstance(obs, np.ndarray)
    total = np.zeros(4)
    for t in range(5):
        obs, reward, terminated, _, info = stock.step(np.array([0, 1, 2, 0]))
        total += reward
        assert terminated.all() == (t == 4)
    np.testing.assert_allclose(info["episode"]["r"], total, rtol=1e-6)
    assert (info["episode"]["l"] == 5).all()


@pytest.mark.parametrize(
    "world",
    [
        RecurringBandit(1, episodes=4, boundary="shown", render_mode="rgb_array"),
        HiddenGoal(1, episodes=2, obstacles=0.2, render_mode="rgb_array"),
    ],
)
def test_gymnasium_is_content_with_a_single_copy(world):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(SingleCopy(world), skip_render_check=True)


def test_a_single_copy_shows_the_last_observation_of_its_block():
    env, world = (
        SingleCopy(RecurringBandit(1, episodes=2, boundary="shown")),
        RecurringBandit(1, 3, 2, boundary="shown"),
    )
    env.reset(seed=1)
    world.reset(seed=1)
    for _ in range(2):
        obs, *_, info = env.step(1)
        last = world.step(torch.tensor([1]))[4]
    assert np.array_equal(obs, last["final_obs"][0])
    assert info == {"inner_episode": 1, "boundary": 3, "expected_reward": float(last["expected_reward"])}
    with pytest.raises(BadValue, match="num_envs"):
        SingleCopy(RecurringBandit(2))


def test_importing_the_package_loads_no_torch():
    code = "import sys, wayfare.worlds; wayfare.worlds.Boundary; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("shown", ["shown", "hidden"])
@pytest.mark.parametrize("make", [RecurringBandit, HiddenGoal])
@pytest.mark.parametrize("law", ["fixed", "geometric"])
def test_observations_in_two_buffers_are_those_of_their_own_tensors(make, shown, law):
    whole, reused = (make(6, episodes=2, boundary=shown, law=law, copy=copy) for copy in (True, False))
    (before, _), (first, _) = whole.reset(seed=1), reused.reset(seed=1)
    for action in torch.randint(whole.num_actions, (40, 6), generator=torch.Generator().manual_seed(0)):
        expected, seen = whole.step(action), reused.step(action)
        assert torch.equal(first, before), "an observation holds until the step after next"
        first, before = seen[0], expected[0]
        for mine, theirs in zip(seen[:4], expected[:4], strict=True):
            assert torch.equal(mine, theirs)
        assert seen[4].keys() == expected[4].keys()
        for name in seen[4]:
            rows = expected[4]["_final_obs"] if name == "final_obs" else slice(None)
            assert torch.equal(seen[4][name][rows], expected[4][name][rows])


def test_what_is_no_world_is_refused_with_the_way_to_make_one():
    for refused in (check_world, SingleCopy):
        for given in (gymnasium.make("CartPole-v1"), HiddenGoal):
            with pytest.raises(BadValue, match=r"world must be a wayfare World: RepeatTask\(make_env, episodes=...\)"):
                refused(given)
    with pytest.raises(BadValue, match="steps must be at least 1"):
        check_world(HiddenGoal(2), steps=0)


def test_only_worlds_that_do_not_copy_reuse_memory():
    for copy in (True, False):
        world = HiddenGoal(4, copy=copy)
        obs, _ = world.reset(seed=0)
        world.step(torch.zeros(4, dtype=torch.int64))
        again = world.step(torch.zeros(4, dtype=torch.int64))[0]
        assert (again.data_ptr() == obs.data_ptr()) == (not copy)
