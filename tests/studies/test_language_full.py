"""The full scale of language-RL studies on a tiny saved model and six questions: every method trains and is told."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from wayfare.errors import BadValue
from wayfare.language.models import load_causal_model
from wayfare.studies.contract import Arrays, Cell, Study

SMALL: dict[str, Any] = {
    "token_budget": 24, "evaluate_every": 5, "eval_prompts": 2, "eval_answers": 2, "questions_per_step": 1,
    "answers_per_question": 4, "answer_tokens": 4, "lora_rank": 2, "dataset_part": "", "eval_split": "", "chat": False,
    "instruction": "{}", "full_rate": 1e-3, "most_questions": 4, "rows_per_pass": 4, "device": "cpu",
    "with_controls": False,
}  # fmt: skip
TRAINED: dict[str, dict[str, Any]] = {
    "knapsack-rl": {}, "repexp": {}, "ead": {"length": 4.0, "eval_answers": 16}, "rapo": {"with_controls": True},
    "lp-reg": {}, "memory-r-plus": {}, "ntp-precision": {"prior_steps": 1}, "spear": {},
}  # fmt: skip


def study_of(slug: str) -> Study:
    found: Study = import_module(f"wayfare.studies.{slug.replace('-', '_')}").STUDY
    return found


class Here:
    """Cells one after another, in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.names = folder, list[str]()

    def cells(self, cells: Any, later: Any = ()) -> dict[str, Arrays]:
        found = {}
        for cell in cells:
            self.names.append(cell.name)
            found[cell.name] = self._carried(cell)
        return found

    def _carried(self, cell: Cell) -> Arrays:
        report = Quiet(self.folder / str(len(self.names)))
        report.scratch.mkdir()
        return cell.function(report, **cell.kwargs)


class Quiet:
    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch

    def __call__(self, done: float, total: float, **metrics: float) -> None:
        pass


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("given")
    model, tokenizer = load_causal_model("tiny-random")
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    rows = [{"question": f"{n} + {n}?", "answer": f"{n} + {n} = {2 * n}\n#### {2 * n}"} for n in range(6)]
    (folder / "six.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"model": str(folder / "model"), "dataset": str(folder / "six.jsonl")}


@pytest.mark.parametrize("slug", TRAINED)
def test_a_study_trains_its_arms_on_a_real_model_and_tells_what_it_could_not_ask(
    slug: str, given: dict[str, Any], tmp_path: Path
) -> None:
    study = study_of(slug)
    config: Any = replace(study.scales["full"], **{**SMALL, **TRAINED[slug], **given})
    study.refuse(config)
    here = Here(tmp_path)
    found = study.load()(config, here)
    arms = {row[0] for row in found.tables["arms"].rows}
    assert "GRPO" in arms and len(arms) == len(here.names) >= 3
    assert ({"reverse KL 0.1", "entropy bonus 0.01"} < arms) is config.with_controls
    assert found.checks[0].kind == "instrument" and len(found.checks) >= 5
    assert not any(check.tested for check in found.checks)  # one seed has no interval
    assert any(check.reason.startswith("no interval") for check in found.checks), [c.reason for c in found.checks]
    assert found.figures and any("Nothing was tuned" in note for note in found.notes)


@pytest.mark.parametrize("slug", TRAINED)
def test_full_scale_without_what_it_needs_is_refused_in_a_line(slug: str, given: dict[str, Any]) -> None:
    study = study_of(slug)
    usual = replace(study.scales["full"], **given)
    bad: list[tuple[dict[str, Any], str]] = [
        ({"model": ""}, "--model"), ({"dataset": ""}, "--dataset"), ({"dataset": "no.jsonl"}, "exists"),
        ({"answer_column": "target"}, "answer_column"),
    ]  # fmt: skip
    for told, said in bad:
        with pytest.raises(BadValue, match=said) as error:
            study.refuse(replace(usual, **told))
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("slug", ["ead", "spear"])
def test_what_a_server_cannot_draw_is_refused(slug: str, given: dict[str, Any]) -> None:
    config: Any = replace(study_of(slug).scales["full"], **given)
    with pytest.raises(BadValue, match="server"):
        study_of(slug).refuse(replace(config, server="http://localhost:1/v1"))
