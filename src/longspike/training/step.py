"""A batch through a network: what training, validation and testing share."""

from torch import Tensor

from longspike.models.spike_ssm import SpikeSSM
from longspike.training.losses import classification_loss, firing_rate
from longspike.training.protocols import LabelledBatch


def batch_outputs(
    model: SpikeSSM, batch: LabelledBatch, *, label_smoothing: float = 0.0
) -> tuple[Tensor, Tensor, tuple[Tensor, ...], int]:
    """Loss, logits, the firing rate of every layer (none without spikes), and the valid steps of the batch.

    Lengths reach the network only if a sample is padded: whole batches take a faster way.
    """
    seqlen, num_steps = batch.x.shape[1], int(batch.lengths.sum())
    lengths = None if num_steps == seqlen * batch.x.shape[0] else batch.lengths
    logits, _, spikes = model.outputs(batch.x, lengths=lengths)
    loss = classification_loss(logits, batch.labels, label_smoothing=label_smoothing)
    rates = tuple(firing_rate(s, lengths) for s in spikes) if model.config.neuron.is_spiking else ()
    return loss, logits, rates, num_steps
