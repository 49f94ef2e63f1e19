"""What a language model says of the next token, made only as far as it is asked for."""

import math
from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

MOST_LOGITS = 1 << 24
"""Made at a time where no gradients are kept: however large a vocabulary is, an evaluation takes little memory."""


class TokenHead(Protocol):
    """What makes tokens of hidden states: of each row (rows, d_model) by itself."""

    num_tokens: int

    def __call__(self, hidden: Tensor) -> Tensor:
        """Logits of all tokens, (..., num_tokens)."""
        ...

    def judged(self, hidden: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """-log p(target | hidden), and whether no token is more probable, (rows) each."""
        ...

    def predict(self, hidden: Tensor) -> Tensor:
        """The most probable token, (...), int64."""
        ...


class TokenScores:
    """The answer of a language model to every step: its hidden states, and the head that makes tokens of them.

    Training needs -log p of the targets alone, which an adaptive head has at a fraction of the cost of all logits, and an
    evaluation need never hold the logits of all steps at once.

    Args: hidden: (batch, seqlen, d_model), on which `head` acts.

    Example:
        >>> scores = TokenScores(torch.zeros(2, 3, 4), VocabularyHead(4, 10))
        >>> tuple(scores.shape), tuple(scores.logits().shape)
        ((2, 3, 10), (2, 3, 10))
    """

    def __init__(self, hidden: Tensor, head: TokenHead) -> None:
        self.hidden, self.head = hidden, head
        self._judged: tuple[Tensor, tuple[Tensor, Tensor]] | None = None

    @property
    def shape(self) -> torch.Size:
        """That of all logits: (batch, seqlen, num_tokens)."""
        return torch.Size((*self.hidden.shape[:-1], self.head.num_tokens))

    def dim(self) -> int:
        """The number of axes of all logits."""
        return self.hidden.dim()

    def logits(self) -> Tensor:
        """All logits, (batch, seqlen, num_tokens)."""
        return self.head(self.hidden)

    def judged(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """-log p of the targets (batch, seqlen), in nats, and whether no token is more probable, (batch, seqlen) each.

        Asked again for the same targets it has the answer at hand.
        """
        if self._judged is None or not torch.equal(self._judged[0], targets):
            nll, is_best = self.head.judged(self.hidden.flatten(0, -2), targets.flatten())
            self._judged = targets, (nll.reshape(targets.shape), is_best.reshape(targets.shape))
        return self._judged[1]

    def predicted(self, row: int, steps: slice) -> Tensor:
        """The most probable tokens (steps) of a sample, int64."""
        return self.head.predict(self.hidden[row, steps])


def token_scores(logits: Tensor | TokenScores) -> TokenScores:
    """Logits (batch, seqlen, tokens) as scores; what is such already stays as it is."""
    return logits if isinstance(logits, TokenScores) else TokenScores(logits, _Logits(logits.shape[-1]))


def judge_logits(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """-log softmax(logits)[target], and whether it is the largest logit: (rows, tokens), (rows) -> (rows) each."""
    return functional.cross_entropy(logits, target, reduction="none"), logits.argmax(dim=-1) == target


def in_chunks(
    judge: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], hidden: Tensor, target: Tensor, *, num_logits: int
) -> tuple[Tensor, Tensor]:
    """What `judge` says of all rows, asked `MOST_LOGITS` logits at a time where no gradients are kept.

    Args: num_logits: that `judge` makes a row.
    """
    size = len(hidden) if torch.is_grad_enabled() else max(1, MOST_LOGITS // num_logits)
    parts = [judge(h, t) for h, t in zip(_split(hidden, size), _split(target, size), strict=True)]
    nll, is_best = zip(*parts, strict=True)
    return torch.cat(nll), torch.cat(is_best)


def _split(x: Tensor, size: int) -> Iterator[Tensor]:
    yield from x.split(max(size, 1))


def _judged_by(head: TokenHead, hidden: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """What the logits of a head say of targets, a part of the rows at a time."""
    return in_chunks(lambda h, t: judge_logits(head(h), t), hidden, target, num_logits=head.num_tokens)


class _Logits:
    """The head of hidden states that are logits already."""

    def __init__(self, num_tokens: int) -> None:
        self.num_tokens = num_tokens

    def __call__(self, hidden: Tensor) -> Tensor:
        return hidden

    def judged(self, hidden: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        return _judged_by(self, hidden, target)

    def predict(self, hidden: Tensor) -> Tensor:
        return hidden.argmax(dim=-1)


class VocabularyHead(nn.Linear):
    """Logits of every token: y = W h + b.

    Args: d_model: channels. num_tokens: the size of the vocabulary.
    """

    def __init__(self, d_model: int, num_tokens: int) -> None:
        super().__init__(d_model, num_tokens)
        self.num_tokens = num_tokens

    def judged(self, hidden: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """-log softmax(y)[target], and whether it is the largest: hidden (rows, d_model), target (rows) -> (rows) each."""
        return _judged_by(self, hidden, target)

    def predict(self, hidden: Tensor) -> Tensor:
        """The most probable token: (..., d_model) -> (...), int64."""
        return self(hidden).argmax(dim=-1)  # type: ignore[no-any-return]


class TiedHead(nn.Module):
    """Logits of every token by the vectors of an embedding: y = E h + b, with E stored in the embedding alone.

    The embedding is started anew with N(0, (1/2)^2 / d_model), so that the logits start small.

    Args: embedding: (num_tokens, d_model).
    """

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        self.num_tokens, d_model = embedding.weight.shape
        nn.init.normal_(embedding.weight, std=0.5 / math.sqrt(d_model))
        self._tied = (embedding,)  # a tuple: no second owner of its weights
        self.bias = nn.Parameter(torch.zeros(self.num_tokens))

    @property
    def weight(self) -> Tensor:
        """The embedding's, (num_tokens, d_model)."""
        return self._tied[0].weight

    def forward(self, hidden: Tensor) -> Tensor:
        """(..., d_model) -> (..., num_tokens)."""
        return functional.linear(hidden, self.weight, self.bias)

    def judged(self, hidden: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """As of `VocabularyHead`."""
        return _judged_by(self, hidden, target)

    def predict(self, hidden: Tensor) -> Tensor:
        """The most probable token: (..., d_model) -> (...), int64."""
        return self(hidden).argmax(dim=-1)  # type: ignore[no-any-return]
