"""The public names: adding or removing one changes this file on purpose."""

import importlib

import pytest

import longspike

NAMES = {
    "longspike": ["Stream", "__version__", "events", "explain", "functional", "load", "models", "nn"],
    "longspike.events": [
        "EVENT_DTYPE",
        "EventReader",
        "FORMATS",
        "Recording",
        "WRITERS",
        "check_events",
        "make_events",
        "open",
        "read",
        "write",
    ],
    "longspike.functional": [
        "Certificate",
        "LIFState",
        "beta_from_tau",
        "hard_reset_orbit",
        "map_state",
        "refractory_lif",
    ],
    "longspike.models": [
        "Flames",
        "FlamesConfig",
        "FlamesOutput",
        "FlamesSequence",
        "FlamesSequenceConfig",
        "FlamesSequenceOutput",
        "FlamesSequenceState",
        "FlamesState",
        "MemoryConfig",
        "SpikeSSM",
        "SpikeSSMConfig",
        "SpikeSSMOutput",
        "SpikeSSMState",
        "build",
        "flames_presets",
        "load",
        "presets",
    ],
    "longspike.nn": [
        "Bernoulli",
        "BlockState",
        "DendriticConvState",
        "DendriticLIF",
        "DendriticLIFConv2d",
        "DendriticRows",
        "DendriticState",
        "EventPool",
        "GELU",
        "HardResetLIF",
        "Heaviside",
        "LIFState",
        "MeanPool",
        "MemoryBlock",
        "NeuronConfig",
        "RefractoryLIF",
        "S4D",
        "SAHippo",
        "SDN",
        "SparseSpikes",
        "SpatialPool",
        "SpikeLinear",
        "SpikingBlock",
        "Surrogate",
        "TiedDropout",
        "from_events",
    ],
    "longspike.streaming": [
        "Decision",
        "Decisions",
        "Durations",
        "EventRun",
        "EventSource",
        "EventStream",
        "RealTime",
        "SequenceStream",
        "StepRun",
        "StepSource",
        "Stream",
        "StreamCounts",
        "StreamTick",
        "WholeRecording",
        "WholeSequence",
        "feed_events",
        "feed_steps",
        "open_events",
        "open_steps",
        "parse_steps",
        "read_steps",
    ],
}


@pytest.mark.parametrize("module", NAMES)
def test_public_names(module: str) -> None:
    found = importlib.import_module(module)
    assert sorted(found.__all__) == NAMES[module]
    for name in found.__all__:
        assert getattr(found, name) is not None


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="module 'longspike' has no attribute 'nothing'"):
        longspike.nothing  # noqa: B018
    assert dir(longspike) == longspike.__all__
