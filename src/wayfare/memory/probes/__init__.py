"""A memory's card, tried: ten probes of what a memory does, against what its class says that it is. Imports no torch.

    from wayfare.memory.probes import check_card
    print(check_card(MyMemory).text)

checking    `check_card`        report    `CardReport`, `ProbeResult`
shipped     the classes that come with Wayfare, and how each is tried
subject     what a probe sees of a memory        adapters    our verbs and memories for streams        trial, items
addressing  P1, P2      following   P3, P4      forgetting  P5      revising    P6, P7      learning    P8
table       cards as the manual shows them
finding     P9, P10     reopening   the other process of P4         degenerate  memories that are none
"""

from __future__ import annotations

from wayfare.memory.probes.checking import check_card
from wayfare.memory.probes.report import CardReport, ProbeResult
from wayfare.memory.probes.subject import How, Subject

__all__ = ["CardReport", "How", "ProbeResult", "Subject", "check_card"]
