"""What the memory benchmark is measured against, and its tables."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

WHOLE = "topics"
"""The set on which whole paths, adds and fresh processes are measured, and mem0, whose vectors are Qdrant's, at all."""
RULES = {"<=": operator.le, ">=": operator.ge}
Rows = list[dict[str, Any]]


class Figures:
    """Looks figures up in the rows; None where one is missing or failed."""

    def __init__(self, rows: Rows) -> None:
        self._rows = {(row["stage"], row["who"], row["set"], row["records"]): row for row in rows}
        self.sets = sorted({row["set"] for row in rows})

    def __call__(self, stage: str, who: str, records: int, *path: str, name: str = WHOLE) -> float | None:
        found: Any = self._rows.get((stage, who, name, records))
        for each in path:
            found = found.get(each) if isinstance(found, dict) else None
        return found if isinstance(found, (int, float)) else None

    def above_import(self, who: str, records: int, kind: str) -> float | None:
        """MiB of a fresh process above one that only imports."""
        return less(self("fresh", who, records, "memory", kind), self("import", who, records, "memory", kind))


def over(a: float | None, b: float | None) -> float | None:
    """a / b."""
    return None if a is None or not b else round(a / b, 3)


def less(a: float | None, b: float | None) -> float | None:
    """a - b."""
    return None if a is None or b is None else round(a - b, 2)


def extreme(which: Callable[[list[float]], float], values: Sequence[float | None]) -> float | None:
    """The least or the most of those that are there."""
    there = [each for each in values if each is not None]
    return which(there) if there else None


