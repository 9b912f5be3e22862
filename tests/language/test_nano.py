"""A small Llama from nothing: equal to the one of transformers, cached or not, padded or not."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from wayfare.errors import BadValue
from wayfare.language.nano import SIZES, Cache, Nano, WordReader, sample

WORDS = 23


def ids_of(rows: int, length: int, seed: int = 1) -> Tensor:
    return torch.randint(WORDS, (rows, length), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", SIZES)
def test_logits_are_those_of_the_llama_it_gives_and_it_comes_back(size: str) -> None:
    net = Nano(WORDS, size, seed=3).eval()
    llama = net.to_transformers()
    ids = ids_of(3, 40)
    with torch.no_grad():
        assert torch.allclose(net(ids), llama(ids).logits, atol=1e-5)
        for weight in llama.parameters():
            weight.add_(0.01 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(weight.numel())))
        assert torch.allclose(Nano.from_transformers(llama)(ids), llama(ids).logits, atol=1e-5)


def test_padded_logits_are_those_of_the_llama_under_an_attention_mask() -> None:
    net = Nano(WORDS, seed=3).eval()
    ids, valid = ids_of(3, 9), torch.ones(3, 9, dtype=torch.bool)
    valid[0, :4] = valid[2, :1] = False
    with torch.no_grad():
        places = (valid.long().cumsum(1) - 1).clamp(min=0)
        theirs = net.to_transformers()(ids, attention_mask=valid.long(), position_ids=places).logits
        assert torch.allclose(net(ids, valid)[valid], theirs[valid], atol=1e-5)


def test_padding_changes_nothing_whatever_it_holds() -> None:
    net = Nano(WORDS, seed=3).eval()
    ids = ids_of(2, 6)
    with torch.no_grad():
        bare = net(ids)
        for fill in (0, 7):
            wide = torch.cat([torch.full((2, 3), fill), ids], dim=1)
            valid = torch.arange(9).expand(2, 9) >= 3
            assert torch.allclose(net(wide, valid)[:, 3:], bare, atol=1e-5)


@pytest.mark.parametrize("cuts", [(1,) * 11, (5, 1, 5), (3, 8), (11,)])
@pytest.mark.parametrize("padded", [False, True])
def test_a_cache_gives_the_logits_of_reading_all_at_once(cuts: tuple[int, ...], padded: bool) -> None:
    net = Nano(WORDS, "s", seed=5).eval()
    ids = ids_of(3, 11)
    valid = torch.ones(3, 11, dtype=torch.bool)
    if padded:
        valid[1, : cuts[0] - 1] = False
    with torch.no_grad():
        whole, cache, parts, first = net(ids, valid), Cache(net, 3, 12), [], 0
        for cut in cuts:
            parts.append(net(ids[:, first : first + cut], valid[:, first : first + cut], cache))
            first += cut
        assert torch.allclose(torch.cat(parts, dim=1)[valid], whole[valid], atol=1e-5)
        cache.crop(4)
        again = net(ids[:, 4:], valid[:, 4:], cache) if not padded else None
        assert again is None or torch.allclose(again, whole[:, 4:], atol=1e-5)


def test_sampling_follows_the_softmax_and_temperature_zero_takes_the_likeliest() -> None:
    logits = torch.tensor([[0.0, math.log(3.0), -math.inf]])
    edges = torch.tensor([0.01, 0.24, 0.26, 0.999])
    token, logp = sample(logits.expand(4, 3), edges)
    assert token.tolist() == [0, 0, 1, 1]
    assert logp.exp().tolist() == pytest.approx([0.25, 0.25, 0.75, 0.75])
    assert sample(logits, torch.tensor([0.0]), 0.0)[0].tolist() == [1]
    with pytest.raises(BadValue, match="temperature"):
        sample(logits, torch.tensor([0.5]), -1.0)


def test_weights_depend_on_the_seed_alone() -> None:
    a, b, c = Nano(WORDS, seed=1), Nano(WORDS, seed=1), Nano(WORDS, seed=2)
    assert torch.equal(a.embedding.weight, b.embedding.weight)
    assert not torch.equal(a.embedding.weight, c.embedding.weight)


def test_words_are_read_and_written_as_the_tokenizer_of_transformers_does() -> None:
    reader = WordReader(["red", "green", "0.47"])
    text = "red 0.47 green"
    assert reader.decode([*reader.encode(text), reader.end, 3]) == text
    assert reader.to_transformers()(text)["input_ids"] == reader.encode(text)
    ids, valid = reader.batch(["red", text])
    assert ids.tolist() == [[0, 0, 3], [3, 5, 4]] and valid.tolist() == [[False, False, True], [True] * 3]
    assert WordReader(["red"], strict=False).encode("red blue") == [3, 2]


def test_what_cannot_be_is_refused() -> None:
    net = Nano(WORDS)
    for make, field in (
        (lambda: Nano(WORDS, "xl"), "size"),
        (lambda: Nano(1), "words"),
        (lambda: WordReader(["a", "a"]), "words"),
        (lambda: WordReader(["a b"]), "words"),
        (lambda: WordReader(["a"]).encode("b"), "text"),
        (lambda: net(ids_of(1, 3), torch.tensor([[True, False, True]])), "valid"),
        (lambda: net(ids_of(1, 3), None, Cache(net, 1, 2)), "ids"),
        (lambda: Cache(net, 1, 2).crop(1), "length"),
    ):
        with pytest.raises(BadValue) as refused:
            make()
        assert refused.value.field == field
