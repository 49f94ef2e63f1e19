"""What a training run is besides its network and its data."""

from dataclasses import dataclass

from longspike._core.mistakes import Mistakes
from longspike.kernels import native
from longspike.tasks.table import metric_names

SELECTIONS = tuple(dict.fromkeys(("task", "loss", *metric_names())))
RATE_SCOPES = ("layer", "network")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig:
    """A training run: AdamW, a linear warm-up, then a cosine down to zero.

    Attributes:
        epochs: passes over the training data.
        epoch_steps: batches of an epoch, the first so many of its order; None, or more than there are, takes all. What
            happens at the end of an epoch, validation first of all, then happens more often.
        batch_size: samples per step, of the loader that `longspike.recipes.run` makes; `fit` takes its loader as it is.
        lr: peak learning rate.
        ssm_lr: peak learning rate of the S4D dynamics (log_dt, log_A_real, A_imag) if lower than `lr`.
        weight_decay: AdamW's, on weights only; never on dynamics, biases, norms or neurons.
        warmup_fraction: share of all steps in which the learning rate rises, in [0, 1).
        clip_norm: gradients are scaled down to this total norm; None leaves them alone.
        label_smoothing: of the cross entropy, in [0, 1).
        rate_target: firing rate in (0, 1) above which firing is penalised; None for no penalty.
        rate_scope: whose rate that is: of every "layer" by itself, or of the whole "network", spikes over updates of all
            layers together, as papers report it; layers then share the spikes out among themselves.
        rate_weight: weight of that penalty, see `longspike.training.rate_penalty`.
        selection: which epoch's weights are kept, by validation: the best by a metric's name, such as "accuracy" (among
            equal ones the lowest loss); by "task", the metric that its task names first; by "loss", the lowest (less noisy
            on few samples).
        carry_state: hand the network's state on from batch to batch, in training and in validation, gradients stopping there
            (truncated back-propagation): for batches that go on where the one before stopped, as those of a
            `longspike.data.RowLoader`, which `longspike.recipes.run` then makes. It begins anew with every epoch.
        roll_rows: of a corpus without `carry_state`: cut it into `batch_size` rows side by side, each rolled by an offset of
            its own in every epoch, and go through them segment by segment, as WikiText-103 is trained on in the published
            line (`longspike.data.RowLoader`), where else fixed segments come in a new order. A carried state has such rows
            anyway.
        seqlen: tokens of a batch, of a corpus that is one row; None for the data set's own.
        seed: of the randomness of every step, below 2^63. `longspike.recipes.run` also draws the initial weights and the
            order of the samples from it; with `fit` those are the caller's.
        checkpoint_every_steps: also save inside an epoch, every so many steps; None saves at the end of epochs only.
        num_threads: PyTorch's threads during the run, at most 1024; None leaves them alone.
    Raises: ConfigError naming every mistake.
    """

    epochs: int = 10
    epoch_steps: int | None = None
    batch_size: int = 50
    lr: float = 0.01
    ssm_lr: float = 1e-3
    weight_decay: float = 0.01
    warmup_fraction: float = 0.1
    clip_norm: float | None = 1.0
    label_smoothing: float = 0.0
    rate_target: float | None = None
    rate_scope: str = "layer"
    rate_weight: float = 1.0
    selection: str = "task"
    carry_state: bool = False
    roll_rows: bool = False
    seqlen: int | None = None
    seed: int = 0
    checkpoint_every_steps: int | None = None
    num_threads: int | None = None

    def __post_init__(self) -> None:
        mistakes = Mistakes("TrainingConfig", self)
        mistakes.integers("epochs", "batch_size")
        mistakes.integers("seed", low=0, high=2**63 - 1)
        mistakes.integers("checkpoint_every_steps", "epoch_steps", "seqlen", or_none=True)
        mistakes.integers("num_threads", high=native.MOST_THREADS, or_none=True)
        mistakes.numbers("lr", "ssm_lr")
        mistakes.numbers("weight_decay", "rate_weight", closed_low=True)
        mistakes.numbers("warmup_fraction", "label_smoothing", high=1, closed_low=True)
        mistakes.choices({"selection": SELECTIONS, "rate_scope": RATE_SCOPES})
        mistakes.numbers("clip_norm", or_none=True)
        mistakes.numbers("rate_target", high=1, or_none=True)
        if self.roll_rows and self.carry_state:
            mistakes.add(
                "`roll_rows` must be False with `carry_state`, whose rows are rolled in every epoch already; got True. It "
                "is for states that begin anew with every segment"
            )
        mistakes.raise_any()
