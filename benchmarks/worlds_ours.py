"""Steps per second of our batched worlds: WORLD COPIES SECONDS THREADS -> one JSON line."""

from __future__ import annotations

import json
import sys
import time

import torch

from wayfare.worlds import HiddenGoal, RecurringBandit

world_name, copies, seconds, threads = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(threads)
world = RecurringBandit(copies) if world_name == "bandit" else HiddenGoal(copies, copy=False)
actions = torch.randint(world.num_actions, (64, copies), generator=torch.Generator().manual_seed(0))
world.reset(seed=0)
for t in range(64):
    world.step(actions[t])
steps, began = 0, time.perf_counter()
while time.perf_counter() - began < seconds:
    for t in range(16):
        world.step(actions[(steps + t) % 64])
    steps += 16
print(json.dumps({"steps_per_second": steps * copies / (time.perf_counter() - began)}))
