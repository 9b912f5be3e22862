"""What LangGraph's operations and settings may say: checked before anything is read or written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from langgraph.store.base import (
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    Op,
    PutOp,
    SearchOp,
    TTLConfig,
)

from wayfare.dropins.documents import checked_minutes, indexed_texts
from wayfare.dropins.matching import checked_filter, matches
from wayfare.errors import BadValue

__all__ = ["checked_fields", "checked_operation", "checked_ttl", "question_of"]

TTL = ("default_ttl", "refresh_on_read", "omit_expired", "sweep_interval_minutes")


def checked_operation(op: Op) -> Op:
    """Raises: InvalidNamespaceError; BadValue."""
    if isinstance(op, (GetOp, PutOp)):
        if isinstance(op, PutOp) and not op.namespace:
            raise InvalidNamespaceError("a document lies in a tuple of one name at least")
        _checked_names(op.namespace)
        if not isinstance(op.key, str):
            raise BadValue("key", op.key, "text")
        if isinstance(op, PutOp) and not (
            op.index is None or op.index is False or (isinstance(op.index, list) and all(map(_is_text, op.index)))
        ):
            raise BadValue("index", op.index, "a list of paths, False or None")
    elif isinstance(op, SearchOp):
        _checked_names(op.namespace_prefix)
        _checked_page(op.limit, op.offset)
        checked_filter(op.filter)
    elif isinstance(op, ListNamespacesOp):
        _checked_page(op.limit, op.offset)
        for condition in op.match_conditions or ():
            _checked_names(condition.path)
            matches((), condition.path, condition.match_type)
        if op.max_depth is not None and not (isinstance(op.max_depth, int) and op.max_depth >= 1):
            raise BadValue("max_depth", op.max_depth, "a whole number from 1, or None")
    else:
        raise BadValue("ops", op, "made of GetOp, SearchOp, PutOp and ListNamespacesOp")
    return op


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _checked_names(names: Sequence[Any]) -> None:
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise InvalidNamespaceError(f"a namespace is a tuple of names, not {names!r}")
    for name in names:
        if not isinstance(name, str) or not name or "." in name or "\0" in name:
            raise InvalidNamespaceError(f"a name is a text that is not empty, without '.' and NUL, not {name!r}")


def _checked_page(limit: object, offset: object) -> None:
    for name, value in (("limit", limit), ("offset", offset)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise BadValue(name, value, "a whole number from 0")


def checked_fields(index: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields that are indexed."""
    unknown = sorted(index.keys() - {"fields", "embed", "dims"})
    if unknown:
        raise BadValue("index", unknown, "made of fields, embed and dims")
    fields = index.get("fields")
    if isinstance(fields, str) or not all(map(_is_text, fields or ())):
        raise BadValue("index.fields", fields, "a list of paths, or None")
    return tuple(fields or ("$",))


def checked_ttl(ttl: Mapping[str, Any] | None) -> TTLConfig | None:
    if ttl is None:
        return None
    unknown = sorted(ttl.keys() - set(TTL))
    if unknown:
        raise BadValue("ttl", unknown, f"made of {', '.join(TTL)}")
    for name in ("default_ttl", "sweep_interval_minutes"):
        if ttl.get(name) is not None:
            checked_minutes(f"ttl.{name}", ttl[name])
    return cast(TTLConfig, dict(ttl))


def question_of(op: SearchOp) -> str:
    """The query, as a memory takes it; empty where nothing is asked."""
    if op.query is not None and not isinstance(op.query, str):
        raise BadValue("query", op.query, "text, or None")
    return next(iter(indexed_texts([op.query or ""])), "")
