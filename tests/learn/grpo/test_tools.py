"""Conversations in one row: what is whose, what is learned, how they end, and what a call earns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch

from tests.learn.grpo.small import END, READER, drawn_rows, gradient, model, rows
from wayfare.errors import BadValue
from wayfare.language.local import TransformersModel
from wayfare.language.nano import Nano, WordReader
from wayfare.language.nano_model import NanoModel
from wayfare.language.sampler import Sampler
from wayfare.language.scoring import score
from wayfare.learn.grpo.seams import Asked
from wayfare.learn.grpo.tools import ToolBonus, ToolRollout
from wayfare.learn.rollouts import RolloutBatch
from wayfare.worlds.verifiable import LookupArithmetic


@dataclass
class State:
    row: Mapping[str, Any]
    told: list[str] = field(default_factory=list)
    useless: int = 0


class Echo:
    """Answers a turn of several words with its words backwards, an empty one with nothing; one word ends it."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def start(self, row: Mapping[str, Any]) -> State:
        return State(row)

    def respond_all(self, states: Sequence[State], texts: Sequence[str]) -> list[str | None]:
        self.asked.append(len(states))
        return [self._one(state, text) for state, text in zip(states, texts, strict=True)]

    def _one(self, state: State, text: str) -> str | None:
        state.told.append(text)
        state.useless += not text
        words = text.split()
        return None if len(words) == 1 else " ".join(words[::-1])


class OnlyOne(Echo):
    """Goes on with the prompt whose answer is 4 alone."""

    def _one(self, state: State, text: str) -> str | None:
        return "7 7" if state.row["target"] == "4" else None


class Scripted(Sampler):
    """The n-th token that is drawn at a position is given; for the others nobody asks."""

    def __init__(self, tokens: Sequence[Sequence[int]]) -> None:
        super().__init__()
        object.__setattr__(self, "tokens", tokens)

    def sample(self, logits: Any, position: int, step: int, uniform: Any) -> Any:
        drawn = super().sample(logits, position, step, uniform)
        said: Any = self.tokens  # type: ignore[attr-defined]
        token = torch.tensor([row[position] if position < len(row) else END for row in said])[: len(logits)]
        own = logits.log_softmax(dim=1).gather(1, token.unsqueeze(1)).squeeze(1)
        return drawn._replace(token=token, logp=own, logp_at_one=own)


def asked(many: int = 6, new: int = 12, **others: Any) -> Asked:
    data = rows(many)
    told: dict[str, Any] = {
        "prompts": [row["prompt"] for row in data], "rows": data, "keys": torch.arange(many),
        "group_id": torch.arange(many) // 2, "numbers": torch.arange(many), "step": 0, "attempt": 0, "seed": 3,
        "new": new,
    }  # fmt: skip
    return Asked(**{**told, **others})


def words(text: str) -> list[int]:
    return [READER.ids[word] for word in text.split()]


def scripted(*turns: str, new: int = 12, most: int = 8) -> tuple[RolloutBatch, Echo]:
    """One conversation; in a turn `_` stands where the environment speaks, so that the policy is not asked."""
    tokens = words(" ".join(turns).replace("_", "<other>").replace("|", "<end>"))
    told, environment = asked(1, new), Echo()
    return ToolRollout(environment, Scripted([tokens]), turns=most).collect(model(), told), environment


def test_a_conversation_is_one_row_in_which_only_the_policys_own_tokens_are_learned() -> None:
    batch, environment = scripted("1 2 | _ _ 3 4 5 | _ _ _ 6 |", new=16)
    assert batch.completion_ids[0].tolist() == words("1 2 <end> 2 1 3 4 5 <end> 5 4 3 6 <end>")
    assert batch.loss_mask[0].tolist() == [1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1]
    assert bool(batch.completion_mask.all()) and batch.texts == ("1 2 2 1 3 4 5 5 4 3 6",)
    assert batch.extras["calls"].tolist() == [2] and batch.extras["useless"].tolist() == [0]
    assert not bool(batch.truncated[0]) and environment.asked == [1, 1, 1]
    observed = batch.loss_mask == 0
    assert bool((batch.old_logps[observed] == 0).all()) and bool((batch.behaviour_logps[observed] == 0).all())
    assert bool((batch.old_logps[~observed] < 0).all())