def targets(rows: Rows, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """What is wanted, what came out, and whether it is met; None: not measured in this run."""
    get = Figures(rows)
    small, large = sizes[0], sizes[-1]
    vector, product = (get("recall", who, small, "vector", "p50") for who in ("ours", "numpy"))
    wide, chroma, mem0 = (get("recall", who, large, "vector", "p50") for who in ("ours", "chroma", "mem0"))
    whole = get("recall", "ours", large, "whole", "p50")
    every = [(n, name) for n in sizes for name in get.sets]
    right = extreme(min, [get("recall", "ours", n, "vector", "recall", name=name) for n, name in every])
    tagged = extreme(min, [get("recall", "ours", n, "vector, 1 %", "recall", name=name) for n, name in every])
    strays = extreme(max, [get("recall", "ours", n, "whole, 1 %", "strays") for n in sizes])
    many, theirs = (get("adds", who, small, "many") for who in ("ours", "chroma"))
    peak = get.above_import("ours", large, "peak")
    resident = get("fresh", "ours", 1_000_000, "memory", "resident")
    wanted: list[tuple[str, float | None, str, float]] = [
        ("recall@10 of the vector part, least of sets and sizes", right, ">=", 0.98),
        (f"vector part at {large:,}, p50 over Chroma's", over(wide, chroma), "<=", 1.0),
        (f"vector part at {small:,}, p50 over a raw matrix product's", over(vector, product), "<=", 1.5),
        (f"whole path at {large:,}, p50 in ms", whole, "<=", 15.0),
        (f"whole path at {large:,}, p50 over mem0's vector search", over(whole, mem0), "<=", 1.0),
        ("recall@10 under a filter that keeps 1 %, least of sets and sizes", tagged, ">=", 1.0),
        ("answers of the whole path that the filter forbids", strays, "<=", 0),
        ("adds a second, one by one", get("adds", "ours", small, "one"), ">=", 2_000),
        ("credits a second", get("credits", "ours", small, "per_second"), ">=", 2_500),
        ("adds a second, a thousand at a time", many, ">=", 5_000),
        ("adds a second, a thousand at a time, over Chroma's", over(many, theirs), ">=", 1.0),
        (f"MiB of a fresh process at {large:,} above imports, peak", peak, "<=", 300),
        (f"seconds until a fresh process at {large:,} has recalled", get("fresh", "ours", large, "first"), "<=", 0.5),
        ("MiB of a process at 1,000,000, resident after 100 recalls", resident, "<=", 2_048),
    ]
    return [
        {
            "what": what,
            "value": value,
            "wanted": f"{rule} {bound:g}",
            "met": None if value is None else bool(RULES[rule](value, bound)),
        }
        for what, value, rule, bound in wanted
    ]


def show(about: dict[str, Any], rows: Rows, wanted: list[dict[str, Any]]) -> None:
    """Print the tables."""
    print(f"\none thread by {' '.join(about['limits'])}; OPENBLAS_CORETYPE {about['OPENBLAS_CORETYPE'] or 'not set'}")
    for peer, why in about["missing"].items():
        print(f"{peer}: not installed ({why})")
    for records, name in sorted({(row["records"], row["set"]) for row in rows if row["stage"] == "recall"}):
        print(f"\n{name}, {records:,} records ({about['sets'].get(f'{name}-{records}')}); ms p50 / p99, recall@10")
        show_recalls([row for row in rows if (row["records"], row["set"]) == (records, name)])
        for who, why in about.get("at 1,000,000", {}).items() if records == 1_000_000 else ():
            print(f"{who:12}{why}")
    show_adds(Figures(rows), list(dict.fromkeys(row["who"] for row in rows if row["stage"] == "adds")), about)
    for records in sorted({row["records"] for row in rows if row["stage"] == "fresh"}):
        print(f"\na fresh process at {records:,} records: MiB above one that only imports, seconds after its imports")
        opened = [row["who"] for row in rows if (row["stage"], row["records"]) == ("fresh", records)]
        show_fresh(Figures(rows), opened, records)
    print()
    for each in wanted:
        met = {True: "met", False: "MISSED", None: "not measured"}[each["met"]]
        print(f"{each['what']:75}{number(each['value'], 3):>12}   wanted {each['wanted']:10}{met}")


PHASES = ("vector", "vector, 1 %", "whole", "whole, 1 %")


def show_recalls(rows: Rows) -> None:
    """Of one set and size."""
    print(f"{'':12}" + "".join(f"{phase:>26}" for phase in PHASES) + f"{'cores':>8}")
    for row in rows:
        if row["stage"] == "recall":
            cells = "".join(f"{latency(row.get(phase)):>26}" for phase in PHASES)
            print(
                f"{row['who']:12}" + (cells + f"{row['vector']['cores']:>8.2f}" if "vector" in row else row["failed"])
            )
        elif row["stage"] == "tune" and "ef_search" in row:
            print(f"({row['who']} searches with ef_search {row['ef_search']:g})")


def show_adds(get: Figures, contenders: list[str], about: dict[str, Any]) -> None:
    """Adds and credits, and what the disk could do at that time."""
    records = about["records added to"]
    print(f"\nadds a second, into {records:,} records; forced: calls of fsync and the like")
    heads = (
        "one by one",
        "by thousands",
        "CPU us an add",
        "by thousands",
        "fdatasync/s",
        "forced an add",
        "a thousand",
    )
    print(f"{'':12}" + "".join(f"{head:>15}" for head in heads))
    for who in contenders:
        figures = [get("adds", who, records, name) for name in ("one", "many", "one, cpu", "many, cpu", "fdatasync")]
        figures += [get("forced", who, records, name) for name in ("per add", "per batch")]
        print(f"{who:12}" + "".join(f"{number(each):>15}" for each in figures))
    credits, cpu, forces = (get("credits", "ours", records, name) for name in ("per_second", "cpu", "fdatasync"))
    if credits is not None:
        print(f"credits a second: {number(credits)} (CPU us {number(cpu)}, fdatasync/s {number(forces)})")


def show_fresh(get: Figures, contenders: list[str], records: int) -> None:
    """What a process takes that opens a filled store and recalls 100 times."""
    print(f"{'':12}" + "".join(f"{head:>15}" for head in ("peak", "share", "opened", "first recall")))
    for who in dict.fromkeys(contenders):
        figures = [get.above_import(who, records, kind) for kind in ("peak", "share")]
        figures += [get("fresh", who, records, name) for name in ("open", "first")]
        print(f"{who:12}" + "".join(f"{number(each):>15}" for each in figures))


def number(value: float | None, places: int = 2) -> str:
    """For a cell."""
    return "-" if value is None else f"{value:,.{places}f}"


def latency(phase: dict[str, float] | None) -> str:
    """`p50 / p99 recall` of one phase."""
    if not phase:
        return "-"
    right = f" {phase['recall']:.3f}" if "recall" in phase else ""
    return f"{phase['p50']:.2f} / {phase['p99']:.2f}{right}"
