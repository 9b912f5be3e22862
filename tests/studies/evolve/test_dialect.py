"""Prompts made without loops say what a loop would write, and lessons hold what was known before each pull."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from wayfare.draws import Stream
from wayfare.explore.rules.evidence import ArmTable
from wayfare.language.nano import Nano
from wayfare.studies.evolve.dialect import CHOOSE, NAMES, READER, decimals, guide_rows, names_of, on_a_line, pulls
from wayfare.studies.evolve.lessons import FIRST, SUM, Decisions, reading
from wayfare.studies.evolve.stage import TEACHER, Setting, play_net, play_rule, read_words, rule_of, tables_before

KIND = {"gap": 0.5, "arms": 4, "horizon": 12, "count": 240, "size": 48, "seed": 3}


def words(ids: torch.Tensor) -> list[str]:
    return [READER.words[i] for i in ids.tolist()]


def test_numbers_are_words_as_printed_and_counts_exact_to_99() -> None:
    x = torch.tensor([0.0, 0.126, -0.004, 5.0, math.inf, -7.0])
    assert words(decimals(x)) == ["0.00", "0.13", "0.00", "2.99", "inf", "-0.99"]
    assert words(pulls(torch.tensor([0, 7, 99, 100, 137, 5000]))) == ["0x", "7x", "99x", "100x", "130x", "1000x"]


def test_a_prompt_of_each_layer_by_hand() -> None:
    names = torch.tensor([[READER.ids["apple"], READER.ids["chair"]]])
    counts, sums = torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0]])
    table = ArmTable(counts.double(), sums.double(), sums.double())
    given = (names, counts, sums, TEACHER.value(table), TEACHER.bonus(table))
    assert words(guide_rows("SH", *given)[0]) == ["go", "apple", "2x", "0.50", "chair", "0x", "never", "choose"]
    bonus = f"{math.sqrt(0.5 * math.log(2) / 2):.2f}"
    assert words(guide_rows("AG", *given)[0]) == [
        "go", "apple", "2x", "0.50", "0.50", bonus, "chair", "0x", "never", "0.00", "inf", "choose",
    ]  # fmt: skip


def test_each_trajectory_has_names_of_its_own_all_different() -> None:
    names = names_of(1, np.arange(200), 8)
    assert all(len(set(row)) == 8 for row in names.tolist())
    assert torch.equal(names_of(1, np.array([7]), 8)[0], names[7])
    assert set(words(names.flatten())) == set(NAMES)


def test_the_teacher_is_the_published_ucb_by_a_slow_loop() -> None:
    """mean + sqrt(0.5 ln t / n); an arm never pulled comes first, whatever its position."""
    trial = play_rule(TEACHER, Setting(0.5, 4, 40, 6), 2)
    for run in range(6):
        n, s = [0] * 4, [0.0] * 4
        for t in range(40):
            score = [s[a] / n[a] + math.sqrt(0.5 * math.log(t) / n[a]) if n[a] else math.inf for a in range(4)]
            taken = int(trial.actions[t, run])
            assert score[taken] >= max(score) - 1e-12
            n[taken] += 1
            s[taken] += float(trial.rewards[t, run])
    assert len(set(trial.actions[0])) > 1


def test_the_greedy_player_has_no_bonus() -> None:
    """The official greedy agent inherits UCB's bonus; this one takes a best mean in every round after its sweep."""
    trial = play_rule(rule_of("greedy"), Setting(0.2, 5, 60, 20), 4)
    counts, sums = tables_before(trial)
    mean = torch.where(counts > 0, sums / counts.clamp(min=1), torch.inf)
    taken = mean.gather(2, torch.from_numpy(trial.actions).unsqueeze(2)).squeeze(2)
    assert torch.equal(taken, mean.amax(dim=2))


def test_the_gap_is_the_one_asked_for_and_the_best_arm_moves_between_trials() -> None:
    for gap in (0.5, 0.2):
        means = play_rule(TEACHER, Setting(gap, 5, 10, 50), 1).means
        assert np.allclose(np.sort(means, axis=1)[:, -1] - np.sort(means, axis=1)[:, -2], gap)
        assert len(set(means.argmax(axis=1).tolist())) == 5


