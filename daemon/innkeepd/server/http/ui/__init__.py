"""The dashboard at `/ui/`: three static files and what they ask for."""
