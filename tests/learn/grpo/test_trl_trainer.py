"""Bonuses and advantages of ours inside TRL's trainer, on a model of a few hundred weights."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import accelerate.utils
import datasets
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer

from wayfare.errors import BadValue, MissingExtra
from wayfare.language.local import TransformersModel
from wayfare.learn.grpo.advantages import GroupRelative
from wayfare.learn.grpo.trl_bonus import BonusReward, StepMemory, bonus_reward, told_batch
from wayfare.learn.grpo.trl_trainer import WRAPPED, SeamedGRPOTrainer, check_signatures
from wayfare.learn.rollouts import RolloutBatch

pytestmark = pytest.mark.xdist_group("trl")  # one worker, since importing TRL takes as long as the tests

WORDS = ["<pad>", "<eos>", "<unk>", *"abcdefgh"]
DATA = [{"prompt": "a b"}, {"prompt": "c"}]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")


def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(WORDS), hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=32, eos_token_id=1, pad_token_id=0, bos_token_id=None,
        )
    )  # fmt: skip


class Seen:
    """1 / (1 + how often the text was given), and what it was asked in order."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.asked: list[tuple[str, RolloutBatch]] = []

    def score(self, batch: RolloutBatch) -> list[float]:
        self.asked.append(("score", batch))
        assert batch.texts is not None
        return [1 / (1 + self.counts[text]) for text in batch.texts]

    def update(self, batch: RolloutBatch) -> None:
        self.asked.append(("update", batch))
        self.counts.update(batch.texts)

    def state_dict(self) -> dict[str, Any]:
        return {"counts": dict(self.counts)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.counts = Counter(state["counts"])


def many_a(completions: list[str], **told: Any) -> list[float]:
    return [float(text.count("a")) for text in completions]


@pytest.fixture(scope="module")
def trainer_of(
    tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., GRPOTrainer]:
    def build(kind: type[GRPOTrainer], rewards: list[Any], config: dict[str, Any], **parts: Any) -> GRPOTrainer:
        told: dict[str, Any] = {
            "max_steps": 2, "per_device_train_batch_size": 4, "num_generations": 4, "gradient_accumulation_steps": 2,
            "max_completion_length": 4, "learning_rate": 1e-2, "save_strategy": "no", **config,
        }  # fmt: skip
        told.setdefault("output_dir", str(tmp_path_factory.mktemp("run")))
        args = GRPOConfig(
            use_cpu=True, bf16=False, gradient_checkpointing=False, report_to="none", disable_tqdm=True, **told
        )
        data = datasets.Dataset.from_list(DATA)
        return kind(
            model(), rewards, args=args, train_dataset=data, eval_dataset=data, processing_class=tokenizer, **parts
        )

    return build


def weights(trainer: Any) -> Tensor:
    return torch.cat([each.detach().flatten() for each in trainer.model.parameters()])


def test_a_bonus_is_written_once_a_step_and_never_in_evaluation(
    trainer_of: Callable[..., GRPOTrainer], tmp_path: Path
) -> None:
    seen = Seen()
    novel = bonus_reward(seen, weight=0.5, name="novel")
    config = {
        "eval_strategy": "steps", "eval_steps": 1, "per_device_eval_batch_size": 8, "save_strategy": "steps",
        "save_steps": 1, "logging_steps": 1, "output_dir": str(tmp_path),
    }  # fmt: skip
    trainer = trainer_of(GRPOTrainer, [many_a, novel], config)
    novel.attach(trainer).attach(trainer)
    trainer.train()
    assert [what for what, _ in seen.asked] == ["score", "update", "score"] * 2
    for number in (1, 4):
        scored, written = seen.asked[number - 1][1], seen.asked[number][1]
        assert len(written) == 8 and written.texts == scored.texts and written.born_step is not None
        assert written.bonus is not None and written.group_id.unique(return_counts=True)[1].tolist() == [4, 4]
        assert written.born_step.unique().tolist() == [number // 3]
        told = [text for batch in (seen.asked[0][1], seen.asked[3][1])[: number // 3] for text in batch.texts or ()]
        assert written.bonus.tolist() == pytest.approx([1 / (1 + told.count(text)) for text in written.texts or ()])
    assert seen.counts.total() == 16
    logged = [entry for entry in trainer.state.log_history if "rewards/novel/mean" in entry]
    assert logged[0]["rewards/novel/mean"] == 0.5

    again = Seen()
    resumed = bonus_reward(again, name="novel")
    trainer = trainer_of(GRPOTrainer, [many_a, resumed], {**config, "eval_strategy": "no"})
    resumed.attach(trainer)
    trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))
    assert again.counts.total() == 16 and [what for what, _ in again.asked] == ["score", "update"]
    (tmp_path / "checkpoint-1" / "wayfare.pt").unlink()
    with pytest.raises(BadValue, match="a checkpoint with its memories"):
        trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))


