"""An arm through two small steps, so that what is wrong with its parts is said before hours are spent on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from wayfare.agents.language_rl.addresses import found
from wayfare.agents.language_rl.arms import Arm, trainer_of
from wayfare.agents.language_rl.base import Base
from wayfare.errors import BadValue, WayfareError
from wayfare.learn.checkpoint import Checkpoints
from wayfare.named import said

__all__ = ["tried"]

SMALL = {"generation_batch_size": 8, "num_generations": 4, "mini_batches": 1, "num_iterations": 1}


def tried(base: Base, arm: Arm) -> None:
    """Two steps of eight answers on the base's task, from a model that has learned next to nothing; then its state
    into a checkpoint and back.

    Raises: BadValue that names the arm's parts and says what one of them raised, and in which line.
    """
    for address in arm.addresses:
        found(address)
    try:
        trainer = trainer_of(replace(base, steps=1, rows=4), arm.but(arm.name, **SMALL), 0, settings={"max_steps": 2})
        trainer.advance()
        trainer.advance()
        with TemporaryDirectory() as folder:
            checkpoints = Checkpoints(Path(folder))
            checkpoints.write(trainer.step, trainer.state_dict())
            state = checkpoints.read(trainer.step)
        assert state is not None
        trainer.load_state_dict(state)
    except WayfareError:
        raise
    except Exception as error:
        file = Path(arm.addresses[0].rpartition(":")[0]) if arm.addresses else None
        why = f"parts that get through two steps and into a checkpoint; one raises {said(error, file)}"
        raise BadValue("method", ", ".join(arm.addresses) or arm.name, why) from error
