"""Texts as vectors: lexical by default, models as extras."""