def test_what_was_drawn_in_several_batches_of_a_step_is_written_as_one(tokenizer: Any) -> None:
    seen = Seen()
    memory = StepMemory({"bonus": seen, "shaper": None})
    memory.write()
    for prompts in (["a", "b"], ["b", "b"]):
        told = {"prompts": prompts, "completions": ["c", "d d"], "completion_ids": [[5], [6, 6]], "step": 0}
        memory.add(told_batch(TransformersModel(model(), tokenizer), **told))
    memory.write()
    memory.write()
    ((what, written),) = seen.asked
    assert (
        what == "update" and written.group_id.tolist() == [0, 1, 2, 2] and written.trajectory.tolist() == [0, 1, 2, 3]
    )
    with pytest.raises(BadValue, match="state must be of the parts bonus"):
        memory.load_state_dict({"other": {}})


class Stub:
    """What `attach` asks of a trainer, without one."""

    def __init__(self, reward: BonusReward, tokenizer: Any, *, rank: int = 0, count: int = 1) -> None:
        self.reward_funcs, self.processing_class, self.model = [reward], tokenizer, model().eval()
        self.state = SimpleNamespace(global_step=3)
        self.accelerator = SimpleNamespace(num_processes=count, process_index=rank, unwrap_model=lambda module: module)

    def add_callback(self, callback: Any) -> None:
        pass


ROWS: dict[str, Any] = {
    "prompts": ["a b", "c", "a b", "c"], "completions": ["d", "e f", "", "d"],
    "completion_ids": [[6, 1], [7, 8], [1], [6]],
}  # fmt: skip


class Width:
    """Features that read the model: what it says of the prompt."""

    def features(self, told: Any, batch: RolloutBatch) -> Tensor:
        ids, valid = batch.sequences()
        states: Tensor = told.states(ids, valid.bool(), batch.completion_ids.shape[1])
        return states.mean(dim=1)


def test_rows_of_equal_prompt_are_a_group_wherever_they_stand(tokenizer: Any) -> None:
    seen = Seen()
    novel = bonus_reward(seen, Width(), weight=2.0)
    with pytest.raises(BadValue, match=r"attach\(trainer\)"):
        novel(**ROWS)
    with pytest.raises(BadValue, match="among its reward_funcs"):
        novel.attach(Stub(bonus_reward(seen), tokenizer))
    novel.attach(Stub(novel, tokenizer))
    assert novel(**ROWS, trainer_state=None) == [2.0] * 4
    batch = seen.asked[0][1]
    assert batch.group_id.tolist() == [0, 1, 0, 1] and batch.truncated.tolist() == [False, True, False, True]
    assert batch.prompt_ids.tolist() == [[3, 4], [0, 5]] * 2 and batch.prompt_mask[1].tolist() == [False, True]
    assert batch.completion_ids[2].tolist() == [1, 0] and batch.completion_mask[2].tolist() == [True, False]
    assert batch.behaviour_logps.isnan().equal(batch.completion_mask) and batch.prompt_key is not None
    assert batch.features is not None and batch.features.shape == (4, 8) and batch.features.isfinite().all()
    assert batch.prompt_key[0] == batch.prompt_key[2] != batch.prompt_key[1]
    seen.score = lambda batch: [0.0, float("nan"), 0.0, 0.0]  # type: ignore[method-assign]
    with pytest.raises(BadValue, match="4 finite numbers, one a row"):
        novel(**ROWS)


