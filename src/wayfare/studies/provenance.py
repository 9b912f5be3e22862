"""What a number was made with: code, versions, machine, commit."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import wayfare

__all__ = ["changes", "code_digests", "describe", "git_commit", "source_root", "usable_cores"]

SHOWN = (
    "numpy", "array-api-compat", "torch", "gymnasium", "scipy", "scikit-learn", "pandas", "matplotlib", "transformers",
    "tokenizers", "peft", "accelerate", "ray", "tensorboard", "rich", "tyro",
)  # fmt: skip


def describe() -> dict[str, Any]:
    """versions, platform, cpu, cores; imports none of the packages that it names."""
    versions = {"python": platform.python_version(), "wayfare": wayfare.__version__}
    for name in SHOWN:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "versions": versions,
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_model(),
        "cores": usable_cores(),
    }


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def code_digests(modules: Iterable[str] = ()) -> dict[str, str]:
    """Digest of each source file: all of wayfare, and of the packages or files of other `modules`."""
    package = Path(wayfare.__file__).resolve().parent
    digests = _digests(package, "wayfare")
    for module in modules:
        if module == "wayfare" or module.startswith("wayfare."):
            continue
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            continue
        if spec is None or spec.origin is None or not Path(spec.origin).is_file():
            continue
        if spec.submodule_search_locations:
            digests |= _digests(Path(spec.origin).resolve().parent, module)
        else:
            digests[f"{module}.py"] = _digest(Path(spec.origin))
    return digests


def source_root() -> Path | None:
    """The git checkout that wayfare is imported from; None when it is installed elsewhere."""
    top = _git(Path(wayfare.__file__).resolve().parent, "rev-parse", "--show-toplevel")
    return None if top is None else Path(top)


def git_commit(root: Path) -> str | None:
    """The commit that is checked out, or None outside of git."""
    return _git(root, "rev-parse", "HEAD")


def changes(root: Path, *, under: str = "", untracked: str | None = "src") -> list[str]:
    """Paths that differ from the commit: tracked ones below `under`, untracked ones in `untracked`; not `results/`.

    An untracked module is code that no commit holds; an untracked figure is nobody's business.
    """
    listed = _git(root, "status", "--porcelain=v1", "--untracked-files=all", "--", f"./{under}", strip=False) or ""
    paths = []
    for line in listed.splitlines():
        code, path = line[:2], line[3:].split(" -> ")[-1].strip('"')
        if path.startswith("results/"):
            continue
        if code != "??" or (untracked is not None and path.startswith(f"{untracked}/")):
            paths.append(path)
    return paths


def _digests(folder: Path, name: str) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*.py")) if "__pycache__" not in path.parts)
    return {f"{name}/{path.relative_to(folder).as_posix()}": _digest(path) for path in files}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _git(folder: Path, *arguments: str, strip: bool = True) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    return done.stdout.strip() if strip else done.stdout
