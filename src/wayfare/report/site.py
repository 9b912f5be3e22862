"""The site over all recorded results: one page that lists every study with its verdict, and a page for each.

It reads what `wayfare record` left in `results/` and nothing else: it imports no study and works on the base install.

    results/SLUG/findings.json   slug, title, paper, claim, verdict, checks, figures (name, caption), tables, notes ...
    results/SLUG/config.json     the configuration, optional
    results/SLUG/figures/        NAME.svg, NAME.dark.svg, NAME.png
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from wayfare.errors import BadValue
from wayfare.report.html import SIGNS, headline, render, verdict_state
from wayfare.report.page import escape, frame, picture

__all__ = ["build", "read_record"]

ASIDE = {"checks", "claim", "config", "figures", "notes", "paper", "slug", "study", "tables", "title", "verdict"}


def build(results_dir: Path | str, out_dir: Path | str) -> Path:
    """Write `out_dir/index.html` and `out_dir/SLUG.html` for each record in `results_dir`; returns the index.

    Raises: BadValue where `results_dir` is no directory, or a record is not readable; nothing is written then.
    """
    source, target = Path(results_dir), Path(out_dir)
    if not source.is_dir():
        raise BadValue("results", str(results_dir), "a directory of recorded results")
    records = [read_record(path.parent) for path in sorted(source.glob("*/findings.json"))]
    target.mkdir(parents=True, exist_ok=True)
    for study, findings, run_info, figures in records:
        page = render(study, findings, run_info, figures, home="index.html")
        (target / f"{study.slug}.html").write_text(page, encoding="utf-8")
    index = target / "index.html"
    index.write_text(frame("Wayfare: the studies", _index(records)), encoding="utf-8")
    return index


Record = tuple[Any, Any, Mapping[str, Any], Mapping[str, Mapping[str, bytes]]]
"""What `html.render` takes: study, findings, run_info, figures."""


def read_record(folder: Path) -> Record:
    """The record in `folder` as `html.render` takes it.

    Raises: BadValue naming the file that is not readable or the field that is missing.
    """
    said = _json(folder / "findings.json")
    about = {**said, **(said["study"] if isinstance(said.get("study"), dict) else {})}
    missing = [field for field in ("title", "paper", "claim", "verdict", "checks") if field not in about]
    if missing:
        raise BadValue(f"{folder.name}/findings.json", f"no {', '.join(missing)}", "a record with all its fields")
    study = SimpleNamespace(slug=folder.name, title=about["title"], paper=about["paper"], claim=about["claim"])
    drawn = [f if isinstance(f, dict) else {"name": f} for f in about.get("figures") or ()]
    findings = SimpleNamespace(
        verdict=about["verdict"],
        checks=[SimpleNamespace(**check) for check in about["checks"]],
        figures=[SimpleNamespace(name=f["name"], caption=f.get("caption", f["name"])) for f in drawn],
        tables=[SimpleNamespace(**table) for table in dict(about.get("tables") or {}).values()],
        notes=about.get("notes") or [],
    )
    run_info = {key: value for key, value in about.items() if key not in ASIDE}
    run_info["seconds"] = run_info.pop("seconds_by_part", None) or about.get("seconds")
    config = folder / "config.json"
    run_info["config"] = _json(config) if config.is_file() else about.get("config")
    figures = {figure.name: _figure(folder / "figures", figure.name) for figure in findings.figures}
    return study, findings, run_info, figures


def _index(records: list[Record]) -> str:
    holds = sum(verdict_state(findings.verdict) == "holds" for _, findings, _, _ in records)
    cards = "\n".join(_card(*record) for record in records)
    studies = f"{len(records)} published claim{'s' * (len(records) != 1)}"
    return (
        '<p class="eyebrow">Recorded results</p>\n<h1>What holds when it is run again</h1>\n'
        f'<p class="claim">{studies}, each checked by an experiment that anyone can rerun; {holds} hold'
        f"{'s' * (holds == 1)}.</p>\n"
        + (f'<ul class="cards">{cards}</ul>' if records else "<p>Nothing is recorded yet.</p>")
    )


def _card(study: Any, findings: Any, run_info: Mapping[str, Any], figures: Mapping[str, Mapping[str, bytes]]) -> str:
    kind = verdict_state(findings.verdict)
    lead = next((figures[f.name] for f in findings.figures if figures.get(f.name)), {})
    scale = f"{run_info['scale']} scale" if run_info.get("scale") else ""
    return (
        f'<li class="{kind}">{picture(lead, "")}<h2><a href="{escape(study.slug)}.html">{escape(study.title)}</a></h2>'
        f'<span class="pill">{SIGNS[kind]} {escape(headline(findings.verdict).rstrip("."))}</span>'
        f'<p>{escape(study.claim)}</p><p class="soft">{escape(study.paper)}</p><p class="soft">{escape(scale)}</p></li>'
    )


def _figure(folder: Path, name: str) -> dict[str, bytes]:
    files = {"svg": f"{name}.svg", "svg_dark": f"{name}.dark.svg", "png": f"{name}.png"}
    return {kind: (folder / file).read_bytes() for kind, file in files.items() if (folder / file).is_file()}


def _json(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadValue(str(path), str(error), "a readable JSON file") from error
    if not isinstance(read, dict):
        raise BadValue(str(path), type(read).__name__, "a JSON object")
    return read
