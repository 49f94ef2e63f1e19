"""The stream: state in and out, files, refusals."""

import numpy as np
import pytest
import safetensors.torch
import torch
from torch.nn.utils import prune

from longspike import Stream
from longspike.errors import CheckpointError
from longspike.kernels import native
from longspike.layers.pooling import PoolState
from longspike.models import Flames, SpikeSSM, SpikeSSMConfig
from longspike.nn import NeuronConfig
from longspike.streaming import EventStream, SequenceStream
from longspike.streaming.model_steps import ModelSteps
from longspike.streaming.remembered import frozen_copy, nothing_yet
from tolerances import LOGITS


def network(kind: str = "refractory", **changes) -> SpikeSSM:
    torch.manual_seed(11)
    neuron = NeuronConfig(kind=kind, beta=0.7, threshold=0.2)
    options = {"d_input": 2, "d_model": 5, "num_layers": 2, "d_state": 6, "num_outputs": 3, "neuron": neuron}
    return SpikeSSM(SpikeSSMConfig(**{**options, **changes})).eval()


def assert_same(a: tuple, b: tuple) -> None:
    assert len(a) == len(b)
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("kind", ["refractory", "hard_reset", "heaviside", "ternary", "multi_bit", "sdn", "gelu"])
@pytest.mark.parametrize("num_streams", [1, 3])
def test_a_restored_stream_goes_on_bit_for_bit(tmp_path, kind: str, num_streams: int) -> None:
    model, x = network(kind), torch.randn(num_streams, 70, 2)
    first = Stream(model, batch=num_streams)
    first.push(x[:, :41])
    first.save(tmp_path / "stream.safetensors")
    second = Stream(model, batch=num_streams)
    second.restore(tmp_path / "stream.safetensors")
    assert second.num_steps == 41
    assert torch.equal(second.logits(), first.logits())
    assert_same(first.push(x[:, 41:]), second.push(x[:, 41:]))
    assert torch.equal(second.logits(), first.logits())
    assert second.num_steps == 70


@pytest.mark.parametrize("num_streams", [1, 3])
def test_a_stream_with_an_input_skip_has_the_answers_of_the_whole(tmp_path, num_streams: int) -> None:
    model = network(pool="none", task="forecasting", num_outputs=4, has_input_skip=True)
    with torch.no_grad():
        model.decoder.weight.normal_()
    x = torch.randn(num_streams, 9, 2)
    first, second = Stream(model, batch=num_streams), Stream(model, batch=num_streams)
    first.push(x[:, :5])
    first.save(tmp_path / "stream.safetensors")
    second.restore(tmp_path / "stream.safetensors")
    assert torch.equal(second.logits(), first.logits())
    assert_same(second.push(x[:, 5:]), tuple(s[:, 5:] for s in model.outputs(x).spikes))
    torch.testing.assert_close(second.logits().view(num_streams, 4), model(x)[0][:, -1], atol=LOGITS, rtol=0)


def test_reset_forgets_everything() -> None:
    stream, x = Stream(network()), torch.randn(30, 2)
    first = stream.push(x)
    stream.reset()
    assert stream.num_steps == 0
    with pytest.raises(ValueError, match="nothing was pushed yet"):
        stream.logits()
    assert_same(stream.push(x), first)


def test_state_is_a_copy() -> None:
    stream = Stream(network())
    stream.push(torch.randn(9, 2))
    before, state = stream.logits(), stream.state
    for block in state.blocks:
        block.ssm.fill_(5)
        block.neuron.v.fill_(5)
    stream.logits().fill_(5)
    assert torch.equal(stream.logits(), before)
    assert not bool((stream.state.blocks[0].ssm == 5).any())


def test_the_state_does_not_grow() -> None:
    stream = Stream(network())

    def size() -> int:
        state = stream.state
        tensors = [*state.pool, *(x for b in state.blocks for x in (b.ssm, *b.neuron))]
        return sum(x.untyped_storage().nbytes() for x in tensors)

    stream.push(torch.randn(1, 2))
    small = size()
    for _ in range(3):
        stream.push(torch.randn(500, 2))
    assert size() == small
    inside = [x for b in stream._steps.remembered.state.blocks for x in (b.ssm, *b.neuron)]
    assert sum(x.untyped_storage().nbytes() for x in inside) <= small  # no view into a whole packet


def test_streams_side_by_side_do_not_mix() -> None:
    model, x = network(), torch.randn(3, 40, 2)
    together = Stream(model, batch=3)
    spikes = together.push(x)
    for k in range(3):
        alone = Stream(model)
        assert_same(alone.push(x[k]), tuple(s[k] for s in spikes))


