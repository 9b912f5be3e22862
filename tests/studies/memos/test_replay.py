"""What a policy pays, by hand; and the workloads that policies meet."""

from __future__ import annotations

import numpy as np
import pytest

from wayfare.agents.memos_scheduler import FORMS
from wayfare.studies.memos.plan import THRESHOLDS, best_thresholds
from wayfare.studies.memos.policies import PLAYERS, schedule, tune
from wayfare.studies.memos.replay import WORKLOADS, Always, Prices, Threshold, Workload, replay, table_of

PRICES = Prices(every=100.0, background=0.01, wrong=200.0)
ROWS = {
    "tokens": np.array([64.0]), "serve token": np.array([10.0]), "serve activation": np.array([4.0]),
    "serve parameter": np.array([3.0]), "make activation": np.array([11.0]), "make parameter": np.array([250.0]),
    "right token": np.array([1.0]), "right activation": np.array([1.0]), "right parameter": np.array([0.99]),
}  # fmt: skip
COSTS = table_of(ROWS, PRICES)


def told(*events: int, memories: int = 1) -> Workload:
    """n >= 0: a query about fact n of the only memory; -n - 1: an edit of fact n."""
    edit = np.array([event < 0 for event in events])
    fact = np.array([-event - 1 if event < 0 else event for event in events])
    return Workload(np.array([64] * memories), np.zeros(len(events), np.int64), edit, fact)


def test_prices_of_wrong_answers_and_of_training_enter_the_table() -> None:
    assert COSTS.serve(64).tolist() == pytest.approx([10.0, 4.0, 3.0 + 2.0])
    assert COSTS.make(64).tolist() == [0.0, 11.0, 2.5]


def test_text_pays_reading_and_a_cache_pays_making_again_after_each_edit() -> None:
    work = told(0, 1, -1, 0, 1)
    assert replay(work, Always("token"), COSTS, PRICES).total == 10.0
    assert replay(work, Always("activation"), COSTS, PRICES).total == pytest.approx((2 * 11 + 4 * 4) / 4)


def test_until_an_adapter_is_trained_the_text_is_read_and_an_edit_voids_what_is_in_training() -> None:
    # 250 ms of training at a query every 100 ms: begun at query 1, there at query 4
    paid = replay(told(0, 0, 0, 0, 0), Always("parameter"), COSTS, PRICES)
    assert paid.total == pytest.approx((2.5 + 3 * 10 + 2 * 5) / 5) and paid.share["parameter"] == pytest.approx(0.4)
    paid = replay(told(0, 0, -1, 0, 0), Always("parameter"), COSTS, PRICES)
    assert paid.total == pytest.approx((2 * 2.5 + 4 * 10) / 4) and paid.share["token"] == 1.0


def test_who_keeps_to_a_void_adapter_pays_for_stale_answers_about_what_was_changed_alone() -> None:
    work = told(0, 0, 0, 0, -6, 5, 0, 0, 0, 5)
    paid = replay(work, Always("parameter", stale=True), COSTS, PRICES)
    # trained at query 4, void after it, trained again from query 5 on, there at query 8
    assert paid.stale == pytest.approx(200.0 / 9)
    assert paid.total == pytest.approx((2 * 2.5 + 3 * 10 + 6 * 5 + 200) / 9)
    assert replay(work, Always("parameter"), COSTS, PRICES).stale == 0


def test_thresholds_are_of_frequency_or_of_queries_since_the_edit() -> None:
    work = told(0, 0, 0, -1, 0)
    assert replay(work, Threshold(2.0, 1e9, by="since"), COSTS, PRICES).total == pytest.approx(
        (10 + 11 + 4 + 4 + 10) / 4
    )
    assert replay(work, Threshold(200.0, 200.0), COSTS, PRICES).total == 10.0
    assert (
        replay(work, Threshold(50.0, 200.0), COSTS, PRICES).total
        == replay(work, Always("activation"), COSTS, PRICES).total
    )


@pytest.mark.parametrize("kind", WORKLOADS)
def test_a_workload_is_of_its_seed_asked_by_zipfs_law_and_edited_at_its_rate(kind: str) -> None:
    work = Workload.drawn(kind, (64, 128), 12, 1500, seed=4)
    again = Workload.drawn(kind, (64, 128), 12, 1500, seed=4)
    assert all(np.array_equal(a, b) for a, b in zip(work, again, strict=True))
    asked = np.bincount(work.memory[~work.edit], minlength=12)
    assert (~work.edit).sum() == 1500 and asked[0] > 2.0 * asked[3] > 0
    assert (work.fact < work.tokens[work.memory] // 2).all()
    rate = work.edit.sum() / 1500
    low, high = {"stable": (0, 0), "edited now and then": (0.08, 0.12), "edited all the time": (9.9, 10.1)}.get(
        kind, (1.0, 6.0)
    )
    assert low <= rate <= high
    if kind == "mixed":
        assert not work.edit[work.memory % 3 == 0].any() and work.edit[work.memory % 3 == 2].mean() > 0.5


def test_cells_of_policies_tell_every_player_and_tuned_thresholds_are_the_cheapest_that_were_tried() -> None:
    kwargs = {
        "table": ROWS, "lengths": (64,), "memories": 6, "queries": 60, "prices": tuple(PRICES),
    }  # fmt: skip
    tuned = tune(lambda *_, **__: None, thresholds=THRESHOLDS, seed=9, **kwargs)  # type: ignore[arg-type]
    best = best_thresholds({"one": tuned})
    assert len(best) == 2 * len(WORKLOADS)
    found = schedule(lambda *_, **__: None, best=best, seed=9, **kwargs)  # type: ignore[arg-type]
    for kind in WORKLOADS:
        assert found[f"{kind}|frequency threshold"][0] == tuned[f"tuning|share {kind}"].min()
        assert found[f"{kind}|frequency threshold"] <= min(found[f"{kind}|always text"], found[f"{kind}|always cache"])
        for player in PLAYERS:
            assert sum(float(found[f"{kind}|{player} share {form}"][0]) for form in FORMS) == pytest.approx(1.0)
