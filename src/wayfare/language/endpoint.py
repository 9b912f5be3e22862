"""Any OpenAI-compatible server as a language model, over the official client.

    model = EndpointModel("http://host:8000/v1", "name", concurrency=16, ledger="calls.jsonl")
    model.generate([[{"role": "user", "content": "Which arm?"}]], Sampling(temperature=0.7, max_tokens=64))

A text goes to /completions and is continued as it stands, a conversation goes to /chat/completions: a prompt means the
same here as in a local model. Each answer is a call of its own with a seed of its own. A call that a busy server
refuses is made again; one that fails for good gives an answer of finish 'error', and the others are not lost.

With a ledger a call that was paid for is never made again, by this process or, after a kill, by the next one. Only
calls that were under way when the process died are asked again.

What servers tell are log-probabilities of the model itself, so those under the distribution drawn from are known only
where the two are the same, or at temperature 0.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from importlib import import_module
from pathlib import Path
from threading import Event, Lock
from typing import Any, Literal, NamedTuple

import numpy as np

from wayfare.draws import Stream
from wayfare.errors import BadValue, MissingExtra
from wayfare.language.interface import (
    Finish,
    Message,
    Prompt,
    Row,
    Samples,
    Sampling,
    Scores,
    check_prompts,
    padded,
    rows_of,
)
from wayfare.language.ledger import Ledger, key_of

__all__ = ["EndpointModel", "Price", "Spent", "estimate"]

Mode = Literal["prompt", "chat", "completion"]
MODES = ("prompt", "chat", "completion")
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds before the first repetition, doubled for each further one up to the longest; a server's word comes first."""
BUSY = (408, 409, 429)
"""Codes of the 400s after which asking again may help; all of the 500s do."""


class Price(NamedTuple):
    """Of a million tokens, read and written, in any one currency."""

    prompt: float
    completion: float


@dataclass
class Spent:
    """What this object has paid for, and what it has not.

    calls: answered over the wire        replayed: answered by the ledger        retries: calls made again
    failed: calls given up        prompt_tokens, completion_tokens: of the calls over the wire
    """

    calls: int = 0
    replayed: int = 0
    retries: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def cost(self, price: Price) -> float:
        """In the currency of the price."""
        return estimate(1, self.prompt_tokens, self.completion_tokens, price)


