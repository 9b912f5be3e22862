from __future__ import annotations

import gc
import os
import signal
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.memory.stores import opened
from wayfare.errors import BadValue, StoreError
from wayfare.memory import Memory
from wayfare.memory.index import following
from wayfare.memory.index.cache import NamespaceCache, caches

from .conftest import Shelf

NUMBERS = count()
Make = Callable[..., Shelf]
WORDS = ["red", "fish", "blue", "tank", "water"]


class _Undone(Exception):
    pass


@contextmanager
def undone() -> Iterator[None]:
    with pytest.raises(_Undone):
        yield


def found(cache: NamespaceCache, query: str = "red fish", k: int = 50, **filters: Any) -> list[int]:
    mask = cache.mask(**filters) if filters else None
    return sorted(cache.words(query, k, mask)[0].tolist())


def near(cache: NamespaceCache, k: int = 50) -> list[int]:
    return sorted(cache.nearest(np.array([1.0, 0.5, 0.25]), k)[0].tolist())


def state(cache: NamespaceCache) -> list[Any]:
    """All that a cache answers."""
    answers: list[Any] = []
    for query in ("red", "fish blue", "water water tank"):
        records, scores = cache.words(query, 9, roles={"intent": 0.5})
        answers.append((records.tolist(), np.round(scores, 9).tolist()))
    for vector in ([1.0, 0, 0], [0.3, -1, 2]):
        records, scores = cache.nearest(np.array(vector), 9)
        answers.append((records.tolist(), scores.tolist()))
    for filters in ({"tags": ["even"]}, {"kinds": ["fact"]}, {"since": 3.0, "until": 7.0}, {"at": 5.0}):
        mask = cache.mask(**filters)  # type: ignore[arg-type]
        answers.append(None if mask is None else mask.tolist())
    return answers


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from("aaaardsk"), st.integers(0, 99), st.booleans(), st.booleans()), max_size=45),
    st.integers(0, 9),
)
@pytest.mark.usefixtures("small_segments")
def test_a_cache_that_followed_the_log_answers_as_a_fresh_one(
    shared_address: str, life: list[tuple[str, int, bool, bool]], seed: int
) -> None:
    """Two that have one store open change it in turn; both caches follow, from different points."""
    path = f"n{next(NUMBERS)}"
    both = [opened(shared_address), opened(shared_address)]
    databases = [each.bound(path) for each in both]
    made = Shelf(both[0], path, dimension=3)
    rng = np.random.default_rng(seed)
    numbers: list[int] = []
    for i, (what, which, second, look) in enumerate(life):
        made.database = databases[second]
        living = [number for number in numbers if number in made.texts]
        try:
            with made.database.write() as tx:
                text = " ".join(rng.choice(WORDS, 4))
                if what == "a" or not living:
                    numbers.append(
                        made.put(
                            tx, text, [("intent", "blue fish")] if which % 3 == 0 else (),
                            rng.standard_normal(3) if which % 4 else None,
                            tags=["even"] if which % 2 == 0 else (), kind="fact" if which % 5 else "event",
                            event_from=float(which % 10) if which % 2 else None,
                            valid_from=4.0 if which % 7 == 0 else None,
                        )
                    )  # fmt: skip
                elif what == "r":
                    made.rewrite(tx, living[which % len(living)], text)
                elif what == "d":
                    made.drop(tx, living[which % len(living)])
                elif what == "s":
                    made.scrub(tx, living[which % len(living)])
                else:
                    made.put(tx, "rolled back red fish")
                    if look:
                        state(made.cache)
                    raise _Undone
        except _Undone:
            lost = max(made.texts)
            del made.texts[lost]
        if look:
            state(caches(databases[i % 2])[made.ns])
    third = opened(shared_address)
    fresh = third.bound(path)
    expected = state(caches(fresh)[made.ns])
    for database in databases:
        assert state(caches(database)[made.ns]) == expected
        assert caches(database)[made.ns].entries == caches(fresh)[made.ns].entries
    for each in (*both, *databases, third, fresh):
        each.close()


