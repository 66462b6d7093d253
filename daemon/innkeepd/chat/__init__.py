"""One request from its words to its record: understand, target, lease, attempt, record."""
