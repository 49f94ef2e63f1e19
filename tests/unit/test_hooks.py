"""What PyTorch users hang on submodules is seen and counts: hooks, pruning, weight norms, replaced parts."""

import copy
import warnings
from pathlib import Path

import pytest
import torch
import torch.nn.utils.prune as prune
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

import longspike
from longspike import Stream
from longspike.events import make_events
from longspike.events.ragged import collate_events
from longspike.models import (
    Flames,
    FlamesConfig,
    FlamesSequence,
    FlamesSequenceConfig,
    MemoryConfig,
    SpikeSSM,
    SpikeSSMConfig,
)
from longspike.nn import NeuronConfig, RefractoryLIF, SpikingBlock

X = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(0))
MEMORY = MemoryConfig(d_model=6, num_layers=2, d_state=4, rank=2)


def ssm(**changes) -> SpikeSSM:
    options = {"d_input": 3, "d_model": 6, "num_layers": 2, "d_state": 4, "num_outputs": 5}
    torch.manual_seed(1)
    return SpikeSSM(SpikeSSMConfig(**{**options, **changes})).eval()


def flames() -> Flames:
    return Flames(FlamesConfig(sensor_size=(12, 9), num_outputs=5, memory=MEMORY)).eval()


def events():
    first = make_events(x=[3, 3, 11, 4], y=[4, 5, 8, 4], t=[10, 900, 2500, 7000], p=[1, 0, 1, 1])
    return collate_events([first, first[:2]])


NETWORKS = {
    **{f"SpikeSSM {norm}": (lambda norm=norm: ssm(norm=norm), X) for norm in ("pre", "post", "none")},
    "SpikeSSM bidirectional": (lambda: ssm(is_bidirectional=True), X),
    "SpikeSSM sdn": (lambda: ssm(neuron=NeuronConfig(kind="sdn")), X),
    "SpikeSSM tokens": (lambda: ssm(encoder="embedding"), torch.tensor([[0, 2, 1, 1], [2, 0, 0, 1]])),
    "Flames": (flames, events()),
    "FlamesSequence": (
        lambda: FlamesSequence(FlamesSequenceConfig(d_input=3, num_branches=4, memory=MEMORY)).eval(),
        X,
    ),
}


