from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfare.memory.index import vectors
from wayfare.memory.index.ranking import best_records
from wayfare.memory.index.vectors import Matrix, nearest, scored


def textbook(
    rows: np.ndarray, vector: np.ndarray, owners: np.ndarray, k: int, allowed: np.ndarray | None
) -> list[tuple[int, float]]:
    """One entry at a time; ties to the lower ordinal."""
    seen: dict[int, tuple[float, int]] = {}
    for ordinal, row in enumerate(rows.astype(np.float64)):
        if allowed is not None and not allowed[ordinal]:
            continue
        score = float(np.einsum("j,j->", row, vector.astype(np.float64)))
        owner = int(owners[ordinal])
        if owner not in seen or score > seen[owner][0]:
            seen[owner] = (score, ordinal)
    order = sorted(seen.items(), key=lambda pair: (-pair[1][0], pair[1][1]))
    return [(owner, score) for owner, (score, _) in order[:k]]


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "PIECE", 64)


@pytest.mark.parametrize("share", [None, 0.9, 0.3, 0.05, 0.0])
@pytest.mark.parametrize("k", [1, 7, 60, 500])
def test_the_nearest_are_those_of_a_textbook_loop(share: float | None, k: int) -> None:
    rng = np.random.default_rng(0)
    for n in (1, 63, 64, 300):
        rows = rng.standard_normal((n, 12)).astype(np.float32)
        rows[n // 2 :] = rows[: n - n // 2]  # equal vectors: ties
        owners = rng.integers(0, max(1, n // 3), n)
        matrix = Matrix(12)
        for part in np.array_split(rows, 5):
            matrix.extend(part)
        allowed = None if share is None else rng.random(n) < share
        vector = rng.standard_normal(12).astype(np.float32)
        records, scores = nearest(matrix, vector, n, owners, k, allowed)
        expected = textbook(rows, vector, owners, k, allowed)
        assert records.tolist() == [owner for owner, _ in expected]
        np.testing.assert_allclose(scores, [score for _, score in expected], rtol=1e-12, atol=1e-12)


def test_many_entries_of_few_records_still_give_k_records() -> None:
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((600, 8)).astype(np.float32)
    rows[:590] += 5.0  # one record has all the best entries
    owners = np.where(np.arange(600) < 590, 0, np.arange(600))
    matrix = Matrix(8)
    matrix.extend(rows)
    for allowed in (None, np.arange(600) >= 5, np.arange(600) > 480):
        records, _ = nearest(matrix, np.ones(8, np.float32), 600, owners, 5, allowed)
        expected = textbook(rows, np.ones(8, np.float32), owners, 5, allowed)
        assert records.tolist() == [owner for owner, _ in expected]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 90), max_size=6), st.integers(0, 2**31), st.data())
def test_a_matrix_is_the_rows_that_were_put_in(sizes: list[int], seed: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    matrix, whole = Matrix(3), np.zeros((0, 3), np.float32)
    for size in sizes:
        rows = rng.standard_normal((size, 3)).astype(np.float32) * (rng.random((size, 1)) < 0.8)
        matrix.extend(rows)
        whole = np.concatenate((whole, rows.astype(np.float32)))
        if len(whole):
            erased = np.array(data.draw(st.lists(st.integers(0, len(whole) + 5), max_size=3, unique=True)), np.int64)
            matrix.erase(erased)
            whole[erased[erased < len(whole)]] = 0
    n = data.draw(st.integers(0, len(whole)))
    assert matrix.rows == len(whole)
    parts = matrix.parts(n)
    np.testing.assert_array_equal(np.concatenate(parts) if parts else whole[:0], whole[:n])
    np.testing.assert_array_equal(matrix.present(n), whole[:n].any(axis=1))
    np.testing.assert_allclose(matrix.product(np.ones(3, np.float32), n), whole[:n].sum(axis=1), atol=1e-5)
    taken = np.sort(rng.choice(len(whole), len(whole) // 2, replace=False)) if len(whole) else np.zeros(0, np.int64)
    np.testing.assert_array_equal(matrix.take(taken), whole[taken])


def test_equal_vectors_have_equal_scores_and_the_older_entry_comes_first() -> None:
    rng = np.random.default_rng(2)
    one = rng.standard_normal(384).astype(np.float32)
    matrix = Matrix(384)
    matrix.extend(np.tile(one, (200, 1)))
    records, scores = nearest(matrix, rng.standard_normal(384).astype(np.float32), 200, np.arange(200), 50, None)
    assert records.tolist() == list(range(50))
    assert len(set(scores.tolist())) == 1


def test_scored_looks_only_at_the_ordinals_that_it_is_given() -> None:
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((400, 6)).astype(np.float32)
    matrix = Matrix(6)
    matrix.extend(rows)
    ordinals = np.sort(rng.choice(400, 150, replace=False))
    vector = rng.standard_normal(6).astype(np.float32)
    records, _ = scored(matrix, vector, ordinals, np.arange(400), 9)
    allowed = np.isin(np.arange(400), ordinals)
    assert records.tolist() == [owner for owner, _ in textbook(rows, vector, np.arange(400), 9, allowed)]
    assert len(scored(matrix, vector, ordinals[:0], np.arange(400), 9)[0]) == 0


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5)), max_size=60),
    st.integers(1, 20),
)
def test_of_each_record_the_best_entry_counts(found: list[tuple[int, int]], k: int) -> None:
    owners = np.array([owner for owner, _ in found], np.int64)
    scores = np.array([score for _, score in found], np.float64)
    records, values = best_records(scores, np.arange(len(found)), owners, k)
    best: dict[int, tuple[float, int]] = {}
    for ordinal, (owner, score) in enumerate(found):
        if owner not in best or score > best[owner][0]:
            best[owner] = (score, ordinal)
    order = sorted(best, key=lambda owner: (-best[owner][0], best[owner][1]))[:k]
    assert records.tolist() == order
    assert values.tolist() == [best[owner][0] for owner in order]
