from __future__ import annotations

import os
import threading
import time

import pytest

from wayfare.memory import ids
from wayfare.memory.ids import new_id


def decoded(id: str) -> int:
    number = 0
    for letter in id:
        number = number * 32 + ids.ALPHABET.index(letter)
    return number


def test_ids_only_go_up_and_say_when_they_were_made() -> None:
    before = time.time_ns() // 1_000_000
    made = [new_id() for _ in range(20_000)]
    after = time.time_ns() // 1_000_000
    assert made == sorted(set(made)) and all(len(id) == 26 for id in made)
    assert [decoded(id) for id in made] == sorted(decoded(id) for id in made)
    assert before <= decoded(made[0]) >> 80 <= decoded(made[-1]) >> 80 <= after


def test_a_clock_that_goes_back_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    first = new_id()
    monkeypatch.setattr(ids.time, "time_ns", lambda: 1)
    assert first < new_id() < new_id()


def test_threads_never_get_the_same_id() -> None:
    made: list[list[str]] = [[] for _ in range(4)]

    def make(own: list[str]) -> None:
        own.extend(new_id() for _ in range(3_000))

    threads = [threading.Thread(target=make, args=(own,)) for own in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id for own in made for id in own}) == 12_000
    assert all(own == sorted(own) for own in made)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_repeat_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids.time, "time_ns", lambda: 2**60)  # both within one millisecond
    new_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_id().encode())
        os._exit(0)
    mine = new_id()
    os.waitpid(child, 0)
    theirs = os.read(reading, 26).decode()
    os.close(reading)
    os.close(writing)
    assert abs(decoded(theirs) - decoded(mine)) > 1_000
    ids._in_child()  # what follows in this process goes by the true clock again
