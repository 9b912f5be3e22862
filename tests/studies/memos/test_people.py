"""The lessons, and a net that is grown without changing an answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wayfare.studies.memos.model import fresh, grown, reader_of, right, taught, weights_of
from wayfare.studies.memos.people import (
    ASK,
    PEOPLE,
    PLACES,
    READER,
    Lesson,
    draw_facts,
    echo,
    first_lesson,
    later_lesson,
    lookup,
    memory,
)


def test_every_question_of_a_list_has_the_answer_that_the_list_says() -> None:
    ids, labelled = lookup(3, 5, Lesson(6, 4, 9))
    assert len(set(PEOPLE)) == len(PEOPLE) == 560 and len(set(PLACES)) == len(PLACES)
    for row, marks in zip(ids.tolist(), labelled.tolist(), strict=True):
        words = [READER.words[i] for i in row]
        facts = dict(zip(words[0:12:2], words[1:12:2], strict=True))
        assert len(facts) == 6 and words[12] == ASK and not any(marks[:14])
        assert all(facts[words[at - 1]] == words[at] for at, mark in enumerate(marks) if mark) and sum(marks) == 9
    again, _ = lookup(3, 5, Lesson(6, 4, 9))
    assert torch.equal(ids, again) and not torch.equal(ids, lookup(3, 6, Lesson(6, 4, 9))[0])


def test_an_echo_is_of_the_word_before_the_last() -> None:
    ids, labelled = echo(0, 1, 5, 7)
    assert ids.shape == (5, 21) and torch.equal(ids[:, 0::3], ids[:, 2::3]) and int(labelled.sum()) == 35


def test_lists_grow_and_each_fits_the_people_there_are() -> None:
    first = [first_lesson(400, number, 0) for number in range(400)]
    assert first[0].facts == 0 and max(each.facts for each in first[:300]) <= 6 < max(each.facts for each in first)
    later = [later_lesson(number, 0).facts for number in range(60)]
    assert max(later) == 500 <= len(PEOPLE)


def test_drawn_facts_are_of_different_people_and_of_the_seed_and_the_name() -> None:
    facts = draw_facts(1, "a", 250)
    assert len({fact.person for fact in facts}) == 250 and facts == draw_facts(1, "a", 250)
    assert facts[:10] != draw_facts(1, "b", 250)[:10] and facts[:10] != draw_facts(2, "a", 250)[:10]
    assert facts[0].text.split() == [facts[0].person, facts[0].place] and memory(facts[:2]).startswith(facts[0].text)
    assert facts[0].question == f"{ASK} {facts[0].person}"


def test_a_grown_net_answers_as_before_and_can_learn_with_all_that_it_has() -> None:
    small = fresh(2)
    with torch.no_grad():
        for each in small.parameters():
            each += 0.05 * torch.randn(each.shape, generator=torch.Generator().manual_seed(1))
    large = grown(small, 2)
    ids, _ = lookup(0, 1, Lesson(8, 4, 8))
    torch.testing.assert_close(large(ids), small(ids), atol=1e-3, rtol=1e-4)
    assert (large.width, large.layers) == (128, 4) and sum(each.numel() for each in large.parameters()) > 800_000
    large(ids).logsumexp(dim=-1).sum().backward()
    still = [name for name, each in large.named_parameters() if float(each.grad.abs().max()) == 0]
    assert not still or all(
        name.endswith(("qkv.weight", "gate_up.weight", "before_attention", "before_mixing")) for name in still
    )


def test_a_taught_net_goes_through_a_cell_and_into_transformers_unchanged() -> None:
    told: list[int] = []
    net = taught(3, 2, 1e-3, 0, lambda done, _: told.append(done))
    assert told == [1, 2, 3, 4, 5] and 0 <= right(net, 4, 0) <= 1
    reader = reader_of(weights_of(net))
    ids, _ = lookup(0, 1, Lesson(4, 1, 2))
    theirs = reader.logits(None, ids[0].tolist(), keep=ids.shape[1])
    np.testing.assert_allclose(theirs.numpy(), net(ids)[0].detach().numpy(), atol=1e-4)
    assert reader.memory_ids("dalo ozburg"[:0] + " ".join(PEOPLE[:2])) == READER.encode(" ".join(PEOPLE[:2]))
    with pytest.raises(KeyError):
        reader_of({})
