"""The next token at every step: nats, bits and perplexity over all tokens."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from longspike.layers.token_scores import TokenScores, token_scores
from longspike.tasks.classification import check_classes, ratio
from longspike.tasks.definition import AbstractTask, Caption, Judged, Meaning, Measured, Metric, Table
from longspike.tasks.predictions import Prediction, class_predictions, last_steps
from longspike.tasks.step_labels import IGNORE, step_targets, summed_cross_entropy

BUCKETS = 24
"""Of positions in a segment: bucket k holds the tokens that are predicted from 2^k to 2^(k+1) - 1 tokens."""


class Language(AbstractTask):
    """The next token at every step; labels (batch, seqlen), the tokens shifted by one, -1 where none is to be predicted.

    loss = total NLL / total tokens in nats, the total over all batches: of unequal ones the mean of means is another
    perplexity = exp(total NLL / total tokens);  bits = total NLL / total tokens / log 2
    accuracy = share of the tokens that were the most probable
    """

    name = "language"
    title = "the next token at every step"
    reads_out = "step"
    metrics = (
        Metric("perplexity", "Perplexity", False, "exp(total NLL / total tokens)", ".2f", ".2f"),
        Metric("bits", "Bits per token", False, "total NLL / total tokens, in bits", ".4f", ".3f"),
        Metric("accuracy", "Accuracy", True, "share of the tokens that were the most probable", ".2%", ".1%"),
    )
    loss_remark = "nats per token: total NLL / total tokens"

    def metrics_in(self, unit: str | None) -> tuple[Metric, ...]:
        """In the words of a "byte", "character" or "word"; at the head of words the perplexity, else the bits."""
        if unit is None:
            return self.metrics
        first = "perplexity" if unit == "word" else "bits"
        named = [
            each._replace(title=each.title.replace("token", unit), remark=each.remark.replace("token", unit))
            for each in self.metrics
        ]
        return tuple(sorted(named, key=lambda metric: metric.name != first))

    def check_labels(self, where: str, labels: Tensor, num_outputs: int) -> None:
        """Raise unless `labels` (batch, seqlen) are tokens, or -1."""
        check_classes(where, labels, num_outputs, axes="(batch, seqlen)", low=IGNORE)

    def measure(self, logits: Tensor | TokenScores, batch: Any, *, label_smoothing: float = 0.0) -> Measured:
        """NLL and right answers over the tokens; smoothing, which is over all tokens, needs the logits of all of them."""
        targets = step_targets("language", logits, batch)
        scores, known = token_scores(logits), targets != IGNORE
        nll, is_best = scores.judged(targets.clamp(min=0))
        total, count = nll.where(known, 0.0).sum(), known.sum()
        if label_smoothing:
            total = summed_cross_entropy(scores.logits(), targets, label_smoothing=label_smoothing)
        sums = {"loss": total.detach(), "count": count, "correct": (is_best & known).sum()}
        return Measured(total / count.clamp(min=1), sums)

    def figures(self, sums: Mapping[str, Tensor]) -> dict[str, float]:
        """Perplexity, bits and accuracy."""
        nats = ratio(sums["loss"], sums["count"])
        perplexity = math.exp(nats) if not nats > 700 else math.inf
        return {
            "perplexity": perplexity,
            "bits": nats / math.log(2),
            "accuracy": ratio(sums["correct"], sums["count"]),
        }

    def details(self, logits: Tensor | TokenScores, batch: Any) -> dict[str, Tensor]:
        """NLL by the number of tokens that a prediction rests on."""
        targets = step_targets("language", logits, batch)
        known, device = targets != IGNORE, targets.device
        nll = token_scores(logits).judged(targets.clamp(min=0))[0][known].double()
        bucket = torch.arange(1, targets.shape[1] + 1, device=device).double().log2().floor().long()
        bucket = bucket.clamp(max=BUCKETS - 1).expand_as(targets)[known]
        zeros = torch.zeros(BUCKETS, dtype=torch.float64, device=device)
        return {
            "nll": zeros.index_add(0, bucket, nll),
            "tokens": zeros.index_add(0, bucket, torch.ones_like(nll)),
        }

    def tables(self, details: Mapping[str, Tensor], names: tuple[str, ...]) -> tuple[Table, ...]:
        """What the context is worth."""
        rows = tuple(
            (
                f"{2**k:,} to {2 ** (k + 1) - 1:,}" if k else "1",
                f"{int(n):,}",
                f"{nll / n:.4f}",
                f"{nll / n / math.log(2):.4f}",
            )
            for k, (nll, n) in enumerate(zip(details["nll"].tolist(), details["tokens"].tolist(), strict=True))
            if n
        )
        note = "By the place of a token in its segment; a state that is carried on adds the context of the ones before."
        return (Table("What the context is worth", note, ("tokens seen", "tokens", "nats", "bits"), rows),)

    def shown(self, logits: Tensor | TokenScores) -> None:
        """Nothing: a vocabulary at every step is too much for a figure."""
        return

    def judged(self, logits: Tensor | TokenScores, batch: Any, row: int) -> Judged:
        """The next tokens and the most probable ones, (steps) int64."""
        own = slice(0, int(batch.lengths[row]))
        predicted = token_scores(logits).predicted(row, own)
        return Judged(batch.labels[row, own].long().cpu().numpy(), predicted.cpu().numpy())

    def caption(self, judged: Judged, names: tuple[str, ...]) -> Caption:
        """How many tokens were the most probable ones."""
        kept = judged.label != IGNORE
        right = int((judged.label[kept] == judged.prediction[kept]).sum())
        return Caption("", f"{right:,} of {int(kept.sum()):,} tokens were the most probable ones")

    def predictions(self, logits: Tensor | TokenScores, lengths: Tensor | None, meaning: Meaning) -> list[Prediction]:
        """The token that comes after every sample."""
        scores = token_scores(logits)
        return class_predictions(scores.head(last_steps(scores.hidden, lengths)), meaning.names)

    def answer(self, logits: Tensor, meaning: Meaning) -> Prediction:
        """The token that comes next."""
        return class_predictions(logits[None], meaning.names)[0]
