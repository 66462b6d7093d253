"""What a model takes, what the machine gives, and whether the one fits the other."""
