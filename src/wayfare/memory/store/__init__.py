"""Where a memory lies: one file, its tables, its transactions."""
