"""Does a model that is surely wrong learn the right answer when it may propose a list, and is paid by rank and length?

Liu et al. 2025, "InfiGUI-G1: Advancing GUI Grounding with Adaptive Exploration Policy Optimization" (arXiv 2508.05731).
A model that samples the same wrong element in every answer has groups of equal rewards, which teach nothing. So it is
asked for an ordered list, and n proposals whose first hit has rank k earn

    1 / sqrt(n k) for a hit,    -1 / n for none,    and 1 for an answer that can be read                          (1)

Where it is sure and right, one proposal pays best; where it fails, longer lists cost less, and one that hits pays more.
Claimed: 4 to 5 points more of first answers right than with one answer each, most where the meaning of an icon is hard,
and a hit in the list more often still.

    task        icon grounding: which of six slots holds the icon that an intent means; of 5 intents in 16 the corpus
                takes a decoy that always stands there too, and the right icon once in 200
    model       64 wide, 2 layers; its corpus knows both ways of asking, for one slot and for a list of 1 to 4
    step        32 prompts, 8 answers each, one update; advantage over the others of the group (RLOO), clip 0.2 / 0.4,
                mean over tokens, no divergence: as published
    baseline    one answer, +1 or -1, the best of three learning rates, a reverse KL, two entropy bonuses, three times
                the answers at each rate, and temperature 1.5, chosen on other seeds; AEPO chooses among the same rates
    ablations   a list paid 1 for any hit, however long; no gate on slots that are named twice; AEPO with an entropy
                bonus, which is not published
    measure     likeliest answer to fresh screens: is its first slot right, at equal tokens drawn?

Simplified: a model of 0.1 M weights that points to slots in place of 3B and 7B that name pixels, so that meaning alone
is learned and not aim; the gate on three points in a line is one on repeated slots; no thinking block.

This module knows the question and its knobs; `plan.py` says what is run, `experiment.py` runs it and `outcome.py` reads
it. `full.py` is the full scale, with its command.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from wayfare.errors import BadValue
from wayfare.studies.contract import Study
from wayfare.studies.language_settings import TunedConfig

__all__ = ["STUDY", "Config"]


@dataclass(frozen=True)
class Config(TunedConfig):
    """Knobs of the study."""

    hard: int = 5
    """Intents with a decoy, of 16."""
    base_steps: int = 1200
    """Of pre-training, of 192 answers each."""
    prompts: int = 32
    """Screens of a step."""
    answers: int = 8
    """Answers to each."""
    more_answers: int = 24
    """Answers to each where one answer is given its chance by number."""
    token_budget: int = 400_000
    """Tokens that each arm may draw."""
    evaluate_every: int = 100
    """Steps between evaluations."""
    screens: int = 1000
    """Held-out screens, of hard and easy intents together."""
    rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3)
    """Learning rates that baseline and AEPO are tried at."""
    beta: float = 0.1
    """Weight of the reverse KL."""
    entropies: tuple[float, ...] = (0.01, 0.1)
    """Weights of the entropy bonus."""
    hot: float = 1.5
    """Temperature of the arm that samples hotter."""
    model: str = "Qwen/Qwen2.5-VL-3B-Instruct"
    """Full scale: the server's name of the model."""
    dataset: str = ""
    """Full scale: a file of screens, a JSON object a line with `prompt` and `bbox`, and `hard` where it is."""
    endpoint: str = ""
    """Full scale: address of an OpenAI-compatible server, up to /v1."""
    answer_tokens: int = 512
    """Full scale: tokens of an answer at most."""
    most_calls: int = 0
    """Full scale: calls that may be made; what a run takes is told when this is less."""
    ledger_folder: str = "."
    """Full scale: where answers that were paid for are kept."""

    AT_LEAST: ClassVar = {
        "hard": 1, "base_steps": 1, "prompts": 1, "answers": 2, "more_answers": 2, "token_budget": 1,
        "evaluate_every": 1, "screens": 1, "answer_tokens": 1, "most_calls": 0,
    }  # fmt: skip

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        super().__post_init__()
        if self.hard > 15:
            raise BadValue("hard", self.hard, "at most 15: one intent is easy at least")
        if not self.entropies or not all(0 < each < float("inf") for each in self.entropies):
            raise BadValue("entropies", self.entropies, "one at least, each above 0")
        for name in ("beta", "hot"):
            if not 0 < getattr(self, name) < float("inf"):
                raise BadValue(name, getattr(self, name), "finite and above 0")


LAPTOP = Config(scale="laptop", seeds=8)
QUICK = replace(
    LAPTOP, scale="quick", seeds=2, rates=(1e-3,), entropies=(0.1,), token_budget=150_000, tuning_seeds=1,
    other_seeds=1, screens=400,
)  # fmt: skip
SMOKE = replace(
    QUICK, scale="smoke", seeds=1, base_steps=4, prompts=4, answers=4, more_answers=6, token_budget=150,
    evaluate_every=4, screens=24,
)  # fmt: skip
FULL = replace(LAPTOP, scale="full", seeds=1, other_seeds=1)

STUDY = Study(
    slug="infigui",
    title="A list of answers, paid by rank and length, leads out of being surely wrong (icons and decoys)",
    paper=(
        "Liu et al. 2025, InfiGUI-G1: Advancing GUI Grounding with Adaptive Exploration Policy Optimization, "
        "arXiv 2508.05731"
    ),
    claim=(
        "Asked for a list and paid by its length and the rank of its first hit, a model learns to be right at first "
        "where it was surely wrong, and one answer each at equal tokens stays so; lists are short where it is right."
    ),
    scales={"smoke": SMOKE, "quick": QUICK, "laptop": LAPTOP, "full": FULL},
    seconds={"smoke": 10, "quick": 170, "laptop": 1300, "full": 400_000},
    run="wayfare.studies.infigui.experiment:run",
    ready="wayfare.studies.infigui.experiment:ready",
)
