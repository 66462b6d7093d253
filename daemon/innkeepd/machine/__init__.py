"""This computer: memory, Metal, power, sleep and processes, each behind one small Protocol."""
