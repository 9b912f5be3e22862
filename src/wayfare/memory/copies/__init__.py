"""Copies of a memory: bundles, snapshots, branches, backups; what lies between two points, and the way back to one.

parts       everything of a namespace, as rows that no store's own numbers are in
bundles     these rows as one file, with a digest of every part        loading   a bundle into an empty namespace
listed      which copies were made, and which of them hold a text      backups   a whole file, while it is in use
points      a sequence, a time or a snapshot; what changed between two        rolling   standing again as it then stood
subjects    everything of one person: told, or erased                  copying   the verbs of a `Memory`
"""
