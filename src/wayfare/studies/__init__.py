"""Published claims, each checked by an experiment that anyone can rerun: one claim a package.

    contract    what a study is: Study, Config, Cell, Check, Findings
    catalogue   which studies there are, and what is recorded of each
    perform     one run from config to report; runs, engine and progress serve it
    record      what may enter `results/`, and whether it still holds

A study's own `__init__` holds its question and its knobs and imports no torch; what runs it is named by `Study.run`
and imported when it runs.
"""

from __future__ import annotations
