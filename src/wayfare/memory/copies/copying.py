"""The verbs of a memory that concern copies of it, earlier states, and one person's part in it.

`Memory` is this and the other verbs; they are apart so that each file holds one idea.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, overload

from wayfare.errors import BadValue, ReadOnly
from wayfare.memory.answers import asked_under
from wayfare.memory.copies import subjects
from wayfare.memory.copies.bundles import SUBJECT_FORMAT, VERSION, Bundle, checked_target, head_of, write_bundle
from wayfare.memory.copies.listed import Copy, What, copy_named, delete_file, gone, listed, note, whole
from wayfare.memory.copies.loading import Loaded, load, verified
from wayfare.memory.copies.parts import PARTS, Exported, Row
from wayfare.memory.copies.points import Diff, Point, diff, point_of
from wayfare.memory.copies.rolling import ROLLED_BACK, RolledBack, plan, roll_back
from wayfare.memory.copies.subjects import Erased, subject_tag
from wayfare.memory.governing import Governing
from wayfare.memory.ids import new_id
from wayfare.memory.opening import checked_path
from wayfare.memory.policy import Policy
from wayfare.memory.records import checked_name
from wayfare.memory.store.addresses import handle_at
from wayfare.memory.store.database import Database, Transaction
from wayfare.memory.store.file import FileDatabase

__all__ = ["Copying", "load_bundle"]

FOLDER = ".copies"
"""Of a file's snapshots: its own name and this."""
M = TypeVar("M")


