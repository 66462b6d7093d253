"""OpenClaw and innkeep: its chains become our roles (``import``), and its provider becomes us (``export``)."""
