"""Spiking dynamics: pure functions, and modules that hold their parameters."""
