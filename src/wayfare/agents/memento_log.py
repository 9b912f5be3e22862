"""What Memento's memory has seen, as rows to learn the value of cases from.

    rows, dropped = guarded(logged_rows(memory), never=evaluation)
    fit(net, *split_by_question(rows, 0.2))

A row for every case of every receipt that stood in the prompt: the question, the case as it stood then, how it went,
and its chance of being shown. Tasks without an outcome give rows without a reward, which `guarded` drops and counts.
"""

from __future__ import annotations

import math

import numpy as np

from wayfare.agents.memento import KIND
from wayfare.learn.case_rows import CaseRows
from wayfare.memory import Memory
from wayfare.memory.evaluate import counted_outcomes
from wayfare.memory.receipts import read_receipts
from wayfare.memory.scoring import as_it_stood

__all__ = ["logged_rows"]


def logged_rows(memory: Memory) -> CaseRows:
    """All that the store still holds, in the order of the log. Rewards are in [0, 1]. Raises: StoreError."""
    queries, cases, questions = list[str](), list[str](), list[str]()
    rewards, chances = list[float](), list[float]()
    with memory.engine.database.read() as tx:
        ns = memory.engine.number(tx)
        outcomes = {} if ns is None else counted_outcomes(tx, ns)
        for receipt in () if ns is None else read_receipts(tx, ns):
            seen = receipt.candidates
            if seen is None or not receipt.query:
                continue
            reward, used = outcomes.get(receipt.task, (math.nan, None))
            for place, (id, version), chance in zip(receipt.slate, receipt.shown, receipt.inclusion, strict=True):
                if used is not None and id not in used:
                    continue
                record = as_it_stood(tx, receipt.records[place], version)
                if record is None or record.kind != KIND:
                    continue
                queries.append(receipt.query)
                cases.append(record.content)
                questions.append(str(record.meta.get("question", "")))
                rewards.append(reward)
                chances.append(min(1.0, chance))
    return CaseRows(tuple(queries), tuple(cases), np.array(rewards, np.float64), tuple(questions), np.array(chances))
