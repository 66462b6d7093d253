"""The tools that people point at innkeep: what each needs in its configuration, and how its files are edited."""
