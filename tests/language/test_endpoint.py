"""The real client against a server that generates with the local model: same answers, and nothing paid for twice."""

from __future__ import annotations

import importlib.util
import json
import math
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")

from wayfare.errors import BadValue, MissingExtra
from wayfare.language import endpoint
from wayfare.language.endpoint import EndpointModel, Price, Spent, estimate
from wayfare.language.interface import LanguageModel, Sampling
from wayfare.language.local import TransformersModel

HERE = Path(__file__).parent
PROMPTS = ["begin 0 act", "a", "begin 12 act B 13 act A reward 1 end begin 3 act"]
TALKS: list[Any] = [[{"role": "user", "content": each}] for each in PROMPTS]


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtra, match="lm"):
        EndpointModel("http://127.0.0.1:9/v1", "tiny")


def test_a_cost_is_calls_times_tokens_times_price() -> None:
    assert estimate(1000, 500, 20, Price(2.0, 10.0)) == pytest.approx(1000 * (500 * 2 + 20 * 10) / 1e6)
    assert Spent(prompt_tokens=3_000_000, completion_tokens=1_000_000).cost(Price(2.0, 10.0)) == pytest.approx(16)
    with pytest.raises(BadValue, match="completion_tokens"):
        estimate(1, 1, -1, Price(1, 1))


