"""Retrieval on real dialogue, without a language model: which turns of a long conversation answer a question?

    python benchmarks/locomo.py --data FILE                     # locomo10.json of github.com/snap-research/locomo
    python benchmarks/locomo.py --data FILE --embedder sentence-transformers:NAME --output FILE.json

Data: LoCoMo (Maharana et al., ACL 2024; CC BY-NC 4.0, so that it is no part of this repository and only figures are
kept from it). Every question names the turns that hold its answer. Each conversation is a memory of its own, filled and
asked through the public API with the defaults that a user gets, and judged by the most relevant ranking
(`policy="similarity"`):

    turn recall@k    share of a question's evidence among the k best, averaged over questions (the official measure)
    hit@k, all@k     share of questions with any, with all of their evidence among the k best
    session hit@k    share of questions with a turn of a right session among the k best: easier, and what most quote

Rankings: `alone` searches each turn by its own words; `words` the words of turns and their windows; `no vectors` adds
what is known of sessions and dates (a user's default without an embedder); `vectors` searches the vectors of turns and
windows alone; `fused` is the default. Intervals are Student t over conversations (of a ratio, linearised), differences
are paired within conversations. Evidence that names no turn ("D") is left out, and a question that has no other.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.memory import Memory
from wayfare.report.statistics import student_quantile

CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
KS = (5, 10, 20)
RANKINGS = ("alone", "words", "no vectors", "vectors", "fused")
PAIRS = (("fused", "words"), ("fused", "no vectors"), ("fused", "vectors"), ("words", "alone"))
TURN = re.compile(r"D:?(\d+):(\d+)")
"""A turn in an evidence field: D8:6, and as it also stands there: "D8:6; D9:17", "D9:1 D4:4", D:11:26, D30:05."""
TIME = "%I:%M %p on %d %B, %Y"
ALONE = {"sessions": 0.0, "dates": 0.0}
"""A search by itself."""
LEVEL = 0.95
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Question:
    """text        category: 1 to 5        evidence: places of turns in the conversation, ascending"""

    text: str
    category: int
    evidence: tuple[int, ...]


@dataclass(frozen=True)
class Conversation:
    """turns: as `Memory.remember_dialogue` takes them        unknown: names in evidence that are no turn"""

    name: str
    turns: list[dict[str, Any]] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    unknown: int = 0


def read(path: Path) -> list[Conversation]:
    """The conversations of a file with LoCoMo's schema."""
    return [conversation(each) for each in json.loads(path.read_text())]


def conversation(given: Mapping[str, Any]) -> Conversation:
    """One of them. A session's turns follow one another by a second; questions without evidence are left out."""
    talk = given["conversation"]
    turns: list[dict[str, Any]] = []
    places: dict[tuple[int, int], int] = {}
    numbers = sorted(int(key.split("_")[1]) for key in talk if re.fullmatch(r"session_\d+", key))
    for number in numbers:
        begun = datetime.strptime(talk[f"session_{number}_date_time"], TIME).replace(tzinfo=UTC).timestamp()
        for i, turn in enumerate(talk[f"session_{number}"]):
            places[_named(turn["dia_id"])[0]] = len(turns)
            turns.append({"speaker": turn["speaker"], "text": turn["text"], "time": begun + i, "session": str(number)})
    questions, unknown = [], 0
    for asked in given["qa"]:
        named = [name for text in asked.get("evidence", ()) for name in _named(text) or [(0, 0)]]
        unknown += sum(name not in places for name in named)
        evidence = tuple(sorted({places[name] for name in named if name in places}))
        if evidence:
            questions.append(Question(asked["question"], int(asked["category"]), evidence))
    return Conversation(str(given.get("sample_id", "")), turns, questions, unknown)


def _named(text: str) -> list[tuple[int, int]]:
    return [(int(session), int(turn)) for session, turn in TURN.findall(text)]


def settings(ranking: str, embedder: str | None) -> dict[str, Any]:
    """What `Memory` is opened with for a ranking; nothing but the embedder for the one that users get."""
    if ranking == "fused":
        return {} if embedder is None else {"embedder": embedder}
    if ranking == "vectors":
        return {"weights": {"words": 0.0, **ALONE}, **({} if embedder is None else {"embedder": embedder})}
    return {"embedder": "none", "weights": {} if ranking == "no vectors" else ALONE}


def ranked(talk: Conversation, ranking: str, embedder: str | None, folder: Path) -> tuple[list[list[int]], list[float]]:
    """Places of turns for every question, best first, and the seconds that each recall took."""
    with Memory(
        folder / f"{ranking}.db", policy="similarity", synchronous="NORMAL", **settings(ranking, embedder)
    ) as memory:
        if ranking == "alone":
            done = memory.remember_many([f"{turn['speaker']}: {turn['text']}" for turn in talk.turns])
        else:
            done = memory.remember_dialogue(talk.turns)
        says: dict[str, list[int]] = {}  # turns that say the same are one record
        for place, result in enumerate(done):
            says.setdefault(str(result.id), []).append(place)
        found, seconds = [], []
        for question in talk.questions:
            begun = time.perf_counter()
            recall = memory.recall(question.text, k=max(KS))
            seconds.append(time.perf_counter() - begun)
            found.append([place for id in recall.ids for place in says[id]])
    return found, seconds


