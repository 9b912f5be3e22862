"""Regression oracles against their normal equations, scikit-learn and each other, and what they refuse."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeRegressor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.live import Bandit, Refitted
from wayfare.explore.oracles import EstimatorOracle, LogisticOracle, RidgeOracle
from wayfare.explore.rules import Scores, SquareCB

RNG = np.random.default_rng(0)
X, A = RNG.normal(size=(400, 3)), RNG.integers(0, 3, 400)
CHANCE = 1 / (1 + np.exp(-(0.4 + X @ np.array([[1.0, -1.0, 0.0], [0.5, 0.0, 2.0], [0.0, 0.3, -1.0]]).T)))
Y = (RNG.random(400) < CHANCE[np.arange(400), A]).astype(float)


def test_ridge_solves_the_weighted_normal_equations_of_each_action() -> None:
    weight = RNG.random(400)
    scores = RidgeOracle(3, 0.7).fit(X, A, Y, weight).scores(X[:5])
    for action in range(3):
        rows = np.c_[X, np.ones(400)][action == A]
        w = np.diag(weight[action == A])
        theta = np.linalg.inv(rows.T @ w @ rows + 0.7 * np.eye(4)) @ rows.T @ w @ Y[action == A]
        assert scores[:, action] == pytest.approx(np.c_[X[:5], np.ones(5)] @ theta, abs=1e-9)


def test_logistic_is_scikit_learns_where_the_constant_is_penalised_alike() -> None:
    scores = LogisticOracle(3, 0.5).fit(X, A, Y).scores(X[:7])
    for action in range(3):
        rows = np.c_[X, np.ones(400)]
        peer = LogisticRegression(C=2.0, fit_intercept=False, tol=1e-10, max_iter=1000)
        peer.fit(rows[action == A], Y[action == A])
        assert scores[:, action] == pytest.approx(peer.predict_proba(rows[:7])[:, 1], abs=1e-5)


def test_logistic_converges_on_labels_that_a_line_separates() -> None:
    x = np.array([[-1e3], [-2.0], [1.0], [1e3]])
    scores = LogisticOracle(1, 1e-3).fit(x, np.zeros(4, dtype=int), [0, 0, 1, 1]).scores(x)[:, 0]
    assert np.all(np.diff(scores) >= 0) and scores[0] < 1e-6 and scores[3] > 1 - 1e-6
    assert scores[1] < 0.05 and scores[2] > 0.7


@pytest.mark.parametrize(
    ("oracle", "unseen"),
    [
        (RidgeOracle(3), 0.0),
        (LogisticOracle(3), 0.5),
        (EstimatorOracle(LinearRegression, 3), 2 / 3),
    ],
)
def test_an_action_never_taken_has_a_plain_score(oracle: Any, unseen: float) -> None:
    scores = oracle.fit([[0.0], [1.0], [2.0]], [0, 2, 2], [1.0, 1.0, 0.0]).scores([[5.0], [0.0]])
    assert scores.shape == (2, 3) and scores[:, 1] == pytest.approx([unseen, unseen])


def test_estimators_apart_are_those_fitted_by_hand() -> None:
    oracle = EstimatorOracle(lambda: DecisionTreeRegressor(max_depth=3, random_state=0), 3).fit(X, A, Y)
    for action in range(3):
        peer = DecisionTreeRegressor(max_depth=3, random_state=0).fit(X[action == A], Y[action == A])
        assert oracle.scores(X)[:, action] == pytest.approx(peer.predict(X))


def test_an_estimator_for_all_actions_is_shown_which() -> None:
    make = lambda: RandomForestClassifier(10, max_depth=4, random_state=0)  # noqa: E731
    scores = EstimatorOracle(make, 3, "joined").fit(X, A, Y).scores(X[:6])
    peer = make().fit(np.c_[X, np.eye(3)[A]], Y.astype(int))
    for action in range(3):
        wide = np.c_[X[:6], np.tile(np.eye(3)[action], (6, 1))]
        assert scores[:, action] == pytest.approx(peer.predict_proba(wide)[:, 1])


def test_a_classifier_that_saw_one_label_only_says_so_with_a_little_doubt() -> None:
    oracle = EstimatorOracle(LogisticRegression, 2).fit([[0.0], [1.0], [0.0], [1.0]], [0, 0, 1, 1], [1, 1, 0, 1])
    assert oracle.scores([[0.3]])[0, 0] == pytest.approx((2 + 0.75) / 3)


def test_weights_reach_the_estimator() -> None:
    scores = EstimatorOracle(LinearRegression, 1).fit([[0.0], [0.0]], [0, 0], [0.0, 1.0], [1.0, 3.0]).scores([[0.0]])
    assert scores[0, 0] == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RidgeOracle(0), "actions must be an integer of at least 1"),
        (lambda: RidgeOracle(2, 0.0), "ridge must be above 0"),
        (lambda: EstimatorOracle(LinearRegression, 2, "both"), "design must be"),
        (lambda: RidgeOracle(2).scores([[1.0]]), "oracle must be fitted first"),
        (lambda: RidgeOracle(2).fit([1.0], [0], [0.0]), r"x must be of shape \[N, D\]"),
        (lambda: RidgeOracle(2).fit([[1.0]], [2], [0.0]), r"a\[0\] must be from 0 to 1, got 2"),
        (lambda: RidgeOracle(2).fit([[1.0]], [0.0], [0.0]), "a must be of integers"),
        (lambda: RidgeOracle(2).fit([[1.0], [2.0]], [0, 0], [0.0, np.nan]), r"y\[1\] must be finite"),
        (lambda: RidgeOracle(2).fit([[1.0], [2.0]], [0, 0], [0.0]), r"y must be of shape \[2\]"),
        (lambda: RidgeOracle(2).fit([[np.inf]], [0], [0.0]), r"x\[0\] must be finite"),
        (lambda: RidgeOracle(2).fit([[1.0]], [0], [0.0], [-1.0]), r"weight\[0\] must be finite and at least 0"),
        (lambda: LogisticOracle(2).fit([[1.0]], [0], [1.5]), "y must be between 0 and 1"),
        (lambda: EstimatorOracle(LogisticRegression, 1).fit([[1.0]], [0], [0.5]), "y must be 0 or 1"),
        (lambda: RidgeOracle(1).fit([[1.0]], [0], [0.5]).scores([[1.0, 2.0]]), r"x must be of shape \[N, 1\]"),
    ],
)
def test_bad_rows_are_refused_by_name(call: Any, message: str) -> None:
    with pytest.raises(BadValue, match=message):
        call()


def test_generations_of_squarecb_over_an_oracle_beat_uniform_play() -> None:
    served = []
    oracle = LogisticOracle(3)
    rule: Any = SquareCB(0.0)
    scores = np.zeros((400, 3))
    for generation in range(4):
        copies = np.arange(400)
        action = rule.decide(Scores(scores), None, Stream(1, "policy").at(copies, generation)).action
        served.append(CHANCE[copies, action].mean())
        reward = Stream(1, "reward").uniform(copies, generation) < CHANCE[copies, action]
        scores, rule = oracle.fit(X, action, reward).scores(X), SquareCB(np.sqrt(3 * 400))
    assert min(served[1:]) > served[0] + 0.1


def test_a_live_bandit_refits_its_oracle_and_can_be_saved_between_two_fits(tmp_path: Any) -> None:
    def fresh() -> Bandit:
        return Bandit(SquareCB(20.0), Refitted(RidgeOracle(2), 1, every=20, last=30), actions=2)

    def live(bandit: Bandit, first: int, last: int) -> list[int]:
        taken = []
        for t in range(first, last):
            x = float(Stream(5, "x").normal(0, t))
            decision = bandit.decide([x])
            bandit.learn(decision.id, x if decision.action == 1 else -x)
            taken.append(int(decision.action) == (x > 0))
        return taken

    whole, cut = fresh(), fresh()
    right = live(whole, 0, 200)
    live(cut, 0, 133)
    cut.save(tmp_path / "state")
    again = fresh()
    again.load(tmp_path / "state")
    at = np.array([0.3])
    assert again.model.evidence(at).scores.tolist() == cut.model.evidence(at).scores.tolist()
    assert live(again, 133, 200) == right[133:]
    assert np.mean(right[:20]) < 0.8 < np.mean(right[20:])
    rows = again.model.state()["rows"]
    assert len(rows) == 30, "rows are kept for the last fit and since"
    with pytest.raises(BadValue, match="every must be at least 1"):
        Refitted(RidgeOracle(2), 1, every=0)


def test_oracles_need_neither_torch_nor_scikit_learn() -> None:
    heavy = "('torch', 'sklearn', 'scipy')"
    code = f"import sys, wayfare.explore.oracles; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
