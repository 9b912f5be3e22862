"""How the index lies in a file: blocks of vectors, no byte of what was scrubbed, values that only SQLite lets in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from tests.memory.index.conftest import Shelf
from wayfare.errors import Damaged, StoreError
from wayfare.memory.index import entries
from wayfare.memory.index.following import Followed
from wayfare.memory.store import blocks
from wayfare.memory.store.file import FileDatabase


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments of 8 entries that merge by 2 up to 64."""
    from wayfare.memory.index import entries, following, postings

    for module in (entries, following, postings):
        monkeypatch.setattr(module, "SEGMENT", 8)
    monkeypatch.setattr(entries, "FAN", 2)
    monkeypatch.setattr(entries, "LARGEST", 64)


@pytest.fixture
def shelf(tmp_path: Path) -> Callable[[int], Shelf]:
    return lambda dimension: Shelf(FileDatabase(tmp_path / "agent.db", synchronous="NORMAL"), "default", dimension)


def test_a_vector_lies_in_its_block_where_its_ordinal_says_with_its_checksum(
    shelf: Callable[[int], Shelf], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 5 * 4 * 3)
    made = shelf(3)
    assert blocks.per_block(3) == 5
    rng = np.random.default_rng(0)
    expected = np.zeros((20, 3), np.float32)
    with made.database.write() as tx:
        for ordinals in ([0, 1, 2, 7], [3, 4, 5, 19], [11], [1]):
            rows = rng.standard_normal((len(ordinals), 3)).astype(np.float32)
            expected[ordinals] = rows
            tx.vectors.write(made.ns, made.space or 0, list(zip(ordinals, rows, strict=True)))
        found = dict(tx.execute("SELECT position, data FROM blocks WHERE ns = ?", (made.ns,)).fetchall())
    assert sorted(found) == [0, 1, 2, 3]
    whole = np.concatenate([np.frombuffer(found[i], "<f4").reshape(5, 4) for i in range(4)])
    np.testing.assert_array_equal(whole[:, :3], expected)
    sums = np.ascontiguousarray(whole[:, 3]).view("<u4")
    assert sums.tolist() == [crc32(row.tobytes()) if row.any() else 0 for row in expected]


@pytest.mark.usefixtures("small_segments")
def test_no_byte_of_a_scrubbed_rare_term_is_left_in_the_file(shelf: Callable[[int], Shelf]) -> None:
    """Stems lie in `postings.term` as they are, so a scan of the bytes sees them; 4 of 8 lives pass a merge."""
    made = shelf(4)
    database = made.database
    secret_vector = np.array([3.25, -7.5, 11.125, 0.3125], np.float32)
    numbers = []
    for i in range(70):
        with database.write() as tx:
            if i % 9 == 4:
                numbers.append(made.put(tx, "xylotqhz qwvkpzt plain", [("intent", "jqxwzvk plain")], secret_vector))
            else:
                made.put(tx, f"plain text {i}", vector=np.ones(4))
            if i % 18 == 13:
                made.rewrite(tx, numbers[-1], "zzvqxjk plain")
    database.checkpoint()
    needles = [b"xylotqhz", b"qwvkpzt", b"jqxwzvk", b"zzvqxjk", secret_vector.tobytes()]
    before = Path(database.path).read_bytes()
    assert all(needle in before for needle in needles)
    with database.write() as tx:
        for number in numbers:
            made.scrub(tx, number)
    assert database.checkpoint()
    for suffix in ("", "-wal", "-shm"):
        path = Path(database.path + suffix)
        data = path.read_bytes() if path.exists() else b""
        assert [needle for needle in needles if needle in data] == []
    made.agrees("plain text xylotqhz", 100)
    with database.read() as tx:
        dead = {ordinal for (ordinal,) in tx.execute("SELECT ordinal FROM entries WHERE alive = 0").fetchall()}
        rows = tx.execute("SELECT data FROM postings").fetchall()
    assert dead and not any(dead & set(np.frombuffer(data, entries.POSTING)["ordinal"].tolist()) for (data,) in rows)
    database.close()


def test_a_block_that_is_cut_and_postings_that_are_no_bytes_are_called_damaged(
    shelf: Callable[[int], Shelf], small_segments: None
) -> None:
    made = shelf(4)
    with made.database.write() as tx:
        for i in range(16):
            made.put(tx, f"fish {i % 3}", vector=np.ones(4))
    for statement, match in (
        ("UPDATE postings SET data = 'fishy' WHERE term = 'fish'", "no bytes"),
        ("UPDATE blocks SET data = substr(data, 1, 40)", "cut"),
    ):
        with pytest.raises(_Undone), made.database.write() as tx:
            tx.execute(statement)
            known = Followed(made.ns)
            with pytest.raises(Damaged, match=match):
                known.refresh(tx)
                known.occurrences(tx, {"fish": 1})
                known.space(tx)
            raise _Undone


def test_a_purged_vector_is_gone_from_what_is_held_in_memory_too(shelf: Callable[[int], Shelf]) -> None:
    made = shelf(3)
    with made.database.write() as tx:
        numbers = [made.put(tx, f"red fish {i}", vector=np.ones(3) * (i + 1)) for i in range(20)]
    assert len(made.cache.nearest(np.ones(3), 50)[0]) == 20
    with made.database.write() as tx:
        made.scrub(tx, numbers[5])
    assert len(made.cache.nearest(np.ones(3), 50)[0]) == 19
    space = made.cache._followed._space
    assert space is not None and space.matrix.take(np.array([5, 6])).any(axis=1).tolist() == [False, True]


class _Undone(StoreError):
    pass
