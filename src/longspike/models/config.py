"""What describes a SpikeSSM completely."""

from dataclasses import dataclass, field

from longspike._core.mistakes import Mistakes, shown
from longspike.layers.block import NORM_POSITIONS
from longspike.layers.neuron import NeuronConfig
from longspike.layers.norm import NORM_KINDS
from longspike.layers.twin_blocks import TWINS
from longspike.ssm.discretise import DISCRETISATIONS
from longspike.ssm.initialisation import INITIALISATIONS
from longspike.tasks.table import DEFAULT_TASK, task, tasks

LARGEST_WIDTH, LARGEST_STATE, LARGEST_DEPTH, LARGEST_ENDS = 1 << 16, 1 << 12, 1 << 10, 1 << 24
"""d_model and other numbers of channels; d_state; num_layers; d_input and num_outputs."""
BLOCKS = ("spiking", *TWINS)
ENCODERS = ("linear", "embedding")
POOLS = ("mean", "none")


@dataclass(frozen=True, kw_only=True, slots=True)
class SpikeSSMConfig:
    """A SPikE-SSM network.

    Attributes:
        d_input: features per step (encoder "linear") or size of the vocabulary (encoder "embedding").
        num_outputs: classes, values, or the vocabulary of a language model.
        d_model, num_layers, d_state: width, depth, size of each S4D state.
        block: "spiking", or in the same skeleton a twin to compare with, "lstm" or "attention" (layers/twin_blocks.py). A
            twin has no use for `neuron`, `d_state`, `init`, `dt_min`, `dt_max`, `discretisation`, `n_ssm`, `trains_b` and
            `mix_gain`, and leaves them alone, so that a recipe runs it by one change.
        neuron: the neuron of every block.
        dropout, norm, norm_kind, init, dt_min, dt_max, discretisation, n_ssm, trains_b, mix_gain, is_bidirectional: of every
            block; norm_kind also of the final norm.
        has_final_norm: normalise what the last block gives before it is averaged or read out.
        has_input_skip: of a forecast, the read-out also sees the values of the step itself, and begins by repeating them.
        encoder: "linear" for values, "embedding" for integer tokens.
        has_spiking_embedding: a token goes in as spikes, zeros and ones with a surrogate's slope, instead of real numbers.
        pool: "mean" over valid steps, then a linear read-out; "none" reads out every step (sequence labelling, language).
        task: what is learnt, a name of `longspike.tasks.tasks()`; those that ask for an answer a step need pool="none".
    """

    d_input: int = 1
    num_outputs: int = 10
    d_model: int = 64
    num_layers: int = 2
    d_state: int = 64
    block: str = "spiking"
    neuron: NeuronConfig = field(default_factory=NeuronConfig)
    dropout: float = 0.0
    norm: str = "pre"
    norm_kind: str = "layer"
    init: str = "lin"
    dt_min: float = 1e-3
    dt_max: float = 1e-1
    discretisation: str = "zoh"
    n_ssm: int | None = None
    trains_b: bool = False
    mix_gain: float = 1.0
    is_bidirectional: bool = False
    has_final_norm: bool = False
    has_input_skip: bool = False
    encoder: str = "linear"
    has_spiking_embedding: bool = False
    pool: str = "mean"
    task: str = DEFAULT_TASK

    def __post_init__(self) -> None:
        mistakes = Mistakes("SpikeSSMConfig", self)
        mistakes.integers("d_input", "num_outputs", high=LARGEST_ENDS)
        mistakes.integers("d_model", high=LARGEST_WIDTH)
        mistakes.integers("num_layers", high=LARGEST_DEPTH)
        mistakes.integers("d_state", high=LARGEST_STATE)
        if isinstance(self.d_state, int) and self.d_state % 2:
            mistakes.add(f"`d_state` must be even (conjugate pairs); got {self.d_state}")
        if not isinstance(self.neuron, NeuronConfig):
            mistakes.add(f"`neuron` must be a NeuronConfig; got {shown(self.neuron)}")
        mistakes.numbers("dropout", high=1, closed_low=True)
        mistakes.rising("dt_min", "dt_max")
        mistakes.numbers("mix_gain")
        mistakes.integers("n_ssm", or_none=True)
        if (
            isinstance(self.n_ssm, int)
            and isinstance(self.d_model, int)
            and self.n_ssm > 0
            and self.d_model % self.n_ssm
        ):
            mistakes.add(f"`n_ssm` must divide d_model={self.d_model}; got {self.n_ssm}")
        if self.has_final_norm and self.norm == "post":
            mistakes.add(
                '`has_final_norm` has no use behind norm="post", which normalises what every block gives; set it to False'
            )
        if self.block in TWINS and self.is_bidirectional:
            mistakes.add(f"`is_bidirectional` must be False with block={self.block!r}, which reads forwards; got True")
        if self.has_input_skip and (self.task != "forecasting" or self.encoder != "linear"):
            mistakes.add(
                "`has_input_skip` is about forecasts of values, task='forecasting' and encoder='linear'; got "
                f"{self.task!r} and {self.encoder!r}"
            )
        if self.has_spiking_embedding and self.encoder != "embedding":
            mistakes.add(f"`has_spiking_embedding` is about tokens, encoder='embedding'; got {self.encoder!r}")
        if self.norm_kind != "layer" and self.norm == "none" and not self.has_final_norm:
            mistakes.add("`norm_kind` has no effect where there is no norm; set it to 'layer', or `norm` to 'pre'")
        mistakes.choices(
            {
                "block": BLOCKS,
                "norm": NORM_POSITIONS,
                "norm_kind": NORM_KINDS,
                "init": INITIALISATIONS,
                "discretisation": DISCRETISATIONS,
                "encoder": ENCODERS,
                "pool": POOLS,
                "task": tasks(),
            }
        )
        if self.task in tasks() and task(self.task).reads_out == "step" and self.pool == "mean":
            mistakes.add(
                f"`pool` must be 'none' for the task {self.task!r}, which asks for an answer a step; got 'mean'"
            )
        mistakes.raise_any()

    @property
    def d_read_out(self) -> int:
        """Values of a step that the read-out sees: those behind the last block, and with an input skip its input."""
        return self.d_model + (self.d_input if self.has_input_skip else 0)

    @property
    def is_spiking(self) -> bool:
        """Whether the blocks give zeros and ones."""
        return self.block == "spiking" and self.neuron.is_spiking
