"""A memory that learns which of its memories help: remember, recall, credit.

    memory = Memory("agent.db")
    with memory.task("ticket-4711") as task:
        recall = memory.recall("user cannot log in after password reset", k=5)
        ...                                     # the agent works, with recall.text in its prompt
        task.credit(1.0)
    memory.remember("Password resets need the cache flushed first", kind="strategy", source=recall)

Recall is a bandit over sets of memories. By default it is the safe mixture: some tasks get the most relevant memories,
the others what credit has taught, and the shares move only as far as the outcomes prove that it pays (`standing`,
`explore.rules.floor`). Every recall leaves a receipt with its propensity, from which `evaluate` tells what another
policy would have earned.

Threads may share a Memory; processes may share its file; a fork needs nothing special. Every verb that writes takes an
`idempotency_key`: asked again with the same, it changes nothing and returns the first answer (`answers`).
"""

from __future__ import annotations

import os
import time as clocks
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

from wayfare.errors import BadValue
from wayfare.explore.rules.floor import FloorSettings
from wayfare.memory import tasks
from wayfare.memory.candidates import MOST, Filters, checked_weights
from wayfare.memory.cards import EXPERIENCES
from wayfare.memory.copies.copying import Copying
from wayfare.memory.credit import CreditRule
from wayfare.memory.crediting import Crediting
from wayfare.memory.decay import NOTHING_FADES, Decay
from wayfare.memory.dialogue import Turn, drafts
from wayfare.memory.drafting import FIELDS, draft, echoed
from wayfare.memory.embedding import SPECIFICATIONS, Embedder, embedder_from
from wayfare.memory.embedding.reembedding import Reembedded, reembed
from wayfare.memory.engine import Engine
from wayfare.memory.keeping import Keeping
from wayfare.memory.opening import opened
from wayfare.memory.operations import AddLink, Archive, Noop, Operation, OpResult, Unlink, Update
from wayfare.memory.payloads import Payload
from wayfare.memory.planners import Planner
from wayfare.memory.policy import LEARNED, Policy
from wayfare.memory.reading import Page
from wayfare.memory.recalled import Recall, count_tokens
from wayfare.memory.recalling import Recaller
from wayfare.memory.records import Form, Key, Link, Record, Version, checked_name
from wayfare.memory.redaction import Redact
from wayfare.memory.surveying import Surveying

__all__ = ["Memory"]


