"""What came out: measures by part, and from them the checks, the tables and the notes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from wayfare.agents.memos_scheduler import FORMS
from wayfare.studies.contract import Arrays, Check, Table
from wayfare.studies.memos import Config
from wayfare.studies.memos.checks import Rule
from wayfare.studies.memos.plan import joined
from wayfare.studies.memos.policies import COUNTS, PLAYERS
from wayfare.studies.memos.replay import WORKLOADS
from wayfare.studies.stated import half_width, seeds_interval

__all__ = ["Measures", "check_of", "collect", "notes", "table_rows", "tables"]

Measures = dict[tuple[str, str], NDArray[Any]]
"""(part, measure) -> [seeds, ...]."""
COSTS = (
    "tokens", *(f"serve {form}" for form in FORMS), "make activation", "make parameter", "update", "updates",
    *(f"right {form}" for form in FORMS), "bytes activation", "bytes parameter",
)  # fmt: skip
PARTS = ("model", "activation", "parameter", "lifecycle", *WORKLOADS)


def collect(cells: Mapping[str, Arrays]) -> Measures:
    """The arrays of all cells by their two names; weights and costs are left out."""
    return {(part, name): array for part in PARTS for name, array in joined(cells, part).items()}


def table_rows(config: Config, cells: Mapping[str, Arrays]) -> dict[str, NDArray[Any]]:
    """The table of costs, [lengths] each, rising: every policy is judged on these numbers."""
    rows = dict(joined({"costs": cells["costs"]}, "costs"))
    rows |= joined({f"known-{length}": cells[f"known-{length}"] for length in config.lengths}, "known")
    rows["make parameter"] = rows["update"] * rows["updates"]
    return {name: rows[name] for name in COSTS}


def check_of(config: Config, rule: Rule, measures: Measures) -> Check:
    """The rule on what was found."""
    values = rule.measure(lambda part, measure: measures[part, measure])
    return rule.on(seeds_interval(values), len(values), "" if config.scale in rule.scales else "needs quick scale")


def tables(
    config: Config, measures: Measures, costs: Mapping[str, NDArray[Any]], best: Mapping[str, tuple[float, float]]
) -> dict[str, Table]:
    """Reading, times, adapters, costs, policies, thresholds and, where it was run, the lifecycle."""

    def of(part: str, name: str) -> NDArray[Any]:
        return measures[part, name]

    a = "activation"
    mean = {name: of(a, name).mean(axis=0) for who, name in measures if who == a}
    worst = {name: of(a, name).max(axis=0) for name in ("difference", "place", "apart", "turned")}
    forms = tuple(
        (
            length, float(mean["right"][i]), float(worst["difference"][i]), float(worst["place"][i]),
            float(mean["tokens"][i]), float(worst["apart"][i]), float(mean["apart right"][i]),
            float(worst["turned"][i]), float(mean["turned right"][i]),
        )
        for i, length in enumerate(config.lengths)
    )  # fmt: skip
    times = tuple(
        (
            length, float(mean["text ms"][i]), float(mean["cache ms"][i]), float(mean["load ms"][i]),
            float(mean["make ms"][i]), float((of(a, "text ms") / of(a, "cache ms")).mean(axis=0)[i]),
            float(mean["bytes"][i]),
        )
        for i, length in enumerate(config.lengths)
    )  # fmt: skip
    adapters = tuple(
        (name, float(of("parameter", name).mean()), half_width(of("parameter", name)))
        for who, name in measures if who == "parameter"
    )  # fmt: skip
    policies = tuple(
        (
            kind, player, float(of(kind, player).mean()), half_width(of(kind, player)),
            *(float(of(kind, f"{player} share {form}").mean()) for form in FORMS),
            float(of(kind, f"{player} stale").mean()),
        )
        for kind in WORKLOADS for player in PLAYERS
    )  # fmt: skip
    found = {
        "forms": Table(
            "text against cache",
            ("tokens", "answered rightly", "largest difference of a logit", "largest difference of a key, first layer",
             "same tokens", "end to end: largest difference", "end to end: answered rightly",
             "repositioned: largest difference", "repositioned: answered rightly"),
            forms,
        ),
        "times": Table(
            "first token, medians in turns",
            ("tokens", "text ms", "cache ms", "loading ms", "making ms", "text over cache", "bytes"), times,
        ),
        "adapters": Table(f"{config.facts} facts in an adapter", ("measure", "mean over seeds", "95 % +-"), adapters),
        "costs": Table(
            "measured once: milliseconds, shares and bytes by which policies are judged", COSTS,
            tuple(tuple(float(costs[name][i]) for name in COSTS) for i in range(len(costs["tokens"]))),
        ),
        "policies": Table(
            "milliseconds a query",
            ("workload", "policy", "cost", "95 % +-", *(f"share {form}" for form in FORMS), "stale"), policies,
        ),
        "thresholds": Table(
            "tuned on other seeds", ("by, and workload", "activation from", "parameter from"),
            tuple((name, *(float(each) for each in pair)) for name, pair in best.items()),
        ),
    }  # fmt: skip
    if ("lifecycle", "operations") in measures:
        rows = tuple((name, float(of("lifecycle", name).sum())) for name in COUNTS if ("lifecycle", name) in measures)
        found["lifecycle"] = Table("a cube against its reference", ("count", "in all"), rows)
    return found


def notes(config: Config, measures: Measures) -> list[str]:
    """What a reader needs in order not to misread the tables."""
    shares = ", ".join(
        f"{length}: {float(measures['model', 'right'][:, i].mean()):.2f}" for i, length in enumerate(config.lengths)
    )
    b = {name: float(array.mean()) for (part, name), array in measures.items() if part == "parameter"}
    return [
        f"Questions answered on lists that no lesson had, by tokens: {shares}. A guess is right with 1/32. Exactness "
        "does not depend on it.",
        "A fact is two words, a person and a place, and each list has a person once: the card's longer sentences were "
        "not tried, and 0.9 million weights are what 4 layers of width 128 have.",
        "First-token times are reported and not checked: they are those of this machine, and of a model so small that "
        "most of a short text's time is overhead.",
        "Laid end to end, each half was read without the other, so that no repositioning of keys makes them one text; "
        "on these lists, whose facts do not depend on each other, repositioned caches may answer as well all the same.",
        f"Interference: of {config.others} other facts, in lists beside the question, {b['read before']:.2f} are found "
        f"without the adapter and {b['read']:.2f} with it; where a list contradicts what the adapter was told, the "
        f"list is believed in {b['overruled before']:.2f} and {b['overruled']:.2f} of the cases. The adapter was "
        "trained on questions without lists alone.",
        "The table of costs was measured once, in turns; training is its updates times the milliseconds of one. An "
        "adapter is served as peft does it, beside the model's weights and not merged into them, which for a model so "
        "small is most of its cost.",
        "One fact cannot be deleted from an adapter in place: what is reported as removed is a new distillation.",
        f"Prices, fixed beforehand: a wrong or stale answer {config.wrong:g} ms; a millisecond of training "
        f"{config.background:g}; a query every {config.every:g} ms. Storage has no price: caches are kept for free.",
        "Policies are charged what the table says, and the cost model knows the table: the bandit can add little here. "
        "It is there for machines that are slower than their table, which a test of the scheduler shows and this study "
        "does not.",
        "Thresholds were tuned for each workload, which the scheduler is not told. 'queries since the edit' starts "
        "anew at every edit; it is no policy of the paper.",
        "Changed after an unfinished pilot, on other seeds: the edits of the workload that is edited all the time (10 "
        "a query; at 2 caches would have won everywhere), how rewards are scaled, what is timed. Changed after the "
        "first finished quick run: an adapter's updates grow with its facts. No threshold was changed.",
    ]
