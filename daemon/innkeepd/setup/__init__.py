"""First steps: which models fit this machine, and which of them answer for which role."""
