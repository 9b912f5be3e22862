"""A log is read from records, a live bandit's journal and a CSV; what cannot be true of it is refused by row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.explore.evaluation import DecisionLog, evaluate
from wayfare.explore.live import Bandit, RidgeScores
from wayfare.explore.rules import EpsilonGreedy, Uniform

GOOD: dict[str, Any] = {
    "contexts": [[1.0], [2.0], [3.0]],
    "allowed": np.array([[True, True], [True, False], [True, True]]),
    "actions": [1, 0, 0],
    "rewards": [1.0, 0.0, 2.0],
    "propensities": [0.25, 1.0, 0.5],
}


def test_a_log_keeps_copies_that_nobody_can_change() -> None:
    rewards = np.array([1.0, 0.0, 2.0])
    log = DecisionLog(**{**GOOD, "rewards": rewards})
    rewards[0] = 9
    assert log.rewards.tolist() == [1.0, 0.0, 2.0]
    with pytest.raises(ValueError):
        log.rewards[0] = 9
    assert log.shape == (3, 2) and len(log) == 3 and log.ids == ("0", "1", "2") and log.names == ("0", "1")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("contexts", [[1.0], [np.nan], [3.0]], "contexts[1] must be finite, got [nan]"),
        ("contexts", [1.0, 2.0, 3.0], "contexts must be of shape [3, D], a row a decision, got [3]"),
        ("contexts", [["red"], ["blue"], ["red"]], "contexts must be numbers"),
        ("allowed", np.zeros((3, 2), dtype=bool), "allowed[0] must be true for at least one action"),
        ("allowed", np.ones((3, 2)), "allowed must be booleans of shape [3, A]"),
        ("allowed", 0, "allowed must be at least 1 action, got 0"),
        ("actions", [1, 0, 2], "actions[2] must be from 0 to 1, got 2"),
        ("actions", [1, 1, 0], "actions[1] must be among those allowed in its row, got 1"),
        ("actions", [1.0, 0.0, 0.0], "actions must be integers of shape [N]"),
        ("actions", [], "actions must be at least one decision"),
        ("rewards", [1.0, np.inf, 0.0], "rewards[1] must be finite, got inf"),
        ("rewards", [1.0, 0.0], "rewards must be of shape [3], an entry a decision, got [2]"),
        ("propensities", [0.25, 0.0, 0.5], "propensities[1] must be above 0 and at most 1 in every row"),
        ("propensities", [0.25, None, 0.5], "use the direct method, estimator='dm'"),
        ("propensities", [0.25, 1.5, 0.5], "propensities[1] must be above 0 and at most 1"),
        ("ids", ["a", "b", "a"], "ids[2] must be the only one of that name, got 'a'"),
        ("ids", ["a"], "ids must be 3 of them"),
        ("names", ["a"], "names must be 2 of them"),
        ("propensity_method", "guess", "propensity_method must be one of closed form"),
    ],
)
def test_what_cannot_be_is_refused_with_field_row_and_value(field: str, value: Any, told: str) -> None:
    with pytest.raises(BadValue) as refused:
        DecisionLog(**{**GOOD, field: value})
    assert told in str(refused.value)


def _record(**changes: Any) -> dict[str, Any]:
    record = {"id": "0-0", "context": [1.0, 2.0], "allowed": [True, True], "action": 1, "propensity": 0.5}
    return {**record, "propensity_method": "closed form", "policy": "p", "time": 5.0, "reward": 1.0, **changes}


def test_records_without_a_reward_are_left_out_and_counted_or_take_the_one_given() -> None:
    records = [_record(), _record(id="0-1", reward=None), _record(id="0-2", reward=0.5)]
    log = DecisionLog.from_records(records)
    assert log.ids == ("0-0", "0-2") and log.waiting == 1 and log.rewards.tolist() == [1.0, 0.5]
    assert log.policy == ("p", "p") and log.time is not None and log.time.tolist() == [5.0, 5.0]
    assert DecisionLog.from_records(records, unmatured=0.0).rewards.tolist() == [1.0, 0.0, 0.5]
    assert records[1]["reward"] is None
    with pytest.raises(BadValue, match="at least one decision with a known reward"):
        DecisionLog.from_records([_record(reward=None)])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"context": [1.0]}, "contexts[1] must be of 2 entries, as in row 0"),
        ({"context": None}, "contexts[1] must be there in all rows or in none"),
        ({"allowed": [True]}, "allowed[1] must be of 2 entries"),
        ({"allowed": ["no", "yes"]}, "allowed[1] must be true or false"),
        ({"propensity": None}, "propensities[1] must be above 0"),
    ],
)
def test_records_that_do_not_fit_together_are_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(BadValue) as refused:
        DecisionLog.from_records([_record(), _record(id="0-1", **changes)])
    assert told in str(refused.value)
    incomplete = _record()
    del incomplete["allowed"]
    with pytest.raises(BadValue, match=r"records\[0\] must be with the field 'allowed'"):
        DecisionLog.from_records([incomplete])


def _live(path: Path, **options: Any) -> Bandit:
    rule = EpsilonGreedy(0.5)
    return Bandit(rule, RidgeScores(3, dimension=2), actions=["card", "wallet", "bank"], log=path, **options)


def test_the_journal_of_a_live_bandit_is_read_while_it_goes_on_writing(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    with _live(path) as bandit:
        made = [bandit.decide([float(n), 1.0], ["card", "bank"] if n % 2 else None) for n in range(6)]
        for n in (4, 0, 3, 1):  # late and out of order
            bandit.learn(made[n].id, n / 10)
        with open(path, "ab") as file:
            file.write(b'{"event":"reward","id":"0-2"')  # a line that is being written
        log = DecisionLog.from_journal(path)
    assert log.names == ("card", "wallet", "bank") and log.waiting == 2
    assert log.ids == tuple(made[n].id for n in (0, 1, 3, 4))
    assert log.rewards.tolist() == [0.0, 0.1, 0.3, 0.4]
    assert [log.names[a] for a in log.actions] == [made[n].action for n in (0, 1, 3, 4)]
    assert log.propensities is not None
    assert log.propensities.tolist() == [made[n].propensity for n in (0, 1, 3, 4)]
    assert log.contexts is not None and log.contexts[:, 0].tolist() == [0.0, 1.0, 3.0, 4.0]
    assert log.allowed.tolist() == [[True] * 3, [True, False, True], [True, False, True], [True] * 3]
    assert log.policy == ("EpsilonGreedy",) * 4 and log.propensity_method == ("closed form",)


def test_a_journal_without_contexts_or_propensities_is_a_log_without_them(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    with Bandit(Uniform(), actions=2, log=path, propensities=False) as bandit:
        bandit.learn(bandit.decide().id, 1.0)
    log = DecisionLog.from_journal(path)
    assert log.contexts is None and log.propensities is None and log.propensity_method == ("none",)
    with pytest.raises(BadValue, match="use estimator='dm'"):
        evaluate(log, [[0.5, 0.5]], estimator="ips")


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text("id,action\n1,2\n")
    with pytest.raises(BadValue, match="a line of JSON"):
        DecisionLog.from_journal(path)
    path.write_text(json.dumps({"format": "other"}) + "\n")
    with pytest.raises(BadValue, match="a journal of a live bandit"):
        DecisionLog.from_journal(path)
    path.write_text(json.dumps({"format": "wayfare.explore.live", "version": 99}) + "\n")
    with pytest.raises(BadValue, match="another release"):
        DecisionLog.from_journal(path)


CSV = "age,hour,offer,bought,p\n30,8,gift,1,0.5\n41,9,none,0,0.25\n22,7,gift,,0.5\n"


def _csv(tmp_path: Path, text: str = CSV) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(text)
    return path


COLUMNS: dict[str, Any] = {"context": ["age", "hour"], "action": "offer", "reward": "bought", "propensity": "p"}


def test_a_csv_is_read_by_the_names_of_its_columns(tmp_path: Path) -> None:
    log = DecisionLog.from_csv(_csv(tmp_path), **COLUMNS, actions=["none", "gift", "call"])
    assert log.names == ("none", "gift", "call") and log.actions.tolist() == [1, 0] and log.waiting == 1
    assert log.contexts is not None and log.contexts.tolist() == [[30.0, 8.0], [41.0, 9.0]]
    assert log.propensities is not None and log.propensities.tolist() == [0.5, 0.25]
    assert log.shape == (2, 3) and log.allowed.all() and log.ids == ("2", "3")
    sorted_names = DecisionLog.from_csv(_csv(tmp_path), **COLUMNS)
    assert sorted_names.names == ("gift", "none")
    numbered = DecisionLog.from_csv(_csv(tmp_path, "action,reward\n10,1\n9,0\n"), propensity=None)
    assert numbered.names == ("9", "10") and numbered.propensities is None and numbered.contexts is None


def test_columns_tell_which_actions_were_allowed_and_who_decided_when(tmp_path: Path) -> None:
    text = "who,when,key,a,r,p,can_x,can_y\nv1,1.5,k1,x,1,0.5,1,1\nv2,2.5,k2,x,0,1,1,0\n"
    log = DecisionLog.from_csv(
        _csv(tmp_path, text), action="a", reward="r", propensity="p", actions=["x", "y"],
        allowed=["can_x", "can_y"], id="key", policy="who", time="when",
    )  # fmt: skip
    assert log.allowed.tolist() == [[True, True], [True, False]] and log.ids == ("k1", "k2")
    assert log.policy == ("v1", "v2") and log.time is not None and log.time.tolist() == [1.5, 2.5]


@pytest.mark.parametrize(
    ("text", "changes", "told"),
    [
        (CSV, {"context": ["weight"]}, "context must be one of the columns age, hour, offer, bought, p, got 'weight'"),
        (CSV.replace("41", "old"), {}, "line 3, age must be a number, got 'old'"),
        (CSV.replace("0.25", ""), {}, "line 3, p must be above 0 and at most 1"),
        (CSV.replace("0.25", "0"), {}, "line 3, p must be above 0"),
        (CSV.replace("0.25", "1.5"), {}, "line 3, p must be above 0 and at most 1"),
        (CSV.replace("41", "inf"), {}, "line 3, age must be a number, got 'inf'"),
        (CSV, {"context": "age"}, "context must be a list of columns"),
        (CSV.replace(",0.25", ""), {}, "line 3 must be 5 fields, got '4 fields'"),
        (CSV, {"actions": ["none", "call"]}, "line 2, offer must be one of none, call, got 'gift'"),
        (CSV, {"actions": ["none", "none"]}, "actions must be names of which no two are the same"),
        (CSV.replace("none", ""), {}, "line 3, offer must be the action taken"),
        (CSV, {"allowed": ["hour"]}, "allowed must be 2 columns"),
        ("", {}, "must be one of the columns of a header line"),
        (CSV.replace("0.25", "0.25,7"), {}, "line 3 must be 5 fields, got '6 fields'"),
        (CSV, {"allowed": ["hour", "bought"]}, "line 2, hour must be 0 or 1, got '8'"),
    ],
)
def test_a_wrong_cell_is_refused_with_line_and_column(
    tmp_path: Path, text: str, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(BadValue) as refused:
        DecisionLog.from_csv(_csv(tmp_path, text), **{**COLUMNS, **changes})
    assert told in str(refused.value)


def test_a_file_in_another_encoding_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes("action,reward\né,1\n".encode("latin-1"))
    with pytest.raises(BadValue, match=r"log\.csv"):
        DecisionLog.from_csv(tmp_path / "log.csv", propensity=None)