def parts(model: nn.Module) -> dict[str, nn.Module]:
    """All that does work: no lists, and no norm that is switched off."""
    is_idle = (nn.ModuleList, nn.Identity)
    return {name: part for name, part in model.named_modules() if not isinstance(part, is_idle)}


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("kind", ["forward", "pre", "backward"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_part_is_seen_and_nothing_changes(name: str, kind: str) -> None:
    make, x = NETWORKS[name]
    model = make()
    logits = model(x)[0]
    logits.square().sum().backward()
    right = {key: p.grad for key, p in model.named_parameters()}
    model.zero_grad()
    seen = set()
    for key, part in parts(model).items():
        register = {
            "forward": part.register_forward_hook,
            "pre": part.register_forward_pre_hook,
            "backward": part.register_full_backward_hook,
        }[kind]
        register(lambda *_, key=key: seen.add(key))
    again = model(x)[0]
    assert torch.equal(again, logits)
    again.square().sum().backward()
    silent = {key for key in parts(model) if kind == "backward" and "predictor" in key}  # of the SDN, without gradients
    assert seen >= set(parts(model)) - silent
    for key, p in model.named_parameters():
        torch.testing.assert_close(p.grad, right[key], msg=key)


class Spikes(nn.Identity):
    """The spikes of a neuron, for whoever listens to modules: docs/howto/hooks.md."""


class Monitor:
    """As tools of others listen: it keeps what modules of a class return, and wants tensors."""

    def __init__(self, model: nn.Module, kind: type[nn.Module]) -> None:
        self.outputs: list[Tensor] = []
        self.listened = [module for module in model.modules() if isinstance(module, kind)]
        for module in self.listened:
            module.register_forward_hook(lambda module, args, output: self.outputs.append(output))

    def sparsity(self) -> float:
        return 1 - sum(int(torch.count_nonzero(x)) for x in self.outputs) / sum(x.numel() for x in self.outputs)


def test_a_tool_that_wants_one_tensor_is_handed_the_spikes(tmp_path: Path) -> None:
    model = ssm()
    spikes, plain = model.outputs(X).spikes, model(X)[0]
    blind = Monitor(model, RefractoryLIF)
    model(X)
    with pytest.raises(TypeError, match="must be Tensor, not tuple"):
        blind.sparsity()
    model = ssm()

    def hand_on(neuron: nn.Module, args: tuple, output: tuple) -> None:
        neuron.spikes(output[0])

    for module in list(model.modules()):
        if isinstance(module, RefractoryLIF):
            module.spikes = Spikes()
            module.register_forward_hook(hand_on)
    monitor = Monitor(model, Spikes)
    assert torch.equal(model(X)[0], plain)
    assert len(monitor.listened) == len(spikes)
    assert all(torch.equal(seen, right) for seen, right in zip(monitor.outputs, spikes, strict=True))
    assert 0 < monitor.sparsity() < 1
    model.save(tmp_path / "model")
    assert torch.equal(longspike.load(tmp_path / "model").eval()(X)[0], plain)


@pytest.mark.parametrize("part", ["blocks.0", "blocks.1.norm", "blocks.0.ssm", "blocks.1.neuron", "blocks.0.mix"])
def test_one_hook_on_one_part_changes_the_answer_of_every_way(part: str) -> None:
    model = ssm()
    plain = model(X)[0]

    def doubled(module: nn.Module, args: tuple, output: object) -> object:
        return (2 * output[0], output[1]) if isinstance(output, tuple) else 2 * output

    handle = model.get_submodule(part).register_forward_hook(doubled)
    logits = model(X)[0]
    assert not torch.equal(logits, plain)
    assert torch.equal(model.outputs(X).logits, logits)
    batch = type("Batch", (), {"x": X, "lengths": torch.tensor([7, 7])})
    answer = model.classify(batch)
    assert torch.equal(answer.logits, logits)
    spikes = model.outputs(X).spikes
    assert [a.num_spikes.item() for a in answer.activity] == [s.sum().item() for s in spikes]
    stream = Stream(model, batch=2)
    stream.push(X)
    torch.testing.assert_close(stream.logits(), logits)
    handle.remove()
    assert torch.equal(model(X)[0], plain)


def test_hooks_on_all_modules_of_the_process_are_run() -> None:
    model, seen = ssm(), []
    with nn.modules.module.register_module_forward_hook(lambda module, *_: seen.append(type(module).__name__)):
        model(X)
    assert seen.count("RefractoryLIF") == seen.count("SpikingBlock") == 2


def pruned(mix: nn.Module) -> None:
    prune.l1_unstructured(mix, "weight", 0.5)


def old_weight_norm(mix: nn.Module) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nn.utils.weight_norm(mix)


class Halved(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / 2


CHANGES = {
    "pruning": pruned,
    "weight_norm as hook": old_weight_norm,
    "weight_norm as parametrisation": weight_norm,
    "spectral_norm": nn.utils.spectral_norm,
    "own parametrisation": lambda mix: parametrize.register_parametrization(mix, "weight", Halved()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_trains_and_uses_the_weights_that_were_loaded(change: str) -> None:
    saved, loaded = ssm().train(), ssm().train()
    for model in (saved, loaded):
        CHANGES[change](model.blocks[0].mix)
    before = copy.deepcopy(saved.state_dict())
    optimiser = torch.optim.SGD(saved.parameters(), lr=0.3)
    for _ in range(2):
        optimiser.zero_grad()
        saved(X)[0].square().sum().backward()
        optimiser.step()
    moved = {k for k, x in saved.state_dict().items() if k.startswith("blocks.0.mix") and not torch.equal(x, before[k])}
    assert moved
    saved.eval()
    right = saved(X)[0]
    loaded.eval().load_state_dict(saved.state_dict())
    stream = Stream(loaded, batch=2)
    stream.push(X)
    assert torch.equal(loaded(X)[0], right)
    assert torch.equal(loaded.outputs(X).logits, right)
    torch.testing.assert_close(stream.logits(), right)


def test_a_part_that_was_replaced_or_given_another_forward_is_called() -> None:
    model, x = ssm(), torch.randn(2, 7, 6)
    block: SpikingBlock = model.blocks[0]
    right = block(x)[0]
    mix = nn.Linear(6, 12)
    mix.load_state_dict(block.mix.state_dict())
    block.mix = mix
    torch.testing.assert_close(block(x)[0], right)
    block.norm.forward = lambda z: 0 * z
    assert not torch.equal(block(x)[0], right)


def test_a_stream_of_events_refuses_what_it_would_not_run() -> None:
    model = flames()
    model.blocks[1].mix.register_forward_hook(lambda *_: None)
    with pytest.raises(ValueError, match=r"EventStream: hooks .*`blocks\.1\.mix` would not run.*Remove them"):
        Stream(model)
