"""How agents choose the unknown. `rules`: from what is known of each action to the next action and its propensity."""