def measured(talk: Conversation, found: Sequence[Sequence[int]]) -> dict[str, Floats]:
    """Measure -> [questions]."""
    session = [turn["session"] for turn in talk.turns]
    rows: dict[str, list[float]] = {}
    for question, places in zip(talk.questions, found, strict=True):
        evidence = set(question.evidence)
        right = {session[place] for place in evidence}
        for k in KS:
            best = set(places[:k])
            share = len(evidence & best) / len(evidence)
            rows.setdefault(f"recall@{k}", []).append(share)
            rows.setdefault(f"hit@{k}", []).append(float(share > 0))
            rows.setdefault(f"all@{k}", []).append(float(share == 1))
            rows.setdefault(f"session hit@{k}", []).append(float(any(session[place] in right for place in best)))
    return {name: np.array(values) for name, values in rows.items()}


def interval(parts: Sequence[Floats]) -> tuple[float, float, float]:
    """Mean over all values, and its Student t interval over the conversations: [questions] each.

    The mean is a ratio of two sums over conversations, linearised (Cochran 1977, 6.13); NaN for fewer than two.
    """
    sums = np.array([part.sum() for part in parts])
    sizes = np.array([float(len(part)) for part in parts])
    mean = float(sums.sum() / sizes.sum()) if sizes.sum() else math.nan
    n = int(np.count_nonzero(sizes))
    if n < 2:
        return mean, math.nan, math.nan
    rest = sums - mean * sizes
    half = student_quantile(0.5 + LEVEL / 2, n - 1) * math.sqrt(n / (n - 1) * float(rest @ rest)) / float(sizes.sum())
    return mean, mean - half, mean + half


def compared(
    talks: Sequence[Conversation], embedder: str | None = None, say: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """All figures: aggregates alone, nothing of the texts."""
    values: dict[str, list[dict[str, Floats]]] = {ranking: [] for ranking in RANKINGS}
    seconds: dict[str, list[float]] = {ranking: [] for ranking in RANKINGS}
    for talk in talks:
        for ranking in RANKINGS:
            with tempfile.TemporaryDirectory() as folder:
                found, took = ranked(talk, ranking, embedder, Path(folder))
            values[ranking].append(measured(talk, found))
            seconds[ranking] += took
        say(f"{talk.name}: {len(talk.turns)} turns, {len(talk.questions)} questions")
    groups = {"all": [np.ones(len(talk.questions), np.bool_) for talk in talks]}
    for number, name in CATEGORIES.items():
        groups[name] = [np.array([q.category == number for q in talk.questions], np.bool_) for talk in talks]
    return {
        "conversations": len(talks),
        "turns": sum(len(talk.turns) for talk in talks),
        "questions": {name: int(sum(part.sum() for part in parts)) for name, parts in groups.items()},
        "evidence that names no turn": sum(talk.unknown for talk in talks),
        "embedder": embedder or "lexical",
        "level": LEVEL,
        "rankings": {
            ranking: {
                name: {
                    measure: _rounded([each[measure][part] for each, part in zip(values[ranking], parts, strict=True)])
                    for measure in values[ranking][0]
                }
                for name, parts in groups.items()
            }
            for ranking in RANKINGS
        },
        "differences": {
            f"{one} - {other}": {
                measure: _rounded(
                    [a[measure] - b[measure] for a, b in zip(values[one], values[other], strict=True)]
                )
                for measure in (f"recall@{k}" for k in KS)
            }
            for one, other in PAIRS
        },
        "recall, median ms": {name: round(1e3 * statistics.median(took), 2) for name, took in seconds.items()},
    }  # fmt: skip


def _rounded(parts: Sequence[Floats]) -> list[float | None]:
    return [None if math.isnan(value) else round(value, 4) for value in interval(parts)]


def table(told: Mapping[str, Any]) -> str:
    """For people."""
    lines = [
        f"{told['conversations']} conversations, {told['turns']} turns, {told['questions']['all']} questions; "
        f"embedder {told['embedder']}; {told['level']:.0%} intervals over conversations",
        "",
        f"{'turn recall':34}" + "".join(f"{f'@{k}':>24}" for k in KS),
    ]
    for ranking, groups in told["rankings"].items():
        for name, measures in groups.items():
            if told["questions"][name]:
                row = "".join(f"{_shown(measures[f'recall@{k}']):>24}" for k in KS)
                lines.append(f"{ranking:12}{name:12}{told['questions'][name]:>6}    {row}")
    lines += ["", f"{'all questions':34}" + "".join(f"{f'@{k}':>24}" for k in KS)]
    for ranking, groups in told["rankings"].items():
        for measure in ("hit", "all", "session hit"):
            row = "".join(f"{_shown(groups['all'][f'{measure}@{k}']):>24}" for k in KS)
            lines.append(f"{ranking:12}{measure:22}{row}")
    lines += ["", f"{'turn recall, paired differences':34}" + "".join(f"{f'@{k}':>24}" for k in KS)]
    for name, measures in told["differences"].items():
        lines.append(f"{name:34}" + "".join(f"{_shown(measures[f'recall@{k}'], '+'):>24}" for k in KS))
    took = ", ".join(f"{name} {value:g}" for name, value in told["recall, median ms"].items())
    return "\n".join([*lines, "", f"median ms a recall, receipt stored: {took}"])


def _shown(given: Sequence[float | None], sign: str = "") -> str:
    mean, low, high = given
    if mean is None:
        return "-"
    return f"{mean:{sign}.3f}" + ("" if low is None else f" [{low:{sign}.3f}, {high:{sign}.3f}]")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a file with LoCoMo's schema")
    parser.add_argument("--embedder", help="for vectors and fused; by default what a user gets")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--output", type=Path, help="also write the JSON there")
    options = parser.parse_args(arguments)
    told = compared(read(options.data), options.embedder, say=(lambda line: None) if options.json else print)
    command = "python benchmarks/locomo.py --data FILE"
    if options.embedder:
        command += f" --embedder {options.embedder}"
    told = {"command": command, **told}
    print(json.dumps(told, indent=1) if options.json else table(told))
    if options.output:
        options.output.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
