"""At which steps regret is noted: shared by cells, checks and figures; no torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["curve_steps"]

POINTS, DECADE = 40, 11


def curve_steps(steps: int) -> NDArray[np.int64]:
    """Evenly on a logarithmic axis; the last 11 span the last decade, from a tenth of the steps on."""
    grid = np.concatenate([np.geomspace(1, steps / 10, POINTS), np.geomspace(steps / 10, steps, DECADE)])
    return np.unique(np.round(grid).astype(np.int64))
