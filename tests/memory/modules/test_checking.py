"""A memory class that cannot play is refused before anything runs, with file, class and what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from wayfare.errors import BadValue
from wayfare.memory.modules import MODULES, Finished
from wayfare.memory.modules.checking import loaded, maker

ROOT = Path(__file__).parents[3]
GOOD = """
from wayfare.memory.modules import Found

class Mine:
    def search(self, task):
        return [Found("1", task)]
    def synthesise(self, task, found):
        return " ".join(each.text for each in found)
    def update(self, finished):
        pass
"""


def refusal(folder: Path, source: str, name: str = "Mine") -> str:
    """What is said of a class in a file."""
    file = folder / "mine.py"
    file.write_text(source)
    with pytest.raises(BadValue) as refused:
        maker(f"{file}:{name}")
    said = str(refused.value)
    assert refused.value.field == "memory" and f"{file}:{name}" in said
    return said


def test_a_class_in_a_file_is_made_with_what_it_takes(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        GOOD + "    def __init__(self, seed, *, k=9, deep=True):\n        self.got = seed, k, deep\n"
    )
    assert maker(f"{tmp_path / 'mine.py'}:Mine")("here.db", 3, 7).got == (7, 3, True)  # type: ignore[attr-defined]
    (tmp_path / "open.py").write_text(GOOD + "    def __init__(self, **all):\n        self.got = all\n")
    opened = maker(f"{tmp_path / 'open.py'}:Mine")("here.db", 3, 7)
    assert opened.got == {"address": "here.db", "k": 3, "seed": 7}  # type: ignore[attr-defined]


def test_the_example_and_every_shipped_memory_live_through_the_trial(tmp_path: Path) -> None:
    example = maker(f"{ROOT / 'examples' / 'my_memory.py'}:MyMemory")("", 4, 0)
    example.update(Finished("peel the apple", "knife", 1.0))
    assert "knife" in example.synthesise("peel", example.search("peel"))
    for name in MODULES:
        module = maker(name)(str(tmp_path / f"{name}.db"), 4, 0)
        module.close()  # type: ignore[attr-defined]
    assert loaded("wayfare.memory.modules.similar:ExpRAG") is loaded("exprag")


def test_what_cannot_be_found_or_imported_is_named(tmp_path: Path) -> None:
    for name, said in {
        "exprg": "FILE.py:CLASS, or one of none",
        f"{tmp_path}/none.py:Mine": "is none",
        "no.such.package:Mine": "No module named",
        ":Mine": "FILE.py:CLASS",
    }.items():
        with pytest.raises(BadValue, match="memory must be") as refused:
            loaded(name)
        assert said in str(refused.value)
    assert "mine.py raises ZeroDivisionError: division by zero, line 2" in refusal(tmp_path, "a = 1\nb = a / 0\n")
    assert "SyntaxError" in refusal(tmp_path, "class Mine(:\n")
    assert "(Other)" in refusal(tmp_path, GOOD.replace("Mine", "Other"))
    assert "none with a search" in refusal(tmp_path, "x = 1\n")
    assert "Mine in" in refusal(tmp_path, "Mine = 3\n") and "is a int" in refusal(tmp_path, "Mine = 3\n")


def test_what_a_class_lacks_is_named(tmp_path: Path) -> None:
    assert "Mine lacks synthesise, update" in refusal(tmp_path, GOOD.partition("    def synth")[0])
    assert "called as update(finished)" in refusal(tmp_path, GOOD.replace("update(self, finished)", "update(self)"))
    assert "called as search(task)" in refusal(tmp_path, GOOD.replace("(self, task):", "(self, task, k):"))
    assert "without path" in refusal(tmp_path, GOOD + "    def __init__(self, path): pass\n")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (('[Found("1", task)]', "[task]"), "search returns a list of Found, not a list with a str in it"),
        (('[Found("1", task)]', "None"), "search returns a list of Found, not None"),
        (('[Found("1", task)]', "task"), "search returns a list of Found, not a str"),
        (("return \" \".join(each.text for each in found)", "pass"), "synthesise returns text, not None"),
        (("        pass", "        raise KeyError(finished.feedback)"), "update, feedback 1.0 raises KeyError"),
        (("        pass", "        finished.feedback + 1"), "update, feedback None raises TypeError"),
        (("        pass", "        finished.gold"), "has no attribute 'gold'"),
        (('        return [Found("1", task)]', "        raise OSError('gone')"), "search('put the mug on the desk')"),
        (("class Mine:", "class Mine:\n    def __init__(self): raise ValueError('no')"), "constructor raises Value"),
    ],
)  # fmt: skip
def test_what_a_class_does_wrong_at_its_first_tasks_is_named(wrong: tuple[str, str], said: str, tmp_path: Path) -> None:
    assert said in refusal(tmp_path, GOOD.replace(*wrong))
