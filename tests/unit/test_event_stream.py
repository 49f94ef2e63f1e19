"""The event stream: late events, refusals, flush and reset, extreme times, threads, memory."""

import resource
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from event_samples import random_events
from flames_cases import BASE, CASES, assert_stream_is_batch, changed, events_for, network, streamed, whole
from longspike.events import EVENT_DTYPE
from longspike.events.ragged import collate_events
from longspike.events.record import make_events
from longspike.kernels import native
from longspike.models import Flames, FlamesConfig
from longspike.streaming.event_stream import EventStream

pytestmark = pytest.mark.skipif(not native.is_available(), reason="the compiled extension is not built")

LATEST = 1 << 62


def events_of(*rows: tuple[int, int, int, int]) -> np.ndarray:
    return np.array(list(rows), EVENT_DTYPE)


def facts(stream: EventStream) -> tuple:
    return stream.counts, stream.logits().tolist(), stream._stream.state().tobytes()


def test_late_events_are_dropped_and_counted() -> None:
    model, events = network(BASE), events_for(BASE)
    stream, _ = streamed(model, [events[:60], events[:7], events[60:]])
    open_step = events["t"][59] // BASE.step_us
    num_late = int((events["t"][:7] // BASE.step_us < open_step).sum())
    assert num_late == 7
    assert stream.counts.late == num_late
    assert stream.counts.events == len(events) + num_late
    assert torch.equal(stream.logits(), whole(model, events).logits[0])


def test_late_events_within_a_packet_are_dropped_too() -> None:
    model, events = network(BASE), events_for(BASE)
    disordered = np.concatenate([events[:60], events[:7], events[60:]])
    stream, _ = streamed(model, [disordered])
    assert stream.counts.late == 7
    assert torch.equal(stream.logits(), whole(model, events).logits[0])


@pytest.mark.parametrize("num_threads", [2, 3])
def test_threads_that_share_a_step_change_no_bit(num_threads: int) -> None:
    """Steps of Normal touch enough memory to be shared; the sizes leave shares of different length."""
    torch.manual_seed(0)
    model = Flames.from_preset("normal", sensor_size=(34, 26), num_classes=3, step_us=200)
    with torch.no_grad():
        model.fronts[0].weight.mul_(2)  # else too few spikes to prove anything
    events = random_events(300, (34, 26), duration_us=1200)
    one, shared = EventStream(model), EventStream(model, num_threads=num_threads)
    for packet in (events[:1], events[1:170], events[170:]):
        one.push(packet)
        shared.push(packet)
    one.flush()
    shared.flush()
    assert one.counts.spikes[0] > 100
    assert one.counts.updates[0] / one.counts.steps / 128 > 30  # positions a step
    assert facts(shared) == facts(one)


def test_an_event_of_the_open_step_is_not_late_whatever_its_microsecond() -> None:
    rows = [(1, 1, 199, 1), (2, 1, 100, 0), (1, 2, 150, 1)]
    stream = EventStream(network(BASE), late="raise")
    for row in rows:
        stream.push(events_of(row))
    stream.flush()
    assert stream.counts.late == 0
    assert stream.counts.steps == 1


def test_events_of_a_step_are_summed_in_the_order_of_their_arrival() -> None:
    model, events = network(BASE), random_events(300, BASE.sensor_size, duration_us=BASE.step_us)
    events["t"] = 5
    reverse = events[::-1]
    for order in (events, reverse):
        stream, ticks = streamed(model, [order[:100], order[100:]])
        assert_stream_is_batch(stream, ticks, whole(model, order))
    states = [whole(model, order).state.fronts[0].i for order in (events, reverse)]
    assert not torch.equal(*states)  # float32 sums: the order is part of the definition
    torch.testing.assert_close(*states)


def test_late_events_raise_and_nothing_is_taken() -> None:
    model, events = network(BASE), events_for(BASE)
    stream = EventStream(model, late="raise")
    stream.push(events[:60])
    before = facts(stream)
    with pytest.raises(
        ValueError, match=r"event 3 of the packet, t=\d+ us, belongs to step 2, which is over; step 90 is"
    ):
        stream.push(events_of((0, 0, 950, 1), (0, 0, 9000, 1), (1, 0, 9099, 0), (2, 0, 250, 1))[[1, 1, 2, 3]])
    assert facts(stream) == before
    stream.push(events[60:])
    stream.flush()
    assert torch.equal(stream.logits(), whole(model, events).logits[0])


def test_the_flushed_step_is_over() -> None:
    for late in ("drop", "raise"):
        stream = EventStream(network(BASE), late=late)
        stream.push(events_of((1, 1, 120, 1)))
        stream.flush()
        if late == "drop":
            stream.push(events_of((1, 1, 130, 1)))
            assert stream.counts.late == 1
        else:
            with pytest.raises(ValueError, match="belongs to step 1, which is over"):
                stream.push(events_of((1, 1, 130, 1)))
        stream.push(events_of((1, 1, 200, 1)))


def test_a_restored_stream_knows_what_is_late(tmp_path) -> None:
    stream, again = (EventStream(network(BASE), late="raise") for _ in range(2))
    stream.push(events_of((1, 1, 5000, 1)))
    stream.save(tmp_path / "state")
    again.restore(tmp_path / "state")
    with pytest.raises(ValueError, match="belongs to step 1, which is over"):
        again.push(events_of((1, 1, 130, 1)))
    assert again.counts.late == 0


def test_a_refused_packet_does_not_move_the_clock() -> None:
    stream = EventStream(network(BASE), late="raise")
    with pytest.raises(ValueError, match="does not fit a sensor of 11x7"):
        stream.push(events_of((1, 1, 100_000, 1), (11, 1, 100_001, 1)))
    stream.push(events_of((1, 1, 130, 1)))
    assert stream.counts.events == 1


@pytest.mark.parametrize(
    "row", [(11, 0, 100, 1), (0, 7, 100, 1), (0, 0, -1, 1), (0, 0, 100, 2), (0, 0, LATEST + 1, 1), (0, 0, 2**63 - 1, 1)]
)
@pytest.mark.parametrize("late", ["drop", "raise"])
def test_a_packet_that_does_not_fit_is_refused_whole(row: tuple[int, int, int, int], late: str) -> None:
    stream = EventStream(network(BASE), late=late)
    stream.push(events_for(BASE)[:9])
    before = facts(stream)
    packet = np.concatenate([events_of((1, 1, 4000, 1)), events_of(row)])
    message = "event 1 of the packet, x=.*, does not fit a sensor of 11x7 .* Nothing of the packet was taken|is over"
    with pytest.raises(ValueError, match=message):
        stream.push(packet)
    assert facts(stream) == before


@pytest.mark.parametrize(
    "events",
    [
        [(1, 2, 3, 1)],
        np.zeros(3, np.int64),
        np.zeros((2, 3), EVENT_DTYPE),
        np.zeros(3, [("x", "<u2"), ("y", "<u2"), ("t", "<u8")]),
        np.zeros((), EVENT_DTYPE),
        None,
    ],
)
def test_what_is_no_packet(events: object) -> None:
    stream = EventStream(network(BASE))
    before = facts(stream)
    with pytest.raises(TypeError, match=r"EventStream.push: `events` must have x, y, t and p; got"):
        stream.push(events)
    assert facts(stream) == before


def test_views_and_read_only_arrays() -> None:
    model, events = network(BASE), events_for(BASE)
    frozen = events.copy()
    frozen.setflags(write=False)
    apart = np.zeros(3 * len(events), EVENT_DTYPE)
    apart[::3] = events
    backwards = events[::-1].copy()[::-1]
    expected = whole(model, events)
    for given in (frozen, apart[::3], backwards):
        stream, ticks = streamed(model, [given[:31], given[31:]])
        assert_stream_is_batch(stream, ticks, expected)
    assert np.array_equal(frozen, events)


def test_nothing_happens_without_events() -> None:
    model = network(BASE)
    stream, ticks = streamed(model, [np.zeros(0, EVENT_DTYPE)] * 3)
    assert ticks == []
    assert torch.equal(stream.logits(), model.decoder.bias)
    assert stream.counts[:4] == (0, 0, 0, 0)
    assert torch.isnan(torch.tensor(stream.latency_us(0.5, 1.0))).all()


def test_flushing_twice_is_flushing_once() -> None:
    model, events = network(BASE), events_for(BASE)
    stream = EventStream(model)
    stream.push(events)
    stream.flush()
    before = facts(stream)
    stream.flush()
    assert facts(stream) == before


@pytest.mark.parametrize("name", ["two fronts", "wide"])
def test_reset_forgets_everything(name: str) -> None:
    model, events = network(CASES[name]), events_for(CASES[name])
    stream = EventStream(model, late="raise")
    fresh = facts(stream)
    stream.push(events)
    stream.reset()
    assert facts(stream) == fresh
    stream.push(events)
    stream.flush()
    assert torch.equal(stream.logits(), whole(model, events).logits[0])


@pytest.mark.parametrize("memory", [{}, {"kind": "hippo"}, {"structure": "diag"}, {"input": "held"}])
@pytest.mark.parametrize("step_us", [1, 1000, LATEST // 3])
def test_gaps_of_any_length(memory: dict, step_us: int) -> None:
    config = changed(memory, step_us=step_us, tau_min_us=1e3, tau_max_us=1e6, tau_soma_us=1e4, num_fronts=2)
    model, events = network(config), random_events(60, config.sensor_size, duration_us=6)
    events["t"] = np.sort(np.array([0, 1, 2**31, 2**53 + 1, LATEST - 1, LATEST])[events["t"]])
    assert events["t"].max() == LATEST
    stream, ticks = streamed(model, [events[:20], events[20:]])
    batch = whole(model, events)
    assert_stream_is_batch(stream, ticks, batch)
    assert len(ticks) >= (4 if step_us == 1 else 2)
    assert bool(batch.logits.isfinite().all())


def test_ticks_are_kept_on_request_only() -> None:
    model, events = network(BASE), events_for(BASE)
    silent = EventStream(model)
    silent.push(events)
    silent.flush()
    assert silent.take_ticks() == []
    stream, ticks = streamed(model, [events])
    assert len(ticks) == silent.counts.ticks > 0
    assert stream.take_ticks() == []
    assert torch.equal(stream.logits(), silent.logits())


def test_memory_does_not_grow() -> None:
    model = network(BASE)
    stream = EventStream(model)
    packet = random_events(50_000, BASE.sensor_size, duration_us=50_000)

    def push(times: int) -> None:
        for _ in range(times):
            stream.push(packet)
            packet["t"] += 50_000

    push(4)
    memory, peak = stream.memory_bytes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    push(16)
    assert stream.memory_bytes == memory
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 4096  # KiB
    assert stream.counts.events == 1_000_000
    assert 0 < stream.latency_us(0.5)[0] <= stream.latency_us(1.0)[0]


def test_streams_in_two_threads_do_not_mix() -> None:
    models = [network(CASES[name]) for name in ("two fronts", "wide")]
    recordings = [events_for(model.config, 4000, steps=3000) for model in models]

    def run(k: int) -> EventStream:
        return streamed(models[k], np.array_split(recordings[k], 50))[0]

    alone = [run(k) for k in range(2)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(run, range(2)))
    for a, b in zip(alone, together, strict=True):
        assert facts(a) == facts(b)


def test_threads_take_turns_on_one_stream() -> None:
    model, events = network(BASE), events_for(BASE, 3000, steps=1000)
    events["t"] = 7  # one step: any order of whole packets is allowed
    stream = EventStream(model)
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(stream.push, packet) for packet in np.array_split(events, 60)]
        for future in done:
            future.result()
            stream.logits()
    stream.flush()
    assert stream.counts.events == 3000
    assert stream.counts.updates[0] == len(whole(model, events).state.fronts[0].keys) * BASE.channels


def test_training_goes_on_without_the_stream() -> None:
    model, events = network(BASE), events_for(BASE)
    stream, expected = EventStream(model), whole(model, events)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    stream.push(events)
    stream.flush()
    assert torch.equal(stream.logits(), expected.logits[0])


def test_what_cannot_be_streamed() -> None:
    with pytest.raises(TypeError, match="`model` must be Flames"):
        EventStream(torch.nn.Linear(2, 3))
    for num_threads in (0, 100_000):
        with pytest.raises(ValueError, match=f"`num_threads` must be an integer from 1 to 1024; got {num_threads}"):
            EventStream(network(BASE), num_threads=num_threads)
    with pytest.raises(ValueError, match="`late` must be one of 'drop', 'raise'"):
        EventStream(network(BASE), late="keep")
    with pytest.raises(ValueError, match=r"must be float32; got torch.float64. Convert it with model.float"):
        EventStream(network(BASE).double())
    for memory in ({"kind": "lif"}, {"transition": "expm"}):
        with pytest.raises(ValueError, match=r"runs SA-HiPPO with transition='bilinear'; got .* Use Flames.outputs"):
            EventStream(Flames(changed(memory)))


def long_step(config: FlamesConfig, num_events: int = 140_000) -> np.ndarray:
    """Two steps that are far longer than what a stream notes down before it absorbs it."""
    rng = np.random.default_rng(5)
    x, y = (rng.integers(0, side, num_events) for side in config.sensor_size)
    t = np.repeat([3 * config.step_us, 5 * config.step_us], num_events // 2)
    return make_events(x=x, y=y, t=t, p=rng.integers(0, 2, num_events))


def test_a_step_of_any_length_needs_no_more_memory_and_gives_the_same_bits() -> None:
    config = changed(kernel=5, stride=1)
    model, events = network(config), long_step(config)
    stream, ticks = streamed(model, np.array_split(events, 9))
    assert_stream_is_batch(stream, ticks, whole(model, events))


def test_a_long_step_is_saved_and_continued_bit_for_bit(tmp_path) -> None:
    config = changed(kernel=5, stride=1)
    model, events = network(config), long_step(config)
    stream, other = EventStream(model), EventStream(model)
    stream.push(events[:65_000])
    stream.save(tmp_path / "state")
    assert (tmp_path / "state").stat().st_size < 20 * 2**18  # at most 2^18 inputs of 16 bytes are noted
    other.restore(tmp_path / "state")
    other.push(events[65_000:])
    other.flush()
    assert torch.equal(other.logits(), whole(model, events).logits[0])


def test_a_new_mean_is_that_of_the_ticks_that_follow() -> None:
    model, events = network(BASE), events_for(BASE)
    cut = int(np.searchsorted(events["t"], 20 * BASE.step_us))
    assert 0 < cut < len(events)
    stream = EventStream(model)
    stream.push(events[:cut])
    stream.flush()
    before = whole(model, events[:cut])
    assert torch.equal(stream.logits(), before.logits[0])
    stream.restart_mean()
    stream.push(events[cut:])
    stream.flush()
    with torch.inference_mode():
        fresh = before.state._replace(pool=model.init_state(1).pool)
        after = model.outputs(collate_events([events[cut:]]), fresh)
    assert torch.equal(stream.logits(), after.logits[0])
    assert not torch.equal(stream.logits(), whole(model, events).logits[0])