def test_changes_of_another_database_object_are_seen_at_once(address: str) -> None:
    both = opened(address), opened(address)
    made, second = Shelf(both[0]), both[1].bound("default")
    with made.database.write() as tx:
        a = made.put(tx, "red fish")
    assert found(caches(second)[made.ns]) == [a]
    other = Shelf.__new__(Shelf)
    other.__dict__.update(made.__dict__, database=second)
    with second.write() as tx:
        b = other.put(tx, "red fish too")
        other.drop(tx, a)
    assert found(made.cache) == [b]
    for each in (*both, made.database, second):
        each.close()


def test_a_snapshot_finds_nothing_that_came_after_it(shelf: Make) -> None:
    made = shelf(dimension=3)
    with made.database.write() as tx:
        a = made.put(tx, "red fish", vector=np.ones(3), tags=["t"])
    ready, done = threading.Event(), threading.Event()
    answers: list[Any] = []

    def old() -> None:
        with made.database.read() as tx:
            tx.execute("SELECT count(*) FROM records").fetchone()
            ready.set()
            assert done.wait(10)
            answers.append(
                (found(made.cache), near(made.cache), found(made.cache, tags=["t"]), found(made.cache, kinds=["fact"]))
            )

    thread = threading.Thread(target=old)
    thread.start()
    assert ready.wait(10)
    with made.database.write() as tx:
        b = made.put(tx, "red fish two", vector=np.ones(3), tags=["t"])
        tx.execute("DELETE FROM tags WHERE record = ?", (a,))
        made.log(tx, "UPDATE", a)
    assert found(made.cache) == near(made.cache) == [a, b]
    done.set()
    thread.join()
    assert answers == [([a], [a], [a], [a])]
    assert found(made.cache, tags=["t"]) == [b]  # what the old snapshot read was not kept


def test_a_snapshot_from_before_packing_is_answered_from_the_file(shelf: Make, small_segments: None) -> None:
    made = shelf()
    with made.database.write() as tx:
        a = made.put(tx, "red fish")
    ready, done = threading.Event(), threading.Event()
    answers: list[Any] = []

    def old() -> None:
        with made.database.read() as tx:
            tx.execute("SELECT count(*) FROM records").fetchone()
            ready.set()
            assert done.wait(10)
            answers.append(found(made.cache))

    thread = threading.Thread(target=old)
    thread.start()
    assert ready.wait(10)
    for i in range(40):
        with made.database.write() as tx:
            made.put(tx, f"red fish {i}")
        found(made.cache)
    done.set()
    thread.join()
    assert answers == [[a]]
    assert len(found(made.cache)) == 41


def test_a_transaction_searches_what_was_committed_before_it_changed_anything(shelf: Make) -> None:
    made = shelf(dimension=3)
    with made.database.write() as tx:
        a = made.put(tx, "red fish", vector=np.ones(3))
    assert found(made.cache) == near(made.cache) == [a]
    with made.database.write() as tx:
        made.put(tx, "red fish two", vector=np.ones(3))
        assert found(made.cache) == near(made.cache) == [a]
    assert len(found(made.cache)) == len(near(made.cache)) == 2


def test_nothing_of_a_rolled_back_transaction_is_kept(shelf: Make) -> None:
    """Even where the cache was first read within it, and the next one is given the same numbers."""
    made = shelf(dimension=3)
    with made.database.write() as tx:
        a = made.put(tx, "red fish", vector=np.ones(3), tags=["t"], kind="fact")
    with undone(), made.database.write() as tx:
        made.put(tx, "rolled back fish", vector=np.ones(3), kind="event")
        made.scrub(tx, a)
        found(made.cache)
        near(made.cache)
        found(made.cache, kinds=["fact"])
        found(made.cache, at=1.0)
        raise _Undone
    made.count -= 1
    with made.database.write() as tx:
        b = made.put(tx, "red tank", vector=np.ones(3), kind="fact")
    assert found(made.cache, "red") == near(made.cache) == [a, b]
    assert found(made.cache, "rolled back") == []
    assert found(made.cache, "red", kinds=["fact"]) == [a, b]
    assert found(made.cache, "red", tags=["t"]) == [a]


def test_postings_read_within_a_change_that_is_undone_are_read_again(shelf: Make, small_segments: None) -> None:
    made = shelf()
    with made.database.write() as tx:
        numbers = [made.put(tx, f"red fish {i}") for i in range(12)]
    found(made.cache, "nothing")
    with undone(), made.database.write() as tx:
        made.scrub(tx, numbers[3])
        found(made.cache)
        raise _Undone
    assert found(made.cache) == numbers


