"""What the words of a query weigh: those that carry its meaning count whole, those that only make it a sentence little.

"When did she get the part in the play?" is about `part` and `play`. Rarity alone does not say so: in a namespace of a
few hundred short texts `did` and `when` are rare, because people ask with them and seldom tell with them. The words are
weighted, not left out: a query that has no other words is searched as it stands.
"""

from __future__ import annotations

from wayfare.memory.index.tokens import tokens

__all__ = ["SMALL", "SMALL_WORDS", "query_words"]

SMALL = 0.4
"""Weight of a small word beside others; chosen by `benchmarks/fusion.py`."""
SMALL_WORDS = frozenset(
    tokens(
        """a about after all also am an and any are as at be been before but by can could did do does doing done don't
        down for from get go got had has have having he her here him his how i if i'm in into is it it's its just like
        me might more my no not now of off on or our out over shall she should so some such than that the their them
        then there these they this those to too up us very was we were what when where which while who whom whose why
        will with would you your"""
    )
)
"""As the index knows them. `may` is not among them: it is a month."""


def query_words(query: str) -> dict[str, float]:
    """Word -> how often it stands in the query, times its weight."""
    counts: dict[str, float] = {}
    for word in tokens(query):
        counts[word] = counts.get(word, 0.0) + 1.0
    if counts.keys() <= SMALL_WORDS:
        return counts
    return {word: count * SMALL if word in SMALL_WORDS else count for word, count in counts.items()}
