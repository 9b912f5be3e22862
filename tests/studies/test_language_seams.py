"""Which places of the trainer each of the nine language-RL studies fills: a method is its seams and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec

import pytest

from wayfare.agents.language_rl.arms import SEAMS, SEVERAL

FILLS: Mapping[str, frozenset[str]] = {
    "infigui": frozenset({"transform", "reward_funcs", "advantage"}),
    "knapsack-rl": frozenset({"budget", "advantage"}),
    "repexp": frozenset({"features", "bonus", "shaper"}),
    "spear": frozenset({"rollout", "bonus", "shaper", "auxiliary", "regularisers", "row_filter"}),
    "ntp-precision": frozenset({"loss"}),
    "memory-r-plus": frozenset({"features", "bonus", "shaper"}),
    "rapo": frozenset({"regularisers"}),
    "ead": frozenset({"sampler"}),
    "lp-reg": frozenset({"regularisers"}),
}
"""Slug -> seams that its arms may fill; 'loss' is that of the base."""


def test_every_seam_of_the_list_is_one_of_the_trainer() -> None:
    assert frozenset().union(*FILLS.values()) <= {*SEAMS, *SEVERAL, "loss"}


@pytest.mark.parametrize("slug", FILLS)
def test_a_study_fills_the_seams_of_its_method(slug: str) -> None:
    package = f"wayfare.studies.{slug.replace('-', '_')}"
    if find_spec(package) is None or find_spec(f"{package}.plan") is None:
        pytest.skip("not there yet")
    # each study says in `plan.SEAMS` what its arms fill
    told = frozenset(import_module(f"{package}.plan").SEAMS)
    assert told and told <= FILLS[slug]
