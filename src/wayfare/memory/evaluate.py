"""What another recall policy would have earned, from the receipts of the one that was live.

    print(memory.evaluate(Policy("boltzmann", explore=0.5)))

Every receipt holds the candidates as they stood and the chance of every set of them; so the target is asked about each
situation again, and what was shown then is weighed by how likely the target would have shown it. The answer is for the
situations recorded, with the memory as it stood then: not for what the memory would have become under the target.

Only outcomes that count are used: of each task the highest-ranked, never an implicit one. Left out and counted: tasks
on which the target was fitted, tasks without all their candidates, and all but the newest of a very long log.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Stream
from wayfare.errors import BadValue, Damaged
from wayfare.explore.evaluation.slate_estimates import (
    MOST_MISSING,
    Additivity,
    SlateEstimate,
    SlateEstimator,
    additivity,
    estimate_slates,
)
from wayfare.explore.evaluation.slates import SlateLog, SlateRecall, SlateTask
from wayfare.explore.rules.slates import SlateMixture, Top
from wayfare.memory.credit import counting
from wayfare.memory.evaluation import Evaluation, rests_on_enough
from wayfare.memory.policy import Policy
from wayfare.memory.receipts import Receipt, read_receipts
from wayfare.memory.records import checksum
from wayfare.memory.scoring import reread
from wayfare.memory.store.database import Transaction
from wayfare.memory.utility import gaussian_posterior

__all__ = ["Evaluation", "counted_outcomes", "evaluate"]

Floats = NDArray[np.float64]

FIXED = "fixed"
MOST_TASKS = 10_000
BARE = "receipts without their candidates: thinned, or shown by other means than recall"
ESTIMATORS: tuple[SlateEstimator, ...] = ("dr", "snips", "ips", "additive-dr", "additive", "item")
ADDITIVE = 0.05
"""Level at which the log speaks against an additive reward."""
MOSTLY = 0.9
"""Of the outcomes must say what was used, for the item estimate to be trusted."""
SAME = 1e-6
TASKS_AT_ONCE = 500


def evaluate(
    tx: Transaction,
    ns: int,
    target: Policy,
    *,
    reward_range: tuple[float, float] = (0.0, 1.0),
    interval: str = "normal",
    level: float = 0.95,
    most_tasks: int = MOST_TASKS,
    seed: int = 0,
) -> Evaluation:
    """What `target` would have earned per task, with the log's own value and the baseline's beside it.

    reward_range: declared, in which values are given        interval: `normal` or `bootstrap`, over tasks
    most_tasks: the newest so many are used        seed: of the target's own draws, and of the folds

    Raises: BadValue for a log that says nothing of the target (no task since it was fitted, no outcomes, a log of a
    policy that always showed the best), with what to do; Damaged for a receipt that contradicts itself.
    """
    if interval not in ("normal", "bootstrap"):
        raise BadValue("interval", interval, "normal or bootstrap")
    left_out: Counter[str] = Counter()
    chosen = _chosen(tx, ns, target, most_tasks, left_out)
    outcomes = counted_outcomes(tx, ns)
    tasks = []
    for first in range(0, len(chosen), TASKS_AT_ONCE):
        by_task: dict[str, list[Receipt]] = {}
        for receipt in read_receipts(tx, ns, tasks=chosen[first : first + TASKS_AT_ONCE]):
            by_task.setdefault(receipt.task, []).append(receipt)
        for name, told in by_task.items():
            valued = [reread(tx, receipt, target) for receipt in told]
            receipts = [receipt for receipt in valued if receipt is not None]
            if len(receipts) < len(told):
                left_out["memories that the scorer can no longer be asked about: purged since"] += 1
                continue
            task = _task(name, receipts, outcomes.get(name), target, seed)
            if task is None:
                left_out["recalls under more than one agreement"] += 1
            else:
                tasks.append(task)
    if not tasks:
        raise _nothing(target, left_out)
    log = SlateLog(tasks)
    if int(log.credited.sum()) < 2:
        raise BadValue(
            "outcomes", f"{int(log.credited.sum())} in {len(tasks)} tasks",
            "2 at least that count: credit tasks (implicit outcomes teach, but are no evidence)",
        )  # fmt: skip
    estimates, refused = _estimates(log, interval, level, seed)
    if log.forced.all() and float(log.slate_missing.mean()) > MOST_MISSING:
        raise BadValue(
            "the log", "one that always showed the same set in the same situation",
            "of a policy that explores: such a log tells nothing of sets that it never shows, and no arithmetic can "
            "change that. Recall for a while with policy='safe' (the default), or with one that draws, such as "
            f"Policy('{target.rule if target.rule != 'similarity' else 'thompson'}')",
        )  # fmt: skip
    tested = None
    if "dr" in estimates and "additive" in estimates:
        tested = additivity(log, level=level, seed=seed)
    said = [task.id in outcomes and outcomes[task.id][1] is not None for task in log.tasks]
    used_said = float(np.mean(np.array(said)[log.credited]))
    best, why = _recommended(estimates, tested, used_said)
    if best is None:
        sets, items = 100 * float(log.slate_missing.mean()), 100 * float(log.item_missing.mean())
        raise BadValue(
            "policy", target.id,
            f"one whose recalls the log could have made ({sets:.1f} % of its sets and {items:.1f} % of its memories "
            "were never possible); let the live policy explore, as policy='safe' (the default) does",
        )  # fmt: skip
    if best == "snips":
        estimates["snips"] = _wide(estimates["snips"], estimate_slates(log, "ips", "anytime", level=level))
    beside = _baseline(log, target, best, estimates, interval, level, seed)
    return Evaluation(
        policy=target, recommended=best, why=why, estimates=estimates, refused=refused, baseline_estimate=beside,
        additivity=tested, left_out=dict(left_out), several=int((~log.single).sum()),
        used_said=used_said, reward_range=reward_range,
    )  # fmt: skip


def _chosen(tx: Transaction, ns: int, target: Policy, most: int, left_out: Counter[str]) -> list[str]:
    """Tasks that may be used, oldest first."""
    if isinstance(most, bool) or not isinstance(most, int) or most < 2:
        raise BadValue("most_tasks", most, "a whole number, 2 or more")
    rows = tx.execute(
        "SELECT task, MIN(seq), COUNT(*) - COUNT(body) FROM receipts WHERE ns = ? GROUP BY task ORDER BY 2", (ns,)
    ).fetchall()
    found = []
    for task, first, thinned in rows:
        if target.fitted_through is not None and first <= target.fitted_through:
            left_out[f"the policy was fitted on the log up to {target.fitted_through}"] += 1
        elif thinned:
            left_out[BARE] += 1
        else:
            found.append(task)
    if len(found) > most:
        left_out[f"older than the newest {most:,}"] += len(found) - most
    return found[-most:]


def _nothing(target: Policy, left_out: Mapping[str, int]) -> BadValue:
    if not left_out:
        return BadValue("the log", "no recall", "of recalls with outcomes: recall, credit, then evaluate")
    said = ", ".join(f"{count:,} tasks ({reason})" for reason, count in left_out.items())
    allowed = "of tasks that can be used"
    if target.fitted_through is not None:
        allowed = "of tasks since the policy was fitted: scored on its own fitting data it would look good by chance"
    return BadValue("the log", said, allowed)


def counted_outcomes(tx: Transaction, ns: int) -> dict[str, tuple[float, tuple[str, ...] | None]]:
    """Of each task the reward that counts, and what was used."""
    rows = tx.execute(
        "SELECT seq, task, source, actor, time, reward, used, rank, basis, checksum FROM outcomes "
        "WHERE ns = ? AND voided IS NULL AND replaced IS NULL AND rank <> 'implicit' ORDER BY seq",
        (ns,),
    ).fetchall()
    for row in rows:
        if checksum(*row[:9]) != row[9]:
            raise Damaged(f"outcome {row[0]} does not answer to its checksum; `wayfare memory doctor`")
    counts = counting((row[0], row[1], row[7]) for row in rows)
    return {
        row[1]: (float(row[5]), None if row[6] is None else tuple(json.loads(row[6])))
        for row in rows
        if row[0] in counts
    }


def _task(
    name: str,
    receipts: Sequence[Receipt],
    outcome: tuple[float, tuple[str, ...] | None] | None,
    target: Policy,
    seed: int,
) -> SlateTask | None:
    """None where its receipts were not drawn under one coin. A recall with a policy of its own belongs to all sides."""
    agreed = [receipt.shares for receipt in receipts if set(receipt.shares) != {FIXED}] or [receipts[0].shares]
    if any(shares != agreed[0] for shares in agreed):
        return None
    shares = dict(agreed[0])
    side = next((receipt.side for receipt in receipts if receipt.side in shares), FIXED)
    reward, used = (math.nan, None) if outcome is None else outcome
    occurrences = [id for receipt in receipts for id, _ in receipt.shown if used is None or id in used]
    each = 1.0 / len(occurrences) if occurrences else 0.0
    place = int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1
    stream, recalls = Stream(seed, "evaluated recall"), []
    for number, receipt in enumerate(receipts):
        candidates, k = receipt.candidates, len(receipt.slate)
        if candidates is None:
            return None
        if not k:
            nothing = SlateMixture([(1.0, Top([]))], 0)
            recalls.append(SlateRecall(dict.fromkeys(shares, nothing), {"target": nothing}, (), (), np.zeros((0, 3))))
            continue
        own = {side_: SlateMixture(parts, k) for side_, parts in receipt.sides.items()}
        _consistent(receipt, own)
        sides = {side_: own[side_] if side_ in own else own[FIXED] for side_ in shares}
        parts = target.parts(candidates, k, stream.at(place, number))
        mean, width, _ = gaussian_posterior(candidates.n, candidates.total, candidates.squares)
        recalls.append(
            SlateRecall(
                sides, {"target": SlateMixture(parts, k)}, receipt.slate,
                tuple(each if used is None or id in used else 0.0 for id, _ in receipt.shown),
                np.column_stack([candidates.relevance, mean, width]),
            )
        )  # fmt: skip
    return SlateTask(name, reward, side, recalls, shares)


def _consistent(receipt: Receipt, sides: Mapping[str, SlateMixture]) -> None:
    for side, said in receipt.probabilities.items():
        found = sides[side].probability(receipt.slate) if side in sides else math.nan
        if not abs(found - said) <= SAME * max(said, found):
            raise Damaged(
                f"receipt {receipt.id} (log {receipt.seq}) says probability {said:g} for side {side}, its weights say "
                f"{found:g}; `wayfare memory doctor`"
            )


def _estimates(
    log: SlateLog, interval: Any, level: float, seed: int, asked: Iterable[SlateEstimator] = ESTIMATORS
) -> tuple[dict[str, SlateEstimate], dict[str, str]]:
    found: dict[str, SlateEstimate] = {}
    refused: dict[str, str] = {}
    for name in asked:
        try:
            found[name] = estimate_slates(log, name, interval, level=level, seed=seed)
        except BadValue as error:
            if error.field in ("level", "interval"):
                raise
            refused[name] = str(error)
    return found, refused


def _recommended(
    estimates: Mapping[str, SlateEstimate], tested: Additivity | None, used_said: float
) -> tuple[SlateEstimator | None, str]:
    """The assumption-free one where it rests on enough; else the additive one unless the log speaks against it; else
    the item one, if outcomes say what was used; else the assumption-free one with an interval that needs no bound."""
    enough = {name for name, told in estimates.items() if rests_on_enough(name, told)}
    if "dr" in enough:
        return "dr", "the log holds enough of what the policy would show, and this assumes nothing of how rewards arise"
    rare = "too little of the log is what the policy would show for an estimate without assumptions"
    fits = tested is None or tested.p >= ADDITIVE
    added = estimates.get("additive-dr")
    if added is not None and "additive-dr" in enough and fits and added.left_out <= added.n // 20:
        verdict = "cannot test" if tested is None else "does not speak against"
        return "additive-dr", f"{rare}, and the log {verdict} this one's"
    if "item" in enough and used_said >= MOSTLY:
        return "item", f"{rare}, and the outcomes say which memories were used"
    if "snips" in estimates:
        return "snips", f"{rare}, and nothing supports another's; its interval holds however rare the matches are"
    others: tuple[SlateEstimator, ...] = ("additive-dr", "item")
    for name in others:
        if name in estimates:
            return name, "some of what the policy would show was never possible, and this needs least"
    return None, ""


def _wide(told: SlateEstimate, sure: SlateEstimate) -> SlateEstimate:
    """The value of one with the interval of the other, which holds where a handful of weights carries the sum."""
    value = min(max(told.value, sure.low), sure.high)
    gain = (value - told.logged, sure.low - told.logged, sure.high - told.logged)
    return replace(
        told, value=value, low=sure.low, high=sure.high, gain=gain, choices={**told.choices, "interval": "anytime"}
    )


def _baseline(
    log: SlateLog,
    target: Policy,
    name: SlateEstimator,
    estimates: Mapping[str, SlateEstimate],
    interval: Any,
    level: float,
    seed: int,
) -> SlateEstimate | None:
    """The k most relevant, by the same estimate; None where the log does not say."""
    if target.rule == "similarity":
        return estimates[name]
    tasks = []
    for task in log.tasks:
        recalls = []
        for recall in task.recalls:
            k = len(recall.slate)
            top = SlateMixture([(1.0, Top(np.zeros(0) if recall.features is None else recall.features[:, 0]))], k)
            recalls.append(replace(recall, target={"target": top}))
        tasks.append(replace(task, recalls=recalls))
    beside = SlateLog(tasks)
    found, _ = _estimates(beside, interval, level, seed, [name] if name == "dr" else ["dr", name])
    return next(iter(found.values()), None)
