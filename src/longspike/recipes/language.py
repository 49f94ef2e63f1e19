"""Recipes for language models over bytes, for two CPU cores."""

from dataclasses import replace

from longspike.models.lm_config import SpikeLMConfig
from longspike.recipes.definition import Recipe
from longspike.training.config import TrainingConfig


def shakespeare() -> Recipe:
    """Tiny Shakespeare, byte by byte."""
    return Recipe(
        name="shakespeare",
        description="Tiny Shakespeare, the next byte, state carried on (3 x 256)",
        data="shakespeare",
        model=SpikeLMConfig(d_model=256, num_layers=3, d_state=16, dropout=0.15, mix_gain=2.3),
        training=TrainingConfig(
            epochs=40,
            batch_size=32,
            lr=0.005,
            weight_decay=0.05,
            rate_target=0.25,
            carry_state=True,
            seqlen=256,
            checkpoint_every_steps=100,
        ),
        expected="2.53 bits a byte on the last tenth, 24.8 % firing; 43 minutes on a shared core (results/shakespeare)",
    )


def novels() -> Recipe:
    """64 Victorian novels, byte by byte."""
    base = shakespeare()
    return replace(
        base,
        name="novels",
        description="Victorian novels, the next byte, state carried on (4 x 256)",
        data="novels",
        model=SpikeLMConfig(d_model=256, num_layers=4, d_state=16, dropout=0.0, mix_gain=2.3),
        training=replace(base.training, epochs=6, batch_size=32, seqlen=512, weight_decay=0.01),
        expected="not trained by us yet; about half a day on two idle cores",
    )
