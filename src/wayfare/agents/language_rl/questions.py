"""Questions of a published data set: rows with a prompt and a right answer, some of them held out.

    Questions("train.jsonl")                                          # a file: some rows are held out
    Questions("openai/gsm8k", part="main", held_split="test")         # a name on the hub, by `datasets`

Columns are found by the names that data sets of mathematics use (`COLUMNS`), or told; 'reward_model.ground_truth' goes
into a mapping. A question is asked within `instruction`, as a text or as a message of the user; one that is a
conversation already is asked as it is. Equal questions count once, and one that is held out is not trained on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wayfare.draws import Stream
from wayfare.errors import BadValue, MissingExtra
from wayfare.learn.grpo.dataset import read_rows
from wayfare.worlds.verifiable.contract import Row, content_of

__all__ = ["COLUMNS", "Questions", "is_file"]

COLUMNS = (
    ("question", "answer"),  # GSM8K
    ("prompt", "reward_model.ground_truth"),  # verl's format: DAPO-Math-17k, SimpleRL-Zoo
    ("problem", "answer"),  # MATH and its kin
    ("problem", "solution"),  # NuminaMath-CoT: the answer is boxed in it
    ("prompt", "answer"),
)
"""(prompt, answer) that are looked for, in this order."""
FILES = (".jsonl", ".json", ".parquet")


def is_file(name: str) -> bool:
    """Whether a data set's name means a file or folder, there or not."""
    return Path(name).suffix in FILES or name.startswith(("/", ".", "~")) or Path(name).exists()


@dataclass(frozen=True)
class Questions:
    """dataset: a file or folder as `wayfare.learn.grpo.dataset.read_rows` takes, or a name on the hub
    part, split: of a data set on the hub, its configuration and split
    held: the data set that is held out; '' where it is another split, `held_split`, or rows of this one
    held_out: how many rows of this one, where there is no other
    prompt, answer: columns; '' for those of `COLUMNS` that are there        columns: others that rewards read
    instruction: the text that is asked, its first `{}` being the question        chat: as a message of the user
    most: questions that are trained on; 0 for all

    Raises: BadValue for no data set, an instruction without `{}`, or numbers below their least.
    """

    dataset: str
    part: str = ""
    split: str = "train"
    held: str = ""
    held_split: str = ""
    held_out: int = 128
    prompt: str = ""
    answer: str = ""
    columns: tuple[str, ...] = ()
    instruction: str = "{}"
    chat: bool = False
    most: int = 0

    def __post_init__(self) -> None:
        if not self.dataset:
            raise BadValue("dataset", self.dataset, "a file, or a name on the hub")
        if "{}" not in self.instruction:
            raise BadValue("instruction", self.instruction, "a text with {} where the question stands")
        if self.held_out < 1 or self.most < 0:
            raise BadValue("held_out, most", (self.held_out, self.most), "at least 1, at least 0")

    def check(self) -> None:
        """What can be known of files before anything is loaded. Raises: BadValue for one missing, or its columns."""
        for name in filter(None, (self.dataset, self.held)):
            if is_file(name):
                if not Path(name).exists():
                    raise BadValue("dataset", name, "a file or folder that exists")
                if Path(name).suffix in FILES:
                    self._rows(read_rows(Path(name)), name)

    def read(self) -> tuple[list[Row], list[Row]]:
        """(questions that are trained on, questions that are held out), each with `prompt`, `answer` and `index`, its
        number in its data set.

        Raises: BadValue for a data set that cannot be had, columns that are not there, or too few rows; MissingExtra
        without `datasets` where that reads it.
        """
        rows = self._rows(self._loaded(self.dataset, self.split), self.dataset)
        if self.held or self.held_split:
            name = self.held or self.dataset
            held = self._rows(self._loaded(name, self.held_split or self.split), name)
        else:
            if len(rows) <= self.held_out:
                raise BadValue("dataset", f"{len(rows)} questions", f"more than are held out, {self.held_out}")
            order = np.argsort(Stream(0, "held out").uniform(np.arange(len(rows))), kind="stable")
            out = set(order[: self.held_out].tolist())
            held = [row for number, row in enumerate(rows) if number in out]
        known = {str(row["prompt"]) for row in held}
        train = [row for row in rows if str(row["prompt"]) not in known]
        if not train:
            raise BadValue("dataset", self.dataset, "with a question that is not held out")
        return train[: self.most or None], held

    def _loaded(self, name: str, split: str) -> Any:
        path = Path(name)
        if is_file(name) and (path.suffix in FILES or (path / "dataset_info.json").exists() or not path.exists()):
            return read_rows(path)
        try:
            import datasets
        except ImportError:
            raise MissingExtra("data sets by name", "lm") from None
        try:
            return datasets.load_dataset(name, self.part or None, split=split)
        except Exception as error:  # of the hub, of the network, of the data
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise BadValue(
                "dataset", name, f"a data set that `datasets` loads, with a split {split} ({said})"
            ) from None

    def _rows(self, data: Any, name: str) -> list[Row]:
        """Each question once. Raises: BadValue that names the columns there are, or the row without one."""
        names = list(data.column_names) if hasattr(data, "column_names") else list(data[0]) if len(data) else []
        prompt, answer = self._columns(names, data[0] if len(data) else {}, name)
        found: dict[str, Row] = {}
        for number, row in enumerate(data):
            asked, told = _within(row, prompt), _within(row, answer)
            if not asked or told in (None, ""):
                raise BadValue(f"row {number} of {name}", None, f"a value in {prompt} and in {answer}")
            text = self._asked(asked)
            more = {column: _within(row, column) for column in self.columns}
            found.setdefault(str(text), {**more, "prompt": text, "answer": told, "index": number})
        return list(found.values())

    def _columns(self, names: Sequence[str], first: Mapping[str, Any], dataset: str) -> tuple[str, str]:
        def there(column: str) -> bool:
            return column.split(".")[0] in names and ("." not in column or _within(first, column) is not None)

        for told, field in ((self.prompt, "prompt_column"), (self.answer, "answer_column")):
            if told and not there(told):
                raise BadValue(field, told, f"a column of {dataset}: {', '.join(names) or 'it has none'}")
        for prompt, answer in COLUMNS:
            prompt, answer = self.prompt or prompt, self.answer or answer
            if there(prompt) and there(answer):
                return prompt, answer
        usual = "; ".join(" and ".join(pair) for pair in COLUMNS)
        raise BadValue(
            "dataset", dataset, f"with columns {usual}, or prompt_column and answer_column given; it has "
            f"{', '.join(names) or 'no row'}",
        )  # fmt: skip

    def _asked(self, question: Any) -> Any:
        if isinstance(question, str):
            text = self.instruction.replace("{}", question, 1)
            return [{"role": "user", "content": text}] if self.chat else text
        messages = [dict(each) for each in question]
        return messages if self.chat else "\n\n".join(_contents(messages))


def _contents(messages: Iterable[Mapping[str, Any]]) -> list[str]:
    return [text for each in messages if (text := content_of(each))]


def _within(row: Mapping[str, Any], column: str) -> Any:
    """A column, or what stands in its mapping under the names behind its dots."""
    found: Any = row
    for name in column.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
