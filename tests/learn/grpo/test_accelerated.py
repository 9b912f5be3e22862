"""Two processes over gloo do what one does: whole weights in each, or shares of them; ragged groups straddle both."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.language.families import fresh
from tests.learn.grpo.small import model
from tests.learn.grpo.two_processes import failed, long, run, step, told_of
from wayfare.errors import BadValue
from wayfare.language.scoring import Scorer, full_logprobs, score
from wayfare.learn.grpo.accelerated import Accelerated, processes_here
from wayfare.learn.grpo.processes import Alone

pytest.importorskip("accelerate")
pytestmark = pytest.mark.xdist_group("processes")  # one worker, so that the processes are started once

Found = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("processes")


@pytest.fixture(scope="module")
def both(folder: Path) -> tuple[Found, Found, Found]:
    """What one process found, and each of two, who work meanwhile."""
    started = []
    for rank in range(2):
        told = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
        told |= {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "tests.learn.grpo.two_processes", str(folder)]
        with (folder / f"log-{rank}").open("w") as log:
            started.append(subprocess.Popen(command, env={**os.environ, **told}, stdout=log, stderr=subprocess.STDOUT))
    try:
        alone = {"step": step(Alone()), "run": run(Alone(), folder / "alone"), "failed": failed(Alone())}
        for rank, each in enumerate(started):
            assert each.wait(timeout=300) == 0, (folder / f"log-{rank}").read_text()
    finally:
        for each in started:
            each.kill()
    first, second = (torch.load(folder / f"rank-{rank}.pt", weights_only=True) for rank in range(2))
    return alone, first, second


@pytest.mark.parametrize("name", ("step", "sharded step"))
def test_one_step_draws_the_same_tokens_and_has_the_same_gradient(both: tuple[Found, ...], name: str) -> None:
    alone = both[0]["step"]
    for found in both[1:]:
        assert torch.equal(found[name]["drawn"][0], alone["drawn"][0])
        torch.testing.assert_close(found[name]["gradient"], alone["gradient"], rtol=1e-5, atol=1e-6)


def test_processes_that_share_weights_make_the_same_passes_whatever_their_rows(both: tuple[Found, ...]) -> None:
    scorer = Scorer(fresh("llama"))
    ids = torch.tensor([[5, 6, 7, 8, 3 + row] for row in range(4)])
    other = torch.cat([ids[:, :1] + torch.arange(4).unsqueeze(1), ids[:, 1:]], dim=1)
    for each in (ids, other):
        scorer(each, torch.ones_like(each, dtype=torch.bool), 2).logps.sum().backward()
    for found in both[1:]:
        torch.testing.assert_close(found["unlike"], next(scorer.parameters()).grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ("run", "sharded"))
def test_a_run_ends_at_the_same_weights_and_memories(both: tuple[Found, ...], name: str) -> None:
    alone, first, second = both[0]["run"], both[1][name], both[2][name]
    assert float(alone["weights"].std()) > 0.01 and alone["weights"].dtype == torch.float64
    for found in (first, second):
        assert len(found["drawn"]) == 5 and all(map(torch.equal, found["drawn"], alone["drawn"]))
        torch.testing.assert_close(found["weights"], alone["weights"], rtol=0, atol=1e-8)
        assert torch.equal(found["counts"], alone["counts"]), "a memory"
        for told, here in zip(found["metrics"], alone["metrics"], strict=True):
            assert told == pytest.approx(here, abs=1e-6)
    assert torch.equal(first["weights"], second["weights"]) and first["metrics"] == second["metrics"]


def test_a_run_in_shares_goes_on_from_its_checkpoint_bit_for_bit(both: tuple[Found, ...]) -> None:
    for found in both[1:]:
        assert len(found["resumed"]["drawn"]) == 2
        assert torch.equal(found["resumed"]["weights"], found["sharded"]["weights"])
        assert torch.equal(found["resumed"]["counts"], found["sharded"]["counts"])


@pytest.mark.parametrize("name", ("parallel", "sharded"))
def test_one_process_goes_on_from_the_checkpoint_of_two(
    both: tuple[Found, ...], folder: Path, name: str, tmp_path: Path
) -> None:
    kept = tmp_path / "checkpoints" / "step-00000003.pt"
    kept.parent.mkdir()
    kept.write_bytes((folder / name / "checkpoints" / kept.name).read_bytes())
    trained = long(Alone(), tmp_path)
    trained.train()
    torch.testing.assert_close(told_of(trained)["weights"], both[0]["run"]["weights"], rtol=0, atol=1e-8)


def test_what_is_written_is_written_once(both: tuple[Found, ...], folder: Path) -> None:
    def lines(name: str, file: str) -> int:
        return len((folder / name / file).read_text(encoding="utf-8").splitlines())

    for name in ("parallel", "sharded"):
        for file in ("metrics.jsonl", "completions.jsonl"):
            assert lines(name, file) == lines("alone", file)


def test_what_raises_in_one_process_ends_the_other_and_the_step_can_be_taken_again(both: tuple[Found, ...]) -> None:
    alone, first, second = (found["failed"] for found in both)
    assert (alone["kind"], first["kind"], second["kind"]) == ("RewardFailed", "ProcessFailed", "RewardFailed")
    for found in (first, second):
        torch.testing.assert_close(found["weights"], alone["weights"], rtol=0, atol=1e-5)


def test_weights_in_float64_are_scored_in_float64() -> None:
    policy = model()
    policy.net.double()
    ids = torch.tensor([[3, 4, 5, 6]])
    told = score(policy, ids, torch.ones_like(ids).bool(), 3, entropy=True)
    whole = full_logprobs(policy, ids, torch.ones_like(ids).bool(), 3)
    assert told.logps.dtype == torch.float64 and told.entropy is not None and told.entropy.dtype == torch.float64
    torch.testing.assert_close(whole.gather(2, ids[:, 1:, None])[..., 0], told.logps, rtol=0, atol=1e-14)


def test_a_process_that_was_started_alone_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert isinstance(processes_here(), Alone) and not isinstance(processes_here(), Accelerated)


def test_the_first_kind_of_sharding_is_refused() -> None:
    settings: Any = SimpleNamespace(fsdp_version=1)
    with pytest.raises(BadValue, match="fsdp_version must be 2, got 1"):
        Accelerated(SimpleNamespace(distributed_type="MULTI_CPU"), settings)  # type: ignore[arg-type]
