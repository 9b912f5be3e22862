"""Memento: a planner and an executor, both frozen, and a memory of cases that learns which to show them.

    memory = Memory("cases.db", policy=Policy("soft q", temperature=0.1, scorer=CaseScorer(net)))
    memento = Memento(planner, memory, executor=executor, tools=tools)
    attempt = memento.attempt("Who wrote the libretto of Fidelio?")
    memento.retain(attempt, reward=1.0)                 # or without a reward, and memento.outcome(attempt, 1.0) later

Retrieve: `k` cases by the memory's policy. Reuse: those that succeeded and those that failed stand apart in the
planner's prompt; a case whose outcome nobody said stands in neither block. The planner writes steps, the executor
carries each out with the tools, the planner reads the results and plans again or answers. Evaluate: the caller says a
reward; it falls to the cases that were in the prompt. Retain: the attempt becomes a case, question, plan and reward;
the same plan for the same question is one case that counts.

A plan that cannot be read is asked for once more, then the attempt has failed; nothing that a model or a tool says
raises. `logged_rows` of `memento_log` makes of the receipts what `learn.case_learner.fit` learns from.

Source: Zhou et al. 2025, "AgentFly" (Memento, arXiv 2508.16153), the planner-executor instance.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

from wayfare.agents.mcp_tools import Tools
from wayfare.agents.memento_prompts import AGAIN, Plan, read_plan, read_tool_use, to_executor, to_planner
from wayfare.errors import BadValue, VersionConflict
from wayfare.language import LanguageModel, Message, Sampling
from wayfare.learn.case_rows import case_text, same_question
from wayfare.memory import Memory
from wayfare.memory.ids import new_id
from wayfare.memory.policy import Policy
from wayfare.memory.records import Record

__all__ = ["KIND", "Attempt", "Memento"]

Status = Literal["answered", "no answer", "malformed", "silent"]
KIND = "case"
PLANS = Sampling(temperature=0.0, max_tokens=1024)
RESULTS = Sampling(temperature=0.0, max_tokens=1024)
TRIES = 5
"""To write a case that others write at the same moment."""


@dataclass(frozen=True)
class Attempt:
    """One question.

    task: of the memory        answer: "" without one        plan: of the last steps, as JSON; "" where there was none
    status: answered; no answer within the rounds; malformed, the planner gave no JSON twice; silent, a model said
    nothing at all, as when its server failed
    shown: ids of the cases in the prompt        done: steps with their results        calls: of models        seconds
    """

    task: str
    question: str
    answer: str
    plan: str
    status: Status
    shown: tuple[str, ...]
    done: tuple[tuple[str, str], ...]
    calls: int
    seconds: float


class Memento:
    """planner, executor: models; without an executor the planner carries out its own steps

    k: cases recalled, 0 for none        tools: of the executor        rounds: plans at most        steps: of a plan
    uses: of tools for one step        negatives: whether failed cases are shown
    policy: of recall, instead of the memory's; may be changed between attempts
    own: whether a question may be shown cases of itself; without, they are recalled and then left out of the prompt
    Raises: BadValue.
    """

    def __init__(
        self,
        planner: LanguageModel,
        memory: Memory,
        *,
        executor: LanguageModel | None = None,
        tools: Tools | None = None,
        k: int = 4,
        rounds: int = 3,
        steps: int = 4,
        uses: int = 3,
        negatives: bool = True,
        own: bool = True,
        policy: Policy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        for name, value, least in (("k", k, 0), ("rounds", rounds, 1), ("steps", steps, 1), ("uses", uses, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise BadValue(name, value, f"a whole number of at least {least}")
        self.planner, self.executor, self.memory, self.tools = planner, executor or planner, memory, tools
        self.k, self.rounds, self.steps, self.uses = k, rounds, steps, uses
        self.negatives, self.own, self.policy, self._clock = negatives, own, policy, clock
        self._low, self._high = memory.stats()["reward_range"]

    @property
    def most_calls(self) -> int:
        """Of models, for one attempt."""
        return 2 * (self.rounds + 1) + self.rounds * self.steps * (1 + self.uses)

    def attempt(self, question: str, *, task: str | None = None) -> Attempt:
        """Recall, plan, carry out, answer. task: its id in the memory; None makes one up

        Raises: BadValue; StoreError.
        """
        begun, name = self._clock(), task or new_id()
        cases: list[Record] = []
        if self.k:
            recall = self.memory.recall(question, self.k, kinds=[KIND], task=name, policy=self.policy)
            cases = [item.record for item in recall]
        work = _Work(self, question, [case for case in cases if self._may_show(case, question)])
        status, answer = work.through()
        return Attempt(
            name, question, answer, work.plan.text if work.plan.steps else "", status,
            tuple(case.id for case in (*work.good, *work.bad)), tuple(work.done), work.calls, self._clock() - begun,
        )  # fmt: skip

    def _may_show(self, case: Record, question: str) -> bool:
        return self.own or same_question(str(case.meta.get("question", ""))) != same_question(question)

    def retain(self, attempt: Attempt, reward: float | None = None) -> str | None:
        """Keep the attempt as a case, and its outcome where it is known. Returns: the case's id; None without a plan,
        where only the outcome is kept.

        Raises: BadValue; OutcomeConflict for another outcome of the same task; StoreError.
        """
        if reward is not None:
            reward = self._credited(attempt, reward)
        return self._write(attempt, reward, 1) if attempt.plan else None

    def outcome(self, attempt: Attempt, reward: float) -> None:
        """What came of an attempt that was retained without it. Raises: as `retain`."""
        reward = self._credited(attempt, reward)
        if attempt.plan:
            self._write(attempt, reward, 0)

    def _credited(self, attempt: Attempt, reward: float) -> float:
        """To the cases that stood in the prompt; an attempt that was never made is no failure of theirs."""
        if not isinstance(reward, int | float) or not self._low <= reward <= self._high:
            raise BadValue("reward", reward, f"a number from {self._low:g} to {self._high:g}, the memory's range")
        if attempt.shown and attempt.status != "silent":
            self.memory.credit(attempt.task, reward, used=attempt.shown)
        return float(reward)

    def _write(self, attempt: Attempt, reward: float | None, tries: int) -> str:
        tag, text = _tag(attempt.question, attempt.plan), case_text(attempt.question, attempt.plan)
        for _ in range(TRIES):
            known = self.memory.list(kind=KIND, tags=[tag], limit=1).records
            before: Any = known[0].meta if known else {"tries": 0, "told": 0, "total": 0.0}
            meta = {
                "question": attempt.question, "plan": attempt.plan, "tries": before["tries"] + tries,
                "told": before["told"] + (reward is not None), "total": before["total"] + (reward or 0.0),
            }  # fmt: skip
            meta["reward"] = meta["total"] / meta["told"] if meta["told"] else None
            if known:
                try:
                    return self.memory.revise(known[0].id, expect=known[0].version, meta=meta).id or known[0].id
                except VersionConflict:
                    continue
            done = self.memory.remember(
                text, kind=KIND, tags=[tag], keys=[("question", attempt.question)], meta=meta
            )  # fmt: skip
            if done.op == "ADD" and done.id is not None:
                return done.id
        raise VersionConflict("a case", 0, 0)


class _Work:
    """One attempt as it goes."""

    def __init__(self, agent: Memento, question: str, cases: list[Record]) -> None:
        self.agent, self.question = agent, question
        rewards = [(case, case.meta.get("reward")) for case in cases]
        middle = (agent._low + agent._high) / 2
        self.good = [case for case, reward in rewards if reward is not None and reward >= middle]
        self.bad = [case for case, reward in rewards if reward is not None and reward < middle and agent.negatives]
        self.done: list[tuple[str, str]] = []
        self.plan, self.calls = Plan((), None), 0

    def through(self) -> tuple[Status, str]:
        """How it ended, and the answer."""
        agent = self.agent
        for turn in range(agent.rounds + 1):
            last = turn == agent.rounds
            messages = to_planner(
                self.question, _pairs(self.good), _pairs(self.bad), self.done, most=agent.steps, last=last
            )
            said = self._say(agent.planner, messages, PLANS)
            found = read_plan(said, agent.steps)
            if found is None and said.strip():
                again: list[Message] = [{"role": "assistant", "content": said}, {"role": "user", "content": AGAIN}]
                said = self._say(agent.planner, [*messages, *again], PLANS)
                found = read_plan(said, agent.steps)
            if found is None:
                return ("malformed" if said.strip() else "silent"), ""
            if found.answer is not None:
                return "answered", found.answer
            if last:
                break
            self.plan = found
            for step in found.steps:
                result = self._carried_out(step)
                if not result:
                    return "silent", ""
                self.done.append((step, result))
        return "no answer", ""

    def _carried_out(self, step: str) -> str:
        agent, used = self.agent, list[tuple[str, str]]()
        listing = agent.tools.listing if agent.tools is not None and agent.uses else {}
        for left in range(agent.uses if listing else 0, -1, -1):
            shown = listing if left else {}
            said = self._say(agent.executor, to_executor(self.question, step, self.done, shown, used), RESULTS)
            wanted = read_tool_use(said) if left else None
            if wanted is None or agent.tools is None:
                return said.strip()
            call = f"{wanted.name}({dict(wanted.arguments)})"
            used.append((call, agent.tools.call(wanted.name, wanted.arguments)))
        return ""

    def _say(self, model: LanguageModel, messages: list[Message], sampling: Sampling) -> str:
        self.calls += 1
        return model.generate([messages], sampling).texts[0]


def _tag(question: str, plan: str) -> str:
    told = blake2b(f"{same_question(question)}\0{plan}".encode("utf-8", "surrogatepass"), digest_size=16)
    return f"case:{told.hexdigest()}"


def _pairs(cases: list[Record]) -> list[tuple[str, str]]:
    return [(str(case.meta["question"]), str(case.meta["plan"])) for case in cases]