def test_all_players_of_a_seed_meet_the_same_arms_and_noise() -> None:
    setting = Setting(0.5, 3, 30, 10)
    a, b = play_rule(TEACHER, setting, 5), play_rule(rule_of("uniform"), setting, 5)
    assert np.array_equal(a.means, b.means)
    same = a.actions == b.actions
    assert same.any() and np.array_equal(a.rewards[same], b.rewards[same])


@pytest.mark.parametrize("layer", ["SH", "AG"])
def test_a_lesson_shows_the_tables_before_the_pull_that_it_labels(layer: str) -> None:
    lessons = Decisions(layer, **KIND)
    ids, labelled = lessons.batch(0)
    assert labelled.sum().item() == 48 and labelled[:, -1].all() and (ids[:, -2] == CHOOSE).all()
    total = []
    for row in ids:
        text = words(row)
        width = 3 if layer == "SH" else 5
        arms = [text[1 + width * a : 1 + width * (a + 1)] for a in range(4)]
        assert text[-1] in [arm[0] for arm in arms]
        total.append(sum(int(arm[1][:-1]) for arm in arms))
        if layer == "AG":
            score = [float(arm[3]) + float(arm[4]) for arm in arms]
            said = [arm[0] for arm in arms].index(text[-1])
            assert score[said] >= max(score) - 0.0201
    assert min(total) == 0 and max(total) == 11


def test_a_raw_lesson_is_a_trajectory_in_which_each_pull_is_labelled() -> None:
    lessons = Decisions("RH", **KIND)
    ids, labelled = lessons.batch(0)
    assert ids.shape == (4, 4 + 2 + 3 * 12 - 2) and labelled.sum().item() == 4 * 12
    for row, mask in zip(ids, labelled, strict=True):
        text = words(row)
        assert set(words(row[mask])) <= set(text[1:5])
        assert text[5] == "choose" and text[7] in ("0.00", "1.00")


def test_batches_are_functions_of_their_number_and_a_pass_has_each_decision_once() -> None:
    lessons = Decisions("AG", **KIND)
    assert torch.equal(lessons.batch(3)[0], Decisions("AG", **KIND).batch(3)[0])
    assert lessons.batches == 5 and not torch.equal(lessons.batch(0)[0], lessons.batch(5)[0])


def test_tables_are_answered_by_the_largest_as_printed() -> None:
    for number in range(12):
        ids, _ = reading(1, number, 16)
        for row in ids:
            text = words(row)
            query, said = text[-2], text[-1]
            width = 3 if len(text) > 3 and text[3] not in NAMES and (len(text) - 3) % 3 == 0 and text[2] else 2
            if query == "product":
                continue
            arms = [text[1 + i : 1 + i + width] for i in range(0, len(text) - 3, width)]
            if any(arm[0] not in NAMES or any(word in NAMES for word in arm[1:]) for arm in arms):
                continue
            score = [float(arm[1]) + (float(arm[2]) if query == "sum" else 0.0) for arm in arms]
            assert score[[arm[0] for arm in arms].index(said)] >= max(score) - 0.0201
    assert FIRST != SUM


def test_a_word_that_names_no_arm_is_a_uniformly_random_one() -> None:
    names = names_of(1, np.arange(4000), 5)
    arm, named = read_words(torch.full((4000,), READER.ids["go"]), names, Stream(1, "answers"), 0)
    assert not named.any() and (arm.bincount(minlength=5) > 700).all()
    arm, named = read_words(names[:, 3], names, Stream(1, "answers"), 0)
    assert named.all() and (arm == 3).all()


@pytest.mark.parametrize("layer", ["RH", "AG"])
def test_a_net_plays_the_same_alone_and_in_company(layer: str) -> None:
    net = Nano(len(READER), seed=1).eval()
    on_a_line(net, 1)
    together = play_net(net, layer, Setting(0.5, 3, 6, 4), 2)
    alone = play_net(net, layer, Setting(0.5, 3, 6, 2), 2)
    assert np.array_equal(together.actions[:, :2], alone.actions)
