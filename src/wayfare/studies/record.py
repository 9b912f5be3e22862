"""What may enter `results/`, and whether it still holds.

A record is a finished laptop or full run of committed code: its findings with the command that made them, its figures.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from wayfare.errors import BadValue, RecordRefused, ResumeRefused
from wayfare.studies import catalogue
from wayfare.studies.contract import Config, Findings, config_from_json
from wayfare.studies.display import Display, Tally
from wayfare.studies.perform import How, begin, perform
from wayfare.studies.provenance import changes, source_root
from wayfare.studies.runs import RunDirectory, json_text, write_aside

__all__ = ["flips", "record", "verify"]

RECORDED_SCALES = ("laptop", "full")


def record(run_dir: Path, results: Path, source: Path | None = None) -> Path:
    """Copy the run's findings and figures into results/SLUG/, whole or not at all; returns that directory.

    source: the checkout whose `src/` must be committed; None: the one that wayfare is imported from

    Raises: RecordRefused naming what stands against it; nothing is written then.
    """
    try:
        run = RunDirectory(run_dir)
    except ResumeRefused as error:
        raise RecordRefused(str(error)) from error
    if not run.finished:
        raise RecordRefused(
            f"run must be finished to be recorded, {run_dir} is not (wayfare run --resume goes on with it)"
        )
    scale = run.config.get("scale")
    if scale not in RECORDED_SCALES:
        raise RecordRefused(f"scale must be {' or '.join(RECORDED_SCALES)} to be recorded, got {scale!r}")
    if not run.info.get("commit"):
        raise RecordRefused(f"commit must be known to record a run, {run_dir} was not made from a git checkout")
    if run.info.get("dirty"):
        raise RecordRefused(f"tree must be committed when a run begins, {_some(run.info['dirty'])} was not")
    root = source if source is not None else source_root()
    now = [] if root is None else changes(root, under="src", untracked=None)
    if now:
        raise RecordRefused(f"tree must be committed to record a run, {_some(now)} is not")
    stored = json.loads((run_dir / "findings.json").read_text(encoding="utf-8"))
    findings = Findings.from_json(stored)
    slug = str(run.info["slug"])
    target, new = results / slug, results / f".{slug}.{os.getpid()}"
    shutil.rmtree(new, ignore_errors=True)
    write_aside(new / "findings.json", json_text({**stored, **findings.to_json()}))
    if (run_dir / "figures").is_dir():
        shutil.copytree(run_dir / "figures", new / "figures")
    old = results / f".{slug}.{os.getpid()}.old"
    if target.exists():
        os.replace(target, old)
    os.replace(new, target)
    shutil.rmtree(old, ignore_errors=True)
    return target


def verify(
    slug: str,
    results: Path | None,
    how: How,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    show: Callable[[Tally], Display] | None = None,
) -> list[str]:
    """Run a recorded study again with its recorded config, in a directory that is removed; each flip as a line.

    Raises: BadValue where nothing is recorded, UnknownStudy.
    """
    study = catalogue.find(slug)
    stored = catalogue.recorded(study.slug, results)
    if stored is None:
        raise BadValue("slug", slug, "a study with a recorded result (wayfare record makes one)")
    kind: type[Config] = type(next(iter(study.scales.values())))
    config = replace(config_from_json(kind, stored["config"]), device=device)
    with tempfile.TemporaryDirectory(prefix="wayfare-verify-") as root:
        run = begin(study, config, how, Path(root), module=slug if slug != study.slug else "")
        again = perform(study, run, how, show)
    return flips(stored, again)


def flips(stored: Mapping[str, Any], again: Findings) -> list[str]:
    """What differs in a verdict: of the study, of a check, or of a stored `holds` and the numbers beside it."""
    was = Findings.from_json(stored)
    before, after = ({check.name: check for check in findings.checks} for findings in (was, again))
    lines = []
    for name, told in ((check["name"], check.get("holds")) for check in stored["checks"]):
        if told is not None and bool(told) != before[name].holds:
            lines.append(f"{name}: stored as holds = {told}, its own numbers say {before[name].state}")
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = (checks[name].state if name in checks else "absent" for checks in (before, after))
        if old != new:
            lines.append(f"{name}: was {old}, now {new}{_interval(after.get(name))}")
    told = stored.get("verdict", was.verdict)
    if told != again.verdict:
        lines.append(f"verdict of the study: was {told}, now {again.verdict}")
    return lines


def _interval(check: Any) -> str:
    from wayfare.report.verdict import claimed, interval_text

    return "" if check is None else f" ({interval_text(check)}, claimed {claimed(check)})"


def _some(paths: list[str]) -> str:
    return paths[0] if len(paths) == 1 else f"{paths[0]} (and {len(paths) - 1} more)"
