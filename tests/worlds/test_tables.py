"""Bandits from a table, and from a classification table."""

import builtins

import numpy as np
import pandas
import pytest
import torch

from wayfare.draws import Stream
from wayfare.errors import BadValue, MissingExtra
from wayfare.worlds import TableBandit, bundled_bandit, check_world, labelled_bandit
from wayfare.worlds.tables import BUNDLED, numeric_table

CONTEXTS = [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
MEANS = [[1.0, 0.0, 0.5, 0.2], [0.0, 0.9, 0.1, 0.3], [0.3, 0.3, 0.6, 0.7]]


@pytest.mark.parametrize(
    "world",
    [
        TableBandit(CONTEXTS, MEANS, 5, 3),
        TableBandit(CONTEXTS, MEANS, 5, 3, permuted=True, boundary="shown"),
        TableBandit(CONTEXTS, MEANS, 6, [1, 2, 3, 1, 2, 3], family="bernoulli", permuted=True),
        TableBandit(CONTEXTS, MEANS, 5, 3, noise_sd=1.0, law="geometric", most_episodes=6),
        bundled_bandit("digits", 300, episodes=2, permuted=True),
    ],
    ids=repr,
)
def test_bandits_from_tables_keep_the_contract(world):
    check_world(world)


def test_the_row_shown_is_the_documented_draw_and_its_arms_pay_its_means():
    world = TableBandit(CONTEXTS, MEANS, 2, 5, permuted=True)
    obs, _ = world.reset(seed=[3, 4], options={"copy": [7, 2]})
    for clock in range(9):
        order = world.order
        assert order.sort(dim=1).values.tolist() == [[0, 1, 2, 3]] * 2
        for i, (seed, copy) in enumerate([(3, 7), (4, 2)]):
            row = int(Stream(seed, "context").integers(3, copy, clock))
            u = Stream(seed, "task").uniform(copy, clock - clock % 5, np.arange(4))
            assert order[i].tolist() == np.argsort(u).tolist()
            assert int(world.rows[i]) == row and obs[i].tolist() == CONTEXTS[row]
            assert world.means[i].tolist() == pytest.approx([MEANS[row][k] for k in order[i]])
        means = world.means
        obs, reward, *_, info = world.step(torch.tensor([clock % 4, 0]))
        assert torch.equal(reward, info["expected_reward"])
        assert torch.equal(reward, means[torch.arange(2), torch.tensor([clock % 4, 0])])


def test_rows_come_equally_often_and_chances_are_met():
    world = TableBandit(CONTEXTS, MEANS, 30_000, 2, family="bernoulli")
    world.reset(seed=0)
    rows = world.rows
    _, reward, *_ = world.step(torch.full((30_000,), 1))
    assert torch.bincount(rows).tolist() == pytest.approx([10_000] * 3, rel=0.05)
    for row in range(3):
        assert float(reward[rows == row].mean()) == pytest.approx(MEANS[row][1], abs=0.02)


def test_the_oracle_averages_the_best_of_each_row():
    world = TableBandit(CONTEXTS, MEANS, 3, permuted=True)
    world.reset(seed=0)
    assert world.oracle_return().tolist() == pytest.approx([(1.0 + 0.9 + 0.7) / 3] * 3)
    only_first = torch.tensor([1.0, 0.0, 0.0, 0.0])
    expected = [np.mean([row[k] for row in MEANS]) for k in world.order[:, 0]]
    assert world.oracle_among(only_first).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_data_set_pays_for_its_own_labels(name):
    from sklearn import datasets

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    world = bundled_bandit(name, 64)
    assert world.num_actions == len(set(y)) and world.contexts.shape == X.shape
    obs, _ = world.reset(seed=1)
    right = torch.from_numpy(y)[world.rows]
    assert torch.equal(world.means.argmax(dim=1), right)
    assert (world.step(right)[1] == 1).all(), "the right class always pays"
    right = torch.from_numpy(y)[world.rows]
    assert (world.step((right + 1) % world.num_actions)[1] == 0).all(), "another never"
    spread = X.std(axis=0)
    whitened = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1)
    world.reset(seed=1)
    assert obs.numpy() == pytest.approx(whitened[world.rows.numpy()], abs=1e-5)


def test_noise_turns_rewards_over():
    world = labelled_bandit(np.zeros((2, 1)), ["a", "b"], 20_000, noise=0.1, episodes=9)
    world.reset(seed=0)
    assert world.arm_names == ["a", "b"] and float(world.oracle_return()[0]) == pytest.approx(0.9)
    right = world.rows
    assert float(world.step(right)[1].mean()) == pytest.approx(0.9, abs=0.01)
    assert float(world.step(1 - world.rows)[1].mean()) == pytest.approx(0.1, abs=0.01)


def test_a_frame_with_words_is_encoded_column_by_column():
    frame = pandas.DataFrame({"size": [1, 3], "colour": pandas.Categorical(["red", "blue"]), "same": [7.0, 7.0]})
    assert numeric_table(frame).tolist() == [[-1, 0, 1, 0], [1, 1, 0, 0]]
    world = labelled_bandit(frame, pandas.Series(["yes", "no"], dtype="category"))
    assert world.arm_names == ["no", "yes"]
    assert world.table.tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: TableBandit([[0.0]], [[1.0], [2.0]]), "means"),
        (lambda: TableBandit([0.0], [[1.0]]), "contexts"),
        (lambda: TableBandit([[0.0]], [[float("nan")]]), r"means\[0, 0\]"),
        (lambda: TableBandit([["a"]], [[1.0]]), "contexts"),
        (lambda: TableBandit([[0.0]], [[1.5]], family="bernoulli"), "means"),
        (lambda: TableBandit([[0.0]], [[1.5]], arm_names=["a", "b"]), "arm_names"),
        (lambda: labelled_bandit([[1.0]], [0, 1]), "y"),
        (lambda: labelled_bandit([[1.0]], [float("nan")]), "y"),
        (lambda: labelled_bandit([[1.0], [2.0]], [0, 1], noise=2.0), "noise"),
        (lambda: labelled_bandit([1.0], [0]), "X"),
        (lambda: labelled_bandit(np.zeros((0, 2)), []), "X"),
        (lambda: numeric_table(pandas.DataFrame({"a": [1.0, None]})), r"X\['a'\] .*nothing in row 1"),
        (lambda: numeric_table(pandas.DataFrame({"b": ["x", None]})), r"X\['b'\]"),
        (lambda: bundled_bandit("mnist"), "name"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_by_name(make, said):
    with pytest.raises(BadValue, match=said):
        make()


def test_without_scikit_learn_the_missing_extra_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("sklearn"):
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match="lab"):
        bundled_bandit("iris")
