"""The full scale: what a real model says when it is asked for one point and for a list. Training is TRL's.

    wayfare run infigui --scale full --model Qwen/Qwen2.5-VL-3B-Instruct --dataset screens.jsonl \
        --endpoint http://localhost:8000/v1 --most-calls 4000

    {"prompt": "... Where is the button that saves?", "bbox": [10, 20, 60, 40], "hard": true}        a line of the file

Each screen is asked about twice, at temperature 0, and what is said is scored as in training: is the first point within
the box, is any, how many were there, what is it paid. Screens stand in the prompt as text, say a list of elements and
where they are: what is an image is refused, as our trainer reads text alone. Nothing is trained, so that no check is
put to the test. Training on images is TRL's, with our reward:

    from trl import GRPOConfig, GRPOTrainer
    from wayfare.worlds.verifiable.efficiency import aer_reward

    how = GRPOConfig("out", num_generations=8, epsilon_high=0.4, beta=0.0, scale_rewards="none", loss_type="dapo")
    GRPOTrainer("Qwen/Qwen2.5-VL-3B-Instruct", aer_reward, how, screens).train()      # columns prompt, image, bbox

Without a deviation its advantage is that over the others of the group (RLOO) times (G - 1) / G: the published one but
for a constant. That model is the smallest that was published, 128 screens a step; with adapters it fits a GPU of 80 GB.
Never run on real models by us: the path here was tested against a scripted server.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.language import EndpointModel, Sampling
from wayfare.report.statistics import Interval
from wayfare.studies.contract import Cell, Findings, Progress, Report, Table
from wayfare.studies.hosted import refuse_too_few_calls
from wayfare.studies.infigui import Config
from wayfare.studies.infigui.checks import rules
from wayfare.studies.infigui.plan import Tuned, aepo, one_answer
from wayfare.worlds.verifiable.efficiency import Score, aer_score

__all__ = ["WAYS", "ask", "read_screens", "refuse_full", "run_full"]

FORM = 'Think first, within <think> and </think>. Behind it write {}, as JSON: [{{"point_2d": [x, y]}}{}]'
WAYS = {
    "one point": FORM.format("the point to click", ""),
    "a list": FORM.format("one point or several, the likeliest first", ", ..."),
}
"""What is asked for, behind the prompt."""
MEASURES = ("first_correct", "has_correct", "num_pred", "format", "score")
AT_ONCE = 64
Screen = Mapping[str, Any]


def read_screens(file: str) -> list[Screen]:
    """Raises: BadValue naming the line that is no screen, or has an image."""
    if not Path(file).is_file():
        raise BadValue("dataset", file, "a file of screens, a JSON object a line with `prompt` and `bbox`")
    found: list[Screen] = []
    for number, line in enumerate(Path(file).read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            prompt, bbox = row["prompt"], tuple(row["bbox"])
            aer_score("", bbox)
        except (ValueError, KeyError, TypeError, BadValue):
            raise BadValue(f"dataset, line {number}", line[:80], 'an object with "prompt" and "bbox"') from None
        if not isinstance(prompt, str) or not prompt.strip() or {"image", "images"} & set(row):
            raise BadValue(
                f"dataset, line {number}", line[:80], "a prompt of text and no image: image models are trained in TRL"
            )
        found.append({"prompt": prompt, "bbox": bbox, "hard": bool(row.get("hard", False))})
    if not found:
        raise BadValue("dataset", file, "a file with a screen in it")
    return found


def refuse_full(config: Config) -> None:
    """Raises: BadValue without screens or a server, or where fewer calls are allowed than a run makes."""
    if not config.dataset:
        raise BadValue(
            "dataset", "", "a file of screens as text, which a server is asked about: images are trained on in TRL, "
            "with wayfare.worlds.verifiable.efficiency:aer_reward; see wayfare.studies.infigui.full",
        )  # fmt: skip
    if not config.endpoint:
        raise BadValue("endpoint", "", "the address of a server at full scale")
    screens = read_screens(config.dataset)
    wanted = len(WAYS) * len(screens)
    letters = len(WAYS) * sum(len(screen["prompt"]) + 200 for screen in screens)
    refuse_too_few_calls(config.most_calls, wanted, letters / 3.5)


def ask(
    report: Report, *, way: str, screens: Sequence[Screen], endpoint: str, model: str, tokens: int, ledger: str
) -> Mapping[str, NDArray[Any]]:
    """[N] of each of `MEASURES`, of one way of asking."""
    found: list[Score] = []
    with EndpointModel(endpoint, model, ledger=ledger, logprobs=False, mode="chat") as speaker:
        for first in range(0, len(screens), AT_ONCE):
            some = screens[first : first + AT_ONCE]
            asked = [f"{screen['prompt']}\n\n{WAYS[way]}" for screen in some]
            said = speaker.generate(asked, Sampling(temperature=0.0, max_tokens=tokens))
            found += [aer_score(text, screen["bbox"]) for text, screen in zip(said.texts, some, strict=True)]
            report(len(found), len(screens))
    each: list[Mapping[str, Any]] = [dict(score) for score in found]
    return {name: np.array([float(score[name]) for score in each]) for name in MEASURES}


def run_full(config: Config, progress: Progress) -> Findings:
    """Every way on all screens. Raises: BadValue as `refuse_full`."""
    refuse_full(config)
    screens = read_screens(config.dataset)
    ledger = str(Path(config.ledger_folder) / "infigui")
    told = {
        "screens": screens, "endpoint": config.endpoint, "model": config.model, "tokens": config.answer_tokens,
    }  # fmt: skip
    cells = [
        Cell(way, ask, {**told, "way": way, "ledger": f"{ledger}-{number}.jsonl"}, float(len(screens)))
        for number, way in enumerate(WAYS)
    ]
    found = progress.cells(cells)
    hard = np.array([screen["hard"] for screen in screens])
    rows = []
    for way in WAYS:
        for split, chosen in (("all", hard | True), ("hard", hard), ("easy", ~hard)):
            if chosen.any():
                rows.append((way, split, int(chosen.sum()), *(float(found[way][m][chosen].mean()) for m in MEASURES)))
    nothing = Interval(math.nan, math.nan, math.nan, "none", 0)
    columns = ("asked for", "screens", "count", "first right", "any right", "points", "readable", "reward")
    return Findings(
        tables={"screens": Table("real screens, before any training", columns, tuple(rows))},
        figures=(),
        checks=[
            rule.on(nothing, 0, "nothing is trained at full scale here")
            for rule in rules(config, Tuned(one_answer(config)[0], aepo(config)))
        ],
        notes=[
            f"{config.model} on {len(screens)} screens as text, at temperature 0; points are in pixels, and an answer "
            "that cannot be read has none.",
            "A model that points in other units, or without thinking first, is misjudged: adapt its prompts.",
        ],
    )
