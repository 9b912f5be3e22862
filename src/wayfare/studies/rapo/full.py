"""The full scale: a forward KL to a reward-tempered reference, on a published model and questions with right answers.

    wayfare run rapo --scale full --model Qwen/Qwen2.5-3B --dataset simplelr_qwen_level3to5/train.parquet \
        --eval-dataset simplelr_qwen_level3to5/test.parquet --rows-per-pass 1

The files are those of hkust-nlp/SimpleRL-Zoo-Data, whose prompts are in the model's chat format already.

What lies beyond a published model's support is not known; asked is how many of the held-out questions that none of the
base's answers solved are solved in the end. That is few answers for a support: `eval_answers` is the sampling budget.
The smallest published setting is of that model and 8 thousand questions; here adapters on one GPU of 80 GB. The
divergence needs log-probabilities of all words, of policy and reference: a row of 1,024 tokens and 150,000 words takes
0.6 GB for each, so that rows are learned from one at a time. Never run on real models by us: tested on a tiny one.
"""

from __future__ import annotations

import numpy as np

from wayfare.agents.language_rl import Arm
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.language_checks import Look, Rule, equal_pass1_rule
from wayfare.studies.language_frontiers import paired
from wayfare.studies.language_full import PLAIN, trained
from wayfare.studies.rapo import Config
from wayfare.studies.rapo.checks import rules
from wayfare.studies.rapo.halves import found
from wayfare.studies.rapo.plan import RAPO, Tuned, common, rapo

__all__ = ["run_full"]

REVERSE = "reverse KL 0.1"


def run_full(config: Config, progress: Progress) -> Findings:
    """See the module."""
    k = max(each for each in (1, 4, 16, 64, 256) if each <= config.eval_answers)

    def never_solved(look: Look) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array(paired(look(RAPO), look(REVERSE), lambda a, b: found(a, a) - found(b, b)))

    here = (
        Rule(
            "beyond the base's answers", "Of questions that no answer of the base solved, more are solved in the end "
            "than under a reverse KL", "ours", "above", 0.0, "share of questions", never_solved, {}, {},
        ),
        equal_pass1_rule(
            "breadth at equal pass@1", f"At equal pass@1, pass@{k} is above that of a reverse KL", "ours", RAPO,
            REVERSE, k,
        ),
    )  # fmt: skip
    entropy = Arm("entropy bonus 0.01")
    return trained(
        config, progress, rapo(config), plain=Arm(PLAIN, common(config)), reads=[rule.name for rule in here],
        asked=lambda best: [*rules(config, Tuned(Arm(best), rapo(config), entropy)), *here],
    )  # fmt: skip
