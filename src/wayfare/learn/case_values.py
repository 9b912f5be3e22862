"""Q(query, case): what showing a past case to a query is worth, learned from outcomes.

    query, case -> one shared encoder, first-token vectors h -> [query; case] -> Linear(2h, 512) -> ReLU -> Dropout 0.2
                -> Linear(512, 2) -> softmax                                                                      (1)

as released: Q is the chance of success, P(r = 1 | query, case). Where more than one decision follows (`return`), the
last layer has one output, which is Q itself, unbounded as soft values are.

    TextEncoder        any encoder of `transformers`: the first token's vector of the last layer
    FeatureEncoder     a function from a text to numbers, nothing to train: what studies use
    CaseValueNet       (1), S heads side by side; one where the encoder learns, too

Source: Zhou et al. 2025 (arXiv 2508.16153) and the code released with it. That one takes the pooler's output in its
variant without parameters and the first token in the other; here it is the first token everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, get_args

import numpy as np
import torch
from torch import Tensor, nn

from wayfare.draws import Stream
from wayfare.errors import BadValue, MissingExtra
from wayfare.networks.stacked import Linear

__all__ = ["CaseEncoder", "CaseValueNet", "FeatureEncoder", "TextEncoder", "Values"]

Values = Literal["success", "return"]
LONGEST = 256
"""Tokens that an encoder reads of a text, as released."""


class CaseEncoder(Protocol):
    """width: h"""

    width: int

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """[N, h]"""
        ...

    def parameters(self) -> Any:
        """What may be trained of it."""
        ...


class TextEncoder(nn.Module):
    """A model of `transformers` with its tokenizer: first-token vectors of the last layer.

    model, tokenizer: loaded ones, or by `TextEncoder.load`        longest: tokens read of a text
    rows: texts read at once
    """

    def __init__(self, model: Any, tokenizer: Any, *, longest: int = LONGEST, rows: int = 64) -> None:
        super().__init__()
        if longest < 1 or rows < 1:
            raise BadValue("longest, rows", (longest, rows), "at least 1 each")
        self.model, self.tokenizer, self.longest, self.rows = model, tokenizer, longest, rows
        self.width = int(model.config.hidden_size)

    @classmethod
    def load(cls, path: str, *, device: str | torch.device = "cpu", longest: int = LONGEST) -> TextEncoder:
        """A local checkpoint, or a name that `transformers` knows.

        Raises: MissingExtra without `transformers`; BadValue for what it cannot load.
        """
        try:
            from transformers import AutoModel, AutoTokenizer
        except ImportError:
            raise MissingExtra("a text encoder", "lm") from None
        try:
            tokenizer, model = AutoTokenizer.from_pretrained(path), AutoModel.from_pretrained(path)
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise BadValue("encoder", path, f"a folder or name that transformers loads ({reason})") from None
        return cls(model.to(device).float(), tokenizer, longest=longest)

    def forward(self, texts: Sequence[str]) -> Tensor:
        """[N, h]"""
        device = next(self.model.parameters()).device
        found = []
        for first in range(0, len(texts), self.rows):
            part = self.tokenizer(
                list(texts[first : first + self.rows]), padding=True, truncation=True, max_length=self.longest,
                return_tensors="pt",
            )  # fmt: skip
            told = self.model(input_ids=part["input_ids"].to(device), attention_mask=part["attention_mask"].to(device))
            found.append(told.last_hidden_state[:, 0])
        return torch.cat(found) if found else torch.zeros(0, self.width, device=device)


class FeatureEncoder(nn.Module):
    """Numbers of a text, as a function of yours tells them. width: h"""

    def __init__(self, features: Callable[[str], Sequence[float]], width: int) -> None:
        super().__init__()
        self.features, self.width = features, width

    def forward(self, texts: Sequence[str]) -> Tensor:
        """[N, h]. Raises: BadValue for features of another width."""
        rows = [np.asarray(self.features(text), np.float32) for text in texts]
        for text, row in zip(texts, rows, strict=True):
            if row.shape != (self.width,):
                raise BadValue("features", list(row.shape), f"{self.width} numbers for {text[:50]!r}")
        return torch.from_numpy(np.stack(rows)) if rows else torch.zeros(0, self.width)


class CaseValueNet(nn.Module):
    """(1).

    encoder: of queries and cases; None where vectors are given        width: h, only without an encoder
    hidden, dropout: of the head        values: `success` (two logits) or `return` (Q itself)
    seeds: [S] initial weights of the heads; of the dropout, too

    Raises: BadValue for a number out of range, or an encoder that learns beside more than one head.
    """

    def __init__(
        self,
        encoder: CaseEncoder | None = None,
        *,
        width: int | None = None,
        hidden: int = 512,
        dropout: float = 0.2,
        values: Values = "success",
        seeds: Sequence[int] = (0,),
    ) -> None:
        super().__init__()
        if (encoder is None) is (width is None):
            raise BadValue("width", width, "that of the vectors without an encoder, None with one")
        if values not in get_args(Values):
            raise BadValue("values", values, f"one of {', '.join(get_args(Values))}")
        if hidden < 1 or not 0 <= dropout < 1:
            raise BadValue("hidden, dropout", (hidden, dropout), "at least 1, and a share from 0 to below 1")
        size = int(width if encoder is None else encoder.width)  # type: ignore[arg-type]
        if size < 1:
            raise BadValue("width", size, "at least 1")
        self.encoder, self.width, self.dropout, self.values_are = encoder, size, dropout, values
        self.seeds = [int(seed) for seed in seeds]
        if self.encoder_learns and len(self.seeds) > 1:
            raise BadValue("seeds", self.seeds, "one where the encoder learns, too")
        self.rise = Linear(2 * size, hidden, seeds=self.seeds, name="case.rise")
        self.fall = Linear(hidden, 2 if values == "success" else 1, seeds=self.seeds, name="case.fall")
        self._dropped = Stream(torch.tensor(self.seeds).view(-1, 1, 1), "case dropout")

    @property
    def encoder_learns(self) -> bool:
        """Whether something of the encoder is trained: then what it said of a text is stale after an update."""
        return self.encoder is not None and any(each.requires_grad for each in self.encoder.parameters())

    def train(self, mode: bool = True) -> CaseValueNet:
        """As every module; an encoder that does not learn stays as it reads, without dropout."""
        super().train(mode)
        if isinstance(self.encoder, nn.Module) and not self.encoder_learns:
            self.encoder.eval()
        return self

    def encode(self, texts: Sequence[str]) -> Tensor:
        """[N, h]. Raises: BadValue without an encoder."""
        if self.encoder is None:
            raise BadValue("encoder", None, "one, where texts are given")
        return self.encoder(texts)

    def forward(self, query: Tensor, case: Tensor, update: int | None = None) -> Tensor:
        """Logits [S, B, 2], or Q [S, B, 1].

        query, case: [S, B, h]        update: number of the training step, which the dropout follows; None: no dropout
        """
        inner = self.rise(torch.cat([query, case], dim=-1)).relu()
        if update is not None and self.dropout > 0:
            rows, lanes = torch.arange(inner.shape[1]).unsqueeze(1), torch.arange(inner.shape[2])
            kept = self._dropped.uniform(update, rows, lanes).to(inner.device) >= self.dropout
            inner = inner * kept / (1 - self.dropout)
        found: Tensor = self.fall(inner)
        return found

    def q(self, query: Tensor, case: Tensor) -> Tensor:
        """Q [S, B]: the chance of success, or the value itself. query, case: [S, B, h]"""
        logits = self(query, case)
        if self.values_are == "return":
            found: Tensor = logits.squeeze(-1)
        else:
            found = (logits[..., 1] - logits[..., 0]).sigmoid()
        return found
