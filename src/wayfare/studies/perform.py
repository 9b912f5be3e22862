"""One run from config to report: cells through an engine, then tables, figures, findings and the page.

    run = begin(study, config, how)      # or resume(...)
    findings = perform(study, run, how)

Everything that can be refused is refused before the run directory appears.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from wayfare.errors import BadValue, MissingExtra
from wayfare.report.tables import to_csv
from wayfare.studies.contract import Config, Findings, Progress, Study, config_from_json
from wayfare.studies.display import Display, Quiet, Tally
from wayfare.studies.engine import Engine, Pool
from wayfare.studies.provenance import changes, code_digests, describe, git_commit, source_root, usable_cores
from wayfare.studies.runs import RunDirectory, json_text, write_aside

__all__ = ["How", "begin", "command_of", "perform", "resume"]

EXTRA_OF = {
    **dict.fromkeys(("torch", "gymnasium", "scipy", "sklearn", "pandas", "matplotlib"), "lab"),
    **dict.fromkeys(("transformers", "tokenizers", "peft", "accelerate", "datasets", "openai"), "lm"),
    **{name: name for name in ("ray", "tensorboard", "networkx", "minigrid", "textworld", "crafter")},
    **{"ribs": "pyribs", "mujoco": "mujoco", "ale_py": "ale-py"},
}
"""The extra that installs a module."""

Run = Callable[[Any, Progress], Findings]


@dataclass(frozen=True)
class How:
    """How the cells of a run are carried out; none of it changes what is found.

    workers: processes at once; None: one a core, or one a GPU
    threads: of each; they do decide the last bits of a sum, so a resumed run keeps those it began with
    """

    engine: Literal["local", "ray"] = "local"
    workers: int | None = None
    threads: int = 1
    tensorboard: bool = False

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        if self.engine not in ("local", "ray"):
            raise BadValue("engine", self.engine, "local or ray")
        for name in ("workers", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BadValue(name, value, "at least 1")


def begin(study: Study, config: Config, how: How, root: Path, *, module: str = "") -> RunDirectory:
    """A new run directory below root/SLUG, held by this process.

    module: where the study was found, when it is not one of wayfare's

    Raises: BadValue, MissingExtra before anything is written.
    """
    _ready(study, config, how)
    if root.exists() and not root.is_dir():
        raise BadValue("out", str(root), "a directory, or a path where one can be made")
    resolved = replace(config, device=_device(config.device))
    return RunDirectory.begin(
        root, study.slug, resolved, _about(study, resolved, how, module), code_digests(_modules(study, config))
    )


def resume(study: Study, config: Config, how: How, run: RunDirectory) -> RunDirectory:
    """Hold the unfinished `run`, whose cells are kept.

    Raises: ResumeRefused naming what differs: study, version, code, config field, or another process that holds it.
    """
    resolved = replace(config, device=_device(config.device))
    run.refuse_other(study.slug, resolved, describe()["versions"], code_digests(_modules(study, config)))
    _ready(study, config, how)
    run.hold()
    run.keep_metrics_of_finished_cells()
    return run


def perform(study: Study, run: RunDirectory, how: How, show: Callable[[Tally], Display] | None = None) -> Findings:
    """Carry out what is left of the run and write all its files; the last one marks it finished.

    Raises: CellFailed naming a cell that raised; KeyboardInterrupt leaves the run resumable.
    """
    config = config_from_json(_config_class(study), run.config)
    function = _load(study)
    tally = Tally()
    shown = Quiet() if show is None else show(tally)
    writer = _events(run) if how.tensorboard else None
    pool = _pool(how, config, run)
    try:
        findings = function(config, Engine(run, pool, tally, shown, writer and writer.add))
        shown.close()
        _write(study, run, findings)
        return findings
    except ImportError as error:
        _say_missing(study, error)
        raise
    finally:
        shown.close()
        pool.close()
        if writer is not None:
            writer.close()
        run.release()


def command_of(study: Study, config: Config, slug: str = "") -> str:
    """The command that makes this run again: the scale, and the fields that differ from its config."""
    words = ["wayfare", "run", slug or study.slug, "--scale", config.scale]
    usual = study.scales[config.scale]
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name == "scale" or value == getattr(usual, field.name) or (field.name, value) == ("device", "cpu"):
            continue
        flag = field.name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", *(map(str, value) if isinstance(value, tuple) else [str(value)])]
    return shlex.join(words)


def _write(study: Study, run: RunDirectory, findings: Findings) -> None:
    from wayfare.report.html import render
    from wayfare.report.plots import draw

    began = time.monotonic()
    run.keep_metrics_of_finished_cells()
    for name, table in findings.tables.items():
        write_aside(run.path / "tables" / f"{name}.csv", to_csv(table))
    figures: dict[str, Mapping[str, bytes]] = {}
    for figure in findings.figures:
        figures[figure.name] = drawn = draw(figure)
        for kind, data in drawn.items():
            file = f"{figure.name}.dark.svg" if kind == "svg_dark" else f"{figure.name}.{kind}"
            write_aside(run.path / "figures" / file, data)
    run.info["cells"] = {**run.info["cells"], "tables and figures": round(time.monotonic() - began, 3)}
    run.save()
    info = run.info
    parts = {**info["cells"], "total": info["seconds"]}
    about = {key: info[key] for key in ("command", "date", "versions", "platform", "cpu", "cores", "threads", "commit")}
    said = {"scale": run.config["scale"], "seeds": run.config["seeds"], "device": run.config["device"], **about}
    stored = {
        "slug": study.slug, "title": study.title, "paper": study.paper, "claim": study.claim, **said,
        "seconds": info["seconds"], "seconds_by_part": parts, "config": run.config, **findings.to_json(),
    }  # fmt: skip
    write_aside(run.path / "findings.json", json_text(stored))
    page = render(study, findings, {**said, "config": run.config, "seconds": parts}, figures)
    write_aside(run.path / "report.html", page)
    run.finish()


def _about(study: Study, config: Config, how: How, module: str) -> dict[str, Any]:
    root = source_root()
    return {
        "command": command_of(study, config, module),
        "study": module or f"wayfare.studies.{study.slug}",
        **describe(),
        "threads": how.threads,
        "workers": how.workers or usable_cores(),
        "engine": how.engine,
        "commit": None if root is None else git_commit(root),
        "dirty": [] if root is None else changes(root),
    }


def _pool(how: How, config: Config, run: RunDirectory) -> Pool:
    threads = int(run.info.get("threads", how.threads))
    if how.engine == "ray":
        from wayfare.studies.cluster import Ray

        return Ray(how.workers, threads, gpu=config.device == "cuda")
    from wayfare.studies.processes import Processes

    usual = 1 if config.device == "cuda" else max(1, usable_cores() // threads)
    return Processes(how.workers or usual, threads)


def _ready(study: Study, config: Config, how: How) -> None:
    """Import what the run needs, so that what is missing is said before anything is written."""
    if how.engine == "ray" and importlib.util.find_spec("ray") is None:
        raise MissingExtra("--engine ray", "ray")
    if how.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise MissingExtra("--tensorboard", "tensorboard")
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtra("drawing figures", "lab")
    _load(study)
    if config.device == "cuda":
        _device("cuda")
    study.refuse(config)


def _load(study: Study) -> Run:
    try:
        return study.load()
    except ImportError as error:
        _say_missing(study, error)
        raise


def _say_missing(study: Study, error: ImportError) -> None:
    """Raises: MissingExtra where an extra brings what was missing."""
    module = (error.name or "").partition(".")[0]
    if module in EXTRA_OF and importlib.util.find_spec(module) is None:
        raise MissingExtra(f"study {study.slug}", EXTRA_OF[module]) from error


def _device(asked: str) -> Literal["cpu", "cuda"]:
    """cpu or cuda. Imports torch only where a CUDA device may be.

    Raises: BadValue for cuda where there is none.
    """
    if asked == "cpu":
        return "cpu"
    if asked == "auto" and sys.platform.startswith("linux") and not any(map(Path.exists, _gpu_nodes())):
        return "cpu"
    if importlib.util.find_spec("torch") is not None and importlib.import_module("torch").cuda.is_available():
        return "cuda"
    if asked == "cuda":
        raise BadValue("device", "cuda", "cpu or auto where torch sees no CUDA device")
    return "cpu"


def _gpu_nodes() -> tuple[Path, ...]:
    return Path("/dev/nvidiactl"), Path("/dev/nvidia0"), Path("/dev/dxg"), Path("/dev/kfd")


def _config_class(study: Study) -> type[Config]:
    return type(next(iter(study.scales.values())))


def _modules(study: Study, config: Config) -> list[str]:
    """Modules that decide what is found besides wayfare: the study's own, and those that the config names."""
    named = [value for value in vars(config).values() if isinstance(value, str) and re.fullmatch(r"[\w.]+:\w+", value)]
    return [text.partition(":")[0] for text in (study.run, *named)]


def _events(run: RunDirectory) -> Any:
    from wayfare.studies.events import EventFiles

    return EventFiles(run)