def test_an_empty_turn_is_a_turn_and_an_empty_observation_no_token() -> None:
    batch, _ = scripted("| | 7 |")
    assert batch.completion_ids[0].tolist() == [END, END, *words("7"), END] and bool((batch.loss_mask == 1).all())
    assert batch.extras["calls"].tolist() == [2] and batch.extras["useless"].tolist() == [2]
    assert batch.texts == ("7",)


def test_a_conversation_without_turns_or_room_left_is_truncated() -> None:
    few, environment = scripted("1 2 | _ _ 3 4 | _ _ 5 |", most=2)
    assert few.completion_ids[0].tolist() == words("1 2 <end> 2 1 3 4 <end>") and bool(few.truncated[0])
    assert few.extras["calls"].tolist() == [2] and environment.asked == [1, 1]
    # two words would leave nothing for the policy to say
    tight, _ = scripted("1 2 | _ _ 5 |", new=5)
    assert tight.completion_ids[0].tolist() == words("1 2 <end>") and bool(tight.truncated[0])
    just, _ = scripted("1 2 | _ _ 5 |", new=6)
    assert just.completion_ids[0].tolist() == words("1 2 <end> 2 1 5") and bool(just.truncated[0])
    assert just.texts == ("1 2 2 1 5",) and just.loss_mask[0].tolist() == [1, 1, 1, 0, 0, 1]


@pytest.mark.parametrize("kind", ["nano", "transformers"])
def test_log_probabilities_of_another_pass_are_those_that_were_recorded(kind: str) -> None:
    policy: Any = model(spread=2.0)
    if kind == "transformers":
        policy = policy.to_transformers()
        assert isinstance(policy, TransformersModel)
    batch = ToolRollout(Echo(), Sampler(temperature=0.7), stop=("1", "2")).collect(policy, asked(8, 16))
    assert batch.extras["calls"].sum() > 0 and len(set(batch.completion_mask.sum(dim=1).tolist())) > 1
    ids, valid = batch.sequences()
    with torch.no_grad():
        again = score(policy, ids, valid, batch.completion_ids.shape[1]).logps
    mine = batch.loss_mask > 0
    assert torch.allclose(again[mine], batch.old_logps[mine], atol=1e-4)
    assert not torch.allclose(batch.behaviour_logps[mine], batch.old_logps[mine], atol=1e-2)
    assert bool((batch.old_logps[~mine] == 0).all()) and bool((batch.completion_ids[~batch.completion_mask] == 0).all())


def test_a_row_is_the_same_alone_and_in_company() -> None:
    policy, rollout = model(spread=2.0), ToolRollout(OnlyOne(), stop=tuple("0123456789"))
    whole = rollout.collect(policy, asked(6, 16))
    lengths = whole.completion_mask.sum(dim=1)
    assert int((lengths < lengths[4]).sum()) > 3, "most have ended before it, and leave the batch"
    some = asked(6, 16)
    alone = rollout.collect(
        policy, replace(some, prompts=some.prompts[4:5], rows=some.rows[4:5], keys=some.keys[4:5],
                        group_id=some.group_id[4:5], numbers=some.numbers[4:5])
    )  # fmt: skip
    length = alone.completion_ids.shape[1]
    assert alone.completion_ids[0].tolist() == whole.completion_ids[4, :length].tolist()
    assert whole.texts is not None and alone.texts == whole.texts[4:5]
    assert torch.allclose(alone.old_logps[0], whole.old_logps[4, :length], atol=1e-5)
    assert len(rollout.collect(policy, asked(0))) == 0, "a process may have no row"
    told = rollout.collect(policy, asked(6, 16, train=False, step=7))
    assert told.completion_ids.tolist() == rollout.collect(policy, asked(6, 16, train=False)).completion_ids.tolist()