class Memory(Copying, Crediting, Surveying, Keeping):
    """One namespace of one file.

    address: path of the file, made when it is not there
    namespace: `default`, or names joined by slashes (org/user); nothing of another is read, but of those in `also_read`
    embedder: an `Embedder`, its name (`lexical`, `none`, `sentence-transformers:NAME`, `openai:MODEL@URL`), or None for
    what the namespace has (a new one: lexical)
    policy: `safe`, the mixture that stays above the baseline's floor; or a `Policy` or its rule (`similarity`, `memrl`,
    `thompson`, ...), or the id of one that the namespace has used, for every task of this handle, without a floor
    planner: what is done with a new text that resembles an old one; None: exact duplicates are not stored twice
    actor: who writes and credits through this handle; "" is the owner, whom no cap limits
    reward_range: of credits; None for what the namespace has (a new one: 0 to 1)
    credit_rule: how an outcome is shared out among what was recalled
    alpha, delta: of the floor: at least (1 - alpha) of the baseline's value, certified at level delta
    relevance_floor: below it nothing is recalled        k1: candidates that each search names
    weights: what counts how much in a relevance, where not as in `candidates.WEIGHTS` (with a model `MODEL_WEIGHTS`):
    words, vectors and links, as parts of a sum (0 leaves a search out); sessions, the share that the turns of a
    conversation have in common; dates, the share lost by what happened at another time than the query names
    decay: half-lives by which a memory's relevance falls with its age, and kinds that are pinned; None: nothing fades
    redact: what a text becomes before it is embedded, stored or logged, say `redaction.secrets`; it may raise
    synchronous: FULL survives power loss; NORMAL may lose the last commits to it        clock: s since the epoch
    seed: of the draws

    Raises: BadValue for arguments, also where they disagree with what the namespace holds; StoreError from the file.
    """

    card = EXPERIENCES

    def __init__(
        self,
        address: str | os.PathLike[str] = "agent.db",
        *,
        namespace: str = "default",
        also_read: Sequence[str] = (),
        embedder: Embedder | str | None = None,
        policy: Policy | str = "safe",
        planner: Planner | None = None,
        actor: str = "",
        reward_range: tuple[float, float] | None = None,
        credit_rule: CreditRule | str = "used",
        alpha: float = 0.2,
        delta: float = 0.05,
        relevance_floor: float = 0.02,
        k1: int = MOST,
        weights: Mapping[str, float] | None = None,
        decay: Decay | None = None,
        synchronous: str = "FULL",
        read_only: bool = False,
        redact: Redact | None = None,
        clock: Callable[[], float] = clocks.time,
        count: Callable[[str], int] = count_tokens,
        seed: int = 0,
    ) -> None:
        rule = credit_rule if isinstance(credit_rule, CreditRule) else CreditRule(credit_rule)  # type: ignore[arg-type]
        settings = FloorSettings(alpha=alpha, delta=delta)
        if isinstance(k1, bool) or not isinstance(k1, int) or not 1 <= k1 <= MOST:
            raise BadValue("k1", k1, f"a whole number from 1 to {MOST}")
        if not 0 <= relevance_floor <= 1:
            raise BadValue("relevance_floor", relevance_floor, "from 0 to 1")
        chosen = checked_weights(weights)
        if decay is not None and not isinstance(decay, Decay):
            raise BadValue("decay", decay, "a wayfare.memory.decay.Decay, or None")
        if planner is not None and not isinstance(planner, Planner):
            raise BadValue("planner", planner, "one of wayfare.memory.planners, or an object with its methods")
        if redact is not None and not callable(redact):
            raise BadValue("redact", redact, "a function from a text to the text that may be kept")
        self.actor = checked_name("actor", actor) if actor else ""
        self.credit_rule = rule
        self._ground = ground = opened(
            address, namespace=namespace, also_read=also_read, embedder=embedder, reward_range=reward_range,
            synchronous=synchronous, read_only=read_only, clock=clock,
        )  # fmt: skip
        ground.decay = decay or NOTHING_FADES
        self.engine = Engine(
            ground.database, namespace, also_read=also_read, served=ground.served, planner=planner, redact=redact,
            clock=clock,
        )  # fmt: skip
        self._recaller = Recaller(ground, None, LEARNED, settings, seed, k1, relevance_floor, count, chosen)
        if policy != "safe":
            try:
                self._recaller.fixed = self._named(policy)
            except BaseException:
                self.close()
                raise

    # Writing

    def remember(
        self,
        text: str,
        *,
        kind: str = "fact",
        tags: Sequence[str] = (),
        keys: Sequence[Key | tuple[str, str]] = (),
        meta: Mapping[str, Any] | None = None,
        source: Recall | Record | str | None = None,
        event: float | tuple[float | None, float | None] | None = None,
        valid: tuple[float | None, float | None] | None = None,
        subject: str | None = None,
        form: Form = "token",
        payload: Payload | None = None,
        reason: str = "",
        idempotency_key: str | None = None,
    ) -> OpResult:
        """Keep a text. Returns what was done: ADD, or NOOP, UPDATE, SUPERSEDE with its reason, and the id it is under.

        keys: other texts under which it is to be found: (role, text), say ("intent", "log in")
        source: where it comes from: a recall whose items it was made from, a record, or a uri
        event: when it happened, (from, to) or one time        valid: while it holds; s since the epoch, None is open
        subject: whom it is about or comes from; `export` and `erase` know what is theirs by it
        form: token, a text; activation or parameter: what a model was prepared with, which the `payload` holds. Such a
        one is archived in the same transaction in which a record that it comes from (`source`) is revised, superseded
        or forgotten, and goes with it when that is purged. No planner weighs what carries a payload
        idempotency_key: the same key with the same text again returns the first answer; with another, refused

        Within a task a text that only restates what was recalled in it is not stored: it becomes a link and a NOOP.
        Raises: BadValue; OutcomeConflict for a key that was used for something else; StoreError.
        """
        given = draft(
            text, kind=kind, tags=tags, keys=keys, meta=meta, source=source, event=event, valid=valid, subject=subject,
            form=form, payload=payload, reason=reason, actor=self.actor,
        )  # fmt: skip
        echo = None if payload is not None else echoed(text, tasks.current(self), source)
        if echo is not None:
            why = f"restates memory {echo}, which had been recalled for it"
            return self.engine.apply([Noop(why, echo)], idempotency_key=idempotency_key, actor=self.actor)[0]
        return self.engine.plan_and_add([given], idempotency_key=idempotency_key, actor=self.actor)[0]

    def remember_many(
        self, texts: Iterable[str | Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> list[OpResult]:
        """Keep many at once, all or none: texts, or mappings of what `remember` takes."""
        if isinstance(texts, str | Mapping) or not isinstance(texts, Iterable):
            raise BadValue("texts", texts, "a list of texts or mappings")
        given = []
        for i, each in enumerate(texts):
            fields = {"text": each} if isinstance(each, str) else each
            if not isinstance(fields, Mapping) or "text" not in fields or fields.keys() - FIELDS:
                raise BadValue(f"texts[{i}]", each, f"a text, or a mapping with a text and some of {sorted(FIELDS)}")
            try:
                given.append(draft(**fields, actor=self.actor))
            except BadValue as error:
                raise BadValue(f"texts[{i}].{error.field}", error.value, error.allowed) from None
        return self.engine.plan_and_add(given, idempotency_key=idempotency_key, actor=self.actor) if given else []

    def remember_dialogue(
        self, turns: Iterable[Turn | Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> list[OpResult]:
        """Keep a conversation, a record a turn, each found by itself, by its neighbours, its date and its session."""
        given = drafts(turns)
        return self.engine.plan_and_add(given, idempotency_key=idempotency_key, actor=self.actor) if given else []

    def revise(
        self,
        /,
        id: str,
        text: str | None = None,
        *,
        expect: int | None = None,
        reason: str = "",
        idempotency_key: str | None = None,
        **changes: Any,
    ) -> OpResult:
        """Write a new version: another text, or kind, tags, meta, event_from, event_to, valid_from, valid_to, keys,
        payload.

        expect: the version that it is meant to change
        Raises: BadValue; NoSuchRecord; VersionConflict when it has moved on.
        """
        if text is not None:
            changes["content"] = text
        if not changes:
            raise BadValue("revise", "nothing", "told what to change: text or a field")
        wanted = None if expect is None else {id: expect}
        update = Update(id, changes, reason)
        return self.engine.apply([update], expect=wanted, idempotency_key=idempotency_key, actor=self.actor)[0]

    def forget(self, id: str, *, purge: bool = False, reason: str = "", idempotency_key: str | None = None) -> Any:
        """Hide a memory at once, keeping its history; with `purge`, rewrite the file until no byte of its text is left.

        Raises: NoSuchRecord; StoreError when a purge cannot be finished (another process reads an old snapshot).
        """
        return self.engine.forget(id, purge=purge, reason=reason, idempotency_key=idempotency_key, actor=self.actor)

    def link(
        self, /, source: str, target: str, type: str, *, idempotency_key: str | None = None, **fields: Any
    ) -> OpResult:
        """Link two memories. fields: weight, evidence, valid_from, valid_to."""
        link = AddLink(Link(source, target, type, **fields))
        return self.engine.apply([link], idempotency_key=idempotency_key, actor=self.actor)[0]

    def unlink(self, source: str, target: str, type: str, *, idempotency_key: str | None = None) -> OpResult:
        """Take a link away."""
        unlink = Unlink(source, target, type)
        return self.engine.apply([unlink], idempotency_key=idempotency_key, actor=self.actor)[0]

    def archive(self, id: str, *, reason: str = "", idempotency_key: str | None = None) -> OpResult:
        """Keep it, but recall it no more."""
        return self.engine.apply([Archive(id, reason)], idempotency_key=idempotency_key, actor=self.actor)[0]

    # Reading

    def recall(
        self,
        query: str,
        k: int = 5,
        *,
        budget_tokens: int | None = None,
        kinds: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        since: float | None = None,
        until: float | None = None,
        as_of: float | None = None,
        policy: Policy | str | None = None,
        task: str | None = None,
        timeout: float | None = None,
    ) -> Recall:
        """At most k memories for a query, chosen by the policy of the task, best first.

        budget_tokens: of the whole text block; texts are shortened, none is left out        kinds, tags: any of them
        since, until: when it happened (else was written), [since, until)        as_of: as the memory stood then
        policy: for this call, instead of the task's        task: id; else the task entered, else one of its own
        timeout: seconds after which the recall returns without a stored receipt
        """
        entered = tasks.current(self)
        name = task if task is not None else entered.id if entered is not None else None
        filters = Filters(kinds, tags, since, until, as_of)
        chosen = None if policy is None else self._named(policy)
        query = self.engine.redacted("query", query)
        found = self._recaller.recall(
            query, k, name, filters, budget_tokens=budget_tokens, policy=chosen, timeout=timeout
        )
        if entered is not None and entered.id == name:
            entered.recalls.append(found)
        return found

    def get(self, id: str) -> Record:
        """The present version. Raises: NoSuchRecord."""
        return self.engine.get(id)

    def payload(self, id: str, *, version: int | None = None) -> Payload:
        """The bytes that a memory carries; None: of its present version.

        Raises: NoSuchRecord; BadValue where it carries none; Damaged where the bytes do not answer to their digest.
        """
        return self.engine.payload(id, version)

    def history(self, id: str) -> list[Version]:
        """Every version, with who changed it, when, how and why; oldest first. Raises: NoSuchRecord."""
        return self.engine.history(id)

    def links(
        self, id: str, *, direction: str = "both", types: Sequence[str] | None = None, at: float | None = None
    ) -> list[Link]:
        """Its links. direction: out, in or both        at: that hold at this time. Raises: BadValue; NoSuchRecord."""
        return self.engine.links(id, direction=direction, types=types, at=at)

    # The rest

    def apply(
        self,
        ops: Sequence[Operation],
        *,
        expect: Mapping[str, int] | None = None,
        idempotency_key: str | None = None,
    ) -> list[OpResult]:
        """The lower layer: operations (`wayfare.memory.operations`), all or none.

        expect: id -> the version that it must have        Raises: BadValue; NoSuchRecord; VersionConflict; StoreError.
        """
        return self.engine.apply(ops, expect=expect, idempotency_key=idempotency_key, actor=self.actor)

    def reembed(
        self,
        embedder: Embedder | str,
        *,
        batch: int = 256,
        progress: Callable[[int, int], None] | None = None,
    ) -> Reembedded:
        """Move the namespace to another embedder, an `Embedder` or its name, while it serves.

        Everyone recalls by the old vectors until each text has a new one; then one transaction switches, the recall
        policy begins again under a new id, without certificates, and the old vectors are dropped. Killed or stopped, it
        goes on where it was when it is called again. A model that has changed under its own name is moved to itself;
        the namespace is recalled by words alone meanwhile.

        batch: texts embedded and committed at once        progress: called with how many are done, of how many
        Raises: BadValue; MissingExtra; ReadOnly; Unavailable where another move has taken over; what the embedder
        raises.
        """
        chosen = embedder_from(embedder) if isinstance(embedder, str) else embedder
        if chosen is not None:
            # Not isinstance: it would ask for the dimension, and thereby load a model or call a server.
            if not all(callable(getattr(chosen, name, None)) for name in ("embed", "embed_query")):
                raise BadValue("embedder", embedder, f"an Embedder, or {SPECIFICATIONS}")
            self._ground.served.offer(chosen)
        return reembed(
            self._ground.database, self._ns(), chosen, batch=batch, progress=progress, clock=self._ground.clock,
            actor=self.actor,
        )  # fmt: skip

    def _named(self, policy: Policy | str) -> Policy:
        return policy if isinstance(policy, Policy) else self.policy_named(policy)

    def close(self) -> None:
        """Close the file. What is done with this memory afterwards is refused."""
        self._ground.database.close()

    def __enter__(self) -> Memory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Memory({self._ground.database.path!r}, namespace={self._ground.namespace!r})"

    def list(
        self,
        *,
        kind: str | Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        status: str | Sequence[str] | None = "active",
        since: float | None = None,
        until: float | None = None,
        after: str | None = None,
        limit: int = 100,
        newest: bool = False,
    ) -> Page:
        """A page of records, oldest first.

        kind, tags, status: any of those given; status None is every one but the forgotten
        since, until: when it happened, else was written, [since, until)        after: `next` of the page before
        newest: first        Raises: BadValue.
        """
        return self.engine.list(
            kind=kind, tags=tags, status=status, since=since, until=until, after=after, limit=limit, newest=newest
        )