def test_every_process_scores_the_rows_of_all_and_gives_back_its_own(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = [("c", "a", [3]), ("a b", "d", [6, 1])]
    monkeypatch.setattr(accelerate.utils, "gather_object", lambda own: [*other, *own])
    seen = Seen()
    seen.counts.update(["d", "d"])
    novel = bonus_reward(seen)
    novel.attach(Stub(novel, tokenizer, rank=1, count=2))
    first = {name: value[:2] for name, value in ROWS.items()}
    assert novel(**first) == pytest.approx([1 / 3, 1.0])
    assert seen.asked[0][1].texts == ("a", "d", "d", "e f") and seen.asked[0][1].group_id.tolist() == [0, 1, 1, 0]


class ByToken:
    """The group's advantages at the first token alone, and the rewards that they were made of."""

    def __init__(self) -> None:
        self.told: list[Tensor] = []

    def advantage(self, reward: Tensor, group_id: Tensor, groups: int) -> Tensor:
        self.told.append(reward)
        found = torch.zeros(len(reward), 4)
        found[:, 0] = GroupRelative().advantage(reward, group_id, groups)
        return found


class Halved:
    def combine(self, extrinsic: Tensor, bonus: Tensor, group_id: Tensor, step: int) -> Tensor:
        return extrinsic + 0.5 * bonus + step


def test_without_parts_and_with_trls_own_advantages_as_one_the_weights_are_trls(
    trainer_of: Callable[..., GRPOTrainer],
) -> None:
    trained = []
    for kind, parts in (
        (GRPOTrainer, {}),
        (SeamedGRPOTrainer, {}),
        (SeamedGRPOTrainer, {"advantage": GroupRelative()}),
    ):
        trainer = trainer_of(kind, [many_a], {}, **parts)
        trainer.train()
        trained.append(weights(trainer))
    assert not torch.equal(trained[0], weights(SimpleNamespace(model=model())))
    assert torch.equal(trained[0], trained[1])
    assert torch.allclose(trained[0], trained[2], rtol=0, atol=1e-5)


def test_reward_and_bonus_become_the_advantages_that_trl_learns_from(trainer_of: Callable[..., GRPOTrainer]) -> None:
    seen, by_token, taken = Seen(), ByToken(), []

    class Watched(SeamedGRPOTrainer):
        def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
            output = super()._generate_and_score_completions(inputs)
            taken.append(output["advantages"])
            return output

    config = {"eval_strategy": "steps", "eval_steps": 2, "per_device_eval_batch_size": 8, "logging_steps": 1}
    trainer: Any = trainer_of(
        Watched, [many_a], config, advantage=by_token, bonus=seen, features=Width(), shaper=Halved()
    )
    trainer.train()
    assert [what for what, _ in seen.asked] == ["score", "update"] * 2
    for step in range(2):
        batch = seen.asked[2 * step + 1][1]
        assert batch.extrinsic is not None and batch.bonus is not None and batch.features is not None
        assert batch.extrinsic.tolist() == many_a(list(batch.texts or ()))
        assert torch.allclose(by_token.told[step], batch.extrinsic + 0.5 * batch.bonus + step)
        width = batch.completion_ids.shape[1]
        assert batch.advantages is not None and torch.equal(taken[step], batch.advantages[:, :width])
    assert taken[2].ndim == 1 and len(by_token.told) == 2  # evaluation is TRL's
    assert len(trainer._logs["advantages"]) == 8
    assert any("bonus/mean" in entry for entry in trainer.state.log_history)


def test_parts_that_do_not_fit_are_refused(trainer_of: Callable[..., GRPOTrainer]) -> None:
    for parts in ({"shaper": Halved()}, {"features": Width()}):
        with pytest.raises(BadValue, match="no bonus"):
            trainer_of(SeamedGRPOTrainer, [many_a], {}, **parts)
    with pytest.raises(BadValue, match="multi_objective_aggregation"):
        trainer_of(
            SeamedGRPOTrainer,
            [many_a],
            {"multi_objective_aggregation": "normalize_then_sum"},
            advantage=GroupRelative(),
        )


def test_the_methods_of_trl_that_are_wrapped_have_their_known_parameters() -> None:
    check_signatures(GRPOTrainer)
    for name in WRAPPED:
        changed = type("Changed", (GRPOTrainer,), {name: lambda self, batch: None})
        with pytest.raises(BadValue, match=f"Changed.{name} must be a method of"):
            check_signatures(changed)
    with pytest.raises(BadValue, match=r"_calculate_rewards.*absent"):
        check_signatures(object)


def test_without_trl_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trl.trainer.grpo_trainer", None)
    spec = find_spec("wayfare.learn.grpo.trl_trainer")
    assert spec is not None and spec.loader is not None
    with pytest.raises(MissingExtra, match=r"pip install 'wayfare\[trl\]'"):
        spec.loader.exec_module(module_from_spec(spec))
