from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from wayfare import studies
from wayfare.errors import BadValue, UnknownStudy
from wayfare.studies import catalogue
from wayfare.studies.contract import Check, Findings


def test_a_study_is_found_by_its_module_and_attribute() -> None:
    assert catalogue.find("tiny_study").slug == "tiny"
    assert catalogue.find("tiny_study:STUDY").slug == "tiny"
    with pytest.raises(BadValue, match="defines SMOKE as a Study"):
        catalogue.find("tiny_study:SMOKE")


def test_a_module_in_the_working_directory_is_found(here: Path) -> None:
    (here / "my_own.py").write_text("from tiny_study import STUDY as MINE\n")
    assert catalogue.find("my_own:MINE").slug == "tiny"


def test_a_wrong_slug_names_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "built_in", lambda: ["exploit", "stepmix"])
    with pytest.raises(UnknownStudy, match=r"exploit, stepmix.*got 'explot'; did you mean exploit\?"):
        catalogue.find("explot")


def test_the_standard_library_is_not_searched_for_studies() -> None:
    with pytest.raises(UnknownStudy):
        catalogue.find("json")


def test_without_any_study_the_list_is_empty(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    monkeypatch.setattr(studies, "__path__", [str(here)])
    assert catalogue.entries() == []
    with pytest.raises(UnknownStudy, match="none is built in"):
        catalogue.find("exploit")


def test_a_record_is_listed_without_importing_its_study(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    monkeypatch.setattr(catalogue, "built_in", lambda: ["no_such_module"])
    check = Check("c", "s", "claim", 1.0, 0.5, 1.5, "above", 0.0, "u", 5, "m")
    stored = Findings(tables={}, figures=[], checks=[check]).to_json()
    stored["checks"][0]["holds"] = False  # a lie, which is not repeated
    about = {"title": "T", "paper": "P", "claim": "C", "scale": "laptop", "command": "x", "seconds": 12.0}
    (here / "no_such_module").mkdir()
    (here / "no_such_module" / "findings.json").write_text(json.dumps({**about, **stored, "verdict": "fails"}))
    (entry,) = catalogue.entries(here)
    assert list(entry) == ["slug", "title", "paper", "claim", "scale", "command", "seconds", "verdict", "checks"]
    assert entry["verdict"] == "holds" and entry["checks"][0]["holds"] and entry["seconds"] == 12.0


def test_an_unreadable_record_is_named(here: Path) -> None:
    (here / "tiny").mkdir()
    (here / "tiny" / "findings.json").write_text("{")
    with pytest.raises(BadValue, match="readable JSON"):
        catalogue.recorded("tiny", here)


def test_listing_and_finding_import_neither_torch_nor_gymnasium_nor_matplotlib() -> None:
    code = (
        "import sys; from wayfare.studies import catalogue; import wayfare.cli, wayfare.studies.perform; "
        "catalogue.entries(); [catalogue.find(s) for s in catalogue.built_in()]; "
        "print([m for m in ('torch', 'gymnasium', 'matplotlib', 'scipy', 'pandas', 'ray') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
