"""Which model is in memory: one owner of that state, what performs its decisions, what observes the world."""
