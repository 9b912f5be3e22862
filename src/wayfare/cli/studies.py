"""`wayfare studies | run | record | verify | report`.

Parsing imports no torch: a study's knobs come from its torch-free `__init__`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from wayfare.errors import BadValue
from wayfare.flags import parse, parse_with_config, value_of
from wayfare.studies import catalogue
from wayfare.studies.contract import Config, Findings, Study, config_from_json

if TYPE_CHECKING:
    from rich.console import Console

    from wayfare.studies.runs import RunDirectory

__all__ = ["COMMANDS"]


@dataclass(frozen=True)
class StudiesOptions:
    """List every study with its paper, claim, recorded verdict, scale and cost."""

    json: bool = False
    """Print a list of objects instead of a table."""
    results: Path | None = None
    """Where recorded results lie; none given: the checkout's, or those that came with the package."""


@dataclass(frozen=True)
class RecordOptions:
    """Copy a finished laptop or full run into results/SLUG/; refused for a dirty tree."""

    run_dir: tyro.conf.Positional[Path]
    """The run directory that wayfare run wrote."""
    results: Path | None = None
    """Where to keep it; none given: results/ of the checkout."""


@dataclass(frozen=True)
class VerifyOptions:
    """Run a recorded study again with its recorded config and name every verdict that flips; exit 1 when one does."""

    slug: tyro.conf.Positional[str]
    """A recorded study."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where tensors live."""
    engine: Literal["local", "ray"] = "local"
    """What carries the cells out: processes of this machine, or a Ray cluster."""
    workers: int | None = None
    """Cells at once; none given: one a core."""
    results: Path | None = None
    """Where recorded results lie; none given: results/ of the checkout."""


@dataclass(frozen=True)
class ReportOptions:
    """Write the site: one page over all recorded results, and a page for each."""

    results: Path | None = None
    """Where recorded results lie; none given: results/ of the checkout."""
    out: Path = Path("site")
    """Directory to write."""


@dataclass(frozen=True)
class RunOptions:
    """How the cells are carried out; changes nothing that is found."""

    engine: Literal["local", "ray"] = "local"
    """What carries the cells out: processes of this machine, or a Ray cluster (RAY_ADDRESS, else one started here)."""
    workers: int | None = None
    """Cells at once; none given: one a core, or one on a CUDA device."""
    threads: int = 1
    """Threads of each cell."""
    out: Path = Path("runs")
    """Directory of the runs; this one is written to OUT/SLUG/TIME."""
    resume: str | None = None
    """Go on with an unfinished run: this RUN_DIR, or without a value the latest of the study."""
    tensorboard: bool = False
    """Write metrics for TensorBoard too."""


def _studies(words: list[str]) -> int:
    options = parse(StudiesOptions, words, "wayfare studies")
    listed = catalogue.entries(options.results)
    if options.json:
        print(json.dumps(listed, indent=2, ensure_ascii=False))
        return 0
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from wayfare.studies.display import duration

    console = _console()
    if not listed:
        console.print("No study is built in.")
        return 0
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("study", "claim", "verdict", "scale", "cost"):
        table.add_column(column, no_wrap=column in ("study", "scale", "cost"))
    for each in listed:
        cost = "" if each["seconds"] is None else duration(each["seconds"])
        said = Text(str(each["verdict"]), style=_style(str(each["verdict"])))
        about = Text.assemble((each["title"], "bold"), "\n", each["claim"], "\n", (each["paper"], "dim"))
        table.add_row(each["slug"], about, said, each["scale"], cost)
        table.add_section()
    console.print(table)
    return 0


def _run(words: list[str]) -> int:
    if words in (["-h"], ["--help"], []):
        known = ", ".join(catalogue.built_in()) or "none is built in"
        print("usage: wayfare run SLUG [--scale smoke|quick|laptop|full] [options]\n")
        print(f"SLUG: a study ({known}), or your own as my_module or my_module:STUDY")
        print("wayfare run SLUG --help lists all options of that study.")
        if not words:
            raise BadValue("slug", "", f"one of the studies ({known})")
        return 0
    slug, words = _slug_of(words)
    study = catalogue.find(slug)
    words = _with_resume_value(words)
    given = value_of(words, "resume")
    run = None
    if given is not None:
        run = _unfinished(study, given, Path(value_of(words, "out") or RunOptions.out))
        known_fields = {f.name for f in fields(next(iter(study.scales.values())))}
        stored = {name: value for name, value in run.config.items() if name in known_fields}
        base = config_from_json(type(next(iter(study.scales.values()))), stored)
    else:
        base = _config_of_scale(study, value_of(words, "scale"))
    config, options = parse_with_config(base, RunOptions, words, f"wayfare run {slug}")
    return _carry_out(study, slug, config, options, run)


