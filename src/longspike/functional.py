"""Neurons as pure functions of tensors, sequences (batch, seqlen, channels), and what one does with states."""

from longspike._core.states import map_state
from longspike.kernels.refractory_lif import Certificate
from longspike.neurons.hard_reset import hard_reset_orbit
from longspike.neurons.lif import LIFState, beta_from_tau, refractory_lif

__all__ = ["Certificate", "LIFState", "beta_from_tau", "hard_reset_orbit", "map_state", "refractory_lif"]
