"""One step of training and of validation, as Lightning wants them."""

import math
from typing import Any

from lightning.pytorch import LightningModule
from torch import Tensor

from longspike.errors import DivergedError
from longspike.models.classifier import AbstractClassifier
from longspike.neurons.refractory import RefractoryLIF
from longspike.training.carrying import Carried
from longspike.training.config import TrainingConfig
from longspike.training.loaders import LabelledBatch, labelled
from longspike.training.losses import penalised_rates, rate_penalty
from longspike.training.optim import build_optimizer
from longspike.training.seeding import seed_generators, step_seed
from longspike.training.tally import Tally, score_batch

CARRIED = "carried_state"
"""The place of the state in a checkpoint."""
CHECK_EVERY_STEPS = 20
"""How often a loss on a GPU is looked at; on a CPU every one is, for nothing."""


class TrainingModule(LightningModule):
    """Computes losses and keeps the sums; it logs nothing itself, so that a step costs no more than its mathematics."""

    def __init__(self, model: AbstractClassifier, config: TrainingConfig, *, num_steps: int) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.num_steps = num_steps
        self.train_tally, self.val_tally = Tally(model.task), Tally(model.task)
        self.train_state, self.val_state = (Carried(is_on=config.carry_state) for _ in range(2))
        self._loss_sum: Tensor | None = None

    def configure_optimizers(self) -> Any:
        """AdamW, and its schedule by the step."""
        optimizer, schedule = build_optimizer(self.model, self.config, num_steps=self.num_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _forward(self, batch: LabelledBatch, tally: Tally, carried: Carried) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The loss of the task and the rates of a batch, which is added to `tally`."""
        smoothing = self.config.label_smoothing if self.training else 0.0
        try:
            answer = carried.answer(self.model, batch)
        except ValueError as error:
            if self.global_step > 0 and _is_finite(batch) and self._has_met_nan(error):
                raise self._diverged() from error
            raise
        score = score_batch(self.model.task, answer, batch, label_smoothing=smoothing)
        tally.add(score)
        return score.loss, penalised_rates(score.activity, self.config.rate_scope)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The loss; its randomness is a function of (seed, step) alone."""
        seed_generators(step_seed(self.config.seed, self.global_step))
        if self.global_step * self.config.epochs % self.num_steps == 0:  # the first batch of an epoch
            self.train_state.reset()
        loss, rates = self._forward(labelled(batch), self.train_tally, self.train_state)
        if self.config.rate_target is not None and rates:
            loss = loss + rate_penalty(rates, target=self.config.rate_target, weight=self.config.rate_weight)
        self._loss_sum = loss.detach() if self._loss_sum is None else self._loss_sum + loss.detach()
        if loss.device.type == "cpu" or self.global_step % CHECK_EVERY_STEPS == 0:
            self.check_finite()
        return loss

    def _has_met_nan(self, error: ValueError) -> bool:
        """Whether an operator refused NaN that stands in the weights or came of them; else the error is the network's."""
        is_refusal = "must not hold NaN" in str(error)
        return is_refusal or not all(bool(weight.isfinite().all()) for weight in self.model.parameters())

    def check_finite(self) -> None:
        """Raise DivergedError if a loss since the last check was not finite."""
        if self._loss_sum is not None and not math.isfinite(self._loss_sum.item()):
            raise self._diverged()
        self._loss_sum = None

    def _diverged(self) -> DivergedError:
        config, modules = self.config, self.model.modules()
        is_full = any(isinstance(module, RefractoryLIF) and module.gradient == "full" for module in modules)
        neuron = ", or model.neuron.gradient=instant on long sequences" if is_full else ""
        return DivergedError(
            f"the training diverged: numbers stopped being finite by step {self.global_step + 1} of {self.num_steps} "
            f"(epoch {self.current_epoch + 1}). Lower training.lr (now {config.lr:g}), raise training.warmup_fraction (now "
            f"{config.warmup_fraction:g}), set training.clip_norm (now {config.clip_norm}){neuron}."
        )

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Look at labels while they are on the CPU: on a GPU a wrong one ends the process's use of it."""
        batch = labelled(batch)
        if self.device.type != "cpu":
            self.model.task.check_labels("fit", batch.labels, self.model.config.num_outputs)
        return batch

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Counts a batch."""
        if batch_idx == 0:
            self.val_state.reset()
        self._forward(labelled(batch), self.val_tally, self.val_state)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the state within an epoch too, so that a run that is resumed there goes on bit for bit."""
        if self.config.carry_state:
            checkpoint[CARRIED] = self.train_state.tensors()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from it."""
        if self.config.carry_state:
            self.train_state.load(self.model, checkpoint[CARRIED])


def _is_finite(batch: LabelledBatch) -> bool:
    values = getattr(batch, "x", None)
    return values is None or bool(values.isfinite().all())


def as_training_module(module: LightningModule) -> TrainingModule:
    """`module`, known to be a TrainingModule: Lightning's callbacks are told less than they get."""
    if not isinstance(module, TrainingModule):
        raise TypeError(f"expected a TrainingModule; got {type(module).__name__}.")
    return module