def estimate(calls: int, prompt_tokens: float, completion_tokens: float, price: Price) -> float:
    """Cost of that many calls, each of so many tokens read and written, in the currency of the price.

    Raises: BadValue for a number below 0.
    """
    told = {"calls": calls, "prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}
    for name, value in {**told, "price.prompt": price.prompt, "price.completion": price.completion}.items():
        if not 0 <= value < math.inf:
            raise BadValue(name, value, "finite and at least 0")
    return calls * (prompt_tokens * price.prompt + completion_tokens * price.completion) / 1e6


class _Failed(Exception):
    """A call was given up; the message says why."""


@dataclass
class _Told:
    """One answer as it came."""

    text: str = ""
    finish: Finish = "error"
    error: str = ""
    ids: list[int] = field(default_factory=list)
    logps: list[float] = field(default_factory=list)
    prompt_tokens: int = 0
    completion_tokens: int = 0


class EndpointModel:
    """base_url:    of the server, up to `/v1`
    model:       the server's name of it
    api_key:     None takes OPENAI_API_KEY, and a server that asks for none needs none
    concurrency: most calls at once
    retries:     how often a call is made again
    timeout:     seconds that an answer may take
    ledger:      file of the calls that were paid for; None pays again
    mode:        'chat' sends a text as the user's message, 'completion' takes texts only
    token_ids:   asks for token ids as well, which vLLM and its relatives can tell
    logprobs:    False for a server that refuses to tell them
    extra:       more of the request's body; None takes a field out (part of what the ledger keys calls by)

    Raises: MissingExtra without the client; BadValue for an option out of range, or a ledger that is in use.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str | None = None,
        *,
        concurrency: int = 8,
        retries: int = 5,
        timeout: float = 120.0,
        ledger: str | Path | None = None,
        mode: Mode = "prompt",
        token_ids: bool = False,
        logprobs: bool = True,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise BadValue("base_url", base_url, "an address that begins with http:// or https://")
        if concurrency < 1:
            raise BadValue("concurrency", concurrency, "at least 1")
        if retries < 0:
            raise BadValue("retries", retries, "at least 0")
        if not 0 < timeout < math.inf:
            raise BadValue("timeout", timeout, "finite and above 0")
        if mode not in MODES:
            raise BadValue("mode", mode, f"one of {', '.join(MODES)}")
        try:
            self._openai = import_module("openai")
        except ImportError:
            raise MissingExtra("an endpoint", "lm") from None
        options: dict[str, Any] = {"base_url": base_url, "timeout": timeout, "max_retries": 0}
        try:
            self._client = self._openai.OpenAI(api_key=api_key, **options)
        except self._openai.OpenAIError:
            self._client = self._openai.OpenAI(api_key="none", **options)
        self.model, self.concurrency, self.retries, self.timeout, self.mode = model, concurrency, retries, timeout, mode
        self.token_ids, self.tells, self.extra = token_ids, logprobs, dict(extra or {})
        self.base_url = base_url
        self.ledger = None if ledger is None else Ledger(ledger)
        self.spent = Spent()
        self._counting = Lock()

    def close(self) -> None:
        """Ends the connections and lets another process have the ledger."""
        self._client.close()
        if self.ledger is not None:
            self.ledger.close()

    def __enter__(self) -> EndpointModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling | None = None) -> Samples:
        """sampling.n answers to each prompt, in the order of the prompts however they come.

        Raises: BadValue for an empty prompt, and for what the server refuses as a mistake of the caller's (a prompt
        longer than the context, a key or model it does not know); what was answered until then is in the ledger.
        """
        sampling = Sampling() if sampling is None else sampling
        check_prompts(prompts)
        if self.mode == "completion":
            self._texts_only(prompts)
        rows = rows_of(prompts, sampling)
        told = self._all([self._asking(prompts[row.prompt], row, sampling) for row in rows])
        at_one = [each.logps for each in told]
        unknown = not (sampling.plain or sampling.temperature == 0)
        drawn = [[0.0 if sampling.temperature == 0 else math.nan] * len(each) for each in at_one]
        return Samples(
            prompt=np.array([row.prompt for row in rows], np.int64),
            texts=tuple(each.text for each in told),
            token_ids=padded([each.ids for each in told], np.int64),
            mask=padded([[True] * len(each.ids) for each in told], np.bool_),
            logprobs=padded(drawn if unknown or sampling.temperature == 0 else at_one, np.float32),
            logprobs_at_one=padded(at_one, np.float32),
            finish=tuple(each.finish for each in told),
            errors=tuple(each.error for each in told),
            prompt_tokens=np.array([each.prompt_tokens for each in told], np.int64),
            completion_tokens=np.array([each.completion_tokens for each in told], np.int64),
        )

    def logprobs(self, sequences: Sequence[tuple[Prompt, Sequence[int] | str]]) -> Scores:
        """Of each completion, a text, behind its prompt, a text: the server reads both and echoes them.

        Raises: BadValue for a conversation or tokens, which no server scores; for a server that does not echo, or one
        whose tokens run across the end of the prompt; and as `generate` does.
        """
        check_prompts([prompt for prompt, _ in sequences])
        self._texts_only([prompt for prompt, _ in sequences])
        for number, (_, completion) in enumerate(sequences):
            if not isinstance(completion, str):
                raise BadValue(f"sequences[{number}]", completion, "a completion that is a text, over an endpoint")
        told = self._all([self._scoring(str(prompt), str(completion)) for prompt, completion in sequences])
        for number, each in enumerate(told):
            if each.finish == "error":
                raise BadValue(f"sequences[{number}]", each.error, "what this server can score")
        mask = padded([[True] * len(each.ids) for each in told], np.bool_)
        return Scores(padded([each.ids for each in told], np.int64), mask, padded([each.logps for each in told], "f4"))

    def _texts_only(self, prompts: Sequence[Prompt]) -> None:
        for number, prompt in enumerate(prompts):
            if not isinstance(prompt, str):
                raise BadValue(f"prompts[{number}]", "a conversation", "a text, where completions are asked for")

    def _asking(self, prompt: Prompt, row: Row, sampling: Sampling) -> Callable[[Event], _Told]:
        chat = self.mode == "chat" or not isinstance(prompt, str)
        body: dict[str, Any] = {
            "model": self.model,
            "temperature": float(sampling.temperature),
            "top_p": float(sampling.top_p),
            "max_tokens": int(sampling.max_tokens),
            "seed": row.seed,
        }
        if sampling.min_p:
            body["min_p"] = float(sampling.min_p)
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if self.token_ids:
            body["return_token_ids"] = True
        if chat:
            said: list[Message] = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
            body["messages"] = [dict(message) for message in said]
            body |= {"logprobs": True} if self.tells else {}
        else:
            body["prompt"] = prompt
            body |= {"logprobs": 0} if self.tells else {}
        field = f"prompts[{row.prompt}]"
        return lambda stop: _read(self._paid(field, chat, body, row.occurrence, stop), chat)

    def _scoring(self, prompt: str, completion: str) -> Callable[[Event], _Told]:
        body = {"model": self.model, "prompt": prompt + completion, "max_tokens": 1, "temperature": 0.0}
        body |= {"echo": True, "logprobs": 0}
        ends = (len(prompt), len(prompt) + len(completion))
        return lambda stop: _echoed(self._paid("sequences", False, body, 0, stop), *ends)

    def _all(self, calls: Sequence[Callable[[Event], _Told]]) -> list[_Told]:
        """Side by side; the first refusal stops what has not begun, and is raised when what has begun is done."""
        stop = Event()

        def one(call: Callable[[Event], _Told]) -> _Told:
            try:
                return call(stop)
            except _Failed as failed:
                return _Told(error=str(failed))

        with ThreadPoolExecutor(self.concurrency, thread_name_prefix="endpoint") as pool:
            futures = [pool.submit(one, call) for call in calls]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
                refused = [each.exception() for each in futures if each.done() and each.exception() is not None]
                if refused:
                    raise refused[0] or RuntimeError
            except BaseException:
                stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
            return [each.result() for each in futures]

    def _paid(self, field: str, chat: bool, body: dict[str, Any], occurrence: int, stop: Event) -> Mapping[str, Any]:
        """The answer from the ledger, else from the server and then in the ledger."""
        body = {name: value for name, value in {**body, **self.extra}.items() if value is not None}
        key = key_of(url=self.base_url, chat=chat, body=body, occurrence=occurrence)
        known = None if self.ledger is None else self.ledger.get(key)
        if known is not None:
            with self._counting:
                self.spent.replayed += 1
            return known
        answer = self._called(field, chat, body, key, stop)
        if self.ledger is not None:
            self.ledger.put(key, answer)
        usage = answer.get("usage") or {}
        with self._counting:
            self.spent.calls += 1
            self.spent.prompt_tokens += int(usage.get("prompt_tokens") or 0)
            self.spent.completion_tokens += int(usage.get("completion_tokens") or 0)
        return answer

    def _called(self, field: str, chat: bool, body: dict[str, Any], key: str, stop: Event) -> dict[str, Any]:
        """Over the wire, again while it may help. Raises: _Failed when it does not; BadValue for a caller's mistake."""
        path = "/chat/completions" if chat else "/completions"
        jitter = Stream(int(key[:15], 16), "pauses between calls")
        reason = "stopped"
        for attempt in range(self.retries + 1):
            if stop.is_set():
                break
            try:
                response: Any = self._client.post(path, cast_to=object, body=body)
            except self._openai.APIStatusError as error:
                reason = f"{error.status_code}: {error.message}"
                quota = getattr(error, "code", None) == "insufficient_quota"
                if quota or (error.status_code < 500 and error.status_code not in BUSY):
                    raise BadValue(field, reason, "what the server accepts") from None
                pause = _asked_pause(error.response.headers)
            except self._openai.APIConnectionError as error:  # a timeout is one of them
                reason, pause = str(error) or type(error).__name__, None
            else:
                if isinstance(response, dict) and response.get("choices"):
                    return dict(response)
                reason, pause = "an answer without choices", None
            if attempt == self.retries:
                break
            if pause is None:
                pause = min(LONGEST_WAIT, FIRST_WAIT * 2.0**attempt) * (0.5 + float(jitter.uniform(0, attempt)) / 2)
            elif pause > LONGEST_WAIT:
                reason = f"{reason} (asked to wait for {pause:.0f} s)"
                break
            with self._counting:
                self.spent.retries += 1
            stop.wait(pause)
        with self._counting:
            self.spent.failed += 1
        raise _Failed(reason)


