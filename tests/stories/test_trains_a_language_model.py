"""Somebody has a model, a file of questions and a reward, and trains one by the other in twelve lines.

His model is any of `transformers`; here four kinds, each a few thousand weights, all of them trained or adapters alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.xdist_group("trains a language model")  # one worker, so that transformers is loaded once

WORDS = {"<pad>": 0, "<end>": 1, "<other>": 2, **{str(digit): 3 + digit for digit in range(10)}, "+": 13, "=": 14}
SMALL: dict[str, Any] = {
    "vocab_size": len(WORDS), "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": None, "eos_token_id": 1,
}  # fmt: skip
WIDER: dict[str, Any] = {**SMALL, "num_key_value_heads": 1, "head_dim": 8, "intermediate_size": 24}


def kinds() -> dict[str, Any]:
    from transformers import Gemma3TextConfig, GPT2Config, LlamaConfig, Qwen3Config

    return {
        "llama": LlamaConfig(**WIDER),
        "qwen3": Qwen3Config(**WIDER),
        "gpt2": GPT2Config(**SMALL, resid_pdrop=0.1),
        "gemma3": Gemma3TextConfig(**WIDER, sliding_window=4, layer_types=["sliding_attention", "full_attention"]),
    }


@pytest.fixture(scope="module", params=("llama", "qwen3", "gpt2", "gemma3"))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """His model, where he saved it."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    made = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(kinds()[request.param]).save_pretrained(made)
    reader = Tokenizer(models.WordLevel(WORDS, unk_token="<other>"))
    reader.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=reader, pad_token="<pad>", eos_token="<end>").save_pretrained(made)
    return made


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    asked = [{"prompt": f"{a} + {b} =", "answer": str(a + b)} for a in range(5) for b in range(5)]
    path.write_text("".join(json.dumps(row) + "\n" for row in asked), encoding="utf-8")
    return path


@pytest.mark.parametrize("adapters", (False, True), ids=("all weights", "adapters"))
def test_a_stranger_trains_his_model_on_his_questions(
    adapters: bool, folder: Path, questions: Path, tmp_path: Path
) -> None:
    lora: Any = None
    if adapters:
        from peft import LoraConfig

        lora = LoraConfig(r=2, target_modules="all-linear")

    # the twelve lines
    from wayfare.learn.grpo import GRPO, GRPOConfig

    def right(completions: list[str], answer: list[str], **_: Any) -> list[float]:
        told = zip(completions, answer, strict=True)
        return [1.0 if text.strip() == wanted else 0.1 * len(text) for text, wanted in told]

    trainer = GRPO(
        str(folder), right, str(questions), peft_config=lora,
        args=GRPOConfig(max_steps=2, generation_batch_size=16, num_generations=8, max_completion_length=4,
                        learning_rate=1e-2, beta=0.01 if lora else 0.0),
    )  # fmt: skip
    trainer.train()
    trainer.save_pretrained(tmp_path / "trained")

    from transformers import AutoModelForCausalLM, AutoTokenizer

    before = AutoModelForCausalLM.from_pretrained(folder)
    if adapters:
        from peft import PeftModel

        after = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), tmp_path / "trained")
        trainer.save_pretrained(tmp_path / "merged", merged=True)
        merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    else:
        after = merged = AutoModelForCausalLM.from_pretrained(tmp_path / "trained")
    ids = AutoTokenizer.from_pretrained(tmp_path / "trained")("3 + 4 =", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        first, second, third = (model.eval()(ids).logits for model in (before, after, merged))
        own = trainer.model.logits(trainer.model.states(torch.cat([ids, ids[:, :1]], 1), torch.ones(1, 5), 4))
    assert len(trainer.metrics) == 2 and trainer.metrics[1]["reward"] > 0
    assert float((second - first).abs().max()) > 1e-3, "it was trained"
    torch.testing.assert_close(second, own, rtol=0, atol=1e-4)
    torch.testing.assert_close(third, second, rtol=0, atol=1e-4)
    if adapters:
        assert trainer.metrics[0]["kl"] == pytest.approx(0.0, abs=1e-6) and trainer.metrics[1]["kl"] > 0
        assert sum(path.stat().st_size for path in (tmp_path / "trained").glob("*.safetensors")) < 12_000
