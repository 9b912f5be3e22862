"""How memories are found: words, vectors, links, time; caches that follow the log."""
