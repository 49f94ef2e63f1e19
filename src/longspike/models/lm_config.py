"""What describes a language model completely."""

from dataclasses import dataclass, field

from longspike._core.mistakes import Mistakes
from longspike.layers.adaptive import cluster_bounds, cluster_widths
from longspike.layers.neuron import NeuronConfig
from longspike.models.config import LARGEST_ENDS, SpikeSSMConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class SpikeLMConfig:
    """A language model of spiking state-space blocks.

    Attributes:
        num_tokens: the size of the vocabulary, in and out.
        d_model, num_layers, d_state, block, neuron, dropout, init, discretisation, n_ssm, trains_b, mix_gain: as of
            `SpikeSSMConfig`; the norm stands before every block and behind the last one.
        cutoffs: where the vocabulary, numbered by falling frequency, is cut into clusters, of which the rarer ones have
            vectors `div` times narrower each: adaptive embedding and softmax with shared words. None for plain ones.
        is_tied: without cutoffs, whether input and output share the vectors of tokens: one tensor, and half of the weights.
            (With cutoffs they always do.)
        has_spiking_embedding: as of `SpikeSSMConfig`, without cutoffs and not tied.
        embedding_dropout: probability, between the words of clusters and their projections, in and out.
        dt_min, dt_max: of the learned steps, ten times those of a SpikeSSM: words are some ten characters long.
    """

    num_tokens: int = 256
    d_model: int = 256
    num_layers: int = 3
    d_state: int = 16
    block: str = "spiking"
    neuron: NeuronConfig = field(default_factory=NeuronConfig)
    dropout: float = 0.0
    init: str = "lin"
    dt_min: float = 1e-2
    dt_max: float = 1.0
    discretisation: str = "zoh"
    n_ssm: int | None = None
    trains_b: bool = False
    mix_gain: float = 1.0
    cutoffs: tuple[int, ...] = ()
    div: int = 4
    embedding_dropout: float = 0.0
    is_tied: bool = False
    has_spiking_embedding: bool = False

    def __post_init__(self) -> None:
        mistakes = Mistakes("SpikeLMConfig", self)
        mistakes.integers("num_tokens", low=2, high=LARGEST_ENDS)
        mistakes.integers("div")
        mistakes.numbers("embedding_dropout", high=1, closed_low=True)
        if self.embedding_dropout and not self.cutoffs:
            mistakes.add("`embedding_dropout` has no effect without `cutoffs`; set it to 0")
        if self.is_tied and self.cutoffs:
            mistakes.add("`is_tied` has no effect with `cutoffs`, whose words are shared anyway; set it to False")
        if self.has_spiking_embedding and (self.cutoffs or self.is_tied):
            mistakes.add(
                "`has_spiking_embedding` needs an embedding of its own; set `cutoffs` to () and `is_tied` to False"
            )
        if not mistakes:
            mistakes.part(lambda: self.stack)
            mistakes.part(lambda: cluster_bounds("SpikeLMConfig", self.num_tokens, self.cutoffs))
        if not mistakes:
            mistakes.part(lambda: cluster_widths("SpikeLMConfig", self.d_model, self.div, len(self.cutoffs) + 1))
        mistakes.raise_any()

    @property
    def stack(self) -> SpikeSSMConfig:
        """The network as a SpikeSSM."""
        return SpikeSSMConfig(
            d_input=self.num_tokens,
            num_outputs=self.num_tokens,
            d_model=self.d_model,
            num_layers=self.num_layers,
            d_state=self.d_state,
            block=self.block,
            neuron=self.neuron,
            dropout=self.dropout,
            init=self.init,
            dt_min=self.dt_min,
            dt_max=self.dt_max,
            discretisation=self.discretisation,
            n_ssm=self.n_ssm,
            trains_b=self.trains_b,
            mix_gain=self.mix_gain,
            has_final_norm=True,
            encoder="embedding",
            has_spiking_embedding=self.has_spiking_embedding,
            pool="none",
            task="language",
        )

    @property
    def d_input(self) -> int:
        """The vocabulary, as what goes in."""
        return self.num_tokens

    @property
    def num_outputs(self) -> int:
        """The vocabulary, as what comes out."""
        return self.num_tokens

    @property
    def encoder(self) -> str:
        """What goes in are tokens."""
        return "embedding"


def as_spike_ssm(config: SpikeSSMConfig | SpikeLMConfig) -> SpikeSSMConfig:
    """The configuration itself; of a language model, the SpikeSSM with an embedding and a read-out at every step."""
    return config.stack if isinstance(config, SpikeLMConfig) else config
