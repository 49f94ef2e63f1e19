"""Networks, their configurations, presets and files."""

from longspike.models.config import SpikeSSMConfig
from longspike.models.exporting import register_states
from longspike.models.flames import Flames, FlamesOutput, FlamesState
from longspike.models.flames_config import FlamesConfig, FlamesSequenceConfig, MemoryConfig
from longspike.models.flames_presets import flames_presets
from longspike.models.flames_sequence import FlamesSequence, FlamesSequenceOutput, FlamesSequenceState
from longspike.models.input_spec import InputSpec
from longspike.models.lm_config import SpikeLMConfig
from longspike.models.loading import build, load
from longspike.models.pair_config import SpikeSSMPairConfig
from longspike.models.presets import presets
from longspike.models.spike_lm import SpikeLM
from longspike.models.spike_ssm import SpikeSSM
from longspike.models.spike_ssm_pair import SpikeSSMPair
from longspike.models.spiking_stack import SpikeSSMOutput, SpikeSSMState
from longspike.models.transfer import start_from
from longspike.tasks.predictions import Prediction

__all__ = [
    "Flames",
    "FlamesConfig",
    "FlamesOutput",
    "FlamesSequence",
    "FlamesSequenceConfig",
    "FlamesSequenceOutput",
    "FlamesSequenceState",
    "FlamesState",
    "InputSpec",
    "MemoryConfig",
    "Prediction",
    "SpikeLM",
    "SpikeLMConfig",
    "SpikeSSM",
    "SpikeSSMConfig",
    "SpikeSSMOutput",
    "SpikeSSMPair",
    "SpikeSSMPairConfig",
    "SpikeSSMState",
    "build",
    "flames_presets",
    "load",
    "presets",
    "start_from",
]

register_states()
