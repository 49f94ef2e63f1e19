"""Recipes for language models over bytes and words: for two CPU cores, and WikiText-103 in its published size."""

from dataclasses import replace

from longspike.models.lm_config import SpikeLMConfig
from longspike.recipes.definition import Recipe
from longspike.training.config import TrainingConfig

_BYTES = SpikeLMConfig(d_model=256, num_layers=3, d_state=16, dropout=0.15, mix_gain=2.3)
_WORDS = replace(_BYTES, num_tokens=10_000, num_layers=2, dropout=0.4, cutoffs=(1_000, 4_000), embedding_dropout=0.3)
_TRAINING = TrainingConfig(
    epochs=40,
    batch_size=32,
    lr=0.005,
    weight_decay=0.05,
    rate_target=0.25,
    carry_state=True,
    seqlen=256,
    checkpoint_every_steps=100,
)


def shakespeare() -> Recipe:
    """Tiny Shakespeare, byte by byte."""
    return Recipe(
        name="shakespeare",
        description="Tiny Shakespeare, the next byte, state carried on (3 x 256)",
        data="shakespeare",
        model=_BYTES,
        training=_TRAINING,
        expected="2.53 bits a byte on the last tenth, 24.8 % firing; 43 minutes on a shared core (results/shakespeare)",
    )


def novels() -> Recipe:
    """64 Victorian novels, byte by byte."""
    return Recipe(
        name="novels",
        description="Victorian novels, the next byte, state carried on (4 x 256)",
        data="novels",
        model=replace(_BYTES, num_layers=4, dropout=0.0),
        training=replace(_TRAINING, epochs=6, seqlen=512, weight_decay=0.01),
        expected="not trained by us yet; about half a day on two idle cores",
    )


def novels_words() -> Recipe:
    """64 Victorian novels, word by word."""
    return Recipe(
        name="novels-words",
        description="Victorian novels, the next word, state carried on (3 x 256)",
        data="novels-words",
        model=replace(
            _WORDS, num_tokens=30_000, num_layers=3, dropout=0.1, cutoffs=(2_000, 8_000), embedding_dropout=0.1
        ),
        training=replace(_TRAINING, epochs=4, seqlen=128, weight_decay=0.01),
        expected="not trained by us yet; some hours on two idle cores",
    )


def ptb() -> Recipe:
    """Penn Treebank, word by word."""
    return Recipe(
        name="ptb",
        description="Penn Treebank, the next word, state carried on (2 x 256)",
        data="ptb",
        model=_WORDS,
        training=replace(_TRAINING, seqlen=64),
        expected="not trained by us: the files are not ours to give; an LSTM of 4.6 million parameters reaches 114.5",
    )


def wikitext_2() -> Recipe:
    """WikiText-2, word by word."""
    return Recipe(
        name="wikitext-2",
        description="WikiText-2, the next word, state carried on (2 x 256)",
        data="wikitext-2",
        model=replace(_WORDS, num_tokens=33_278, cutoffs=(2_000, 8_000)),
        training=replace(_TRAINING, epochs=25, seqlen=64),
        expected="not trained by us yet; some hours on two idle cores; an LSTM reaches about 99",
    )


def wikitext_103() -> Recipe:
    """WikiText-103 in the published size: 16 layers of 1,024, 64 epochs of segments of 8,192, no state between them."""
    return Recipe(
        name="wikitext-103",
        description="WikiText-103, the next word, published size (16 x 1024)",
        data="wikitext-103",
        model=SpikeLMConfig(
            num_tokens=267_735,
            d_model=1_024,
            num_layers=16,
            d_state=64,
            dropout=0.1,
            cutoffs=(19_997, 39_997, 199_997),
            embedding_dropout=0.25,
        ),
        training=TrainingConfig(
            epochs=64,
            batch_size=1,
            lr=5e-4,
            weight_decay=0.1,
            warmup_fraction=0.00125,
            seqlen=8_192,
            roll_rows=True,
            checkpoint_every_steps=1_000,
        ),
        expected="needs a GPU, and days of it; not trained by us; published 33.94 (SpikingSSM), 20.95 (S4)",
    )
