"""What pyproject.toml cannot say: the recorded findings travel inside the wheel.

`results/SLUG/findings.json` of the checkout becomes `wayfare/_results/SLUG/findings.json` of the wheel, so that
`wayfare studies` lists every verdict on an install that has no checkout. Figures and reports stay behind.
"""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

RESULTS = Path(__file__).parent / "results"


class BuildWithFindings(build_py):
    """`build_py` that also carries the findings; an editable install reads the checkout's own."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for source, target in self._findings():
                self.mkpath(str(target.parent))
                self.copy_file(str(source), str(target))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        return [*super().get_outputs(include_bytecode), *(str(target) for _, target in self._findings())]

    def _findings(self) -> list[tuple[Path, Path]]:
        packaged = Path(self.build_lib) / "wayfare" / "_results"
        return [(found, packaged / found.parent.name / found.name) for found in sorted(RESULTS.glob("*/findings.json"))]


setup(cmdclass={"build_py": BuildWithFindings})
