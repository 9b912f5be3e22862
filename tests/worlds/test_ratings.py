"""Ratings: files, the synthetic generator, the matrix of low rank, and the bandit."""

import numpy as np
import pytest
import torch

from wayfare.errors import BadValue
from wayfare.worlds import Ratings, check_world, ratings_bandit, read_ratings, synthetic_ratings
from wayfare.worlds.ratings import low_rank, rating_matrix

LINES = [(1, 10, 3.0), (1, 20, 4.5), (2, 20, 1.0), (7, 30, 5.0), (7, 20, 2.0), (9, 30, 4.0), (9, 40, 1.0)]


@pytest.mark.parametrize("separator", ["\t", "::", ","])
@pytest.mark.parametrize("header", ["", "userId,movieId,rating,timestamp\n"])
def test_the_three_layouts_of_movielens_are_read_alike(tmp_path, separator, header):
    path = tmp_path / "ratings"
    path.write_text(header + "".join(separator.join(map(str, (*line, 964982703))) + "\n" for line in LINES))
    ratings = read_ratings(path)
    read = list(zip(ratings.users.tolist(), ratings.items.tolist(), ratings.values.tolist(), strict=True))
    assert read == LINES


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,2,3\n1,x,3\n", "line 2"),
        ("user,item,rating\n1,2,3\n\n1,2\n", "line 4"),
        ("1,2,3\n1.5,2,3\n", "line 2"),
        ("1,2,3\n1,2,nan\n", "line 2"),
        ("", "path"),
        ("user,item,rating\n", "path"),
    ],
)
def test_a_file_that_holds_no_ratings_is_refused_with_its_line(tmp_path, text, said):
    path = tmp_path / "ratings.csv"
    path.write_text(text)
    with pytest.raises(BadValue, match=said):
        read_ratings(path)
    with pytest.raises(BadValue, match="path"):
        read_ratings(tmp_path / "nothing")


def test_the_matrix_has_the_most_rated_films_and_all_who_rated_one():
    users, items, values = map(np.array, zip(*LINES, strict=True))
    matrix, people, films = rating_matrix(Ratings(users, items, values), 3)
    assert films.tolist() == [20, 30, 10], "20 three times, 30 twice; 10 before 40, both once"
    assert people.tolist() == [1, 2, 7, 9]
    assert matrix.tolist() == [[4.5, 0, 3], [1, 0, 0], [2, 5, 0], [0, 4, 0]]
    with pytest.raises(BadValue, match="films"):
        rating_matrix(Ratings(users, items, values), 5)


def test_low_rank_is_the_nearest_matrix_and_linear_in_its_contexts():
    matrix = np.random.default_rng(0).normal(size=(30, 6))
    contexts, means = low_rank(matrix, 2)
    singular = np.linalg.svd(matrix, compute_uv=False)
    assert contexts.shape == (30, 2) and np.linalg.matrix_rank(means) == 2
    assert np.linalg.norm(matrix - means) == pytest.approx(np.linalg.norm(singular[2:])), "Eckart and Young"
    _, residual, *_ = np.linalg.lstsq(contexts, means, rcond=None)
    assert residual == pytest.approx(np.zeros(6), abs=1e-20)
    assert (contexts[np.abs(contexts).argmax(axis=0), [0, 1]] > 0).all()
    full, same = low_rank(matrix, 99)
    assert full.shape == (30, 6) and same == pytest.approx(matrix)


def test_synthetic_ratings_are_whole_numbers_of_low_rank_and_better_films_are_rated_more():
    ratings = synthetic_ratings(2000, 40, rank=3, seed=1, noise_sd=0.0, rated=0.5)
    assert set(ratings.values) == {1.0, 2.0, 3.0, 4.0, 5.0}
    assert len(ratings.values) / 80_000 == pytest.approx(0.5, abs=0.03)
    counts = np.bincount(ratings.items)
    average = np.bincount(ratings.items, ratings.values) / counts
    assert np.corrcoef(counts, average)[0, 1] > 0.8
    whole = synthetic_ratings(500, 20, rank=2, noise_sd=0.0, rated=1.0)
    few = synthetic_ratings(300, 20, rank=2, noise_sd=0.0, rated=1.0)
    table = np.zeros((500, 20))
    table[whole.users, whole.items] = whole.values
    for user, item, value in zip(few.users, few.items, few.values, strict=True):
        assert table[user, item] in (0.0, value), "a person rates as they do among any number of others"
    mean = table.sum(axis=0) / (table > 0).sum(axis=0)
    size = np.linalg.svd(np.where(table > 0, table - mean, 0.0), compute_uv=False)
    assert size[1] > 1.5 * size[2] > 1.4 * size[4], "two tastes stand out from the rest"


def test_the_bandit_pays_the_low_rank_matrix_without_noise():
    ratings = synthetic_ratings(200, 30)
    world = ratings_bandit(ratings, 10, 5, 6, episodes=4, boundary="shown")
    check_world(world)
    matrix, _, films = rating_matrix(ratings, 10)
    contexts, means = low_rank(matrix, 5)
    assert world.arm_names == [str(film) for film in films]
    obs, _ = world.reset(seed=1)
    assert obs[:, :5].numpy() == pytest.approx(contexts[world.rows.numpy()], abs=1e-5)
    rows = world.rows
    assert world.step(torch.full((6,), 3))[1].numpy() == pytest.approx(means[rows.numpy(), 3], abs=1e-4)
    assert float(world.oracle_return()[0]) == pytest.approx(means.max(axis=1).mean(), abs=1e-4)


def test_people_can_be_kept_apart_and_contexts_scaled():
    ratings = synthetic_ratings(200, 30)
    whole, rest = ratings_bandit(ratings, 10), ratings_bandit(ratings, 10, people=slice(100, None), scaled=True)
    assert torch.equal(rest.table, whole.table[100:])
    torch.testing.assert_close(rest.contexts, whole.contexts[100:] * len(whole.table) ** 0.5)
    with pytest.raises(BadValue, match="people"):
        ratings_bandit(ratings, 10, people=slice(10_000, None))


@pytest.mark.parametrize(
    "wrong", [{"users": 0}, {"items": 0}, {"rank": 0}, {"seed": -1}, {"noise_sd": -1}, {"rated": 0}]
)
def test_impossible_synthetic_ratings_are_refused_by_name(wrong):
    with pytest.raises(BadValue) as refused:
        synthetic_ratings(**wrong)
    assert refused.value.field == next(iter(wrong))
