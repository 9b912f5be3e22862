"""Every memory network: step by step equals whole sequences, rows stand alone, and a memory of X decisions is exact."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from wayfare.errors import BadValue
from wayfare.networks import memory_network

D, W, S, B = 5, 8, 2, 3

SHAPES = [
    ("none", 2, None),
    ("gru", 1, None),
    ("gru", 2, 3),
    ("lstm", 2, None),
    ("lstm", 1, 0),
    ("transformer", 1, None),
    ("transformer", 2, None),
    ("transformer", 1, 4),
    ("transformer", 2, 4),
    ("transformer", 3, 2),
]


def build(kind: str, layers: int, memory: Any, *, positions: str = "absolute", context: int = 16) -> Any:
    network = memory_network(kind, D, W, [3, 4], layers=layers, memory=memory, context=context, positions=positions)
    return network.double()


def inputs(steps: int, seed: int, chance: float = 0.25) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(S, steps, B, D, generator=generator, dtype=torch.float64)
    return x, torch.rand(S, steps, B, generator=generator) < chance


def step_by_step(network: Any, x: Tensor, start: Tensor) -> Tensor:
    state, out = network.initial_state(B), []
    for t in range(x.shape[1]):
        y, state = network(x[:, t : t + 1], state, start[:, t : t + 1])
        out.append(y)
    return torch.cat(out, dim=1)


PLACED = [(*shape, "absolute") for shape in SHAPES]
PLACED += [(*shape, how) for shape in SHAPES if shape[0] == "transformer" for how in ("relative", "none")]


@pytest.mark.parametrize(("kind", "layers", "memory", "positions"), PLACED)
def test_acting_with_the_cache_equals_the_whole_sequence(kind: str, layers: int, memory: Any, positions: str) -> None:
    network = build(kind, layers, memory, positions=positions)
    x, start = inputs(12, seed=1)
    whole, _ = network(x, network.initial_state(B), start)
    with torch.no_grad():
        acted = step_by_step(network, x, start)
    assert torch.allclose(whole, acted, atol=1e-9)


@pytest.mark.parametrize(("kind", "layers", "memory"), SHAPES)
def test_gradients_step_by_step_equal_those_of_the_whole_sequence(kind: str, layers: int, memory: Any) -> None:
    network = build(kind, layers, memory)
    x, start = inputs(7, seed=2)
    weight = torch.randn(S, 7, B, W, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def gradients(y: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad((y * weight).sum(), list(network.parameters()), allow_unused=True))

    whole = gradients(network(x, network.initial_state(B), start)[0])
    stepped = gradients(step_by_step(network, x, start))
    for a, b in zip(whole, stepped, strict=True):
        assert (a is None) == (b is None)
        assert a is None or torch.allclose(a, b, atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(SHAPES), st.integers(1, 11), st.integers(0, 10**6))
def test_state_carried_over_two_calls_equals_one(shape: tuple[str, int, Any], cut: int, seed: int) -> None:
    network = build(*shape)
    x, start = inputs(12, seed)
    whole, _ = network(x, network.initial_state(B), start)
    first, state = network(x[:, :cut], network.initial_state(B), start[:, :cut])
    second, _ = network(x[:, cut:], state, start[:, cut:])
    assert torch.allclose(whole, torch.cat([first, second], dim=1), atol=1e-9)


def test_a_cache_that_has_wrapped_still_equals_the_whole_sequence() -> None:
    network = build("transformer", 1, None, positions="none", context=5)
    x, start = inputs(17, seed=5, chance=0.1)
    whole, _ = network(x, network.initial_state(B), start)
    with torch.no_grad():
        acted = step_by_step(network, x, start)
    assert torch.allclose(whole, acted, atol=1e-9)


@pytest.mark.parametrize("acting", [False, True])
@pytest.mark.parametrize("memory", [0, 1, 2, 5])
@pytest.mark.parametrize(("kind", "layers"), [("transformer", 1), ("transformer", 2), ("transformer", 3), ("gru", 2)])
def test_inputs_older_than_the_memory_change_nothing(kind: str, layers: int, memory: int, acting: bool) -> None:
    network = build(kind, layers, memory)
    x, _ = inputs(10, seed=6)
    never = torch.zeros(S, 10, B, dtype=torch.bool)
    seen = max(memory, 1)
    other = x.clone()
    other[:, : 10 - seen] += 1.0
    nearer = x.clone()
    nearer[:, 10 - seen] += 1.0

    def last(v: Tensor) -> Tensor:
        with torch.no_grad():
            if acting:
                return step_by_step(network, v, never)[:, -1]
            return network(v, network.initial_state(B), never)[0][:, -1]

    assert torch.equal(last(x), last(other))
    assert not torch.allclose(last(x), last(nearer))  # the oldest that counts does count


@pytest.mark.parametrize(("kind", "layers", "memory"), SHAPES)
def test_single_precision_agrees_with_itself_to_four_digits(kind: str, layers: int, memory: Any) -> None:
    network = build(kind, layers, memory).float()
    x, start = inputs(12, seed=12)
    whole, _ = network(x.float(), network.initial_state(B), start)
    with torch.no_grad():
        assert torch.allclose(whole, step_by_step(network, x.float(), start), atol=1e-4)


def test_where_memory_starts_nothing_before_is_seen() -> None:
    for kind, layers, memory in SHAPES:
        network = build(kind, layers, memory)
        x, _ = inputs(8, seed=7)
        start = torch.zeros(S, 8, B, dtype=torch.bool)
        start[0, 5, 1] = True
        other = x.clone()
        other[0, :5, 1] += 1.0
        a, b = (network(v, network.initial_state(B), start)[0][0, 5:, 1] for v in (x, other))
        assert torch.allclose(a, b, atol=1e-12), (kind, layers, memory)


@pytest.mark.parametrize(("kind", "layers", "memory"), SHAPES)
def test_a_row_of_a_stack_equals_the_single_network_of_its_seed(kind: str, layers: int, memory: Any) -> None:
    stacked = build(kind, layers, memory)
    single = memory_network(kind, D, W, [4], layers=layers, memory=memory, context=16).double()
    x, start = inputs(6, seed=8)
    y, _ = stacked(x, stacked.initial_state(B), start)
    alone, _ = single(x[1:], single.initial_state(B), start[1:])
    assert torch.allclose(y[1:], alone, atol=1e-12)


def test_rows_may_differ_in_memory_at_one_layer() -> None:
    mixed = build("transformer", 1, [0, 5])
    x, start = inputs(9, seed=9)
    y, _ = mixed(x, mixed.initial_state(B), start)
    for row, memory in enumerate((0, 5)):
        single = memory_network("transformer", D, W, [3 + row], memory=memory, context=16).double()
        alone, _ = single(x[row : row + 1], single.initial_state(B), start[row : row + 1])
        assert torch.allclose(y[row], alone[0], atol=1e-12)


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_recurrent_cells_agree_with_torch(kind: str) -> None:
    network = memory_network(kind, D, W, [0], layers=2).double()
    oracle = (torch.nn.GRU if kind == "gru" else torch.nn.LSTM)(D, W, num_layers=2).double()
    with torch.no_grad():
        for layer in range(2):
            getattr(oracle, f"weight_ih_l{layer}").copy_(network.bring[layer].weight[0].T)
            getattr(oracle, f"bias_ih_l{layer}").copy_(network.bring[layer].bias[0, 0])
            getattr(oracle, f"weight_hh_l{layer}").copy_(network.keep[layer].weight[0].T)
            getattr(oracle, f"bias_hh_l{layer}").copy_(network.keep[layer].bias[0, 0])
    x, _ = inputs(6, seed=10)
    y, _ = network(x[:1], network.initial_state(B))
    assert torch.allclose(y[0], oracle(x[0])[0], atol=1e-12)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "rnn"}, "network"),
        ({"memory": -1}, "memory"),
        ({"memory": [1, 2, 3]}, "memory"),
        ({"kind": "gru", "memory": [1, 2]}, "memory"),
        ({"layers": 0}, "layers"),
        ({"heads": 3}, "heads"),
        ({"positions": "rotary"}, "positions"),
    ],
)
def test_impossible_networks_are_refused_by_name(change: dict[str, Any], field: str) -> None:
    given = {"kind": "transformer", "inputs": D, "width": W, "seeds": [0, 1], **change}
    with pytest.raises(BadValue) as refused:
        memory_network(**given)
    assert refused.value.field == field
