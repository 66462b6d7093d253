"""Which role a prompt is for, and why."""
