"""Which studies there are, and what is recorded of each.

A built-in study is a package of `wayfare.studies` whose `__init__` defines STUDY; another's is named by its module, as
`my_module` or `my_module:STUDY`. What was recorded is read without importing any study: first from the checkout's
`results/SLUG/findings.json` (beside `src/`), else from `wayfare/_results/` in the wheel.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import json
import pkgutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wayfare
from wayfare import studies
from wayfare.errors import BadValue, UnknownStudy
from wayfare.studies.contract import Findings, Study

__all__ = ["built_in", "checkout_results", "entries", "entry", "find", "recorded"]

LISTED_SCALE = "laptop"
"""The scale whose command and cost stand beside a study that has not been recorded."""

NOT_YET_RUN = "not yet run"


def built_in() -> list[str]:
    """Slugs of the packages of `wayfare.studies`, sorted: their names with - for _; imports none of them."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(studies.__path__) if module.ispkg)


def find(slug: str) -> Study:
    """The study of that slug, or of a module `my_module` or `my_module:STUDY` (looked up from the working directory).

    Raises: UnknownStudy with the nearest slugs; BadValue for a module whose attribute is no Study.
    """
    _search_here()
    if slug in built_in():
        return _study(f"wayfare.studies.{slug.replace('-', '_')}", "STUDY", slug)
    module, _, attribute = slug.partition(":")
    if _importable(module):
        return _study(module, attribute or "STUDY", slug)
    near = difflib.get_close_matches(slug, built_in(), n=3, cutoff=0.4)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    known = ", ".join(built_in()) or "none is built in"
    raise UnknownStudy(f"slug must be one of the studies ({known}) or an importable module, got {slug!r}{hint}")


def checkout_results() -> Path | None:
    """`results/` of the checkout that this package is imported from; None when it is installed elsewhere."""
    root = Path(wayfare.__file__).resolve().parents[2]
    return root / "results" if (root / "src" / "wayfare").is_dir() and (root / "pyproject.toml").is_file() else None


def recorded(slug: str, results: Path | None = None) -> dict[str, Any] | None:
    """The recorded findings.json of a study, or None.

    results: look here only, instead of the checkout's and the wheel's

    Raises: BadValue naming a file that is not readable.
    """
    wheel = Path(wayfare.__file__).resolve().parent / "_results"
    for folder in [results] if results is not None else [checkout_results(), wheel]:
        path = folder / slug / "findings.json" if folder is not None else None
        if path is not None and path.is_file():
            try:
                stored = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise BadValue(str(path), str(error), "a readable JSON file") from error
            if not isinstance(stored, dict):
                raise BadValue(str(path), type(stored).__name__, "a JSON object")
            return stored
    return None


def entries(results: Path | None = None) -> list[dict[str, Any]]:
    """One object a built-in study, by slug: what `wayfare studies --json` prints."""
    return [entry(slug, results) for slug in built_in()]


def entry(slug: str, results: Path | None = None) -> dict[str, Any]:
    """slug, title, paper, claim, scale, command, seconds, verdict, checks; verdict and `holds` recomputed."""
    stored = recorded(slug, results)
    if stored is not None:
        findings = Findings.from_json(stored)
        about = {key: stored.get(key) for key in ("title", "paper", "claim", "scale", "command")}
        return {
            "slug": slug,
            **about,
            "seconds": _total(stored.get("seconds")),
            "verdict": findings.verdict,
            "checks": [check.to_json() for check in findings.checks],
        }
    study = find(slug)
    scale = LISTED_SCALE if LISTED_SCALE in study.scales else next(iter(study.scales))
    return {
        "slug": slug,
        "title": study.title,
        "paper": study.paper,
        "claim": study.claim,
        "scale": scale,
        "command": f"wayfare run {slug} --scale {scale}",
        "seconds": study.seconds.get(scale),
        "verdict": NOT_YET_RUN,
        "checks": [],
    }


def _total(seconds: Any) -> float | None:
    if isinstance(seconds, Mapping):
        return float(seconds["total"]) if "total" in seconds else float(sum(seconds.values()))
    return None if seconds is None else float(seconds)


def _search_here() -> None:
    """A user's modules lie in the working directory; they come last, so that none takes an installed one's place."""
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))


def _importable(module: str) -> bool:
    parts = module.split(".")
    if parts[0] in sys.stdlib_module_names or not all(part.isidentifier() for part in parts):
        return False
    try:
        spec = importlib.util.find_spec(module)
        return spec is not None and spec.origin is not None  # a directory without a module has none
    except (ImportError, ValueError):
        return False


def _study(module: str, attribute: str, slug: str) -> Study:
    study = getattr(importlib.import_module(module), attribute, None)
    if not isinstance(study, Study):
        raise BadValue("slug", slug, f"a module that defines {attribute} as a Study")
    return study