def _asked_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds the server asks to wait: `Retry-After`, a number or a date (RFC 9110, section 10.2.3)."""
    told = headers.get("retry-after")
    if told is None:
        return None
    try:
        pause = float(told)
    except ValueError:
        try:
            pause = parsedate_to_datetime(told).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, pause) if math.isfinite(pause) else None


def _read(answer: Mapping[str, Any], chat: bool) -> _Told:
    choice = answer["choices"][0]
    text = ((choice.get("message") or {}).get("content") if chat else choice.get("text")) or ""
    scores = choice.get("logprobs") or {}
    if chat:
        logps = [each.get("logprob") for each in scores.get("content") or []]
    else:
        logps = list(scores.get("token_logprobs") or [])
    ids = list(choice.get("token_ids") or [])
    usage = answer.get("usage") or {}
    written = int(usage.get("completion_tokens") or max(len(ids), len(logps)))
    length = len(ids) or len(logps)  # where the server tells neither, no token is known, only how many
    reason = choice.get("finish_reason")
    known = reason in ("stop", "length")
    return _Told(
        text=text,
        finish=reason if known else "error",
        error="" if known else f"finish_reason {reason}",
        ids=[int(each) for each in ids] or [-1] * length,
        logps=_numbers(logps, length),
        prompt_tokens=int(usage.get("prompt_tokens") or 0),
        completion_tokens=written,
    )


def _echoed(answer: Mapping[str, Any], begin: int, end: int) -> _Told:
    """The tokens whose text lies between the two places of what was sent."""
    scores = answer["choices"][0].get("logprobs") or {}
    offsets, logps = scores.get("text_offset"), scores.get("token_logprobs")
    if not offsets or not logps or len(offsets) != len(logps):
        return _Told(error="the server does not echo log-probabilities of what it read")
    if begin < end and begin not in offsets:
        return _Told(error="a token runs from the prompt into the completion")
    inside = [logp for offset, logp in zip(offsets, logps, strict=True) if begin <= offset < end]
    return _Told(finish="stop", ids=[-1] * len(inside), logps=_numbers(inside, len(inside)))


def _numbers(logps: Sequence[float | None], length: int) -> list[float]:
    """One a token; NaN where none is told, or not one for each."""
    if len(logps) != length:
        return [math.nan] * length
    return [math.nan if each is None else float(each) for each in logps]