@pytest.mark.needs_extension
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"norm": "post"},
        {"norm": "none"},
        {"pool": "none"},
        {"num_layers": 3, "d_model": 70},
        {"discretisation": "bilinear"},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_compiled_stack_has_the_spikes_of_the_network(dtype: torch.dtype, changes: dict, batch: int) -> None:
    model = network(**changes).to(dtype)
    x = torch.randn(batch, 700, 2, dtype=dtype)
    whole = model.outputs(x)
    for sizes in ([1, 63, 1, 635], [700], [256, 257, 187]):
        compiled, eager = Stream(model, batch=batch), ModelSteps(frozen_copy(model), nothing_yet(model, batch))
        assert type(compiled._steps).__name__ == "CompiledSteps"
        for packet in x.split(sizes, dim=1):
            spikes = compiled.push(packet)
            assert_same(spikes, eager.push(packet, has_batch=True))
        state, truth = compiled.state, whole.state
        for held, expected in zip(state.blocks, truth.blocks, strict=True):
            assert_same((held.ssm, *held.neuron), (expected.ssm, *expected.neuron))
        logits = whole.logits if model.pool is not None else whole.logits[:, -1]
        torch.testing.assert_close(compiled.logits().view(batch, -1), logits, rtol=LOGITS, atol=LOGITS)


def test_threads_change_nothing() -> None:
    model, x = network(d_model=40), torch.randn(3, 900, 2)
    torch.set_num_threads(1)
    alone = Stream(model, batch=3).push(x)
    torch.set_num_threads(3)
    assert_same(Stream(model, batch=3).push(x), alone)


