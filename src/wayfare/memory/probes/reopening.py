"""Another process that opens a memory and says what it finds: P4 starts it.

Reads a job as JSON from standard input, {"memory": "module:Class" or "file.py:Class", "folder": ..., "k": ...,
"seed": ..., "queries": [...]}, and prints what is found for each query, as one text.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from wayfare.memory.modules.checking import class_named
from wayfare.memory.probes.adapters import subject_of
from wayfare.memory.probes.subject import How

__all__ = ["main"]


def main() -> None:
    """The job."""
    job = json.loads(sys.stdin.read())
    subject = subject_of(class_named(job["memory"]), Path(job["folder"]), How(k=job["k"], seed=job["seed"]))
    found = ["\n".join(text for _, text in subject.recall(query, job["k"])) for query in job["queries"]]
    if callable(getattr(subject, "close", None)):
        subject.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
