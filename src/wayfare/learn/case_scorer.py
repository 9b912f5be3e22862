"""A learned value of cases as the scorer of a memory's policy (`wayfare.memory.scoring`).

    scorer = CaseScorer(net)
    Memory("agent.db", policy=Policy("soft q", temperature=0.1, scorer=scorer))

What the encoder said of a text is kept, so that a recall reads the query alone; the released code reads the whole bank
for every query. After an update of an encoder that learns, everything is read anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wayfare.errors import BadValue
from wayfare.learn.case_values import CaseValueNet
from wayfare.memory.records import Record

__all__ = ["CaseScorer"]


class CaseScorer:
    """net: with one head and an encoder        text: what the encoder reads of a record

    most: texts whose vectors are kept, those unused for longest dropped first        read: texts encoded so far
    Call `changed` after the net has learned: the id is of its weights. Threads may share it.
    Raises: BadValue.
    """

    def __init__(
        self, net: CaseValueNet, text: Callable[[Record], str] = lambda record: record.content, *, most: int = 100_000
    ) -> None:
        if net.encoder is None or len(net.seeds) != 1:
            raise BadValue("net", f"{len(net.seeds)} heads", "one head and an encoder")
        if most < 1:
            raise BadValue("most", most, "at least 1")
        self.net, self.text, self.most, self.read = net.eval(), text, most, 0
        self._kept: OrderedDict[str, Tensor] = OrderedDict()
        self._lock = Lock()
        self._id = self._digest()

    @property
    def id(self) -> str:
        """A hash of the weights."""
        return self._id

    def changed(self) -> None:
        """The net has learned: another id, and where its encoder learns nothing that was kept."""
        with self._lock:
            if self.net.encoder_learns:
                self._kept.clear()
            self._id = self._digest()

    @torch.no_grad()
    def q(self, query: str, records: Sequence[Record]) -> NDArray[Any]:
        """[n]"""
        texts = [self.text(record) for record in records]
        with self._lock:
            vectors = self._vectors([query, *texts])
            cases = vectors[1:]
            found = self.net.q(vectors[:1].expand_as(cases).unsqueeze(0), cases.unsqueeze(0))[0]
        return np.asarray(found.double().cpu())

    def _vectors(self, texts: Sequence[str]) -> Tensor:
        """[N, h]"""
        missing = [text for text in dict.fromkeys(texts) if text not in self._kept]
        if missing:
            self._kept.update(zip(missing, self.net.encode(missing), strict=True))
            self.read += len(missing)
        found = torch.stack([self._kept[text] for text in texts])
        for text in texts:
            self._kept.move_to_end(text)
        while len(self._kept) > self.most:
            self._kept.popitem(last=False)
        return found

    def _digest(self) -> str:
        told = blake2b(digest_size=8)
        for name, each in sorted(self.net.state_dict().items()):
            told.update(name.encode())
            told.update(each.detach().cpu().contiguous().numpy().tobytes())
        return f"case-values-{told.hexdigest()}"
