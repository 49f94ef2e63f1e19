"""Linear state-space layers."""
