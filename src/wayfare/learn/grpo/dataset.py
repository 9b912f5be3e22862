"""What is asked in training: the rows of a data set, the order in which they come, and whether they fit the model.

    prompts = PromptSet("train.jsonl")                      # or a datasets.Dataset, or a list of dictionaries
    lengths = check_lengths(model, prompts, new=256)        # before the first step, for all rows
    order = PromptOrder(len(prompts), seed=0)
    keys = order.keys(first=step * 16, many=16)             # numbers of rows: a resumed run needs the step alone

A row has a `prompt`, a text or a list of messages, the same kind in all rows; what else it has is told to reward
functions by name. The number of a row in the data set is its key, by which memories and budgets know it.

Sources: the format is that of TRL's trainers (`prompt`, other columns to the rewards); the order is ours: epoch e is
the rows sorted by their uniform draws at address (row, e), so every position can be asked for alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue, MissingExtra
from wayfare.language.interface import Prompt, check_prompts

if TYPE_CHECKING:
    from wayfare.language.causal import CausalModel
    from wayfare.learn.grpo.seams import Transform

__all__ = ["PromptOrder", "PromptSet", "check_lengths", "read_rows"]

OWN = frozenset({"prompt", "completion", "completion_ids"})
"""Columns that reward functions are not told by their name in the data set."""
TAKEN = ("prompts", "completions", "trainer_state", "log_extra", "log_metric", "environments")
"""What reward functions are told beside the columns: a column of that name could not be."""


class PromptSet:
    """Rows that can be asked, checked when they come in.

    data:      a datasets.Dataset; a sequence of mappings; or a path: .jsonl, .json (a list), .parquet, or a folder
               written by `save_to_disk`; or another of this kind
    transform: makes the prompt of a row; without it that is its column `prompt`

    columns: names of what reward functions are told, in the order of the first row that has them

    Raises: BadValue that names the row and column of the first bad one: no or an empty prompt, texts beside
    conversations, images, a reserved name, no rows at all; MissingExtra for .parquet and folders without `datasets`.
    """

    def __init__(
        self, data: str | PathLike[str] | Sequence[Mapping[str, Any]] | Any, *, transform: Transform | None = None
    ) -> None:
        if isinstance(data, PromptSet):
            data = data._rows
        self._rows: Any = read_rows(Path(data)) if isinstance(data, (str, PathLike)) else _mapped(data)
        if not len(self._rows):
            raise BadValue("data", "no rows", "a data set of at least one row")
        self._names = _names(self._rows)
        for name in self._names:
            if name in ("image", "images"):
                raise BadValue(f"data column {name!r}", "images", "left out: text only; train image models in TRL")
            if name in TAKEN:
                raise BadValue(f"data column {name!r}", name, f"another name: none of {', '.join(TAKEN)}")
        self.transform = transform
        self._check()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """What reward functions are told by name."""
        return tuple(name for name in self._names if name not in OWN)

    @property
    def conversational(self) -> bool:
        """Whether prompts are conversations."""
        return self._conversational

    def row(self, key: int) -> dict[str, Any]:
        """Row number `key`, every column of the data set in it, None where this row has none.

        Raises: BadValue for a key that is not from 0 to the number of rows - 1.
        """
        if not 0 <= int(key) < len(self._rows):
            raise BadValue("key", key, f"between 0 and {len(self._rows) - 1}")
        found = self._rows[int(key)]
        return {name: found.get(name) for name in self._names}

    def prompt(self, key: int) -> Prompt:
        """What row number `key` asks. Raises: as `row`."""
        row = self.row(key)
        found: Prompt = _plain(row["prompt"] if self.transform is None else self.transform.encode(row))
        return found

    def _check(self) -> None:
        kinds: dict[bool, int] = {}
        for key, prompt in enumerate(self._prompts()):
            field = f"data row {key}, column 'prompt'"
            if prompt is None:
                raise BadValue(field, None, "a text, or a list of messages")
            told = _plain(prompt)
            try:
                check_prompts([told])
            except BadValue as error:
                raise BadValue(field, error.value, error.allowed) from None
            kinds.setdefault(isinstance(told, str), key)
            if len(kinds) == 2:
                raise BadValue(field, told, f"of the kind of row {min(kinds.values())}: all texts or all conversations")
        self._conversational = False in kinds

    def _prompts(self) -> Iterator[Any]:
        """Those of all rows; without a transform only that column is read."""
        if self.transform is not None:
            yield from (self.transform.encode(self.row(key)) for key in range(len(self)))
        elif hasattr(self._rows, "column_names"):
            yield from self._rows["prompt"] if "prompt" in self._names else (None,)
        else:
            yield from (row.get("prompt") for row in self._rows)


class PromptOrder:
    """Rows of a data set without end, each once an epoch, every epoch in an order of its own.

    count:   rows in the data set        seed: of the orders        shuffle: false takes them as they stand

    Nothing is remembered: what stands at a position depends on these three alone.

    Raises: BadValue for a count below 1.
    """

    def __init__(self, count: int, seed: int, shuffle: bool = True) -> None:
        if count < 1:
            raise BadValue("count", count, "at least 1")
        self.count, self.seed, self.shuffle = int(count), int(seed), bool(shuffle)
        self._stream = Stream(self.seed, "order of prompts")
        self._kept: dict[int, Tensor] = {}

    def keys(self, first: int, many: int) -> Tensor:
        """[many] int64: rows at positions first, first + 1, ... Raises: BadValue for a number below 0."""
        for name, value in (("first", first), ("many", many)):
            if value < 0:
                raise BadValue(name, value, "at least 0")
        epochs = range(first // self.count, (first + many + self.count - 1) // self.count)
        orders = [self._epoch(epoch) for epoch in epochs]
        self._kept = dict(zip(epochs[-1:], orders[-1:], strict=True))
        if not many:
            return torch.empty(0, dtype=torch.int64)
        begin = first % self.count
        return torch.cat(orders)[begin : begin + many]

    def _epoch(self, number: int) -> Tensor:
        if number in self._kept:
            return self._kept[number]
        rows = torch.arange(self.count)
        return torch.argsort(self._stream.uniform(rows, number), stable=True) if self.shuffle else rows


def check_lengths(model: CausalModel, prompts: PromptSet, new: int) -> Tensor:
    """[N] int64: tokens of each prompt of the data set. new: most tokens of an answer.

    Raises: BadValue that names the first row without a token, or which with its answer exceeds the model's context.
    """
    lengths = []
    for key in range(len(prompts)):
        tokens = len(model.encode(prompts.prompt(key)))
        if not tokens:
            raise BadValue(f"data row {key}", "no tokens", "a prompt of at least one token")
        if model.context is not None and tokens + new > model.context:
            raise BadValue(
                f"data row {key}", f"{tokens} tokens, and up to {new} of an answer",
                f"at most {model.context} together, the context of the model",
            )  # fmt: skip
        lengths.append(tokens)
    return torch.tensor(lengths, dtype=torch.int64)


def _plain(prompt: Any) -> Any:
    """Tables fill absent fields of messages with None: without them; a text and what is no prompt as they are."""
    if isinstance(prompt, str) or not isinstance(prompt, Sequence):
        return prompt
    return [
        {name: value for name, value in message.items() if value is not None}
        if isinstance(message, Mapping)
        else message
        for message in prompt
    ]


def _names(rows: Any) -> tuple[str, ...]:
    if hasattr(rows, "column_names"):
        return tuple(rows.column_names)
    return tuple(dict.fromkeys(name for row in rows for name in row))


def _mapped(data: Any) -> Any:
    """A datasets.Dataset as it is, anything else as a list of mappings."""
    if isinstance(getattr(data, "column_names", None), list) and hasattr(data, "__len__"):
        return data
    if isinstance(data, Mapping):
        raise BadValue("data", f"a mapping of {', '.join(map(str, data))}", "one split, or a sequence of rows")
    if not isinstance(data, Sequence):
        raise BadValue("data", type(data).__name__, "a datasets.Dataset, a sequence of mappings, or a path")
    for key, row in enumerate(data):
        if not isinstance(row, Mapping):
            raise BadValue(f"data row {key}", row, "a mapping of columns")
    return list(data)


def read_rows(path: Path) -> Any:
    """The rows of a file or folder, see `PromptSet`. Raises: BadValue, MissingExtra."""
    if not path.exists():
        raise BadValue("data", str(path), "a file or folder that exists")
    if path.suffix == ".jsonl":
        rows = []
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    rows.append(_parsed(line, f"{path} line {number}"))
        return _mapped(rows)
    if path.suffix == ".json":
        return _mapped(_parsed(path.read_text(encoding="utf-8"), str(path)))
    if path.suffix != ".parquet" and not path.is_dir():
        raise BadValue("data", str(path), "a .jsonl, .json or .parquet file, or a folder written by `save_to_disk`")
    try:
        import datasets
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("reading tables", "lm") from None
    if path.is_dir():
        return _mapped(datasets.load_from_disk(str(path)))
    return datasets.Dataset(parquet.read_table(path))


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BadValue(where, text[:80], f"JSON ({error})") from None
