"""`wayfare train` trains what a file describes and takes a run up again, or says in one line why it does not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from wayfare.cli import main
from wayfare.language.nano import Nano, WordReader

REWARDS = """
def right(completions, target, **_):
    return [float(text.split()[:1] == [wanted]) for text, wanted in zip(completions, target)]
"""
BONUS = """
class Rare:
    def __init__(self, beta=0.1):
        self.beta, self.seen = beta, {}

    def score(self, batch):
        return [self.beta / (1 + self.seen.get(text[:1], 0)) for text in batch.texts]

    def update(self, batch):
        for text in batch.texts:
            self.seen[text[:1]] = self.seen.get(text[:1], 0) + 1

    def state_dict(self):
        return dict(self.seen)

    def load_state_dict(self, state):
        self.seen = dict(state)
"""
RUN = """
model = "model"
train_dataset = "train.jsonl"
eval_dataset = "train.jsonl"
reward_funcs = ["rewards.py:right"]

[args]
output_dir = "{out}"
max_steps = {steps}
lr_scheduler_type = "constant"
generation_batch_size = 8
num_generations = 4
max_completion_length = 2
learning_rate = 1e-3
save_steps = 1
num_generations_eval = 2
eval_ks = [1, 2]

[parts.bonus]
use = "bonus.py:Rare"
beta = 0.2
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `save_pretrained` writes one, with its tokenizer."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    reader = WordReader([str(digit) for digit in range(10)])
    Nano(len(reader), "xs").to_transformers().save_pretrained(folder)
    reader.to_transformers().save_pretrained(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Everything that a run needs beside the file that describes it."""
    (tmp_path / "model").symlink_to(model)
    (tmp_path / "rewards.py").write_text(REWARDS)
    (tmp_path / "bonus.py").write_text(BONUS)
    rows = ({"prompt": f"{i % 10} {i // 10}", "target": str(i % 10)} for i in range(12))
    (tmp_path / "train.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    monkeypatch.chdir(tmp_path.parent)  # paths are as seen from the file, wherever the command is given
    return tmp_path


def _file(folder: Path, steps: int = 2, out: str = "out", old: str = "", new: str = "", more: str = "") -> str:
    text = RUN.format(out=out, steps=steps)
    assert old in text
    (folder / "run.toml").write_text(text.replace(old, new) + more)
    return str(folder / "run.toml")


def _metrics(folder: Path) -> list[str]:
    return (folder / "metrics.jsonl").read_text().splitlines()


def test_a_file_is_trained_told_step_by_step_and_leaves_a_model(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", _file(folder)]) == 0
    said = capsys.readouterr().out
    assert "12 prompts; 2 optimiser steps of 8 answers, 4 a prompt, at most 2 tokens each" in said
    assert "step 1: " in said and "bonus/mean" in said and "eval_pass@2" in said
    lines = [json.loads(line) for line in _metrics(folder / "out")]
    assert [line["step"] for line in lines] == [1, 2, 2] and "eval_pass@1" in lines[-1]
    assert lines[0]["bonus/mean"] == pytest.approx(0.2)
    assert lines[1]["bonus/mean"] < 0.2
    assert (folder / "out" / "model" / "config.json").is_file()


def test_a_run_that_was_stopped_goes_on_to_what_one_that_was_not_finds(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", _file(folder, out="whole")]) == 0
    (folder / "stop.py").write_text(
        "from wayfare.learn.grpo import Callback\n\n\nclass After(Callback):\n"
        "    def on_save(self, trainer, step, path):\n        raise KeyboardInterrupt\n"
    )
    stopped = _file(folder, out="parts", more='[[parts.callbacks]]\nuse = "stop.py:After"\n')
    assert main(["train", stopped]) == 130
    capsys.readouterr()
    assert main(["train", _file(folder, out="parts")]) == 0
    assert "goes on from step 1" in capsys.readouterr().out
    assert _metrics(folder / "parts") == _metrics(folder / "whole")


def test_a_finished_run_is_left_alone_unless_it_is_asked_for_afresh(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = _file(folder, steps=1)
    assert main(["train", file]) == 0
    before = _metrics(folder / "out")
    assert main(["train", file]) == 0
    assert _metrics(folder / "out") == before
    capsys.readouterr()
    assert main(["train", file, "--fresh"]) == 0
    assert "step 1: " in capsys.readouterr().out
    assert _metrics(folder / "out") == before


def test_a_run_of_other_settings_in_the_same_folder_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", _file(folder, steps=1)]) == 0
    assert main(["train", _file(folder, steps=1, old="1e-3", new="1e-2")]) == 2
    assert "learning_rate was 0.001 in the run to be resumed, now 0.01" in capsys.readouterr().err


def test_check_loads_everything_says_what_would_be_done_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", _file(folder), "--check"]) == 0
    assert "2 optimiser steps" in capsys.readouterr().out
    assert not (folder / "out").exists()


def test_json_says_the_same_as_toml_and_adapters_are_trained_beside_the_model(folder: Path) -> None:
    told = {
        "model": "model", "train_dataset": "train.jsonl", "reward_funcs": "rewards.py:right",
        "args": {"output_dir": "out", "max_steps": 1, "generation_batch_size": 4, "num_generations": 2,
                 "max_completion_length": 2},
        "lora": {"r": 2, "target_modules": "all-linear"},
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(told))
    assert main(["train", str(folder / "run.json")]) == 0
    assert (folder / "out" / "model" / "adapter_config.json").is_file()


@pytest.mark.parametrize(
    ("old", "new", "more", "said"),
    [
        ('model = "model"', 'model = "nowhere/at/all"', "", "nowhere/at/all"),
        ('model = "model"', 'modell = "model"', "", "key must be one of model"),
        ('model = "model"', "", "", "model is missing"),
        ('model = "model"', "model = ", "", "TOML"),
        ("train.jsonl", "gone.jsonl", "", "gone.jsonl"),
        ("rewards.py:right", "rewards.py:wrong", "", "something that"),
        ("rewards.py:right", "gone.py:right", "", "gone.py is none"),
        ("rewards.py:right", "rewards.py", "", "reward_funcs must be FILE.py:NAME or MODULE:NAME"),
        ("max_steps", "max_stepz", "", "config field must be one of output_dir"),
        ("num_generations = 4", "num_generations = 3", "", "generation_batch_size must be a multiple of"),
        ("[parts.bonus]", "[parts.bonuses]", "", "part must be one of rollout"),
        ("beta = 0.2", "betta = 0.2", "", "part bonus must be arguments that bonus.py:Rare takes"),
        ('use = "bonus.py:Rare"', "", "", "part bonus must be a table with `use`"),
        ('use = "bonus.py:Rare"', 'use = "builtins:dict"', "", "object with score(batch), got 'dict without score'"),
        ("rewards.py:right", "bonus.py:Rare", "", "functions[0] must be a function, or an object of that class"),
        ("beta = 0.2", "", "[lora]\nrank = 3\n", "lora must be arguments that LoraConfig takes"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_a_line_and_nothing_is_written(
    old: str, new: str, more: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", _file(folder, old=old, new=new, more=more)]) == 2
    error = capsys.readouterr().err
    assert said in error and error.startswith("wayfare: ") and error.count("\n") == 1
    assert not (folder / "out").exists()


def test_the_file_that_the_manual_shows_is_trained(folder: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "language-rl.md").read_text()
    [shown] = re.findall(r"^```toml\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    short = (
        "max_steps = 1\ngeneration_batch_size = 8\nmax_completion_length = 2\nnum_generations_eval = 2\neval_ks = [1]"
    )
    (folder / "run.toml").write_text(shown.replace("max_steps = 200", short))
    (folder / "path" / "to").mkdir(parents=True)
    (folder / "path" / "to" / "model").symlink_to(folder / "model")
    (folder / "test.jsonl").symlink_to(folder / "train.jsonl")
    (folder / "my_bonus.py").symlink_to(folder / "bonus.py")
    assert main(["train", str(folder / "run.toml")]) == 0
    assert (folder / "out" / "model" / "adapter_config.json").is_file()


def test_a_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "none_here.toml"]) == 2
    assert "file must be a .json or .toml file that exists, got 'none_here.toml'" in capsys.readouterr().err


def test_without_the_packages_the_command_that_installs_them_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wayfare.cli.train.find_spec", lambda name: None)
    assert main(["train", "run.toml"]) == 2
    assert "pip install 'wayfare[lab]'" in capsys.readouterr().err