def test_what_is_observed_moves_the_gradient_by_what_it_says_and_not_as_a_target() -> None:
    policy = model()
    batch = drawn_rows(policy)
    last = batch.completion_mask.sum(dim=1) - 1
    row = int(last.argmax())
    mask = batch.loss_mask.clone()
    mask[row, 1] = 0.0
    batch = replace(batch, loss_mask=mask)
    whole = gradient(batch)
    untold = replace(batch, old_logps=batch.old_logps - 3.0 * (mask == 0))
    assert torch.equal(gradient(untold, num_iterations=1), whole)
    ids = batch.completion_ids.clone()
    ids[row, 1] = 3 + (ids[row, 1] - 3 + 1) % 10
    assert float((gradient(replace(batch, completion_ids=ids)) - whole).norm()) > 1e-3 * float(whole.norm())
    # observed last, with nobody behind it: whatever it says, it is no target
    mask[row, last[row]] = 0.0
    one = replace(batch, loss_mask=mask)
    ids = batch.completion_ids.clone()
    ids[row, last[row]] = 5
    assert torch.allclose(gradient(one), gradient(replace(one, completion_ids=ids)), atol=1e-7)


def test_a_stop_string_ends_a_turn_and_a_frame_is_written_around_an_observation() -> None:
    tokens = words("1 2 9 <other> <other> <other> <other> 6")
    rollout = ToolRollout(Echo(), Scripted([tokens]), stop=("9",), frame="0 {}")
    batch = rollout.collect(model(), asked(1, 8))
    assert batch.completion_ids[0].tolist() == words("1 2 9 0 9 2 1 6")
    assert batch.loss_mask[0].tolist() == [1, 1, 1, 0, 0, 0, 0, 1]
    for told in ({"turns": 0}, {"frame": "no place"}):
        with pytest.raises(BadValue):
            ToolRollout(Echo(), **told)
    with pytest.raises(BadValue, match="context"):
        rollout.collect(model(), asked(1, 64))


def test_the_transcript_of_a_world_is_what_its_reward_replays() -> None:
    task = LookupArithmetic()
    reader = WordReader(task.words)
    row = {"prompt": "A + C ?", "table": [7, 1, 5, 0, 9, 3], "keys": [0, 2]}
    texts = (
        "Q A <end> 7 Q C <end> 5 = 1 2 <end>",
        "Q A <end> 7 Q B <end> 1 = 1 2 <end>",
        "= 1 2 <end>",
        "Q A <end> 7 = 1 3 <end>",
    )
    said = [[reader.ids[word] for word in text.split()] for text in texts]
    told = asked(4, 16, prompts=[row["prompt"]] * 4, rows=[row] * 4, keys=torch.zeros(4, dtype=torch.int64))
    policy = NanoModel(Nano(len(reader), "xs"), reader, context=64)
    batch = ToolRollout(task, Scripted(said)).collect(policy, told)
    assert batch.texts is not None and batch.texts[0] == "Q A 7 Q C 5 = 1 2"
    paid = task.reward(list(batch.prompts or ()), batch.texts, table=[row["table"]] * 4, keys=[row["keys"]] * 4)
    assert paid == [1.0, 1.0, 1.0, 0.0]
    assert batch.extras["calls"].tolist() == [2, 2, 0, 1] and batch.extras["useless"].tolist() == [0, 1, 0, 0]


def test_calls_are_paid_up_to_a_cap() -> None:
    batch = drawn_rows(model(), 3, extras={"calls": torch.tensor([0, 3, 50])})
    assert ToolBonus().score(batch).tolist() == pytest.approx([0.0, 0.3, 1.0])
    with pytest.raises(BadValue, match="calls"):
        ToolBonus().score(replace(batch, extras={}))
    with pytest.raises(BadValue):
        ToolBonus(cap=-1.0)
