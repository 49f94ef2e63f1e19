"""Spiking state-space models: exact, fast, streaming."""
