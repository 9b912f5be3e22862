"""What all tests share: one thread a process, and properties without a stopwatch."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

# No test may fail because the machine is busy; the examples are the same everywhere, so that a red test stays red.
settings.register_profile("wayfare", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("wayfare")
