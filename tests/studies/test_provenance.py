from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from wayfare.studies.provenance import changes, code_digests, describe, git_commit, usable_cores


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    for name in ("src/a.py", "src/b.py", "README.md", "results/tiny/findings.json"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("1\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run(["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@t", *words], check=True)
    return root


def test_a_committed_tree_has_no_changes(checkout: Path) -> None:
    assert changes(checkout) == []
    assert len(git_commit(checkout) or "") == 40


def test_changes_are_tracked_files_and_new_source_but_not_results(checkout: Path) -> None:
    for name in ("src/a.py", "src/new.py", "README.md", "notes.txt", "results/tiny/findings.json"):
        (checkout / name).write_text("2\n")
    assert sorted(changes(checkout)) == ["README.md", "src/a.py", "src/new.py"]
    assert changes(checkout, under="src", untracked=None) == ["src/a.py"]


def test_outside_of_git_nothing_is_known(tmp_path: Path) -> None:
    assert git_commit(tmp_path) is None and changes(tmp_path) == []


def test_the_digest_of_a_file_changes_with_a_byte(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(here))
    (here / "mine.py").write_text("x = 1\n")
    before = code_digests(["mine", "tiny_study", "wayfare.errors", "no_such_module"])
    (here / "mine.py").write_text("x = 2\n")
    after = code_digests(["mine", "tiny_study"])
    assert {"mine.py", "tiny_study.py", "wayfare/studies/contract.py"} <= set(before) == set(after)
    assert [name for name in before if before[name] != after[name]] == ["mine.py"]


def test_versions_and_machine_are_said() -> None:
    said = describe()
    assert {"python", "wayfare", "numpy"} <= set(said["versions"])
    assert said["cpu"] and said["cores"] == usable_cores() >= 1
