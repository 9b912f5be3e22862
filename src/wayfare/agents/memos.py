"""Converters between the forms of a memory: text, key-value cache, adapter. The language-model side of MemCubes.

    reader = MemoryReader(TransformersModel("path/of/a/model"))
    conversions = Conversions(cube, {"prefill": TextToActivation(reader), "distil": TextToParameter(reader)})
    conversions.ask("prefill", [rules.id]);  conversions.run()
    prefix = read_payload(reader, cube.payload_for(id, reader.loader))

    TextToActivation   texts are read once; keys and values are kept
    ActivationToText   the tokens that a cache was made of, as text; checked by reading them again, where asked to
    TextToParameter    texts are distilled into a low-rank adapter
    ParameterToText    an adapter's answers to questions, as texts
    rebuilt            caches of several texts as one: by reading them in one context, not by laying caches end to end

Each is a `wayfare.memory.cubes.FormConverter`: it changes nothing and may be called again; the cube writes what comes
of it, links it to its sources, and archives it when one of these is changed. Every payload says in its header by which
model, tokenizer, dtype and template it was made (`memos_reader`); another reader refuses it, and says which differs.

Source: Li et al. 2025, "MemOS: A Memory OS for AI System" (arXiv 2507.03724), the transformations between memories.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from wayfare.agents.memos_activation import cache_payload, read_payload
from wayfare.agents.memos_lora import Asked, Distillation, distil, load_adapter, unload_adapter, write_back
from wayfare.agents.memos_reader import MemoryReader, Prefix
from wayfare.errors import BadValue
from wayfare.memory.payloads import Payload
from wayfare.memory.records import Form, Record

__all__ = ["ActivationToText", "ParameterToText", "TextToActivation", "TextToParameter", "rebuilt"]

Carried = Sequence[tuple[Record, Payload | None]]
"""Records with what they carry, as a `FormConverter` is given them."""
CLOSE = 1e-3
"""Largest difference of keys and values, read again, from those of a payload that is believed; float32."""


class TextToActivation:
    """between: what stands between two texts that are read as one prefix"""

    source: Form = "token"
    target: Form = "activation"

    def __init__(self, reader: MemoryReader, *, between: str = "\n") -> None:
        self.reader, self.between = reader, between

    def convert(self, records: Carried) -> tuple[str, Payload]:
        """Raises: BadValue for no text, or more tokens than the context of the model."""
        text = self.between.join(record.content for record, _ in records)
        return text, cache_payload(self.reader, self.reader.read(self.reader.memory_ids(text)))


class ActivationToText:
    """verify: read the tokens again, and refuse a cache that is not what comes of it"""

    source: Form = "activation"
    target: Form = "token"

    def __init__(self, reader: MemoryReader, *, verify: bool = False, between: str = "\n") -> None:
        self.reader, self.verify, self.between = reader, verify, between

    def convert(self, records: Carried) -> tuple[str, None]:
        """The text that the tokens spell, the template's words around it included. Raises: BadValue for a record
        without payload, one of another model, or one that does not stand the test."""
        texts = []
        for record, payload in records:
            whose = f"memory {record.id}"
            prefix = read_payload(self.reader, _carried(payload, whose), whose)
            if self.verify:
                _verify(self.reader, prefix, whose)
            texts.append(self.reader.model.decode(prefix.ids))
        return self.between.join(texts), None


class TextToParameter:
    """how: see `Distillation`        questions: of one text, what is to be known of it; None: how it goes on"""

    source: Form = "token"
    target: Form = "parameter"

    def __init__(
        self,
        reader: MemoryReader,
        how: Distillation | None = None,
        *,
        questions: Callable[[str], Sequence[Asked]] | None = None,
        between: str = "\n",
    ) -> None:
        self.reader, self.how, self.questions, self.between = reader, how, questions, between

    def convert(self, records: Carried) -> tuple[str, Payload]:
        """Raises: BadValue for no text, or as `distil` does."""
        texts = [record.content for record, _ in records]
        asked = [each for text in texts for each in self.questions(text)] if self.questions is not None else []
        text = self.between.join(texts)
        return text, distil(self.reader, text, asked, self.how)


class ParameterToText:
    """questions: of the text that an adapter was made of, as it stands in its record; what it then says is kept

    sentence: (question, answer) -> text        tokens: most of an answer
    least: probability below which an answer is left out
    """

    source: Form = "parameter"
    target: Form = "token"

    def __init__(
        self,
        reader: MemoryReader,
        questions: Callable[[str], Sequence[Asked]],
        sentence: Callable[[Asked, str], str],
        *,
        tokens: int = 16,
        least: float = 0.0,
        between: str = "\n",
    ) -> None:
        self.reader, self.questions, self.sentence = reader, questions, sentence
        self.tokens, self.least, self.between = tokens, least, between

    def convert(self, records: Carried) -> tuple[str, None]:
        """The adapters one after another; none is loaded afterwards. Raises: BadValue for a record without payload,
        one of another model, or one that answers nothing."""
        texts = []
        try:
            for record, payload in records:
                whose = f"memory {record.id}"
                load_adapter(self.reader, _carried(payload, whose), whose)
                asked = self.questions(record.content)
                told = write_back(self.reader, asked, self.sentence, tokens=self.tokens, least=self.least)
                texts += [each.text for each in told]
        finally:
            unload_adapter(self.reader)
        if not texts:
            raise BadValue("least", self.least, "below the probability of one answer at least")
        return self.between.join(texts), None


def rebuilt(reader: MemoryReader, parts: Sequence[Prefix]) -> Prefix:
    """One context of all their tokens, read anew: what `end_to_end` only resembles. Raises: BadValue for no parts, or
    more than the context holds."""
    return reader.read([token for part in parts for token in part.ids])


def _carried(payload: Payload | None, whose: str) -> Payload:
    if payload is None:
        raise BadValue(whose, "no payload", "one that carries a payload")
    return payload


def _verify(reader: MemoryReader, prefix: Prefix, whose: str) -> None:
    again = reader.read(prefix.ids)
    for number, (mine, theirs) in enumerate(zip(again.cache.layers, prefix.cache.layers, strict=True)):
        if mine.is_initialized is not theirs.is_initialized:
            raise BadValue(f"layer {number} of {whose}", "keys and values in one only", "what its tokens give")
        if not mine.is_initialized:
            continue
        for name in ("keys", "values"):
            a, b = getattr(mine, name).float(), getattr(theirs, name).float()
            tolerance = CLOSE if mine.keys.dtype == torch.float32 else 0.1 * float(a.abs().max())
            if a.shape != b.shape or float((a - b).abs().max()) > tolerance:
                raise BadValue(f"{name} of layer {number} of {whose}", "others", "what its tokens give, read again")