def serving_module() -> Any:
    spec = importlib.util.spec_from_file_location("openai_server", HERE / "openai_server.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def local() -> TransformersModel:
    return TransformersModel("tiny-random")


@pytest.fixture
def server(local: TransformersModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    pytest.importorskip("openai")
    monkeypatch.setattr(endpoint, "FIRST_WAIT", 0.01)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serving_module().serving(local) as one:
        yield one


def client(server: Any, **kwargs: Any) -> EndpointModel:
    return EndpointModel(server.url, "tiny", **{"timeout": 20.0, **kwargs})


@pytest.mark.parametrize("prompts", [PROMPTS, TALKS], ids=["completions", "chat"])
def test_at_temperature_0_both_backends_give_the_same_tokens_and_log_probabilities(
    server: Any, local: TransformersModel, prompts: list[Any]
) -> None:
    sampling = Sampling(0.0, max_tokens=12)
    mine = local.generate(prompts, sampling)
    with client(server, token_ids=True) as model:
        assert isinstance(model, LanguageModel)
        told = model.generate(prompts, sampling)
    np.testing.assert_array_equal(told.token_ids, mine.token_ids)
    np.testing.assert_array_equal(told.mask, mine.mask)
    np.testing.assert_allclose(told.logprobs_at_one, mine.logprobs_at_one, atol=1e-4)
    np.testing.assert_array_equal(told.logprobs, mine.logprobs)
    assert told.texts == mine.texts and told.finish == mine.finish
    np.testing.assert_array_equal(told.prompt_tokens, mine.prompt_tokens)
    np.testing.assert_array_equal(told.completion_tokens, mine.completion_tokens)
    assert model.spent == Spent(calls=3, prompt_tokens=mine.prompt_tokens.sum(), completion_tokens=36)


def test_with_the_same_seed_both_draw_the_same_and_every_answer_is_another(
    server: Any, local: TransformersModel
) -> None:
    sampling = Sampling(max_tokens=8, n=3, seed=4, stop=("zz",))
    mine = local.generate(PROMPTS, sampling)
    with client(server, token_ids=True) as model:
        told = model.generate(PROMPTS, sampling)
        np.testing.assert_array_equal(told.token_ids, mine.token_ids)
        np.testing.assert_allclose(told.logprobs, mine.logprobs, atol=1e-4)
        assert len(set(told.texts)) == 9 and told.prompt.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        warm = model.generate(PROMPTS, Sampling(0.5, max_tokens=3))
    assert np.isnan(warm.logprobs).all() and np.isfinite(warm.logprobs_at_one).all()


def test_what_the_server_does_not_tell_is_unknown_and_not_invented(server: Any) -> None:
    with client(server) as model:
        told = model.generate(["a"], Sampling(0.0, max_tokens=4))
    assert (told.token_ids == -1).all() and told.mask.sum() == 4 and np.isfinite(told.logprobs_at_one).all()
    with client(server, logprobs=False, token_ids=True) as model:
        told = model.generate(["a", TALKS[0]], Sampling(max_tokens=4))
    assert np.isnan(told.logprobs).all() and (told.token_ids >= 0).all()
    with client(server, logprobs=False) as model:
        told = model.generate(["a"], Sampling(max_tokens=4))
    assert told.mask.shape == (1, 0) and told.completion_tokens.tolist() == [4]


def test_log_probabilities_of_a_text_are_those_of_the_local_model(server: Any, local: TransformersModel) -> None:
    sequences = [("begin 0 act", " B reward 1"), ("abc", "d"), ("abc", "")]
    with client(server) as model:
        told = model.logprobs(sequences)
        mine = local.logprobs(sequences)
        np.testing.assert_array_equal(told.mask, mine.mask)
        np.testing.assert_allclose(told.logprobs, mine.logprobs, atol=1e-4)
        with pytest.raises(BadValue, match="runs from the prompt"):
            model.logprobs([("begin 0 ac", "t")])  # ' act' is one token
        with pytest.raises(BadValue, match="a text"):
            model.logprobs([("abc", [1, 2])])
        with pytest.raises(BadValue, match="conversation"):
            model.logprobs([(TALKS[0], "a")])


def test_answers_come_in_the_order_of_the_prompts_though_the_first_is_the_slowest(
    server: Any, local: TransformersModel
) -> None:
    prompts = [f"{number} x" for number in range(8)]
    server.pauses = {"0 x": 0.3, "1 x": 0.15}
    with client(server, concurrency=8) as model:
        told = model.generate(prompts, Sampling(0.0, max_tokens=6))
    assert told.texts == local.generate(prompts, Sampling(0.0, max_tokens=6)).texts
    assert json.loads(server.answered[-1]) == "0 x"


def test_calls_are_really_made_side_by_side(server: Any) -> None:
    server.together = Barrier(6)  # nobody is answered before six ask at once
    with client(server, concurrency=6) as model:
        told = model.generate([f"{number}" for number in range(12)], Sampling(max_tokens=2))
    assert told.finish == ("length",) * 12 and len(server.asked) == 12


def test_a_busy_server_is_asked_again_when_it_says(server: Any) -> None:
    server.refuse, server.retry_after = 2, "0.4"
    begin = time.monotonic()
    with client(server, concurrency=1) as model:
        told = model.generate(["a"], Sampling(0.0, max_tokens=3))
    assert time.monotonic() - begin >= 0.8
    assert told.finish == ("length",) and told.errors == ("",)
    assert model.spent.retries == 2 and model.spent.calls == 1 and server.refused == 2 and len(server.asked) == 3


def test_a_date_to_wait_for_is_understood_and_nonsense_is_not_obeyed() -> None:
    told = endpoint._asked_pause({"retry-after": formatdate(time.time() + 30, usegmt=True)})
    assert told is not None and 28 <= told <= 31
    assert endpoint._asked_pause({"retry-after": formatdate(0, usegmt=True)}) == 0
    for header in ({}, {"retry-after": "soon"}, {"retry-after": "nan"}):
        assert endpoint._asked_pause(header) is None


def test_a_broken_server_is_given_up_after_the_retries_and_the_other_answers_stay(server: Any, tmp_path: Path) -> None:
    server.broken = 3
    with client(server, concurrency=1, retries=2, ledger=tmp_path / "calls.jsonl") as model:
        told = model.generate(["a", "b"], Sampling(0.0, max_tokens=3))
        assert told.finish == ("error", "length") and "500" in told.errors[0] and told.mask.sum(1).tolist() == [0, 3]
        assert model.spent.failed == 1 and len(model.ledger) == 1  # type: ignore[arg-type]
        again = model.generate(["a", "b"], Sampling(0.0, max_tokens=3))
    assert again.finish == ("length", "length") and len(server.asked) == 5


def test_a_wait_beyond_patience_is_not_begun(server: Any) -> None:
    server.refuse, server.retry_after = 1, "3600"
    with client(server) as model:
        assert "3600 s" in model.generate(["a"], Sampling(max_tokens=1)).errors[0]


def test_a_call_that_hangs_is_made_again(server: Any) -> None:
    server.hang = 1
    with client(server, timeout=0.5) as model:
        told = model.generate(["a"], Sampling(0.0, max_tokens=3))
    assert told.finish == ("length",) and model.spent.retries == 1 and len(server.asked) == 2
    server.hang = 2
    with client(server, timeout=0.3, retries=1) as model:
        told = model.generate(["a"], Sampling(0.0, max_tokens=3))
    assert told.finish == ("error",) and "timed out" in told.errors[0].lower()


def test_a_truncated_answer_is_marked(server: Any, local: TransformersModel) -> None:
    server.cut = 2
    with client(server) as model:
        told = model.generate(PROMPTS, Sampling(0.0, max_tokens=12))
    assert told.finish == ("length",) * 3 and told.completion_tokens.tolist() == [2, 2, 2]
    full = local.generate(PROMPTS, Sampling(0.0, max_tokens=2))
    assert told.texts == full.texts


def test_an_answer_that_was_filtered_is_an_error_and_keeps_its_text(server: Any) -> None:
    server.finish_reason = "content_filter"
    with client(server) as model:
        told = model.generate(["a"], Sampling(0.0, max_tokens=3))
    assert told.finish == ("error",) and told.errors == ("finish_reason content_filter",) and told.texts[0]


def test_a_prompt_longer_than_the_context_is_refused_at_once_by_number(server: Any) -> None:
    with client(server, concurrency=1) as model, pytest.raises(BadValue, match="context") as told:
        model.generate(["a", "x" * 9000, "c"], Sampling(max_tokens=1))
    assert told.value.field == "prompts[1]"
    assert len(server.asked) <= 3  # the refusal is not repeated


def test_a_text_is_the_users_message_where_everything_is_chat(server: Any) -> None:
    with client(server, mode="chat", extra={"top_p": None, "user": "me"}) as model:
        model.generate(["begin"], Sampling(0.0, max_tokens=3))
    assert server.asked[0]["messages"] == [{"role": "user", "content": "begin"}]
    assert "top_p" not in server.asked[0] and server.asked[0]["user"] == "me"
    with client(server, mode="completion") as model, pytest.raises(BadValue, match="conversation"):
        model.generate(TALKS, Sampling())


def test_empty_prompts_and_bad_options_are_refused_before_anything_is_sent(server: Any) -> None:
    with client(server) as model:
        for prompts in ([""], [[]], "text"):
            with pytest.raises(BadValue):
                model.generate(prompts, Sampling())  # type: ignore[arg-type]
        assert len(model.generate([], Sampling())) == 0
    bad = {"concurrency": 0, "retries": -1, "timeout": math.inf, "mode": "text"}
    for field, value in bad.items():
        with pytest.raises(BadValue) as told:
            client(server, **{field: value})
        assert told.value.field == field
    with pytest.raises(BadValue, match="base_url"):
        EndpointModel("127.0.0.1:8000", "tiny")
    assert server.asked == []


def test_a_paid_call_is_never_made_again_and_what_differs_is_another_call(server: Any, tmp_path: Path) -> None:
    ledger, sampling = tmp_path / "deep" / "calls.jsonl", Sampling(max_tokens=4, n=2)
    with client(server, ledger=ledger, api_key="secret-key") as model:
        first = model.generate(["a", "b", "a"], sampling)
        assert len(server.asked) == 6 and model.spent.calls == 6
        with pytest.raises(BadValue, match="no other model"):
            client(server, ledger=ledger)
    with client(server, ledger=ledger) as model:
        again = model.generate(["a", "b", "a"], sampling)
        assert again.texts == first.texts and len(server.asked) == 6
        assert model.spent == Spent(replayed=6)
        model.generate(["a"], Sampling(max_tokens=4, n=2, seed=1))
        model.generate(["a"], Sampling(0.9, max_tokens=4))
        assert len(server.asked) == 9
    assert "secret-key" not in ledger.read_text()


def test_a_prompt_said_twice_is_two_calls_also_where_the_server_takes_no_seed(server: Any, tmp_path: Path) -> None:
    with client(server, ledger=tmp_path / "calls.jsonl", concurrency=1, extra={"seed": None}) as model:
        model.generate(["a", "a"], Sampling(max_tokens=2))
        assert len(server.asked) == 2 and server.asked[0] == server.asked[1] and len(model.ledger) == 2  # type: ignore[arg-type]
        model.generate(["a", "a"], Sampling(max_tokens=2))
        assert len(server.asked) == 2


CLIENT = """
import sys
from wayfare.language.endpoint import EndpointModel
from wayfare.language.interface import Sampling
assert "torch" not in sys.modules
url, ledger = sys.argv[1:]
with EndpointModel(url, "tiny", concurrency=3, ledger=ledger) as model:
    told = model.generate([f"{number} y" for number in range(24)], Sampling(0.0, max_tokens=4))
    print("\\n".join(repr(each) for each in told.texts), model.spent.calls, model.spent.replayed, sep="\\n")
"""


def test_a_client_killed_and_run_again_pays_for_no_finished_call_twice(
    server: Any, local: TransformersModel, tmp_path: Path
) -> None:
    ledger = tmp_path / "calls.jsonl"
    server.pauses = {" y": 0.05}
    command = [sys.executable, "-c", CLIENT, server.url, str(ledger)]
    first = subprocess.Popen(command, stdout=subprocess.PIPE)
    until = time.monotonic() + 30
    while (ledger.read_bytes().count(b"\n") if ledger.exists() else 0) < 7:
        assert time.monotonic() < until and first.poll() is None
        time.sleep(0.005)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    paid = ledger.read_bytes().count(b"\n")
    assert 7 <= paid < 24
    time.sleep(0.3)  # what was under way at the server ends
    before = Counter(body["prompt"] for body in server.asked)
    assert paid <= sum(before.values()) <= paid + 3
    with ledger.open("ab") as file:  # and the kill hit in the midst of a line
        file.write(b'{"key": "12')

    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *texts, calls, replayed = done.stdout.splitlines()
    assert (int(calls), int(replayed)) == (24 - paid, paid)
    wanted = local.generate([f"{number} y" for number in range(24)], Sampling(0.0, max_tokens=4)).texts
    assert texts == [repr(each) for each in wanted]
    asked = Counter(body["prompt"] for body in server.asked)
    twice = [prompt for prompt, times in asked.items() if times > 1]
    assert len(asked) == 24 and max(asked.values()) <= 2 and len(twice) <= 3  # only those under way at the kill

    total = len(server.asked)
    subprocess.run(command, capture_output=True, check=True)
    assert len(server.asked) == total
