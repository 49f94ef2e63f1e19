"""Networks, their configurations, presets and files."""

from longspike.models.config import SpikeSSMConfig
from longspike.models.loading import load
from longspike.models.presets import presets
from longspike.models.spike_ssm import SpikeSSM, SpikeSSMOutput, SpikeSSMState

__all__ = ["SpikeSSM", "SpikeSSMConfig", "SpikeSSMOutput", "SpikeSSMState", "load", "presets"]
