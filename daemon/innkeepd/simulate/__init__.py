"""Traces replayed on the real scheduler, and prompts classified in bulk, without a daemon."""
