"""ExpRAG: retrieve finished tasks that resemble the new one, and append it when it is done.

    S(x_t, y_t, f_t) -> one text;  R_t = Top-k of M_t by similarity to x_t;  M_{t+1} = M_t and S(x_t, y_t, f_t)

Wei et al. 2025 (arXiv 2511.20857), where this simple memory beats several elaborate ones. `ExpRAGSuccess` keeps only
what succeeded, as far as the feedback says so: the strongest simple baseline. Its card says that it learns from
outcomes, in this one way.

Two things differ from the letter. Similarity is the library's relevance (words and vectors), in which what has less
than a fifth of the best one's relevance is not shown; and an experience that says word for word what another says is
stored once.
"""

from __future__ import annotations

from dataclasses import replace

from wayfare.memory.cards import Scope
from wayfare.memory.modules.protocol import Finished
from wayfare.memory.modules.stored import CASES, Stored

__all__ = ["ExpRAG", "ExpRAGSuccess"]

SIMILAR = replace(CASES, scope={Scope.RETRIEVAL_AUGMENTED})


class ExpRAG(Stored):
    """The k most similar of all finished tasks."""

    card = SIMILAR
    label = "ExpRAG"


class ExpRAGSuccess(Stored):
    """The k most similar of those that succeeded. A task without feedback is not kept."""

    card = replace(SIMILAR, learns_from_outcome=True)
    label = "ExpRAG, successes"

    def update(self, finished: Finished) -> None:
        """(3) Kept where the feedback is a half at least."""
        if finished.feedback is not None and finished.feedback >= 0.5:
            super().update(finished)
