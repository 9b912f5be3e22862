"""The group-relative trainer of language models, and the places where a method enters it. See `trainer`, `seams`."""
