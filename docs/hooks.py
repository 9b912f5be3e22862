"""The manual's pages that are made from the checkout when it is built, so that they cannot fall behind it.

index, contributing, changes    README.md, CONTRIBUTING.md and CHANGELOG.md as they are
studies                         what `wayfare studies` lists, with the recorded figures
reference/PACKAGE               every module's public names, from the docstrings
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from wayfare.studies.catalogue import entries

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changes.md"}
PACKAGES = ["worlds", "networks", "explore", "memory", "learn", "language", "agents", "studies", "report"]


def on_config(config: MkDocsConfig) -> None:
    """Give every package its page in the navigation."""
    packages = {package: modules for package in PACKAGES if (modules := _modules(package))}
    pages = [{package: f"reference/{package}.md"} for package in packages]
    config.nav = [*(config.nav or []), {"Reference": [{"wayfare": "reference/wayfare.md"}, *pages]}]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages made from the checkout, and the recorded figures that they show."""
    made: dict[str, str] = {target: _relinked((ROOT / source).read_text()) for source, target in PAGES.items()}
    made["studies.md"] = _studies()
    made["reference/wayfare.md"] = _reference(
        "wayfare", ["wayfare.errors", "wayfare.arrays", "wayfare.draws", "wayfare.stopping"]
    )
    for package in PACKAGES:
        if modules := _modules(package):
            made[f"reference/{package}.md"] = _reference(package, modules)
    for target, content in made.items():
        files.append(File.generated(config, target, content=content))
    for found in sorted(ROOT.glob("results/*/**/*")):
        if found.suffix in {".png", ".svg", ".html"}:
            files.append(File.generated(config, str(found.relative_to(ROOT)), abs_src_path=str(found)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Recorded figures, which a page of docs/ finds one folder up, and the manual beside it."""
    return markdown.replace("](../results/", "](results/")


def _relinked(text: str) -> str:
    """Links of a page at the root of the checkout, as the manual has them."""
    for source, target in PAGES.items():
        text = text.replace(f"]({source}", f"]({target}")
    return text.replace("](docs/", "](")


def _modules(package: str) -> list[str]:
    """Modules of a package that offer public names of their own: the faces only pass names on."""
    home = ROOT / "src" / "wayfare"
    found = [path for path in sorted((home / package).rglob("*.py")) if path.name != "__init__.py"]
    names = [".".join(("wayfare", *path.relative_to(home).with_suffix("").parts)) for path in found if _public(path)]
    return names


def _public(path: Path) -> bool:
    tree = ast.parse(path.read_text())
    return any(
        isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__"
        for node in tree.body
    )


def _reference(title: str, modules: list[str]) -> str:
    present = [name for name in modules if (ROOT / "src" / Path(*name.split("."))).with_suffix(".py").exists()]
    return "\n\n".join([f"# {title}", *(f"::: {name}" for name in present)])


def _studies() -> str:
    return "\n\n".join(["# Studies", *(_study(study) for study in entries())])


def _study(study: dict[str, Any]) -> str:
    """One study: claim, verdict, the recorded checks and figures."""
    parts = [
        f"## {study['title']}",
        f"*{study['paper']}*",
        f"> {study['claim']}",
        f"**Verdict: {study['verdict']}** (scale {study['scale']}).",
    ]
    if study["command"]:
        parts.append(f"    {study['command']}")
    if study["checks"]:
        rows = ["| check | kind | estimate | interval | holds |", "| --- | --- | --- | --- | --- |"]
        rows += [_check(check) for check in study["checks"]]
        parts.append("\n".join(rows))
    figures = sorted((ROOT / "results" / study["slug"] / "figures").glob("*.svg"))
    parts += [f"![{figure.stem}]({figure.relative_to(ROOT)})" for figure in figures if "dark" not in figure.stem]
    return "\n\n".join(parts)


def _check(check: dict[str, Any]) -> str:
    numbers = [check["estimate"], check["low"], check["high"]]
    estimate, low, high = ("" if number is None else f"{number:.3g}" for number in numbers)
    holds = {True: "holds", False: "fails", None: "open"}[check["holds"]]
    statement = re.sub(r"([|*_])", r"\\\1", check["statement"])
    return f"| {statement} | {check['kind']} | {estimate} | {low} to {high} | {holds} |"
