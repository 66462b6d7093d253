"""Every choice, as plain functions: no async, no IO, no clock, no log."""
