"""How agents choose the unknown. `rules`: from what is known of each action to the next action and its propensity.

For language models, a module each: novelty (`elliptical`, `leverage`, `coreset`, `episodic`), what was earned
(`outcomes`, `success_buffer`, `normalisers`), how much to try (`budgets`), how to draw and how to hold back
(`annealing`, `selectors`, `divergences`).
"""
