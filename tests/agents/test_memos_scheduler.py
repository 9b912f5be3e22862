"""The scheduler: its expectation by hand, the model of costs, and a bandit that finds out where the model is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from wayfare.agents.memos_scheduler import FORMS, CostModel, FormCosts, FormScheduler
from wayfare.errors import BadValue
from wayfare.explore.rules.greedy import Greedy


def costs(tokens: int, text: float, cache: float, adapter: float, train: float = 100.0) -> FormCosts:
    return FormCosts(
        tokens,
        {"token": text, "activation": cache, "parameter": adapter},
        {"token": 0.0, "activation": text, "parameter": train},
    )


TABLE = CostModel([costs(100, 10.0, 4.0, 3.0), costs(300, 30.0, 6.0, 3.0)])


def greedy(**kwargs: float) -> FormScheduler:
    return FormScheduler(TABLE, rule=Greedy(), **kwargs)  # type: ignore[arg-type]


def test_costs_between_lengths_are_between_and_what_is_held_costs_no_making() -> None:
    np.testing.assert_allclose(TABLE.serve(200), [20.0, 5.0, 3.0])
    np.testing.assert_allclose(TABLE.serve(9999), [30.0, 6.0, 3.0])
    np.testing.assert_allclose(TABLE.each(200, 4.0, {"token"}), [20.0, 5.0 + 20.0 / 4, 3.0 + 100.0 / 4])
    np.testing.assert_allclose(TABLE.each(200, 4.0, {"token", "activation"}), [20.0, 5.0, 28.0])
    np.testing.assert_allclose(TABLE.each(200, 0.2, {"token"}), [20.0, 25.0, 103.0])


def test_queries_to_come_are_those_that_came_between_edits() -> None:
    scheduler = greedy(prior=(1.0, 0.5))
    assert scheduler.expected("a") == 2.0
    for _ in range(9):
        scheduler.choose("a", 100, {"token"})
    assert scheduler.expected("a") == 20.0
    scheduler.edited("a", 100)
    assert scheduler.expected("a") == pytest.approx(10 / 1.5)


def test_the_model_alone_takes_text_where_edits_come_a_cache_where_queries_do_and_an_adapter_where_only_they_do() -> (
    None
):
    scheduler = greedy(weight=1e12)
    told = []
    for _ in range(30):
        told.append(scheduler.choose("edited", 100, {"token"}))
        scheduler.paid("edited", 10.0)
        scheduler.edited("edited", 100)
        scheduler.edited("edited", 100)
    assert set(told[4:]) == {"token"}
    held, seen = {"token"}, []
    for _ in range(400):
        form = scheduler.choose("read", 300, held)
        seen.append(form)
        scheduler.paid("read", float(TABLE.serve(300)[FORMS.index(form)]))
        held.add(form)
    assert seen[0] == "activation" and seen[-1] == "parameter"
    changes = [n + 1 for n in range(1, 400) if seen[n] != seen[n - 1]]
    assert changes and all(n & (n - 1) == 0 for n in changes)  # at 1, 2, 4, 8, .. alone


def test_the_bandit_leaves_a_form_that_is_dearer_than_its_table_and_the_model_alone_does_not() -> None:
    def play(weight: float) -> list[str]:
        scheduler, told = greedy(weight=weight), []
        for n in range(60):
            memory = f"m{n}"  # always others: what is learned is of the situation, not of the memory
            for _ in range(2):
                form = scheduler.choose(memory, 300, {"token", "activation"})
                told.append(form)
                scheduler.paid(memory, 80.0 if form == "activation" else 30.0, 100.0 if form == "parameter" else 0.0)
            scheduler.edited(memory, 300)
        return told

    assert set(play(1e12)) == {"activation"}
    learned = play(1.0)
    assert learned[0] == "activation" and set(learned[-40:]) == {"token"}


def test_the_same_seed_chooses_the_same_and_what_cannot_be_is_refused() -> None:
    def play(seed: int) -> list[str]:
        scheduler = FormScheduler(TABLE, gamma=1.0, seed=seed)
        return [scheduler.choose(f"m{n % 7}", 100 + n, {"token"}) for n in range(60)]

    assert play(1) == play(1) != play(2)
    scheduler = greedy()
    for call, match in (
        (lambda: scheduler.choose("a", 0, ()), "tokens"),
        (lambda: scheduler.choose("a", 10, {"image"}), "held"),
        (lambda: scheduler.paid("never", 1.0), "one that was asked"),
        (lambda: CostModel([]), "at least one length"),
        (lambda: CostModel([costs(1, 1, 1, 1), costs(1, 1, 1, 1)]), "none twice"),
        (lambda: FormCosts(1, {"token": 1.0}, {}), "a cost for each"),
        (lambda: greedy(prior=(0.0, 1.0)), "prior"),  # type: ignore[arg-type]
        (lambda: greedy(weight=0.0), "weight"),
    ):
        with pytest.raises(BadValue, match=match):
            call()
    scheduler.choose("a", 10, ())
    with pytest.raises(BadValue, match="serving"):
        scheduler.paid("a", float("nan"))
    scheduler.edited("b", 10)  # one that nobody asked yet