def _carry_out(study: Study, slug: str, config: Config, options: RunOptions, run: RunDirectory | None) -> int:
    from wayfare.studies.display import display
    from wayfare.studies.perform import How, begin, perform, resume

    how = How(options.engine, options.workers, options.threads, options.tensorboard)
    module = "" if slug == study.slug else slug
    if run is None:
        run = begin(study, config, how, options.out, module=module)
    else:
        resume(study, config, how, run)
    console = _console()
    kept = run.finished_cells()
    say = (
        f"{'Going on with' if kept or options.resume else 'Running'} {study.slug} at {config.scale} scale in {run.path}"
    )
    console.print(say + (f": {kept} cells are done" if kept else ""), highlight=False, markup=False, soft_wrap=True)
    if config.scale in ("laptop", "full") and run.info.get("dirty"):
        first = run.info["dirty"][0]
        console.print(f"The tree is dirty ({first}): this run cannot be recorded.", markup=False, soft_wrap=True)
    again = f"wayfare run {slug} --resume {run.path}"
    try:
        findings = perform(study, run, how, lambda tally: display(console, tally))
    except KeyboardInterrupt:
        print(f"\nwayfare: stopped; go on with: {again}", file=sys.stderr)
        return 130
    _show(console, study, findings)
    console.print(f"Report: {run.path / 'report.html'}", highlight=False, markup=False, soft_wrap=True)
    return 0


def _record(words: list[str]) -> int:
    options = parse(RecordOptions, words, "wayfare record")
    from wayfare.studies.record import record

    print(f"recorded in {record(options.run_dir, _results(options.results))}")
    return 0


def _verify(words: list[str]) -> int:
    options = parse(VerifyOptions, words, "wayfare verify")
    from wayfare.studies.display import display
    from wayfare.studies.perform import How
    from wayfare.studies.record import verify

    console = _console()
    how = How(options.engine, options.workers)
    flips = verify(options.slug, options.results, how, options.device, lambda tally: display(console, tally))
    for flip in flips:
        print(flip)
    print(
        f"{options.slug}: {len(flips)} verdict{'s' * (len(flips) != 1)} changed"
        if flips
        else f"{options.slug}: all as recorded"
    )
    return 1 if flips else 0


def _report(words: list[str]) -> int:
    options = parse(ReportOptions, words, "wayfare report")
    from wayfare.report.site import build

    print(f"Site: {build(_results(options.results), options.out)}")
    return 0


LATEST = "latest"
"""What --resume without a value stands for."""


def _slug_of(words: list[str]) -> tuple[str, list[str]]:
    """The study's slug and the other words; the slug comes first, or is the first word that names a study."""
    for i, word in enumerate(words):
        if not word.startswith("-") and (i == 0 or word in catalogue.built_in()):
            return word, [*words[:i], *words[i + 1 :]]
    raise BadValue("slug", words[0], "given first: wayfare run SLUG [options]")


def _with_resume_value(words: list[str]) -> list[str]:
    """--resume may stand alone; tyro wants a value."""
    found = []
    for i, word in enumerate(words):
        found.append(word)
        if word == "--resume" and (i + 1 == len(words) or words[i + 1].startswith("--")):
            found.append(LATEST)
    return found


def _results(given: Path | None) -> Path:
    found = given if given is not None else catalogue.checkout_results()
    if found is None:
        raise BadValue("results", "none", "given with --results DIR outside of a checkout")
    return found


def _unfinished(study: Study, given: str, out: Path) -> RunDirectory:
    from wayfare.studies.runs import RunDirectory

    run = RunDirectory.latest_unfinished(out, study.slug) if given == LATEST else RunDirectory(Path(given))
    run.refuse_another_study(study.slug)
    return run


def _config_of_scale(study: Study, scale: str | None) -> Config:
    if scale is None:
        return study.scales.get("quick") or next(iter(study.scales.values()))
    if scale not in study.scales:
        raise BadValue("scale", scale, f"one of {', '.join(study.scales)}")
    return study.scales[scale]


def _show(console: Console, study: Study, findings: Findings) -> None:
    """The checks with their verdicts, by kind, and the study's verdict."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from wayfare.report.verdict import KINDS, STATES, claimed, interval_text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in ("verdict", "check", "estimate [95 %]", "claimed", "unit"):
        numbers = column in ("estimate [95 %]", "claimed")
        table.add_column(column, justify="right" if numbers else "left", no_wrap=numbers or column == "verdict")
    for kind, title in KINDS.items():
        mine = [check for check in findings.checks if check.kind == kind]
        if mine:
            table.add_row("", Text(title, style="bold"))
        for check in mine:
            said = Text(STATES[check.state], style=_style(check.state))
            table.add_row(said, Text(check.name), interval_text(check), claimed(check), Text(check.unit))
        table.add_section()
    console.print()
    console.print(table)
    console.print()
    reasons = [check.reason for check in findings.checks if check.reason]
    for reason in dict.fromkeys(reasons):
        count = reasons.count(reason)
        console.print(f"{count} check{'s' * (count != 1)} not tested: {reason}", style="dim", markup=False)
    console.print(Text(study.claim, style="italic"))
    console.print(Text.assemble("Verdict: ", (findings.verdict, _style(findings.verdict))))


def _style(verdict: str) -> str:
    return {"holds": "green", "fails": "red", "undecided": "yellow"}.get(verdict.split()[0], "dim")


def _console() -> Console:
    """Lines of 110 characters where no terminal says otherwise."""
    from rich.console import Console

    told = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if told else 110)


COMMANDS: Mapping[str, Callable[[list[str]], int]] = {
    "studies": _studies, "run": _run, "record": _record, "verify": _verify, "report": _report,
}  # fmt: skip