def test_what_was_read_within_a_change_is_kept_once_it_is_committed(shelf: Make) -> None:
    made = shelf(dimension=3)
    with made.database.write() as tx:
        a = made.put(tx, "red fish", vector=np.ones(3))
        assert found(made.cache) == near(made.cache) == [a]
        b = made.put(tx, "red fish two", vector=np.ones(3))
    known = made.cache._followed.sequence
    assert known > 0 and found(made.cache) == near(made.cache) == [a, b]


def test_a_purged_record_is_gone_from_words_and_vectors(shelf: Make, small_segments: None) -> None:
    made = shelf(dimension=3)
    with made.database.write() as tx:
        numbers = [made.put(tx, f"red fish {i}", vector=np.ones(3) * (i + 1)) for i in range(20)]
    assert found(made.cache) == near(made.cache) == numbers
    with made.database.write() as tx:
        made.scrub(tx, numbers[5])
    left = [number for number in numbers if number != numbers[5]]
    assert found(made.cache) == near(made.cache) == left
    with made.database.read() as tx:
        assert tx.vectors.one(made.ns, made.space, 5) is None
        assert tx.vectors.one(made.ns, made.space, 6).tolist() == [7.0, 7.0, 7.0]
    made.agrees("red fish", 50)


def test_a_rebuild_is_read_anew(shelf: Make) -> None:
    made = shelf(dimension=3)
    with made.database.write() as tx:
        a = made.put(tx, "red fish", vector=np.ones(3))
    assert near(made.cache) == [a]
    with made.database.write() as tx:
        space = tx.execute(
            "INSERT INTO spaces (ns, model, dimension, state) VALUES (?, 'n', 2, 'serving') RETURNING space", (made.ns,)
        ).fetchone()[0]
        tx.vectors.write(made.ns, space, [(0, np.array([3.0, 4.0], np.float32))])
        tx.execute("UPDATE namespaces SET space = ? WHERE ns = ?", (space, made.ns))
        made.log(tx, "REBUILD", a)
    records, scores = made.cache.nearest(np.array([1.0, 0.0]), 5)
    assert records.tolist() == [a] and scores.tolist() == [3.0]


def test_a_snapshot_from_before_a_move_to_another_space_searches_the_old_one(shelf: Make) -> None:
    made = shelf(dimension=3)
    with made.database.write() as tx:
        a = made.put(tx, "red fish", vector=np.ones(3))
    ready, done = threading.Event(), threading.Event()
    answers: list[Any] = []

    def old() -> None:
        with made.database.read() as tx:
            tx.execute("SELECT count(*) FROM records").fetchone()
            ready.set()
            assert done.wait(10)
            answers.append(near(made.cache))

    thread = threading.Thread(target=old)
    thread.start()
    assert ready.wait(10)
    test = made.database
    with test.write() as tx:
        space = tx.execute(
            "INSERT INTO spaces (ns, model, dimension, state) VALUES (?, 'n', 2, 'serving') RETURNING space", (made.ns,)
        ).fetchone()[0]
        tx.execute("UPDATE namespaces SET space = ? WHERE ns = ?", (space, made.ns))
        tx.execute("UPDATE spaces SET state = 'retired' WHERE space = ?", (made.space,))
        while tx.vectors.drop_retired(made.ns):
            pass
        made.log(tx, "REBUILD", a)
    assert len(made.cache.nearest(np.ones(2), 3)[0]) == 0
    done.set()
    thread.join()
    assert answers == [[a]]


