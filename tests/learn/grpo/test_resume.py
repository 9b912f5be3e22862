"""A run that was killed at any moment goes on as if it had not been: metrics, answers and weights are the same bits."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.learn.grpo.killed import STEPS, begun, whole_run
from tests.learn.grpo.small import rows, trainer, weights
from wayfare.errors import ResumeRefused
from wayfare.learn.grpo.bonuses import CopyBonus
from wayfare.learn.grpo.trainer import GRPO, Callback

FILES = ("metrics.jsonl", "completions.jsonl")
HERE = Path(__file__).parents[3]


class Stopped(Exception):
    """The run ends here."""


class StopsAt(Callback):
    """Raises in the middle of a step's end, before anything of it is saved."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, trainer: GRPO, step: int, metrics: Mapping[str, float]) -> None:
        if step == self.step:
            raise Stopped


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads, python, torchs = torch.get_num_threads(), random.getstate(), torch.get_rng_state()
    yield
    torch.set_num_threads(threads)
    random.setstate(python)
    torch.set_rng_state(torchs)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> GRPO:
    run = begun(whole_run(tmp_path_factory.mktemp("whole")))
    run.train()
    return run


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was stopped at the end of step 11, with checkpoints of steps 7, the best, and 9."""
    made = tmp_path_factory.mktemp("stopped")
    with pytest.raises(Stopped):
        begun(whole_run(made, callbacks=[StopsAt(11)])).train()
    names = sorted(path.name for path in (made / "checkpoints").iterdir())
    assert names == ["step-00000007.pt", "step-00000009.pt"]
    return made


def same(folder: Path, run: GRPO, whole: GRPO, how: str = "") -> None:
    assert whole.config.folder is not None
    for name in FILES:
        assert (folder / name).read_bytes() == (whole.config.folder / name).read_bytes(), (name, how)
    assert run.step == whole.step == STEPS and torch.equal(weights(run.model), weights(whole.model)), how
    assert run.best == whole.best


def test_a_run_that_was_killed_ends_as_one_that_was_not(tmp_path: Path, uninterrupted: GRPO) -> None:
    wanted = random.SystemRandom().randrange(1, 8)  # lines of metrics, of two steps each
    process = subprocess.Popen([sys.executable, "-m", "tests.learn.grpo.killed", str(tmp_path)], cwd=HERE)
    metrics, lines, until = tmp_path / "metrics.jsonl", 0, time.monotonic() + 120
    while lines < wanted and process.poll() is None and time.monotonic() < until:
        time.sleep(0.001)
        lines = metrics.read_bytes().count(b"\n") if metrics.exists() else 0
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL and lines >= wanted
    run = whole_run(tmp_path)
    begun(run).train()
    same(tmp_path, run, uninterrupted, f"killed when there were {lines} lines")


@pytest.mark.parametrize("harm", ("torn", "one bit"))
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before_and_named(
    harm: str, stopped: Path, tmp_path: Path, uninterrupted: GRPO
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    _, newest = sorted((folder / "checkpoints").iterdir())
    content = bytearray(newest.read_bytes())
    if harm == "torn":
        del content[len(content) // 2 :]
    else:
        content[len(content) // 3] ^= 1
    newest.write_bytes(content)
    run = whole_run(folder)
    with pytest.warns(UserWarning, match=r"damaged in .*checkpoints: the checkpoints of steps 9; .* from step 7"):
        assert len(begun(run).train()) == STEPS - 7
    same(folder, run, uninterrupted)


def test_where_every_checkpoint_is_damaged_nothing_is_overwritten_unasked(
    stopped: Path, tmp_path: Path, uninterrupted: GRPO
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    for each in (folder / "checkpoints").iterdir():
        each.write_bytes(b"")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(ResumeRefused, match=r"the checkpoints of steps 7, 9, and there is no other .*--fresh"):
        begun(whole_run(folder)).train()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    run = whole_run(folder)
    assert len(begun(run).train(resume=False)) == STEPS
    same(folder, run, uninterrupted)


class Begins(Callback):
    """In the middle of a run another is begun in its folder."""

    def __init__(self, other: GRPO) -> None:
        self.other = other

    def on_step_end(self, trainer: GRPO, step: int, metrics: Mapping[str, float]) -> None:
        for begin in (self.other.train, lambda: self.other.train(resume=False), self.other.restore, self.other.save):
            with pytest.raises(ResumeRefused, match="another run is writing into"):
                begin()


def test_one_folder_is_one_runs_until_it_ends(tmp_path: Path) -> None:
    alone, folder = trainer(tmp_path / "alone", save_steps=1), tmp_path / "run"
    alone.train()
    run = trainer(folder, save_steps=1, callbacks=[Begins(trainer(folder))])
    run.train()
    assert (folder / "metrics.jsonl").read_bytes() == (tmp_path / "alone" / "metrics.jsonl").read_bytes()
    assert torch.equal(weights(run.model), weights(alone.model))
    with pytest.raises(Stopped):
        trainer(folder, callbacks=[StopsAt(1)]).train(resume=False)
    assert len(trainer(folder).train()) == 3, "a run that raised has let go of its folder"


def test_the_state_of_every_part_comes_back(stopped: Path, tmp_path: Path) -> None:
    shutil.copytree(stopped, tmp_path / "run")
    run = whole_run(tmp_path / "run")
    assert run.restore() and run.step == 9
    parts = run.experience.parts
    assert parts.bonus.steps == 9 and len(parts.bonus.wrong.state_dict()) > 0  # type: ignore[union-attr]
    assert run.auxiliary[0].kept and run.updater.done == 18 and run.experience.tokens > 0  # type: ignore[attr-defined]
    assert parts.budget.statistics.observations(list(range(20))).sum() == 9 * 12  # type: ignore[union-attr]


def test_a_run_that_is_done_does_nothing_more_and_a_new_one_forgets_it(tmp_path: Path) -> None:
    trainer(tmp_path).train()
    before = (tmp_path / "metrics.jsonl").read_bytes()
    again = trainer(tmp_path)
    assert again.train() == [] and again.step == 3 and (tmp_path / "metrics.jsonl").read_bytes() == before
    with pytest.raises(Stopped):
        trainer(tmp_path, callbacks=[StopsAt(1)]).train(resume=False)
    assert list((tmp_path / "checkpoints").iterdir()) == [], "else the next run would go on with the forgotten one"
    fresh = trainer(tmp_path, max_steps=2, learning_rate=0.01)
    fresh.train(resume=False)
    assert fresh.step == 2 and (tmp_path / "metrics.jsonl").read_bytes().count(b"\n") == 2
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000002.pt"]
    assert trainer(tmp_path, max_steps=2, learning_rate=0.01).train() == []


def odd(completion_ids: list[list[int]], **_: Any) -> list[float]:
    return [float(len(ids) % 2) for ids in completion_ids]


@pytest.mark.parametrize(("other", "said"), [
    ({"learning_rate": 0.5}, r"learning_rate was 0.001 in the run to be resumed, now 0.5"),
    ({"num_generations": 6}, "num_generations was 4"),
    ({"train_dataset": rows(19)}, "data of the run to be resumed: 20"),
    ({"train_dataset": [{**row, "more": 1} for row in rows()]}, "data of the run"),
    ({"reward_funcs": odd}, "reward functions of the run to be resumed: even; now: odd"),
    ({"bonus": CopyBonus()}, r"parts of the run to be resumed: rollout SingleTurn; now: .*bonus CopyBonus.*--fresh"),
])  # fmt: skip
def test_a_run_of_other_settings_or_data_is_not_gone_on_with(other: dict[str, Any], said: str, tmp_path: Path) -> None:
    trainer(tmp_path, max_steps=1).train()
    run = trainer(tmp_path, max_steps=1, **other)
    before = weights(run.model)
    with pytest.raises(ResumeRefused, match=said):
        run.train()
    assert torch.equal(weights(run.model), before)
    free = trainer(tmp_path, max_steps=1, save_steps=7, save_total_limit=4, report_to=())
    assert free.train() == []
