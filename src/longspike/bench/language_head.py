"""Which share of a training step of a language model goes to the read-out of its vocabulary, plain and adaptive."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from longspike._core.lengths import Batch
from longspike.bench.tables import Table, rows_of
from longspike.bench.timing import Rounds, Timing, time_rounds
from longspike.models import SpikeLM, SpikeLMConfig
from longspike.training import TrainingConfig, build_optimizer

VOCABULARIES = {10_000: (1_000, 4_000), 33_278: (2_000, 8_000)}
"""Words of Penn Treebank and of WikiText-2, and cutoffs."""
NUM_LAYERS, D_STATE = 2, 16
WITHOUT = "no head"
EXPONENT = 1.0
"""Words are drawn with p(k) about 1 / k^EXPONENT, as those of a text are."""


def words(num_tokens: int, shape: tuple[int, int]) -> Tensor:
    """Tokens whose frequencies fall as those of words do."""
    shares = torch.arange(1, num_tokens + 1).double().pow(-EXPONENT)
    return torch.multinomial(shares, shape[0] * shape[1], replacement=True).reshape(shape)


def step_of(model: SpikeLM, loss_of: Callable[[Batch], Tensor], shape: tuple[int, int]) -> Callable[[], None]:
    """A training step: forward, loss, backward, optimiser."""
    both = words(model.config.num_tokens, (shape[0], shape[1] + 1))
    batch = Batch(both[:, :-1], torch.full((shape[0],), shape[1]), both[:, 1:])
    optimizer, _ = build_optimizer(model.train(), TrainingConfig(), num_steps=1)

    def run() -> None:
        optimizer.zero_grad()
        loss_of(batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return run


def steps(num_tokens: int, cutoffs: tuple[int, ...], shape: tuple[int, int, int]) -> dict[str, Callable[[], None]]:
    """Training steps by name: without a head, with a plain one, with an adaptive one, cut as often as d_model allows."""
    batch, seqlen, d_model = shape
    plain = SpikeLMConfig(num_tokens=num_tokens, d_model=d_model, num_layers=NUM_LAYERS, d_state=D_STATE)

    def with_head(model: SpikeLM) -> Callable[[Batch], Tensor]:
        return lambda batch: model.task.measure(model.classify(batch).logits, batch).loss

    wide_enough = tuple(cut for k, cut in enumerate(cutoffs, 1) if d_model // plain.div**k)
    found = {}
    for name, config in (("plain", plain), ("adaptive", replace(plain, cutoffs=wide_enough))):
        model = SpikeLM(config)
        found[f"{name} head, {num_tokens:,}"] = step_of(model, with_head(model), (batch, seqlen))
    bare = SpikeLM(plain)
    bare.decoder = nn.Identity()
    without = step_of(bare, lambda batch: bare.classify(batch).logits.hidden.square().mean(), (batch, seqlen))
    return {f"{WITHOUT}, {num_tokens:,}": without, **found}


def shares_of_head(timings: list[Timing]) -> dict[str, float]:
    """Of every step with a head, the share of its median time that the same step without one does not take."""
    by_name = {timing.name: timing.median for timing in timings}
    return {
        name: 1 - by_name[f"{WITHOUT}, {name.rpartition(', ')[2]}"] / seconds
        for name, seconds in by_name.items()
        if not name.startswith(WITHOUT)
    }


def bench_language_head(shape: tuple[int, int, int], rounds: Rounds) -> list[Table]:
    """Time whole training steps of a `SpikeLM` at (batch, seqlen, channels) with vocabularies of several sizes."""
    candidates: dict[str, Callable[[], object]] = {}
    for num_tokens, cutoffs in VOCABULARIES.items():
        candidates |= steps(num_tokens, cutoffs, shape)
    timings = time_rounds(candidates, rounds.within("training step"))
    base = {name: f"plain head, {name.rpartition(', ')[2]}" for name in candidates}
    cuts = "; ".join(f"{n:,} at {cutoffs}" for n, cutoffs in VOCABULARIES.items())
    return [
        Table(
            what="language-head",
            title="language model, training step",
            setting=f"(batch, seqlen, channels) = {shape}, {NUM_LAYERS} layers, d_state {D_STATE}, float32; cut: {cuts}",
            counted="forward, loss, backward and AdamW, embedding included; ours is the plain head",
            per="token",
            rows=rows_of(timings, elements=shape[0] * shape[1], ours=base),
            remarks=[
                f"{name}: the head takes {share:.0%} of a step." for name, share in shares_of_head(timings).items()
            ],
        )
    ]
