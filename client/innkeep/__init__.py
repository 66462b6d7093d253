"""innkeep: talk to the daemon that owns which model is in memory."""
