"""`wayfare memory install`: what an administrator of a PostgreSQL database does once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tyro

from wayfare.cli.memory_answers import answer, said
from wayfare.cli.memory_options import Options

__all__ = ["VERBS"]

PASSWORD = "WAYFARE_ROLE_PASSWORD"


@dataclass(frozen=True)
class Install(Options):
    """Make the tables of a memory in a PostgreSQL database, and the role that uses them."""

    address: tyro.conf.Positional[str] = ""
    """postgresql://... of a role that may create schemas and roles."""
    role: str = "wayfare"
    """The role that agents and servers log in as. It owns nothing and sees one namespace at a time.

    Its password is taken from the environment variable WAYFARE_ROLE_PASSWORD, where there is one."""


@dataclass(frozen=True)
class Index(Options):
    """Make indices for the namespaces of more than 50,000 vectors in PostgreSQL; others go on meanwhile."""

    address: tyro.conf.Positional[str] = ""
    """postgresql://... of the role that owns the tables."""


def _install(options: Install) -> int:
    from wayfare.memory.store.postgres.installing import install

    install(said("address", options.address), role=options.role, password=os.environ.get(PASSWORD))
    return answer(
        options, {"role": options.role}, lambda: f"role {options.role} may now use it: Memory('postgresql://...')"
    )


def _index(options: Index) -> int:
    from wayfare.memory.store.postgres.indexing import index_large

    made = index_large(said("address", options.address))
    return answer(options, made, lambda: "\n".join(map(str, made)) or "every large namespace has its index")


VERBS: Mapping[str, tuple[type, Callable[[Any], int]]] = {"install": (Install, _install), "index": (Index, _index)}
"""Verb -> what it takes, and what it does."""
