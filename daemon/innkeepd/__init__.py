"""innkeepd: the daemon that owns which model is in memory."""

__version__ = "0.1.0"
