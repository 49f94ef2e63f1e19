"""Neurons as pure functions of tensors; sequences are (batch, seqlen, channels)."""

from longspike.kernels.refractory_lif import Certificate
from longspike.neurons.hard_reset import hard_reset_orbit
from longspike.neurons.lif import LIFState, beta_from_tau, refractory_lif

__all__ = ["Certificate", "LIFState", "beta_from_tau", "hard_reset_orbit", "refractory_lif"]
