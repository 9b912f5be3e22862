"""A training run as a file, JSON or TOML: what `wayfare train FILE` runs.

    model = "path/to/model"                      # what from_pretrained takes
    train_dataset = "train.jsonl"                # rows with a prompt
    eval_dataset = "test.jsonl"                  # optional
    reward_funcs = ["rewards.py:right"]          # FILE.py:NAME or MODULE:NAME, called as TRL calls them

    [args]                                       # fields of GRPOConfig
    output_dir = "runs/train/first"
    max_steps = 200

    [lora]                                       # optional: arguments of peft's LoraConfig
    r = 16

    [parts.bonus]                                # optional: the trainer's own parts, each by its name and arguments
    use = "wayfare.learn.grpo.bonuses:EllipticalBonus"
    beta = 0.01

`regularisers`, `auxiliary` and `callbacks` are lists of such tables. Paths are as seen from the file's own directory.
Whatever does not go together is refused before the model is loaded, as far as it can be known then.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from wayfare.errors import BadValue, MissingExtra
from wayfare.learn.grpo.config import GRPOConfig
from wayfare.learn.grpo.processes import Processes
from wayfare.learn.grpo.trainer import GRPO
from wayfare.named import named

__all__ = ["read_settings", "trainer_from"]

KEYS = ("model", "tokenizer", "ref_model", "train_dataset", "eval_dataset", "reward_funcs", "args", "lora", "parts")
NEEDED = ("model", "train_dataset", "reward_funcs")
ONE = ("rollout", "budget", "transform", "features", "bonus", "shaper", "row_filter", "advantage", "sampler")
SEVERAL = ("regularisers", "auxiliary", "callbacks")


def read_settings(path: Path) -> dict[str, Any]:
    """The content of a file. Raises: BadValue for one that is missing, no JSON or TOML, or has an unknown key."""
    if not path.is_file():
        raise BadValue("file", str(path), "a .json or .toml file that exists")
    text = path.read_text(encoding="utf-8")
    try:
        told = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:  # of both parsers
        raise BadValue("file", str(path), f"{'JSON' if path.suffix == '.json' else 'TOML'} ({error})") from None
    if not isinstance(told, dict):
        raise BadValue("file", str(path), "a table of settings")
    for name in told:
        if name not in KEYS:
            raise BadValue("key", name, f"one of {', '.join(KEYS)}")
    for name in NEEDED:
        if not told.get(name):
            raise BadValue("file", str(path), f"with {', '.join(NEEDED)}; {name} is missing")
    for name in told.get("parts", {}):
        if name not in (*ONE, *SEVERAL):
            raise BadValue("part", name, f"one of {', '.join((*ONE, *SEVERAL))}")
    return told


def trainer_from(path: Path, processes: Processes | None = None) -> GRPO:
    """The trainer that a file describes, at its start. Raises: BadValue as `read_settings` and `GRPO` do."""
    told, root = read_settings(path), path.resolve().parent
    config = _config(root, told.get("args", {}))
    functions = told["reward_funcs"]
    rewards = [
        named("reward_funcs", _placed(root, each))
        for each in ([functions] if isinstance(functions, str) else functions)
    ]
    parts: dict[str, Any] = {}
    for name, each in told.get("parts", {}).items():
        parts[name] = [_made(root, name, one) for one in each] if name in SEVERAL else _made(root, name, each)
    return GRPO(
        _there(root, told["model"]), rewards, _there(root, told["train_dataset"]), config,
        None if told.get("eval_dataset") is None else _there(root, told["eval_dataset"]),
        tokenizer=_tokenizer(root, told.get("tokenizer")), peft_config=_lora(told.get("lora")),
        ref_model=None if told.get("ref_model") is None else _there(root, told["ref_model"]), processes=processes,
        **parts,
    )  # fmt: skip


def _config(root: Path, told: Any) -> GRPOConfig:
    if not isinstance(told, Mapping):
        raise BadValue("args", told, "a table of fields of GRPOConfig")
    config = GRPOConfig.from_json(told)
    return config if config.output_dir is None else replace(config, output_dir=str(root / config.output_dir))


def _there(root: Path, name: str) -> str:
    """A path as seen from the file, where there is one; else the name as it stands."""
    return str(root / name) if (root / name).exists() else name


def _placed(root: Path, name: str) -> str:
    where, colon, attribute = name.rpartition(":")
    return f"{_there(root, where)}{colon}{attribute}"


def _made(root: Path, field: str, told: Any) -> Any:
    if not isinstance(told, Mapping) or not isinstance(told.get("use"), str):
        raise BadValue(f"part {field}", told, "a table with `use`, FILE.py:NAME or MODULE:NAME, and its arguments")
    part = named(f"part {field}", _placed(root, told["use"]))
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items() if name != "use"}
    try:
        return part(**given)
    except TypeError as error:
        raise BadValue(f"part {field}", given, f"arguments that {told['use']} takes ({error})") from None


def _tokenizer(root: Path, name: str | None) -> Any:
    if name is None:
        return None
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise MissingExtra("a tokenizer", "lm") from None
    return AutoTokenizer.from_pretrained(_there(root, name))


def _lora(told: Mapping[str, Any] | None) -> Any:
    if told is None:
        return None
    try:
        from peft import LoraConfig
    except ImportError:
        raise MissingExtra("adapters", "lm") from None
    try:
        return LoraConfig(**{"task_type": "CAUSAL_LM", **told})
    except TypeError as error:
        raise BadValue("lora", dict(told), f"arguments that LoraConfig takes ({error})") from None