class Copying(Governing):
    """The verbs that concern copies. Each copy is listed (`snapshots`), so that a purge can name those that hold a
    text; a memory that is read only can therefore not be copied."""

    def export(
        self, path: str | os.PathLike[str], *, subject: str | None = None, tasks: Iterable[str] = (), label: str = ""
    ) -> Copy:
        """Write a bundle: the whole memory, as it stands now, in one new file that either store can take in.

        Writers go on meanwhile. The file is there when it is whole, and never before.
        subject: instead, all that there is of one person, for reading: memories with their earlier versions and what
        was derived from them, links, what was asked and shown, outcomes
        tasks: ids of tasks that were theirs besides those that showed a memory of theirs or ask for them by name

        Raises: BadValue for a file that is there; ReadOnly; Damaged for a row that does not answer to its checksum;
        Unavailable where it cannot be written.
        """
        target = checked_target(path)
        if subject is None:
            return self._bundled("export", label, target)
        subject_tag(subject)
        theirs = list(tasks)

        def write(copy: Copy) -> tuple[str, int]:
            with self._ground.database.read() as tx:
                ns = self._ns()
                exported = Exported(tx, ns)
                head = {
                    "format": SUBJECT_FORMAT, "version": VERSION,
                    **subjects.exported_head(exported, subject, copy.created_at),
                }  # fmt: skip
                parts = subjects.told(tx, ns, subject, theirs)
                return write_bundle(target, copy.id, head, parts), exported.sequence

        return self._copied("export", label, str(target), write)

    def snapshot(self, label: str = "", *, folder: str | os.PathLike[str] | None = None) -> Copy:
        """Keep the memory as it stands now: a bundle in a folder of snapshots. `rollback` and `diff` take its label.

        folder: None is that beside the file, `agent.db.copies`; for a memory in PostgreSQL it must be said
        Raises: as `export`.
        """
        if label:
            checked_name("label", label)
        place = self._folder(folder)
        place.mkdir(exist_ok=True)
        return self._bundled("snapshot", label, place / f"{new_id()}.zip")

    def snapshots(self, *, what: str | None = None, all: bool = False) -> list[Copy]:
        """Every copy that was made of this namespace, oldest first: snapshots, exports, backups, branches.

        what: only these        all: those that are gone, too        Raises: BadValue; Damaged.
        """
        with self._ground.database.read() as tx:
            ns = tx.namespace(self._ground.namespace)
            return [] if ns is None else listed(tx, ns, what=what, all=all)

    def delete_snapshot(self, name: str) -> Copy:
        """Delete the file of a copy, by its id or label, and list it as gone; one whose file is not there, too.

        Raises: BadValue for a branch, a copy that is not listed, or a file that is not the one that was made.
        """
        ns, database = self._ns(), self._ground.database
        with database.read() as tx:
            copy = copy_named(tx, ns, checked_name("name", name))
        delete_file(copy)
        with database.write() as tx:
            return gone(tx, ns, copy, self._ground.clock())

    def branch(self, namespace: str) -> Loaded:
        """Copy the memory as it stands now into another namespace of the same store, which holds nothing yet.

        It is a full copy, and goes its own way: ids, history, credits and learning are those of this one until then.
        A purge here does not reach it, and names it among the copies.
        Raises: BadValue for a namespace that holds anything; StoreError.
        """
        name, ground = checked_path("namespace", namespace), self._ground
        if name == ground.namespace:
            raise BadValue("namespace", namespace, "another than the memory's own")
        made: list[Loaded] = []

        def write(copy: Copy) -> tuple[str, int]:
            with self._other(name) as other, ground.database.read() as tx:
                exported = Exported(tx, self._ns())
                made.append(load(other, name, head_of(exported, copy.created_at, copy.id), exported.rows))
                return "whole", exported.sequence

        self._copied("branch", "", name, write)
        return made[0]

    @classmethod
    def from_bundle(
        cls: type[M],
        path: str | os.PathLike[str],
        address: str | os.PathLike[str] = "agent.db",
        *,
        namespace: str = "default",
        digest: str | None = None,
        **settings: Any,
    ) -> M:
        """The memory of a bundle, in a namespace that holds nothing yet: the same ids, versions, history, links,
        rankings, propensities, utilities and policies.

        The whole bundle is read and checked before anything is written, and then written in one transaction.
        digest: that it must have, as `export` told it        settings: what `Memory` takes
        Raises: BadValue for a namespace that holds anything, another digest, or settings; Damaged, naming file, part,
        line and field, for a bundle that is not whole; StoreError.
        """
        load_bundle(
            path, address, namespace=namespace, digest=digest, synchronous=settings.get("synchronous", "FULL"),
            clock=settings.get("clock"),
        )  # fmt: skip
        make: Callable[..., M] = cls
        return make(address, namespace=namespace, **settings)

    def diff(self, a: Point, b: Point = None) -> Diff:
        """What is otherwise at b than at a: records added, revised and forgotten, links put and taken away.

        a, b: a sequence number, a time (a float, s since the epoch), a copy by its id or label; None is now
        Raises: BadValue; Damaged.
        """
        with self._ground.database.read() as tx:
            ns = tx.namespace(self._ground.namespace)
            return Diff(0, 0, (), (), (), ()) if ns is None else diff(tx, ns, a, b)

    @overload
    def rollback(self, policy_id: str, *, reason: str = "", idempotency_key: str | None = None) -> Policy: ...

    @overload
    def rollback(
        self,
        policy_id: None = None,
        *,
        to: Point,
        dry_run: bool = False,
        reason: str = "",
        idempotency_key: str | None = None,
    ) -> RolledBack: ...

    def rollback(
        self,
        policy_id: str | None = None,
        *,
        to: Point = None,
        dry_run: bool = False,
        reason: str = "",
        idempotency_key: str | None = None,
    ) -> Policy | RolledBack:
        """Let the memory stand again as it once stood, or make an earlier policy the incumbent again.

        to: a sequence number, a time (a float, s since the epoch), or a snapshot by its id or label. What was added
        since is forgotten, what was changed or forgotten since is written again, as new versions: history goes on, and
        the way back can itself be gone back on. Outcomes and what was learned stay; what was purged does not come back
        dry_run: say what would be done, and change nothing
        policy_id: of a policy; it begins without certificates

        Raises: BadValue; ReadOnly; StoreError.
        """
        if policy_id is not None:
            if to is not None:
                raise BadValue("rollback", "both", "told a policy, or how far back to go, not both")
            return super().rollback(policy_id, reason=reason, idempotency_key=idempotency_key)
        if to is None:
            raise BadValue("to", to, "a sequence number, a time in seconds (a float), or a snapshot")
        ns, database = self._ns(), self._ground.database
        reason = self.engine.redacted("reason", reason)
        if dry_run:
            with database.read() as tx:
                return plan(tx, ns, point_of(tx, ns, to, "to"))

        def change(tx: Transaction, ns: int) -> RolledBack:
            planned = plan(tx, ns, point_of(tx, ns, to, "to"), dry=False)
            applying = self.engine.applying(tx, self.actor)
            roll_back(applying, planned, reason or f"back to {planned.to}")
            applying.finish()
            return planned

        return self._once(asked_under(idempotency_key, "rollback to", to, reason), ROLLED_BACK, change)

    def erase(
        self, *, subject: str, derived: str = "purge", tasks: Iterable[str] = (), dry_run: bool = False
    ) -> Erased:
        """Purge everything of one person, their memories, earlier versions and queries, and tell what still holds it.

        subject: as `remember` was told        derived: what was made from theirs: `purge` it too, or `keep` and list it
        tasks: ids of tasks that were theirs, besides those that showed a memory of theirs or ask for them by name
        dry_run: say what would be erased, and change nothing

        Killed at any moment, the same call goes on; once it is done it changes nothing more.
        Raises: BadValue; ReadOnly; Unavailable and StoreError as `forget` with purge.
        """
        ground = self._ground
        return subjects.erase(
            ground.database, self._ns(), subject, derived=derived, tasks=tasks, dry_run=dry_run, time=ground.clock(),
            actor=self.actor, operation=new_id(),
        )  # fmt: skip

    # What they share

    def _folder(self, folder: str | os.PathLike[str] | None) -> Path:
        if folder is not None:
            return Path(os.fsdecode(os.fspath(folder))).absolute()
        database = self._ground.database
        if database.searches_vectors:  # a server: its files are not here
            raise BadValue("folder", None, "given: a memory in PostgreSQL has no folder of its own")
        return Path(database.path + FOLDER)

    def _bundled(self, what: What, label: str, target: Path) -> Copy:
        def write(copy: Copy) -> tuple[str, int]:
            with self._ground.database.read() as tx:
                exported = Exported(tx, self._ns())
                parts: Mapping[str, Iterator[Row]] = {part.name: exported.rows(part) for part in PARTS}
                return write_bundle(
                    target, copy.id, head_of(exported, copy.created_at, copy.id), parts
                ), exported.sequence

        return self._copied(what, label, str(target), write)

    def _copied(self, what: What, label: str, path: str, write: Callable[[Copy], tuple[str, int]]) -> Copy:
        """List a copy, make it, and list that it is whole. write: digest, and sequence of the last change in it"""
        ns, ground = self._ns(), self._ground
        with ground.database.write() as tx:
            copy = Copy(new_id(), what, label, path, "", _sequence(tx, ns), float(ground.clock()))
            note(tx, ns, copy)
        try:
            digest, seq = write(copy)
        except BaseException:
            with suppress(Exception), ground.database.write() as tx:  # else it stays listed as not whole
                gone(tx, ns, copy, ground.clock())
            raise
        with ground.database.write() as tx:
            return whole(tx, ns, copy, digest, seq)

    @contextmanager
    def _other(self, namespace: str) -> Iterator[Database]:
        """A handle of another namespace of the same store."""
        database = self._ground.database
        if database.read_only:
            raise ReadOnly(f"{database.path} was opened to be read only")
        bound = database.bound(namespace)
        if bound is database:
            bound = FileDatabase(database.path, synchronous=database.synchronous, timeout=database.timeout)
        try:
            yield bound
        finally:
            bound.close()


def _sequence(tx: Transaction, ns: int) -> int:
    return int(tx.execute("SELECT sequence FROM namespaces WHERE ns = ?", (ns,)).fetchone()[0])


def load_bundle(
    path: str | os.PathLike[str],
    address: str | os.PathLike[str],
    *,
    namespace: str = "default",
    digest: str | None = None,
    synchronous: str = "FULL",
    clock: Callable[[], float] | None = None,
) -> Loaded:
    """Bring a bundle into an empty namespace; `Memory.from_bundle` says the rest."""
    name = checked_path("namespace", namespace)
    with Bundle(path, digest) as bundle:
        verified(bundle)
        database = handle_at(address, name, synchronous=synchronous)
        try:
            made = bundle.head["created_at"] if clock is None else clock()
            also = Copy(
                bundle.head["copy"], "export", "", str(bundle.path), bundle.digest, bundle.head["sequence"], float(made)
            )
            return load(database, name, bundle.head, bundle.rows, also)
        finally:
            database.close()
