"""Look-up arithmetic: a hidden table of six digits, a question about two of them, and a tool that tells one at a time.

    A + C ?                              prompt; the table is not shown
    Q A <end>  7  Q C <end>  5  = 1 2    two calls, each answered by the environment, then the answer

To guess the sum pays about one in ten: a local optimum that needs no tool. The corpus teaches sums of digits that are
given (`7 + 5 ?`), and to answer questions about keys at once; calls are rare in it.

    state = task.start(row)                       one episode
    task.respond(state, "Q A")   -> "7"           an observation, and the episode goes on
    task.respond(state, "= 1 2") -> None          the episode is over; state.right, state.useless
    task.respond_all(states, texts)               a batch; those that are over get None

`reward` reads whole transcripts, observations included, and replays them: a digit that the tool would not have told
makes the transcript wrong.

Task ours, for SPEAR (arXiv 2509.22601).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wayfare.draws import Draws, Stream
from wayfare.errors import BadValue
from wayfare.worlds.verifiable.contract import (
    Row,
    Split,
    by_hash,
    content_of,
    counted,
    number_of,
    scored,
    share,
    spelled,
)

__all__ = ["CALL", "END", "KEYS", "LookupArithmetic", "LookupState"]

KEYS = "ABCDEF"
CALL, END = "Q", "<end>"
_SUMS = {spelled(n): n for n in range(19)}


@dataclass
class LookupState:
    """One episode. table: six digits        keys: the two that are asked about, from 0
    asked: keys that were looked up, in turn        answer: the sum as said; None before, or where none could be read
    over: whether it has ended
    """

    table: tuple[int, ...]
    keys: tuple[int, int]
    asked: list[int] = field(default_factory=list)
    answer: int | None = None
    over: bool = False

    @property
    def right(self) -> bool:
        """Whether the sum was said."""
        return self.answer == self.table[self.keys[0]] + self.table[self.keys[1]]

    @property
    def useless(self) -> int:
        """Calls that told nothing: of other keys, or of one that was known."""
        return len(self.asked) - len(set(self.asked) & set(self.keys))


@dataclass(frozen=True)
class LookupArithmetic:
    """calls: most that are answered; one more ends the episode
    given_rate: share of the corpus that asks for the sum of given digits
    tool_rate: of the rest, share that calls        aimless: of those, share whose keys come from anywhere
    turn_end: word behind each call of the corpus; "" for none
    train, held_out: rows of the training split, and of each other one        seed: of tables and questions

    Columns: table, keys. Raises: BadValue.
    """

    calls: int = 6
    given_rate: float = 0.5
    tool_rate: float = 0.03
    aimless: float = 0.5
    turn_end: str = END
    train: int = 4096
    held_out: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("calls", "train", "held_out"):
            counted(name, getattr(self, name), 1)
        for name in ("given_rate", "tool_rate", "aimless"):
            share(name, getattr(self, name))
        if self.turn_end not in ("", END):
            raise BadValue("turn_end", self.turn_end, f"'{END}' or ''")

    @property
    def name(self) -> str:
        return "lookup"

    @property
    def words(self) -> tuple[str, ...]:
        return (*"0123456789", *KEYS, CALL, "+", "?", "=")

    @property
    def max_completion(self) -> int:
        """Calls with their ends and digits, the answer and the last end."""
        return 4 * self.calls + 4

    def rows(self, split: Split) -> list[Row]:
        """Different (table, question) in every split. Raises: BadValue."""
        number = number_of(split)
        found = self._problems(Stream(self.seed, f"{split} tables"), self.held_out if number else self.train, number)
        return [
            {"prompt": _prompt(keys), "index": code, "table": list(table), "keys": list(keys)}
            for code, table, keys in found
        ]

    def start(self, row: Mapping[str, Any]) -> LookupState:
        """An episode of a row."""
        table, (a, b) = tuple(int(digit) for digit in row["table"]), row["keys"]
        return LookupState(table, (int(a), int(b)))

    def respond(self, state: LookupState, text: str) -> str | None:
        """What the environment says to one turn of the policy, its end left out; None where the episode is over.

        A turn is a call or an answer, and nothing else: anything else ends the episode without an answer.
        """
        if state.over:
            return None
        words = text.split(" ") if len(text) <= 16 else []
        if len(words) == 2 and words[0] == CALL and words[1] in tuple(KEYS) and len(state.asked) < self.calls:
            key = KEYS.index(words[1])
            state.asked.append(key)
            return str(state.table[key])
        state.over = True
        if words and words[0] == "=":
            state.answer = _SUMS.get(" ".join(words[1:]))
        return None

    def respond_all(self, states: Sequence[LookupState], texts: Sequence[str]) -> list[str | None]:
        """`respond` of each. Raises: BadValue for lists of two lengths."""
        if len(states) != len(texts):
            raise BadValue("texts", len(texts), f"{len(states)}, one a state")
        return [self.respond(state, text) for state, text in zip(states, texts, strict=True)]

    def replay(self, text: str, row: Mapping[str, Any]) -> LookupState:
        """The episode that a transcript tells of; over and without an answer from its first fault on."""
        state, words = self.start(row), text.split(" ")
        while words and words[0] == CALL and not state.over:
            told = self.respond(state, " ".join(words[:2]))
            words = words[3:] if words[2:3] == [END] else words[2:]
            if told is None or words[:1] != [told]:
                state.over = True
            words = words[1:]
        self.respond(state, " ".join(words))
        return state

    def verify(self, text: str, table: Sequence[int], keys: Sequence[int]) -> float:
        """1 for a transcript that the environment would have written, with the sum at its end."""
        return float(self.replay(text, {"table": table, "keys": keys}).right)

    def reward(self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        """`verify` of each; messages of assistant and tool are read in turn. Reads table and keys. Raises: BadValue."""
        names = ("table", "keys")
        return scored(
            self.verify, completions, columns, names, longest=8 * self.max_completion, reader=_transcript_text
        )

    def well_formed(self, text: str, row: Row) -> bool:
        """Whether the environment would have written it, with an answer at its end."""
        return self.replay(text, row).answer is not None

    def corpus(self, count: int, seed: int) -> list[tuple[str, str]]:
        """Questions of the training split, and sums of given digits. Raises: BadValue."""
        counted("count", count)
        draw = Stream(seed, "lookup corpus")
        problems = self._problems(draw, count, 0)
        u = draw.uniform(np.arange(count)[:, None], 1_000_000, np.arange(24))  # [N, 24]
        found = []
        for (_, table, keys), each in zip(problems, u, strict=True):
            left, right = int(10 * each[0]), int(10 * each[1])
            guess = f"= {spelled(left + right)}"
            if each[2] < self.given_rate:
                found.append((f"{left} + {right} ?", guess))
            elif each[3] < self.tool_rate:
                found.append((_prompt(keys), self._trace(table, keys, each[4:], guess)))
            else:
                found.append((_prompt(keys), guess))
        return found

    def oracle(self, row: Row) -> str:
        """The transcript of the two calls and the sum."""
        return self._transcript(
            row["table"], row["keys"], f"= {spelled(sum(row['table'][key] for key in row['keys']))}"
        )

    def floor(self, row: Row, draw: Draws) -> str:
        """A guess: the sum of two digits from anywhere."""
        u = np.asarray(draw.uniform(2))
        return f"= {spelled(int(10 * u[0]) + int(10 * u[1]))}"

    def _trace(self, table: Sequence[int], keys: Sequence[int], u: Any, guess: str) -> str:
        """Calls and an answer: the sum where both keys were asked for, else a guess."""
        asked = list(keys) if u[1] < 0.5 else list(keys)[::-1]
        if u[0] < self.aimless:
            asked = np.argsort(u[3 : 3 + len(KEYS)])[: 1 + int(3 * u[2])].tolist()[: self.calls]
        known = set(keys) <= set(asked)
        return self._transcript(table, asked, f"= {spelled(sum(table[key] for key in keys))}" if known else guess)

    def _transcript(self, table: Sequence[int], asked: Sequence[int], answer: str) -> str:
        end = f" {self.turn_end}" if self.turn_end else ""
        return " ".join([*(f"{CALL} {KEYS[key]}{end} {table[key]}" for key in asked), answer])

    def _problems(self, draw: Stream, wanted: int, number: int) -> list[tuple[int, tuple[int, ...], tuple[int, int]]]:
        """(code, table, keys) of one split, all different, of 30 million."""
        codes, begin = np.zeros(0, np.int64), 0
        most = len(KEYS) * (len(KEYS) - 1) * 10 ** len(KEYS)
        while len(codes) < wanted:
            drawn = draw.integers(most, np.arange(begin, begin + 2 * wanted))
            codes = np.concatenate([codes, drawn[by_hash(drawn, self.seed) == number]])
            codes = codes[np.sort(np.unique(codes, return_index=True)[1])]
            begin += 2 * wanted
        found = []
        for code in codes[:wanted].tolist():
            pair, digits = divmod(code, 10 ** len(KEYS))
            a, b = divmod(pair, len(KEYS) - 1)
            found.append((code, tuple(int(digit) for digit in f"{digits:06d}"), (a, b + (b >= a))))
        return found


def _prompt(keys: Sequence[int]) -> str:
    return f"{KEYS[keys[0]]} + {KEYS[keys[1]]} ?"


def _transcript_text(completion: Any) -> str | None:
    if isinstance(completion, str):
        return completion
    if not isinstance(completion, Sequence) or len(completion) > 1000:
        return None
    texts = [content_of(each) if isinstance(each, Mapping) else None for each in completion]
    return None if any(text is None for text in texts) else " ".join(text for text in texts if text is not None)
