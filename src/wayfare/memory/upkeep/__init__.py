"""Upkeep: what keeps a memory small and true. Every job says first what it would do, and why.

memory.upkeep(MergeDuplicates(0.95))                        # a report; nothing is changed
memory.upkeep(MergeDuplicates(0.95), dry_run=False)         # done, as said; memory.undo_merge(id) takes one back

duplicates      `MergeDuplicates`: texts that are almost the same become one
expiry          `Expire`: what is older than its kind, tag or own field allows is archived or deleted
capacity        `Evict`: the least worth keeping goes, down to a limit
derivatives     `SweepStale`: what was made from something that has changed since

running         a job as a sequence of small transactions, each of which finds what it was planned on or does nothing
plans           what a job says it will do        watermarks    how far it has come, and what wakes it again
audit           what is wrong with a memory, by counts and ids        quotas      what a namespace may hold
"""

from __future__ import annotations

from wayfare.memory.upkeep.audit import Audit
from wayfare.memory.upkeep.capacity import Evict
from wayfare.memory.upkeep.derivatives import SweepStale
from wayfare.memory.upkeep.duplicates import MergeDuplicates
from wayfare.memory.upkeep.expiry import Expire
from wayfare.memory.upkeep.plans import Job, Step, Upkept

__all__ = ["Audit", "Evict", "Expire", "Job", "MergeDuplicates", "Step", "SweepStale", "Upkept"]