@pytest.fixture(params=["compiled", "hidden"])
def with_and_without_extension(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled stack, and what there is without it."""
    if request.param == "hidden":
        monkeypatch.setattr(native, "_extension", None)


@pytest.mark.usefixtures("with_and_without_extension")
@pytest.mark.parametrize("kind", ["refractory", "hard_reset", "gelu"])
@pytest.mark.parametrize("pool", ["mean", "none"])
def test_what_happens_to_the_model_later_does_not_reach_a_stream(kind: str, pool: str) -> None:
    model, x = network(kind, pool=pool), torch.randn(50, 2)
    stream, other = Stream(model), Stream(model)
    other.push(x[:20])
    expected = other.push(x[20:])
    stream.push(x[:20])
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(2)
    model.double().train()
    assert_same(stream.push(x[20:]), expected)
    assert torch.equal(stream.logits(), other.logits())


def test_a_network_of_two_dtypes_is_streamed_by_calling_it() -> None:
    model = network()
    model.blocks[1].double()
    assert type(Stream(model)._steps).__name__ == "ModelSteps"


def test_weights_that_hooks_compute_are_copied() -> None:
    model, x = network(), torch.randn(50, 2)
    prune.l1_unstructured(model.decoder, "weight", amount=0.5)
    stream = Stream(model)
    stream.push(x)
    expected = model(x[None])[0][0]
    torch.testing.assert_close(stream.logits(), expected.detach(), rtol=LOGITS, atol=LOGITS)


def test_a_mean_of_many_steps_does_not_stand_still() -> None:
    """In float32 a sum of ones stays at 2^24."""
    model = network(pool="mean")
    stream = Stream(model)
    state, ones = stream.state, torch.ones(1, 5, dtype=torch.float64)
    stream.state = state._replace(pool=PoolState(ones * 2**25, torch.tensor([2**25])))
    before = stream.state.pool.total
    for _ in range(3):
        stream.push(torch.randn(1, 2))
    later = stream.state.pool
    assert bool((later.total != before).all())
    assert int(later.steps) == stream.num_steps == 2**25 + 3


@pytest.mark.parametrize("kind", ["refractory", pytest.param("gelu", marks=pytest.mark.needs_extension)])
def test_a_new_mean_is_that_of_the_steps_that_follow(kind: str) -> None:
    model, x = network(kind), torch.randn(2, 50, 2)
    stream, whole = Stream(model, batch=2), Stream(model, batch=2)
    expected = whole.push(x)
    stream.push(x[:, :20])
    middle = stream.state
    stream.restart_mean()
    assert stream.num_steps == 20
    with pytest.raises(ValueError, match="nothing was pushed yet"):
        stream.logits()
    assert_same(stream.push(x[:, 20:]), tuple(spikes[:, 20:] for spikes in expected))
    assert stream.num_steps == 50
    end, state = whole.state.pool, stream.state.pool
    torch.testing.assert_close(state.total, end.total - middle.pool.total, rtol=LOGITS, atol=LOGITS)
    assert state.steps.tolist() == [30, 30]
    unpooled = Stream(network(kind, pool="none"))
    unpooled.push(x[0])
    before = unpooled.logits()
    unpooled.restart_mean()
    assert torch.equal(unpooled.logits(), before)


def test_steps_as_arrays_and_lists() -> None:
    x = torch.randn(6, 2)
    expected = Stream(network()).push(x)
    array = x.numpy()
    for given in (
        array,
        array.astype(np.float64),
        array.astype(">f8"),
        np.asfortranarray(array),
        array[::-1].copy()[::-1],
        array.tolist(),
        list(array),
        list(x),
        tuple(x),
        x.double(),
    ):
        assert_same(Stream(network()).push(given), expected)
    read_only = array.copy()
    read_only.setflags(write=False)
    assert_same(Stream(network()).push(read_only), expected)
    whole_numbers = Stream(network()).push(np.arange(6).reshape(3, 2))
    assert_same(whole_numbers, Stream(network()).push(torch.arange(6.0).reshape(3, 2)))
    flat = Stream(network(d_input=1)).push([0.5, -1.0, 2.0])
    assert_same(flat, Stream(network(d_input=1)).push(torch.tensor([[0.5], [-1.0], [2.0]])))
    tokens = Stream(network(encoder="embedding", d_input=7))
    assert_same(tokens.push([1, 2, 6]), Stream(network(encoder="embedding", d_input=7)).push(torch.tensor([1, 2, 6])))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (torch.zeros(3, 2, dtype=torch.complex64), TypeError, r"must hold real numbers; got .* Pass x\.real or x\.abs"),
        (np.zeros((3, 2), np.complex64), TypeError, "must hold real numbers; got a ndarray of dtype complex64"),
        ([[1.0, 2.0], [3.0]], ValueError, "must hold steps of one length; got a list of several"),
        ([torch.zeros(2), torch.zeros(3)], ValueError, "must hold steps of one shape"),
        ([["a", "b"]], TypeError, "must hold real numbers; got a list of dtype <U1"),
        (None, TypeError, "must hold real numbers; got a NoneType of dtype object"),
        ({"x": 1}, TypeError, "must hold real numbers; got a dict of dtype object"),
        (np.full((1, 2), 1e39), ValueError, r"must be finite in torch\.float32; got NaN or infinity"),
        ([1.0, 2.0], ValueError, r"must hold steps for 1 stream\(s\), \(1, steps, 2\); got .*Add the missing axis"),
        (np.zeros((3, 3)), ValueError, "must have 2 channels"),
    ],
)
def test_what_is_no_step(given: object, error: type[Exception], message: str) -> None:
    stream = Stream(network())
    with pytest.raises(error, match=message) as caught:
        stream.push(given)
    assert len(str(caught.value)) < 300
    assert stream.num_steps == 0


def test_streams_that_began_at_different_moments_keep_their_means() -> None:
    model, x = network(), torch.randn(2, 30, 2)
    parts = [Stream(model), Stream(model)]
    for stream, row, begin in zip(parts, x, (0, 10), strict=True):
        stream.push(row[begin:])
    states = [stream.state for stream in parts]
    blocks = tuple(
        type(a)(
            torch.cat([a.ssm, b.ssm]),
            type(a.neuron)(*(torch.cat(pair) for pair in zip(a.neuron, b.neuron, strict=True))),
        )
        for a, b in zip(states[0].blocks, states[1].blocks, strict=True)
    )
    pool = type(states[0].pool)(*(torch.cat(pair) for pair in zip(states[0].pool, states[1].pool, strict=True)))
    both = Stream(model, batch=2)
    both.state = states[0]._replace(blocks=blocks, pool=pool)
    torch.testing.assert_close(both.logits(), torch.stack([s.logits() for s in parts]), rtol=LOGITS, atol=LOGITS)


def test_a_state_from_training_leaves_no_graph_behind() -> None:
    model, x = network().train(), torch.randn(1, 9, 2)
    stream = Stream(model)
    stream.state = model(x)[1]
    assert not any(t.requires_grad for block in stream.state.blocks for t in (block.ssm, *block.neuron))


def test_tensors_of_another_device_and_no_streams_at_all() -> None:
    with pytest.raises((NotImplementedError, RuntimeError)):
        Stream(network()).push(torch.zeros(3, 2, device="meta"))
    with pytest.raises(ValueError, match="`batch` must be"):
        Stream(network(), batch=0)


@pytest.mark.parametrize("token", [-1, 7])
def test_a_token_outside_of_the_vocabulary(token: int) -> None:
    stream = Stream(network(encoder="embedding", d_input=7))
    with pytest.raises(ValueError, match="must hold tokens of the vocabulary"):
        stream.push(torch.tensor([1, token]))
    with pytest.raises(ValueError, match="must hold integer tokens"):
        stream.push(torch.rand(3))
    assert stream.num_steps == 0


def test_tokens() -> None:
    model = network(encoder="embedding", d_input=7, pool="none")
    tokens = torch.randint(0, 7, (20,))
    stream = Stream(model)
    parts = [stream.push(packet) for packet in tokens.split([1, 12, 7])]
    assert_same(
        tuple(torch.cat([p[k] for p in parts]) for k in range(2)),
        tuple(s[0] for s in model.outputs(tokens[None]).spikes),
    )


def test_a_packet_of_nothing() -> None:
    stream = Stream(network())
    spikes = stream.push(torch.zeros(0, 2))
    assert [s.shape for s in spikes] == [(0, 5), (0, 5)]
    stream.push(torch.randn(4, 2))
    logits = stream.logits()
    stream.push(torch.zeros(0, 2))
    assert torch.equal(stream.logits(), logits)
    assert stream.num_steps == 4


def test_a_training_model_is_streamed_in_evaluation_mode() -> None:
    model = network(dropout=0.5).train()
    x = torch.randn(30, 2)
    spikes = Stream(model).push(x)
    assert model.training
    assert_same(spikes, tuple(s[0] for s in model.eval().outputs(x[None]).spikes))


@pytest.mark.parametrize(
    ("packet", "message"),
    [
        (torch.tensor([[0.0, float("nan")]]), "must be finite"),
        (torch.tensor([[0.0, float("inf")]]), "must be finite"),
        (torch.zeros(4, 3), "must have 2 channels"),
        (torch.zeros(4), "must hold steps for 1 stream"),
        (torch.zeros(2, 4, 2), "must hold steps for 1 stream"),
    ],
)
def test_a_failed_push_changes_nothing(packet: torch.Tensor, message: str) -> None:
    x = torch.randn(12, 2)
    stream, other = Stream(network()), Stream(network())
    stream.push(x[:5])
    other.push(x[:5])
    with pytest.raises(ValueError, match=message):
        stream.push(packet)
    assert stream.num_steps == 5
    assert torch.equal(stream.logits(), other.logits())
    assert_same(stream.push(x[5:]), other.push(x[5:]))


def test_what_cannot_be_streamed() -> None:
    with pytest.raises(ValueError, match="bidirectional and needs the whole sequence"):
        Stream(network(is_bidirectional=True))
    with pytest.raises(ValueError, match="Bernoulli neuron draws at random"):
        Stream(network("bernoulli"))
    with pytest.raises(TypeError, match="`model` must be a SpikeSSM"):
        Stream(torch.nn.Linear(2, 3))
    with pytest.raises(ValueError, match="must hold steps for 3 stream"):
        Stream(network(), batch=3).push(torch.zeros(4, 2))


def test_files_that_are_no_streams(tmp_path) -> None:
    stream, path = Stream(network()), tmp_path / "stream.safetensors"
    with pytest.raises(CheckpointError, match="is not a saved stream"):
        stream.restore(tmp_path / "nothing")
    path.write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="is not a saved stream"):
        stream.restore(path)
    safetensors.torch.save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="is not a saved stream"):
        stream.restore(path)
    Stream(network("gelu")).save(path)  # it has no neuron state
    with pytest.raises(CheckpointError, match="is not a saved stream"):
        stream.restore(path)


def test_stream_makes_what_fits_the_model() -> None:
    pytest.importorskip("longspike._native", reason="the compiled extension is not built")
    flames = Flames.from_preset("tiny", sensor_size=(9, 8), num_classes=3)
    events, steps = Stream(flames, is_recording=True), Stream(network(), batch=3)
    assert type(events) is EventStream
    assert type(steps) is SequenceStream
    assert events.take_ticks() == []
    assert isinstance(events, Stream)
    assert isinstance(steps, Stream)
    assert isinstance(SequenceStream(network()), Stream)
    assert not isinstance(network(), Stream)
    with pytest.raises(
        TypeError, match=r"`batch` is for a SpikeSSM; got 2 with Flames\. Make one EventStream a recording"
    ):
        Stream(flames, batch=2)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="`model` must be a SpikeSSM or Flames; got Linear"):
        Stream(torch.nn.Linear(1, 1))  # type: ignore[call-overload]
