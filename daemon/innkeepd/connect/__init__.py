"""``innkeep connect``: configure other tools for this installation, and the pages made from the same data."""
