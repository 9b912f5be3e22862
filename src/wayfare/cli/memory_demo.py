"""A support desk whose best-worded notes are wrong: what a memory that learns is worth, in a minute.

Each problem of the desk has two notes. One repeats the customers' words and its advice works 15 times in 100; the other
says shortly what works 85 times. The agent follows the first note that it is shown, and the harness credits that
note with whether the customer was helped. Similarity finds the wrong note for ever. All texts, tasks and outcomes come
from the seed; everything else is the public API.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from wayfare.cli.memory_options import Demo
from wayfare.cli.plot import Curve, drawn, svg
from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.memory import Memory

__all__ = ["demo"]

PROBLEMS = {
    "invoice vanished from the shared folder last night": "Invoice vanished from a folder",
    "password is refused by the mail client since Monday": "Password refused by a client",
    "router drops the wireless connection every single hour": "Router drops its connection",
    "printer prints blank pages after the driver upgrade": "Printer prints blank pages",
    "calendar shows meetings twice in the weekly view": "Calendar shows meetings twice",
    "backup stops half way with a strange warning": "Backup stops with a warning",
    "licence expires tomorrow although the renewal was paid": "Licence expires although paid",
    "webcam stays black during video calls with clients": "Webcam black during calls",
    "mailbox rejects large attachments from outside senders": "Mailbox rejects attachments",
    "tablet loses its battery charge within two hours": "Tablet loses its charge",
    "keyboard types wrong letters in the login screen": "Keyboard types wrong letters",
    "monitor flickers when the laptop lid is closed": "Monitor flickers, lid closed",
}
"""As customers say it, and as the note does whose advice works: shorter, so that it has fewer of their words."""
REMEDIES = ("clear the cache first", "ask for the account's region", "restart the sync service", "reissue the token")
RIGHT, WRONG = 0.85, 0.15
WINDOW = 60


def demo(options: Demo) -> int:
    """Play the desk's tasks and show what the memory earned."""
    if not 20 <= options.tasks <= 100_000:
        raise BadValue("tasks", options.tasks, "from 20 to 100000")
    for name in ("db", "svg"):
        path = getattr(options, name)
        if path is not None and path.exists():
            raise BadValue(name, str(path), "a new file: this one is there already")
        if path is not None and not path.absolute().parent.is_dir():
            raise BadValue(name, str(path), f"in a folder that is there; make {path.absolute().parent} first")
    began = time.monotonic()
    with ExitStack() as stack:
        path = options.db or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "desk.db"
        memory = stack.enter_context(Memory(path, policy=options.policy, seed=options.seed))
        problems = list(PROBLEMS)
        chance = _notes(memory, problems, options.seed)
        print(f"{len(problems)} kinds of problem, {len(chance)} notes; {options.tasks} tasks, one note followed each.")
        with Memory(path, policy="similarity", read_only=True) as reader:
            first = [reader.recall(_asked(problem), k=1).items[0].id for problem in problems]
        blind = sum(chance[id] for id in first) / len(first)
        rewards = _work(memory, problems, chance, options)
        stats = memory.stats()
    curves = [
        Curve("always the best-worded note", [(0, blind), (options.tasks, blind)]),
        Curve(f"this memory ({options.policy})", _smooth(rewards)),
    ]
    print(drawn(curves, 0.0, 1.0, x="tasks", y=f"customers helped, mean of the last {WINDOW}"))
    share = len(rewards) // 5
    last = rewards[-share:]
    print(f"\nIn the last fifth of the tasks {sum(last) / len(last):.2f} of the customers were helped; ", end="")
    print(f"the best-worded notes help {blind:.2f}, the best notes {RIGHT:.2f}.")
    if options.policy == "safe":
        floor = stats["floor"]
        proved = f"its policy is worth at least {floor['certified']:.2f} times the baseline"
        print(
            f"The memory has proved that {proved}; the baseline keeps {floor['shares']['baseline']:.2f} of the tasks."
        )
    print(f"({time.monotonic() - began:.0f} s, seed {options.seed}; --policy similarity shows the loss)")
    if options.svg is not None:
        title = "A memory that learns past a misleading similarity"
        options.svg.write_text(svg(curves, 0.0, 1.0, title=title, x="tasks", y="customers helped"), encoding="utf-8")
        print(f"plot: {options.svg}")
    if options.db is not None:
        print(f"memory: {options.db}  (wayfare memory stats --db {options.db})")
    return 0


def _notes(memory: Memory, problems: Sequence[str], seed: int) -> dict[str, float]:
    """Write two notes a problem; id -> how often its advice works."""
    order = Stream(seed, "remedies").integers(len(REMEDIES), 0, 0)
    found = {}
    for i, problem in enumerate(problems):
        remedy = REMEDIES[(i + int(order)) % len(REMEDIES)]
        other = REMEDIES[(i + int(order) + 1) % len(REMEDIES)]
        wrong = f"{_asked(problem)} Then {other}."
        right = f"{PROBLEMS[problem]}: {remedy}."
        found[memory.remember(wrong, kind="note").id] = WRONG
        found[memory.remember(right, kind="note").id] = RIGHT
    return found


def _work(memory: Memory, problems: Sequence[str], chance: dict[str, float], options: Demo) -> list[float]:
    which, luck = Stream(options.seed, "problems"), Stream(options.seed, "luck")
    rewards = []
    for i in range(options.tasks):
        problem = problems[int(which.integers(len(problems), i))]
        with memory.task(f"ticket-{i}") as task:
            recall = memory.recall(_asked(problem), k=1)
            followed = recall.items[0].id
            reward = float(float(luck.uniform(i)) < chance[followed])
            task.credit(reward, used=[followed])
        rewards.append(reward)
    return rewards


def _asked(problem: str) -> str:
    return f"My {problem}, what can I do?"


def _smooth(rewards: Sequence[float]) -> list[tuple[float, float]]:
    points = []
    for end in range(10, len(rewards) + 1, max(1, len(rewards) // 120)):
        part = rewards[max(0, end - WINDOW) : end]
        points.append((float(end), sum(part) / len(part)))
    return points