def test_many_changes_at_once_are_read_anew(shelf: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LONGEST_TAIL", 5)
    made = shelf()
    with made.database.write() as tx:
        numbers = [made.put(tx, f"red fish {i}") for i in range(4)]
    assert found(made.cache) == numbers
    with made.database.write() as tx:
        for number in numbers[:3]:
            made.drop(tx, number)
        numbers += [made.put(tx, f"red fish {i}") for i in range(4, 9)]
    assert found(made.cache) == numbers[3:]


def test_a_forked_child_goes_on_with_its_own_copy(shelf: Make) -> None:
    made = shelf(dimension=3)
    with made.database.write() as tx:
        a = made.put(tx, "red fish", vector=np.ones(3))
    stop = threading.Event()

    def search() -> None:
        while not stop.is_set():
            found(made.cache)

    thread = threading.Thread(target=search)
    thread.start()
    try:
        for _ in range(5):
            pid = os.fork()
            if pid == 0:
                code = 1
                signal.alarm(20)
                try:
                    good = a in found(made.cache) and a in near(made.cache)
                    with made.database.write() as tx:
                        b = made.put(tx, f"red fish {os.getpid()}", vector=np.ones(3))
                    code = 0 if good and b in found(made.cache) and b in near(made.cache) else 2
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            made.count += 1
    finally:
        stop.set()
        thread.join()
    assert len(found(made.cache)) == len(near(made.cache)) == 6


def test_threads_that_write_and_search_never_see_what_was_forgotten_before(shelf: Make, small_segments: None) -> None:
    made = shelf()
    gone: set[int] = set()
    failures: list[Any] = []
    stop = threading.Event()

    def search() -> None:
        while not stop.is_set():
            before = set(gone)
            seen = set(found(made.cache, k=500))
            if seen & before:
                failures.append(seen & before)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    rng = np.random.default_rng(0)
    for i in range(120):
        with made.database.write() as tx:
            made.put(tx, f"red fish {i}")
        if i % 3 == 0:
            number = int(rng.choice(list(made.texts)))
            with made.database.write() as tx:
                made.drop(tx, number)
            gone.add(number)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    made.agrees("red fish", 500)


def test_one_cache_a_namespace_and_database_which_it_does_not_keep_alive(address: str) -> None:
    database = opened(address)
    made = Shelf(database)
    cache = caches(made.database)[made.ns]
    assert caches(made.database)[made.ns] is cache
    with made.database.write() as tx:
        made.put(tx, "red fish")
        found(cache)  # borrowed from a transaction
    gone = weakref.ref(made.database)
    made.database.close()
    database.close()
    del database, made, tx
    gc.collect()
    assert gone() is None
    with pytest.raises(StoreError, match="closed"):
        cache.words("red", 3)


def test_bad_arguments_are_refused(shelf: Make) -> None:
    made = shelf(dimension=3)
    for k in (0, -1):
        with pytest.raises(BadValue, match="k must"):
            made.cache.words("red", k)
        with pytest.raises(BadValue, match="k must"):
            made.cache.nearest(np.ones(3), k)
    for vector in (np.ones(2), np.ones((1, 3)), np.array([1, np.nan, 0]), np.array([np.inf, 0, 0])):
        with pytest.raises(BadValue, match="vector"):
            made.cache.nearest(vector, 3)
    for weight in (-1.0, float("nan"), float("inf")):
        with pytest.raises(BadValue, match="roles"):
            made.cache.words("red", 3, roles={"content": weight})
    with pytest.raises(StoreError, match="no namespace"):
        caches(made.database)[99].words("red", 3)


def test_an_empty_namespace_answers_with_nothing(shelf: Make) -> None:
    made, vectors = shelf("a"), shelf("b", 3)
    assert found(made.cache) == [] and found(made.cache, "") == []
    assert len(made.cache.nearest(np.ones(3), 3)[0]) == 0
    assert near(vectors.cache) == []
    with made.database.write() as tx:
        number = made.put(tx, "red fish")
        made.put(tx, "?!")
    assert found(made.cache, "") == [] and found(made.cache, "?!") == []
    with made.database.write() as tx:
        made.drop(tx, number)
    assert found(made.cache) == []


def test_a_role_of_weight_0_finds_nothing(shelf: Make) -> None:
    made = shelf()
    with made.database.write() as tx:
        a = made.put(tx, "red", [("intent", "fish")])
        b = made.put(tx, "fish")
    assert sorted(made.cache.words("fish", 5)[0].tolist()) == [a, b]
    assert made.cache.words("fish", 5, roles={"intent": 0.0})[0].tolist() == [b]
    assert len(made.cache.words("fish", 5, roles={"intent": 0.0, "content": 0.0})[0]) == 0


def test_a_limit_on_records_in_the_log_is_not_taken_for_their_numbers(address: str) -> None:
    with Memory(address, embedder="none") as memory:
        id = memory.remember("a red fish").id
        assert memory.recall("red fish").ids == (id,)
        memory.set_quota(records=10)
        assert memory.recall("red fish").ids == (id,)
