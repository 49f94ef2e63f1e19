"""Randomness as a function of seed and step."""

import torch

from longspike.training.seeding import epoch_seed, seed_generators, step_seed


def test_steps_and_seeds_are_all_different() -> None:
    seeds = {step_seed(seed, step) for seed in range(20) for step in range(50)}
    assert len(seeds) == 1000


def test_an_epoch_shares_no_seed_with_a_step() -> None:
    steps = {step_seed(seed, step) for seed in range(9) for step in range(9)}
    epochs = {epoch_seed(seed, epoch) for seed in range(9) for epoch in range(9)}
    assert (len(epochs), steps & epochs) == (81, set())


def test_the_seed_decides_what_is_drawn() -> None:
    seed_generators(5)
    first = torch.rand(3)
    torch.rand(7)
    seed_generators(5)
    assert torch.equal(torch.rand(3), first)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), first)
