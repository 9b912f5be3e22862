"""MemCubes: the memories of one namespace as a managed, versioned resource, in text, activation and parameter form.

cube        `Cube`: add, update, merge, archive, restore, roll back, freeze, export, load
lifecycle   its states, and which follow which          headers    what is known of a memory beside what it says
loading     which model may load a payload              fusing     several cubes become one
converting  from form to form, by priority

After MemOS: Li et al. 2025, "MemOS: A Memory OS for AI System" (arXiv 2507.03724).
"""

from __future__ import annotations

from wayfare.memory.cubes.converting import Conversions, Converted, FormConverter
from wayfare.memory.cubes.cube import Cube
from wayfare.memory.cubes.fusing import Fused, fuse
from wayfare.memory.cubes.headers import Header, Heat, fingerprint
from wayfare.memory.cubes.lifecycle import TRANSITIONS, State
from wayfare.memory.cubes.loading import LOADER_FIELDS, LoaderId

__all__ = [
    "LOADER_FIELDS",
    "TRANSITIONS",
    "Conversions",
    "Converted",
    "Cube",
    "FormConverter",
    "Fused",
    "Header",
    "Heat",
    "LoaderId",
    "State",
    "fingerprint",
    "fuse",
]
