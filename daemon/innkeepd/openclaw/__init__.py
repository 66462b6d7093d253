"""OpenClaw's chains imported as our roles, and our port exported as its provider."""
