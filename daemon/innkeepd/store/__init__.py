"""Decision records and settings that survive a restart; SQLite behind one writer thread."""
